"""Counting and timing requests: one plain ASGI layer around everything, because it is on every path."""

from collections.abc import Awaitable
from time import perf_counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lidbook_api.metrics.meter import UNMATCHED, Meter

_FAULT: Final = 500
"""What an answer that was never begun becomes further out."""


class CountedRequests:
    """Wraps the app, the gate included: what that refuses is counted as well."""

    def __init__(self, app: ASGIApp, *, meter: Meter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, and note its route, its status and its time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method: str = scope["method"]
        if method == "HEAD":
            scope = dict(scope, method="GET")  # the router notes the route in the scope that it is given
        status = _FAULT

        def noting(message: Message) -> Awaitable[None]:
            nonlocal status
            if "status" in message:
                status = message["status"]
            return send(message)

        began = perf_counter()
        try:
            await self._app(scope, receive, noting)
        finally:
            route = scope.get("route")
            self._meter.request_ended(
                method, UNMATCHED if route is None else route.path, status, perf_counter() - began
            )
