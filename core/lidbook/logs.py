"""Logging: structured, one line an event, to stderr; numbers shortened and secrets gone before anything is written.

What other libraries say through the standard library's `logging` goes the same way.
"""

import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog

from lidbook.redaction import HIDDEN, abridged, last_word, masked, names_a_secret, printable, shortened

__all__ = ["configure", "discreet", "shortened"]

_DEEPEST: Final = 6
"""How deep containers are looked into; what lies deeper is shown as text."""

_MEASURES: Final = frozenset(
    {
        "at",
        "time",
        "timestamp",
        "since",
        "until",
        "after",
        "before",
        "uptime",
        "age",
        "ms",
        "ns",
        "us",
        "seconds",
        "bytes",
        "size",
        "free",
        "needed",
        "total",
        "rss",
        "count",
        "seq",
        "pid",
        "port",
        "thread",
        "inode",
    }
)
"""What values that are amounts or moments are called: a whole number under any other name may be somebody's phone."""
_SMALLEST: Final = 10**8
_LARGEST: Final = 10**15

_FOREIGN_LEVEL: Final = logging.WARNING
"""What other libraries must have to say to be heard, unless everything is logged: some name every URL they ask for."""


def discreet(name: str, value: object, depth: int = 0) -> object:
    """What a log may show of a value that goes by this name; containers are looked into, other things are text."""
    if names_a_secret(name) and value is not None and not isinstance(value, bool):
        return HIDDEN
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        is_number = _SMALLEST <= value < _LARGEST and value == int(value)
        return abridged(str(int(value))) if is_number and last_word(name) not in _MEASURES else value
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return {_said(str(key)): discreet(str(key), inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [discreet(name, inner, depth + 1) for inner in value]
    if isinstance(value, bytes | bytearray):
        return _said(value.decode("utf-8", "backslashreplace"))
    return _said(str(value))


def _said(text: str) -> str:
    return shortened(masked(text))


def _be_discreet(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Look through everything an event carries, its text and its traceback included."""
    for key, value in event.items():
        if key not in ("timestamp", "level"):
            event[key] = _said(str(value)) if key in ("event", "exception") else discreet(key, value)
    return event


def _line(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    """An event for people: one line, whatever it carries; a traceback below it, set off by bars."""
    traceback = event.pop("exception", None)
    logger = event.pop("logger", None)
    head = f"{event.pop('timestamp')} {event.pop('level'):<8} {printable(str(event.pop('event')))}"
    values = [f"{printable(str(key))}={_shown(value)}" for key, value in event.items()]
    origin = [f"[{printable(str(logger))}]"] if logger else []
    line = "  ".join([head, *origin, *([" ".join(values)] if values else [])])
    if traceback:
        line += "".join(f"\n    | {printable(part)}" for part in _lines(str(traceback)))
    return line


def _lines(text: str) -> Iterable[str]:
    return re.split(r"\r\n|\n|\r", text.rstrip())


def _shown(value: object) -> str:
    text = printable(str(value))
    return '"' + text.replace('"', '\\"') + '"' if not text or set(text) & set(" =\"'") else text


class _Logger:
    """A named logger that writes lines."""

    def __init__(self, name: str | None, stream: TextIO) -> None:
        self.name = name
        self._stream = stream

    def msg(self, message: str) -> None:
        """Write one."""
        self._stream.write(message + "\n")
        self._stream.flush()

    log = debug = info = warning = error = critical = exception = msg


class _Forward(logging.Handler):
    """Takes what was said through `logging` to where everything else goes."""

    def emit(self, record: logging.LogRecord) -> None:
        """One record."""
        try:
            level = max((known for known in _LEVELS if known <= record.levelno), default=logging.DEBUG)
            structlog.stdlib.get_logger(record.name).log(level, record.getMessage(), exc_info=record.exc_info)
        except Exception:  # noqa: BLE001 - logging's own way to say that it failed
            self.handleError(record)


_LEVELS: Final = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)


def configure(level: str = "info", *, json: bool = False, stream: TextIO | None = None) -> None:
    """Set up logging for the whole process: for people, or as one JSON object a line."""
    least = logging.getLevelNamesMapping()[level.upper()]
    out = stream or sys.stderr
    renderer = structlog.processors.JSONRenderer() if json else _line

    def named(name: str | None = None, *_: object) -> _Logger:
        return _Logger(name, out)

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _be_discreet,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=named,
        cache_logger_on_first_use=True,
    )
    foreign = least if least in (logging.DEBUG, logging.CRITICAL) else max(least, _FOREIGN_LEVEL)
    logging.basicConfig(handlers=[_Forward()], level=foreign, force=True)
    logging.captureWarnings(capture=True)
