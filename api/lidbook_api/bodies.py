"""JSON bodies: read within bounds, taken as WAHA's framework takes them."""

import unicodedata
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

READ: Final = "lidbook.fields"
"""Where in the ASGI scope the body is kept by who has read it before the endpoint."""

Fields = dict[str, object]


async def read_object(request: Request) -> Fields:
    """The JSON object in the body; an empty body is an empty object.

    Form fields are understood as well, and so is JSON that curl's `-d` labels as a form. Raises `InvalidRequest` and
    `BodyTooLarge`.
    """
    if READ in request.scope:
        fields: Fields = request.scope[READ]
        return fields
    raw = await _bounded(request)
    if not raw.strip():
        return {}
    form = request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded")
    if form and not raw.lstrip().startswith((b"{", b"[")):
        return dict(parse_query(raw))
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object")
    return value


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
