"""uvicorn's server, with something to say once requests are answered, and an end that comes in time."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Final

import structlog
import uvicorn

from lidbook_api.stopping import Stopping

DRAIN_SECONDS: Final = 15
"""How long running requests may take after the server was asked to stop."""

LATE_SECONDS: Final = 3
"""Seconds after that until uvicorn, too, would cut off: never, unless a connection does not even end when aborted."""


class Server(uvicorn.Server):
    """`announce` is run when requests are answered, `ending` is called when the server begins to end: what it starts
    goes on beside the requests under way."""

    def __init__(
        self,
        config: uvicorn.Config,
        stopping: Stopping,
        *,
        announce: Callable[[], Coroutine[None, None, None]],
        ending: Callable[[], None],
    ) -> None:
        super().__init__(config)
        stopping.ends(self.end)
        self._stopping = stopping
        self._announce = announce
        self._ending = ending
        self._announcing: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so: what is printed works from then on."""
        await super().startup(sockets=sockets)
        self._announcing = asyncio.create_task(self._announce())
        self._announcing.add_done_callback(_report)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is under way, for `DRAIN_SECONDS` at most."""
        self._ending()
        cutting_off = asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._cut_off)
        if self._announcing is not None:
            self._announcing.cancel()
            await asyncio.gather(self._announcing, return_exceptions=True)
        await super().shutdown(sockets=sockets)
        cutting_off.cancel()
        if self.force_exit:  # uvicorn leaves it at that; what runs beside the requests must end before the core does
            self._cut_off()
            for task in self.server_state.tasks:
                task.cancel()
            await self.lifespan.shutdown()

    def end(self, force: bool) -> None:
        """End after the requests under way, or at once."""
        self.should_exit = True
        if force:
            self.force_exit = True
            self.config.timeout_graceful_shutdown = 1  # from Python 3.12 on, a closed server waits for its connections

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Take a signal: the first one ends the server, the second one at once."""
        self.end(self.should_exit)
        self._stopping.begin()

    def _cut_off(self) -> None:
        for connection in list(self.server_state.connections):
            getattr(connection, "cut_off", connection.transport.abort)()


def _report(announcing: asyncio.Task[None]) -> None:
    """A server that cannot describe itself still serves, and says what was wrong."""
    if not announcing.cancelled() and (error := announcing.exception()) is not None:
        structlog.stdlib.get_logger("lidbook.api").error("could not describe the server", exc_info=error)
