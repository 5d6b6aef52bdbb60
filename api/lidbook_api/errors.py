"""Errors as WAHA's clients know them: one body shape a situation, the stable code in header `Lidbook-Error`."""

import math
import platform
from datetime import UTC, datetime
from typing import Final, cast

import structlog
from pydantic import JsonValue
from starlette.exceptions import HTTPException
from starlette.requests import Request

from lidbook import __version__
from lidbook.errors import (
    InvalidConfig,
    InvalidSessionName,
    LidbookError,
    NotAllowed,
    RateLimited,
    SessionMissing,
    SessionNotReady,
    StorageFailed,
)
from lidbook_api.answers import Answer, Headers, json_answer
from lidbook_api.faults import BodyTooLarge, InvalidFields

PHRASES: Final = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Payload Too Large",
    414: "URI Too Long",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    501: "Not Implemented",
    503: "Service Unavailable",
}
"""The `error` of a body, by status, in the words of WAHA's framework."""

UNAUTHORIZED: Final = json_answer(
    {"message": "Unauthorized", "statusCode": 401}, [(b"lidbook-error", b"unauthorized")], status=401
)
"""What a missing or wrong key gets; clients match it literally."""


def environment(default_engine: str, worker_id: str | None = None) -> dict[str, JsonValue]:
    """What `/api/server/version` says, and every 500. `tier` is WAHA's word for a server that withholds nothing."""
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine())
    return {
        "version": __version__,
        "engine": default_engine,
        "tier": "PLUS",
        "browser": None,
        "platform": f"{platform.system().lower()}/{machine}",
        "worker": {"id": worker_id},
    }


def refusal(status: int, message: str | list[str], code: str) -> Answer:
    """An error outside any handler, in the usual shape."""
    body = {"message": message, "error": PHRASES[status], "statusCode": status}
    return json_answer(body, [(b"lidbook-error", code.encode())], status=status)


def known(request: Request, error: LidbookError) -> Answer:
    """The answer to one of our own errors."""
    headers: Headers = [(b"lidbook-error", error.code.encode())]
    body: dict[str, object]
    if error.status >= 500 and error.status not in PHRASES:
        log = structlog.stdlib.get_logger("lidbook.api")
        log.warning("engine failed", path=request.url.path, code=error.code, error=error.message)
        body = _failure(request, error.message, type(error).__name__, error.code)
        return json_answer(body, headers, status=error.status)
    match error:
        case NotAllowed():
            body = {"message": "Forbidden", "statusCode": 403}
        case SessionMissing():
            body = {"error": error.message, "session": error.name}
        case SessionNotReady():
            body = {
                "error": error.message,
                "session": error.name,
                "status": error.session_status,
                "expected": error.expected,
            }
            if error.reason is not None:
                headers.append((b"lidbook-reason", error.reason.encode()))
        case InvalidFields() | InvalidConfig():
            body = _usual(error, error.messages)
        case InvalidSessionName():
            body = _usual(error, [error.message])
        case StorageFailed():
            log = structlog.stdlib.get_logger("lidbook.api")
            log.error("nothing can be stored", path=request.url.path, error=f"{error} ({error.__cause__})")
            body = _usual(error, error.message)
        case BodyTooLarge():
            if error.hang_up:
                headers.append((b"connection", b"close"))
            body = _usual(error, error.message)
        case RateLimited():
            headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
            body = _usual(error, error.message)
        case _:
            body = _usual(error, error.message)
    return json_answer(body, headers, status=error.status)


def _usual(error: LidbookError, message: str | list[str]) -> dict[str, object]:
    return {"message": message, "error": PHRASES[error.status], "statusCode": error.status}


async def unrouted(request: Request, error: Exception) -> Answer:
    """No such route, or not with this method: one and the same in WAHA's framework."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    if status in (404, 405):
        return refusal(404, f"Cannot {request.method} {request.url.path}", "not_found")
    return refusal(status, str(error), "invalid_request")


def unforeseen(request: Request, error: Exception) -> Answer:
    """A fault of ours. What it says belongs in the log, with numbers shortened, and not to the client."""
    body = _failure(request, "Internal server error, see the server's log", type(error).__name__, "internal")
    return json_answer(body, [(b"lidbook-error", b"internal")], status=500)


def _failure(request: Request, message: str, name: str, code: str) -> dict[str, object]:
    """WAHA's 500 without its stack, body and query: they carry phone numbers and keys."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "statusCode": 500,
        "timestamp": now,
        "exception": {"message": message, "name": name, "code": code},
        "request": {"path": request.url.path, "method": request.method},
        "version": cast("dict[str, JsonValue]", request.app.state.environment),
    }
