"""How the texts of environment variables are read, WAHA's spellings included."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from lidbook.errors import LidbookError
from lidbook.sessions.names import check_name

_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
_LEVELS: Final = {"warn": "warning", "trace": "debug", "fatal": "critical", "silent": "critical"}
"""WAHA's names for log levels that are called otherwise here."""


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _boolean(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _BOOLEANS.get(value.strip().lower())
    if found is None:
        raise ValueError("must be true, false, 1 or 0")
    return found


def _asks_for_debugging(value: object) -> object:
    return _BOOLEANS.get(value.strip().lower(), False) if isinstance(value, str) else value


def _comma_list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _session_names(value: tuple[str, ...]) -> tuple[str, ...]:
    for name in value:
        try:
            check_name(name)
        except LidbookError as error:
            raise ValueError(error.message.partition(";")[0]) from error
    return value


def _level(value: object) -> object:
    return _LEVELS.get(value.lower(), value.lower()) if isinstance(value, str) else value


def _format(value: object) -> object:
    return {"pretty": "text"}.get(value.lower(), value.lower()) if isinstance(value, str) else value


def _blank_is_absent(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _host_and_port(value: str) -> str:
    host, _, port = value.rpartition(":")
    if "://" in value or not host or not port.isascii() or not port.isdigit():
        raise ValueError("must be host:port, without a scheme")
    return value


def _web_address(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return value.rstrip("/")


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
Boolean = Annotated[bool, BeforeValidator(_boolean)]
"""`true`, `false`, `1` or `0` in any case; anything else is refused, as in WAHA."""
CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list)]
Debugging = Annotated[bool, BeforeValidator(_asks_for_debugging)]
"""Whether `DEBUG` is meant for this program: other programs have words of their own in it."""
HostAndPort = Annotated[str, AfterValidator(_host_and_port)]
LogFormat = Annotated[Literal["text", "json"], BeforeValidator(_format)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_level)]
OptionalText = Annotated[str | None, BeforeValidator(_blank_is_absent)]
SessionNames = Annotated[CommaList, AfterValidator(_session_names)]
Scheme = Annotated[Literal["http", "https"], BeforeValidator(_lower)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
