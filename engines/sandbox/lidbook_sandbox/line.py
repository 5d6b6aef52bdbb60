"""The line between a linked device and the simulated server: as patient as the engine is, in the core's words."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from lidbook.capabilities import Capability
from lidbook.errors import EngineDisconnected, EngineTimeout, LoggedOut, RateLimited
from lidbook.world.wire import Away, Limited, Removed, Wire

T = TypeVar("T")


class Line(Wire):
    """Asks the server on behalf of one session; waits no longer than `query_timeout` seconds for anything."""

    def __init__(self, query_timeout: float) -> None:
        super().__init__()
        self._query_timeout = query_timeout

    async def answer(self, capability: Capability, question: Callable[[], T]) -> T:
        """What the server answers.

        Raises `EngineTimeout`, `EngineDisconnected`, `LoggedOut` or `RateLimited`, besides what `question` raises.
        """
        try:
            return await self.bounded(capability, self.ask(capability, question))
        except Removed as error:
            raise LoggedOut(str(error)) from error
        except Away as error:
            raise EngineDisconnected(str(error)) from error
        except Limited as error:
            raise RateLimited(str(error), error.retry_after) from error

    async def bounded(self, capability: Capability, work: Awaitable[T]) -> T:
        """The result of `work`, waited for no longer than the server is. Raises `EngineTimeout`."""
        try:
            async with asyncio.timeout(self._query_timeout):
                return await work
        except TimeoutError as error:
            raise EngineTimeout(f"no answer to {capability.value} within {self._query_timeout:g} s") from error
