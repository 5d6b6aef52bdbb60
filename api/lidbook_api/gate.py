"""What every request passes before it is routed: one plain ASGI layer, because it is on every path.

With a key the gate asks for it, and lets pages of any origin in. Without one it lets nothing in that a web page in the
operator's browser could have sent: the Host must be this machine, and an Origin must be this server. Either way
`scope["lidbook.access"]` then says what the request may do.
"""

import ipaddress
import re
from typing import Final
from urllib.parse import unquote_plus, unquote_to_bytes, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lidbook_api.access.audit import Audit
from lidbook_api.access.scopes import ANONYMOUS, EXCLUDED, NO_KEYS, Access
from lidbook_api.access.store import KeyStore
from lidbook_api.answers import Answer, Headers
from lidbook_api.errors import UNAUTHORIZED, refusal

MAX_URL: Final = 16 * 1024
"""Bytes of path and query together."""

OUR_HEADERS: Final = (
    "Lidbook-Engine, Lidbook-Error, Lidbook-Lid, Lidbook-Network, Lidbook-Picture, Lidbook-Reason, Lidbook-Stale, "
    "Lidbook-Sync, Retry-After, X-Total-Count"
)
"""Response headers that pages of other origins may read."""

PROTECTED: Final = frozenset({"/api", "/health", "/metrics"})
"""Paths that need a key, beside all those under `/api/`."""

FORBIDDEN: Final = "Forbidden"
"""Reason of the close 1008 that a websocket gets which a web page of another origin opened."""

_ANY_ORIGIN: Final = (b"access-control-allow-origin", b"*")
_EXPOSED: Final = (b"access-control-expose-headers", OUR_HEADERS.encode())
_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_KEY_PARAMETER: Final = "x-api-key"
_KEY_BYTES: Final = b"x-api-key"


class Gate:
    """Wraps the app."""

    def __init__(self, app: ASGIApp, *, keys: KeyStore, audit: Audit, open_paths: frozenset[str] = frozenset()) -> None:
        self._app = app
        self._keys = keys
        self._audit = audit
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit, refuse or answer one request."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if len(path) > 1 and path[-1] == "/":
            path = scope["path"] = path.rstrip("/") or "/"
        host = origin = given = site = None
        for name, value in scope["headers"]:
            if name == _KEY_BYTES:
                given = value.strip()
            elif name == b"host":
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
        if _KEY_BYTES in scope["query_string"]:
            in_query = _taken_from_query(scope, any_case=False)
            if given is None and len(in_query) == 1:
                given = in_query[0]
        refused: Answer | None = None
        if not self._keys.locked:
            access = NO_KEYS
            refused = _foreign(scope, host, origin, site)
            if refused is not None:
                self._audit.refused(_client(scope), foreign=True)
        else:
            if origin is not None:
                if scope["method"] == "OPTIONS":
                    await _preflight(scope)(scope, receive, send)
                    return
                send = _readable_anywhere(send)
            found = self._admitted(path, given)
            if found is None:
                self._audit.refused(_client(scope))
                refused = UNAUTHORIZED
            access = found or ANONYMOUS
        refused = refused or _malformed(scope)
        if refused is not None:
            await refused(scope, receive, send)
            return
        scope["lidbook.access"] = access
        if scope["method"] == "HEAD":
            scope = dict(scope, method="GET")
        await self._app(scope, receive, send)

    def _admitted(self, path: str, given: bytes | None) -> Access | None:
        if path in self._open_paths:
            return EXCLUDED
        if not path.startswith("/api/") and path not in PROTECTED:
            return ANONYMOUS
        return None if given is None else self._keys.access(given)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the access into the scope, None without a good key, and leave it to the route to say so.

        A browser shows a page nothing of a handshake that is refused, so the socket is accepted and closed.
        """
        headers = dict(scope["headers"])
        in_query = _taken_from_query(scope, any_case=True)
        access: Access | None = NO_KEYS
        if self._keys.locked:
            given = headers.get(_KEY_BYTES, in_query[0] if in_query else None)
            access = EXCLUDED if scope["path"] in self._open_paths else None
            if access is None and given is not None:
                access = self._keys.access(given.strip())
            if access is None:
                self._audit.refused(_client(scope))
        elif _foreign(scope, headers.get(b"host"), headers.get(b"origin"), headers.get(b"sec-fetch-site")) is not None:
            self._audit.refused(_client(scope), foreign=True)
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1008, "reason": FORBIDDEN})
            return
        scope["lidbook.access"] = access
        await self._app(scope, receive, send)


def admit(scope: Scope) -> Access | None:
    """What a websocket may do, as the gate found out; None without a good key, and then it is closed with 1008.

    The key was the header `X-Api-Key`, else the first query parameter of that name in any case, as in WAHA. Whether the
    access still holds later says `KeyStore.holds`.
    """
    access: Access | None = scope["lidbook.access"]
    return access


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without a port, can only mean this machine."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _taken_from_query(scope: Scope, *, any_case: bool) -> list[bytes]:
    """The keys in the query, which is without them from here on: nobody behind the gate has a use for them."""
    query: bytes = scope["query_string"]
    if not query:
        return []
    taken: list[bytes] = []
    kept: list[bytes] = []
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        written = unquote_plus(name.decode("utf-8", "replace"))
        if (written.lower() if any_case else written) == _KEY_PARAMETER:
            taken.append(unquote_plus(value.decode("utf-8", "replace")).encode())
        else:
            kept.append(pair)
    scope["query_string"] = b"&".join(kept)
    return taken


def _client(scope: Scope) -> str | None:
    client = scope.get("client")
    return None if client is None else str(client[0])


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
    if origin is None and site != b"cross-site":
        return None
    scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
    own = f"{scheme}://{named}".lower().encode("latin-1")
    if site == b"cross-site" or (origin is not None and origin.lower() != own):
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
