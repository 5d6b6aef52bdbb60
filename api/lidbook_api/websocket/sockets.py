"""All open websockets of a server, woken when something was committed: a plugin of the core's hooks."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from lidbook.app import Lidbook
from lidbook.hookspecs import Change, hookimpl
from lidbook_api.access.scopes import Access
from lidbook_api.events import EventWriter
from lidbook_api.query import parse_query
from lidbook_api.websocket.asked import INTERNAL, TRY_AGAIN, Asked, Refused, read
from lidbook_api.websocket.connection import Connection
from lidbook_api.websocket.shared_log import SharedLog

VARIABLE: Final = "LIDBOOK_WS_CONNECTIONS"
"""Where the operator sets how many there may be."""


class Sockets:
    """Serves websockets. `holds` says whether an access handed out earlier is still one; `most` is how many there may
    be at the same time; `look_every` is after how many seconds of silence an open one's key is looked at again."""

    def __init__(
        self, lidbook: Lidbook, events: EventWriter, holds: Callable[[Access], bool], most: int, look_every: float
    ) -> None:
        self._sessions = lidbook.sessions
        self._events = events
        self._holds = holds
        self._most = most
        self._look_every = look_every
        self._shared = SharedLog(lidbook.database)
        self._open: set[Connection] = set()
        self._log = structlog.stdlib.get_logger("lidbook.websocket")

    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def lag(self) -> int:
        """How many entries of the logs the one furthest behind has yet to look at."""
        return max((connection.lag() for connection in self._open), default=0)

    @hookimpl
    def lidbook_changes_committed(self, session: str, changes: Sequence[Change]) -> None:
        """Wake whoever follows the session; they read its log themselves."""
        found = self._sessions.find(session)
        if found is None or not self._open:
            return
        kinds = frozenset(change.kind for change in changes)
        for connection in self._open:
            connection.told(found, changes[0].seq, changes[-1].seq, kinds)

    @hookimpl
    def lidbook_session_deleted(self, session: str) -> None:
        """There is nothing more to hear of it, and what comes under its name later is another one."""
        for connection in self._open:
            connection.forget(session)

    async def serve(self, websocket: WebSocket) -> None:
        """One websocket, from its handshake to its end. It is accepted in any case: a client, and above all a web
        page, is not shown why a handshake was refused."""
        try:
            asked = read(parse_query(websocket.scope["query_string"]), websocket.scope.get("lidbook.access"))
            with self._opened(asked) as connection:
                await websocket.accept()
                await self._attend(websocket, connection)
        except Refused as refused:
            await _close(websocket, refused)

    @contextmanager
    def _opened(self, asked: Asked) -> Iterator[Connection]:
        """A connection that is told of commits from its position in the logs on. Raises `Refused`."""
        if len(self._open) >= self._most:
            raise Refused(f"too many connections, {VARIABLE} is {self._most}: try again later", TRY_AGAIN)
        connection = Connection(asked, self._sessions, self._shared, self._events)
        self._open.add(connection)
        try:
            yield connection
        finally:
            self._open.discard(connection)

    async def _attend(self, websocket: WebSocket, connection: Connection) -> None:
        """Send and listen until either ends. Raises `Refused` when it is the server that ends it."""
        sending = asyncio.create_task(connection.deliver(websocket.send_text, self._holds, self._look_every))
        listening = asyncio.create_task(_listen(websocket))
        try:
            await asyncio.wait((sending, listening), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            listening.cancel()
            outcomes = await asyncio.gather(sending, listening, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Refused):
                raise outcome
            if isinstance(outcome, Exception) and not isinstance(outcome, WebSocketDisconnect):
                self._log.error("a websocket failed", exc_info=outcome)
                raise Refused("Internal error, see the server's log", INTERNAL) from outcome


async def _listen(websocket: WebSocket) -> None:
    """Read what the client sends, which means nothing, until it leaves."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


async def _close(websocket: WebSocket, refused: Refused) -> None:
    try:
        if websocket.application_state is WebSocketState.CONNECTING:
            await websocket.accept()
        await websocket.close(refused.code, refused.reason)
    except WebSocketDisconnect:
        pass  # the client left first
