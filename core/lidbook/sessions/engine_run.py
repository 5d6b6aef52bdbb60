"""One engine session, from before it is opened until it is closed."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

from lidbook.engine import Engine, EngineSession, Log
from lidbook.errors import EngineTimeout, EngineUnavailable
from lidbook.sessions.context import Context, Reports
from lidbook.sessions.patience import GRACE, at_most
from lidbook.threads import in_own_thread

START_TIMEOUT: Final = 15.0
"""Seconds in which an engine has to begin to connect; others wait for the slot."""
SHARED_TIMEOUT: Final = 60.0
"""Seconds in which what all sessions of an engine share, a host or a browser, has to come up."""
STOP_TIMEOUT: Final = 15.0


class EngineRun:
    """Opens an engine session and closes it, each once. Whatever the engine does, `close` comes to an end."""

    def __init__(self, log: Log) -> None:
        self.reports: Final = Reports(asyncio.Queue())
        self.session: EngineSession | None = None
        """What is open; None before, and again as soon as it is being closed."""
        self._log = log
        self._shared = AsyncExitStack()
        self._starting: asyncio.Task[None] | None = None

    async def start(self, engine: Engine, context: Context, listen: Callable[[], None]) -> None:
        """Open the session, `listen` to it, and let it begin to connect; raises what the engine raises.

        Raises `EngineUnavailable` when the runtime is not ready, `EngineTimeout` when something takes too long.
        """
        try:
            runtime = await at_most(START_TIMEOUT, in_own_thread(engine.runtime().check, "lidbook-runtime"))
        except TimeoutError as error:
            raise EngineTimeout("it took too long to see whether the engine can work here") from error
        if not runtime.ready:
            raise EngineUnavailable(runtime.complaint)
        try:
            await at_most(SHARED_TIMEOUT, self._shared.enter_async_context(engine.running()))
        except TimeoutError as error:
            raise EngineTimeout("what its sessions share took too long to come up") from error
        session = self.session = engine.open(context)
        listen()
        self._starting = asyncio.create_task(session.start())
        try:
            await at_most(START_TIMEOUT, self._starting)
        except TimeoutError as error:
            raise EngineTimeout("it took too long to begin to connect") from error
        finally:
            self._starting = None

    async def logout(self) -> None:
        """Have the engine unlink the device; what it reports of that is nobody's business. Raises what it raises."""
        self.reports.drain()
        if self.session is not None:
            await at_most(STOP_TIMEOUT, self.session.logout())

    async def close(self) -> None:
        """Close what was opened. What goes wrong is logged: the session is closed all the same."""
        session, self.session = self.session, None
        self.reports.drain()
        if self._starting is not None:
            self._starting.cancel()
            await self._see_to("the engine did not give up starting", asyncio.wait({self._starting}, timeout=GRACE))
        if session is not None:
            await self._see_to("the engine failed to stop", at_most(STOP_TIMEOUT, session.stop()))
        self.reports.closed = True
        shared = at_most(STOP_TIMEOUT, self._shared.aclose())
        await self._see_to("what the sessions of an engine share failed to close", shared)

    async def _see_to(self, complaint: str, work: Awaitable[object]) -> None:
        try:
            await work
        except (Exception, asyncio.CancelledError):  # noqa: BLE001 - it is logged, and closing goes on
            self._log.exception(complaint)
