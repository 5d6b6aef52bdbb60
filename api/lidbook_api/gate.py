"""What every request passes before it is routed: one plain ASGI layer, because it is on every path.

With a key the gate asks for it, and lets pages of any origin in. Without one it lets nothing in that a web page in the
operator's browser could have sent: the Host must be this machine, and an Origin must be this server.
"""

import ipaddress
import re
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lidbook_api.answers import Answer, Headers
from lidbook_api.errors import UNAUTHORIZED, refusal
from lidbook_api.keys import ApiKey
from lidbook_api.query import parse_query

MAX_URL: Final = 16 * 1024
"""Bytes of path and query together."""

OUR_HEADERS: Final = (
    "Lidbook-Engine, Lidbook-Error, Lidbook-Lid, Lidbook-Picture, Lidbook-Reason, Lidbook-Stale, Lidbook-Sync, "
    "Retry-After, X-Total-Count"
)
"""Response headers that pages of other origins may read."""

_ANY_ORIGIN: Final = (b"access-control-allow-origin", b"*")
_EXPOSED: Final = (b"access-control-expose-headers", OUR_HEADERS.encode())
_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Gate:
    """Wraps the app; `key` is None when the server has none, which it may only on a loopback address."""

    def __init__(self, app: ASGIApp, *, key: ApiKey | None, open_paths: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._key = key
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit, refuse or answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if len(path) > 1 and path[-1] == "/":
            path = scope["path"] = path.rstrip("/") or "/"
        host = origin = given = site = None
        for name, value in scope["headers"]:
            if name == b"x-api-key":
                given = value.strip()
            elif name == b"host":
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
        if self._key is None:
            refused = _foreign(scope, host, origin, site)
        else:
            if origin is not None:
                if scope["method"] == "OPTIONS":
                    await _preflight(scope)(scope, receive, send)
                    return
                send = _readable_anywhere(send)
            refused = None if self._open(path) or self._admits(self._key, given, scope) else UNAUTHORIZED
        refused = refused or _malformed(scope)
        if refused is not None:
            await refused(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope = dict(scope, method="GET")
        await self._app(scope, receive, send)

    def _open(self, path: str) -> bool:
        return not (path.startswith("/api/") or path in ("/api", "/health")) or path in self._open_paths

    @staticmethod
    def _admits(key: ApiKey, given: bytes | None, scope: Scope) -> bool:
        if given is None:
            query: bytes = scope["query_string"]
            if b"x-api-key" not in query:
                return False
            value = parse_query(query).get("x-api-key")
            if not isinstance(value, str):
                return False
            given = value.encode()
        return key.matches(given)


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without a port, can only mean this machine."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _foreign(scope: Scope, host: bytes | None, origin: bytes | None, site: bytes | None) -> Answer | None:
    """Refuse what may come from a web page: without a key the browser's own rules are all there is."""
    named = (host or b"").decode("latin-1")
    try:
        hostname = urlsplit("//" + named).hostname or ""
    except ValueError:
        hostname = ""
    if not is_loopback(hostname):
        message = f"Without an API key this server answers requests to localhost only, not to '{_shown(named)}'"
        return refusal(403, message, "not_allowed")
    elsewhere = origin is not None and origin.lower() != f"{scope['scheme']}://{named}".lower().encode("latin-1")
    if elsewhere or site == b"cross-site":
        message = "Without an API key this server answers no requests from web pages of other origins"
        return refusal(403, message, "not_allowed")
    return None


def _malformed(scope: Scope) -> Answer | None:
    """Refuse what Express refuses to decode, and URLs beyond any use."""
    raw: bytes = scope.get("raw_path") or b""
    if len(raw) + len(scope["query_string"]) > MAX_URL:
        return refusal(414, f"The URL is longer than {MAX_URL // 1024} KiB", "invalid_request")
    if b"%" not in raw:
        return None
    for part in raw.split(b"/"):
        if b"%" in part and (_BROKEN_ESCAPE.search(part) or not _is_utf8(unquote_to_bytes(part))):
            return refusal(400, f"Failed to decode param '{part.decode('latin-1')}'", "invalid_request")
    return None


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _preflight(scope: Scope) -> Answer:
    headers: Headers = [
        _ANY_ORIGIN,
        (b"access-control-allow-methods", b"GET,HEAD,PUT,PATCH,POST,DELETE"),
        (b"access-control-max-age", b"600"),
        (b"vary", b"Access-Control-Request-Headers"),
    ]
    for name, value in scope["headers"]:
        if name == b"access-control-request-headers":
            headers.append((b"access-control-allow-headers", value))
    return Answer(b"", headers, status=204)


def _readable_anywhere(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], _ANY_ORIGIN, _EXPOSED]}
        await send(message)

    return with_headers


def _shown(text: str) -> str:
    return "".join(c for c in text[:60] if c.isprintable())
