"""The websocket protocol of the server: uvicorn's, with an end to clients that neither read nor leave.

Closing a transport waits until what was written is read, which a client can put off for ever. Here it is aborted.
"""

import asyncio
from asyncio.transports import BaseTransport
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from lidbook_api.transport.door import Door

_UNREAD_BYTES: Final = 1024 * 1024
"""Most that may be written and not read: events wait for the client, the answers to its pings do not."""
_FRAGMENTS: Final = 64
"""Most pieces of one message."""
_GRACE: Final = 2.0
"""Seconds from a connection's end until it is aborted."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One connection. It is waited for at the door until it is accepted, and again when it is closed."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        door: Door,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._door = door

    def connection_made(self, transport: BaseTransport) -> None:
        """Take an HTTP connection over."""
        super().connection_made(transport)
        self._door.waits(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave."""
        self._door.leaves(self)
        super().connection_lost(exc)

    def start_keepalive(self) -> None:
        """The app accepted."""
        super().start_keepalive()
        self._door.leaves(self)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent, and abort when it only makes work."""
        super().data_received(data)
        if self.transport.get_write_buffer_size() > _UNREAD_BYTES or len(self.frames) > _FRAGMENTS:
            self.transport.abort()

    def keepalive_timeout(self) -> None:
        """The client missed a pong."""
        super().keepalive_timeout()
        self._end()

    def handle_parser_exception(self) -> None:
        """The client broke the protocol, or sent too long a message."""
        super().handle_parser_exception()
        self._end()

    def shutdown(self) -> None:
        """The server stops."""
        super().shutdown()
        self._end()

    async def run_asgi(self) -> None:
        """Serve the connection; when that is over, so is the connection, once its close was answered."""
        await super().run_asgi()
        if not self.disconnected:
            self._door.waits(self)
        self.loop.call_later(self.close_timeout + _GRACE, self.transport.abort)

    def has_waited(self, seconds: float) -> bool:  # noqa: ARG002 - the door's look
        """Neither accepted nor closed in time."""
        self.transport.abort()
        return False

    def give_way(self) -> None:
        """The door's request to go."""
        self.transport.abort()

    def cut_off(self) -> None:
        """The server ends now."""
        self.transport.abort()

    def _end(self) -> None:
        """Let the app know that nothing can be sent any more, wherever it waits, and the client a moment to read."""
        self.disconnected = True
        self.writable.set()
        self.loop.call_later(_GRACE, self.transport.abort)
