"""Logging: structured, to stderr, phone numbers shortened before anything is written."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

_NUMBER: Final = re.compile(r"(?<![0-9a-fA-F-])([0-9]{3})[0-9]{3,14}([0-9]{3})(?![0-9a-fA-F-])")


def shortened(text: str) -> str:
    """`text` with every long run of digits reduced to its first and last three: enough to recognise, not to call."""
    return _NUMBER.sub(r"\1…\2", text)


def shorten_numbers(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Shorten phone numbers and LIDs in everything an event carries, its text and its traceback included."""
    for key, value in event.items():
        if isinstance(value, str) and key != "timestamp":
            event[key] = shortened(value)
        elif value is not None and not isinstance(value, bool | int | float | str):
            event[key] = shortened(str(value))
    return event


def configure(level: str = "info", *, json: bool = False) -> None:
    """Set up logging for the whole process: one line an event, for people or as JSON."""
    renderer = (
        structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False, sort_keys=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            shorten_numbers,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
