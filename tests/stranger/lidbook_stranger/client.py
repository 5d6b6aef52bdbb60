"""The gateway's HTTP, and what its failures mean to Lidbook."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from lidbook.engine import Proxy
from lidbook.errors import (
    Conflict,
    EngineDisconnected,
    EngineError,
    EngineTimeout,
    LidbookError,
    LoggedOut,
    NotOnWhatsApp,
    RateLimited,
)

if TYPE_CHECKING:
    import httpx

POLL: Final = 25.0
"""Seconds for which the gateway may hold a question about news, when there are none."""
WAIT: Final = 30.0
"""Seconds to wait after a limit that names no time."""


class Refused(EngineError):
    """The gateway said no, and why: `code` is one of its own."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason: Final = reason


class Client:
    """Questions to one gateway on behalf of one device. Making one reads certificates from the disk: do it in a thread.

    Whatever it raises is in the core's terms.
    """

    def __init__(self, url: str, timeout: float, proxy: Proxy | None = None) -> None:
        import httpx

        auth = None if proxy is None or proxy.username is None else (proxy.username, proxy.password or "")
        self._http = httpx.AsyncClient(
            base_url=url,
            timeout=timeout,
            trust_env=False,
            proxy=None if proxy is None else httpx.Proxy(f"http://{proxy.server}", auth=auth),
        )
        self._timeout = timeout
        self.token: str | None = None

    async def close(self) -> None:
        """Hang up; what is under way fails."""
        await self._http.aclose()

    async def ask(self, method: str, path: str, body: object = None, *, wait: float = 0) -> Any:
        """One question, and the JSON of its answer; `wait` is how long the gateway may hold it on purpose."""
        limit = self._timeout + wait
        try:
            async with translated(), asyncio.timeout(limit):
                response = await self._http.request(method, path, json=body, headers=self._headers(), timeout=limit)
        except TimeoutError as error:
            raise EngineTimeout(f"the gateway did not answer {method} {path} within {limit:g} s") from error
        if response.is_error:
            raise refusal(response)
        with_content = response.content.strip()
        return _parsed(with_content) if with_content else None

    @asynccontextmanager
    async def lines(self, path: str) -> AsyncIterator[AsyncIterator[Any]]:
        """A long answer, one JSON document a line. Whoever reads slowly slows the gateway down."""
        import httpx

        patient = httpx.Timeout(self._timeout, read=self._timeout + POLL)
        async with (
            translated(),
            self._http.stream("GET", path, headers=self._headers(), timeout=patient) as response,
        ):
            if response.is_error:
                await response.aread()
                raise refusal(response)
            yield (_parsed(line) async for line in response.aiter_lines())

    def _headers(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Within this, an error of the HTTP library leaves as one of Lidbook's."""
    import httpx

    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, RuntimeError) as error:
        raise meaning(error) from error


def meaning(error: Exception) -> LidbookError:
    """What an error of the HTTP library is in the core's tree."""
    import httpx

    said = f"the gateway: {str(error) or type(error).__name__}"
    match error:
        case httpx.TimeoutException():
            return EngineTimeout(said)
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return EngineError(said)
        case httpx.TransportError() | httpx.StreamError():
            return EngineDisconnected(said)
        case RuntimeError():  # what httpx says of a client that is closed
            return EngineDisconnected(said)
        case _:
            return EngineError(said)


def refusal(response: "httpx.Response") -> LidbookError:
    """What an answer that is none means."""
    try:
        said = response.json()["error"]
        reason, message = str(said["code"]), str(said["message"])
    except (ValueError, KeyError, TypeError):
        reason, message = f"http_{response.status_code}", f"the gateway answered {response.status_code}"
    match reason:
        case "removed" | "unknown_token":
            return LoggedOut(message)
        case "rate_limited" | "http_429":
            return RateLimited(message, _seconds(response.headers.get("Retry-After", "")))
        case "conflict":
            return Conflict(message)
        case "not_registered":
            return NotOnWhatsApp(message)
        case "http_502" | "http_503" | "http_504":
            return EngineDisconnected(message)
        case _:
            return Refused(reason, message)


def _seconds(text: str) -> float:
    try:
        return max(float(text), 0.001)
    except ValueError:
        return WAIT


def _parsed(text: str | bytes) -> Any:
    import json

    try:
        return json.loads(text)
    except ValueError as error:
        raise EngineError("the gateway sent something that is no JSON") from error
