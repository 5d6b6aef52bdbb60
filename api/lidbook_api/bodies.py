"""JSON bodies: read within bounds, taken as WAHA's framework takes them."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

import orjson
from starlette.requests import Request

from lidbook.errors import InvalidRequest
from lidbook_api.faults import BodyTooLarge, Faults
from lidbook_api.query import parse_query

MAX_BODY: Final = 1024 * 1024
"""Bytes; no request about contacts comes near it."""

MAX_DISCARDED: Final = 8 * 1024 * 1024
"""Bytes of a body that is too large which are still read, so that the client hears why before the connection ends."""

MAX_NAME: Final = 256
"""Characters of a first or last name."""

_READ: Final = "lidbook.body"
"""Where in the ASGI scope the body is kept once it was read."""

_NO_OBJECT: Final = "The body must be a JSON object"
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+={0,2}")

Fields = dict[str, object]


async def check_json(request: Request) -> None:
    """Read a body that says it is JSON, for whoever needs it later. Raises `InvalidRequest` and `BodyTooLarge`.

    As in WAHA, whose framework parses bodies before anybody asks whether the route has one.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" and not isinstance(await _value(request), (dict, list)):
        raise InvalidRequest(_NO_OBJECT)


async def read_object(request: Request) -> Fields:
    """The JSON object in the body; an empty body is an empty object.

    Form fields are understood as well, and so is JSON that curl's `-d` labels as a form. Raises `InvalidRequest` and
    `BodyTooLarge`.
    """
    value = await _value(request)
    if not isinstance(value, dict):
        raise InvalidRequest(_NO_OBJECT)
    return value


async def _value(request: Request) -> object:
    """What is in the body, read and parsed once a request; of an empty body an empty object."""
    if _READ not in request.scope:
        request.scope[_READ] = _parsed(await _bounded(request), request.headers.get("content-type", ""))
    return request.scope[_READ]


def _parsed(raw: bytes, content_type: str) -> object:
    if not raw.strip():
        return {}
    is_form = content_type.lower().startswith("application/x-www-form-urlencoded")
    if is_form and not raw.lstrip().startswith((b"{", b"[")):
        return dict(parse_query(raw))
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not JSON: {error}") from error


async def _bounded(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_DISCARDED:
            break
        if size <= MAX_BODY:
            chunks.append(chunk)
        else:
            chunks.clear()
    if size > MAX_BODY:
        raise BodyTooLarge(f"The body is larger than {MAX_BODY // 1024} KiB", hang_up=size > MAX_DISCARDED)
    return b"".join(chunks)


def text(fields: Fields, name: str, faults: Faults) -> str | None:
    """An optional string; null is absent."""
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    faults.append(f"{name} must be a string")
    return None


def name_text(fields: Fields, name: str, faults: Faults) -> str | None:
    """An optional name of a person: a string of sane length, without control characters; null is absent."""
    value = text(fields, name, faults)
    if value is not None and len(value) > MAX_NAME:
        faults.append(f"{name} must be shorter than or equal to {MAX_NAME} characters")
    elif value is not None and any(unicodedata.category(c) in ("Cc", "Cs") for c in value):
        faults.append(f"{name} must not contain control characters")
    return value


def identifier(fields: Fields, name: str, faults: Faults) -> str:
    """A phone number, LID or id that must be given. A number is taken as its digits."""
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return value
    faults.append(f"{name} must be a string")
    return ""


def base64url(fields: Mapping[str, object], name: str, faults: Faults, within: str = "") -> str:
    """Bytes in base64url that must be given, as browsers write them; padding is taken off."""
    value = fields.get(name)
    if isinstance(value, str) and _BASE64URL.fullmatch(value) and len(value.rstrip("=")) % 4 != 1:
        return value.rstrip("=")
    faults.append(f"{within}{name} must be a base64url string")
    return ""


def flag(fields: Fields, name: str, faults: Faults, *, default: bool) -> bool:
    """A boolean; null is absent."""
    value = fields.get(name)
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in ("true", "false"):
        return value == "true"
    faults.append(f"{name} must be a boolean value")
    return default
