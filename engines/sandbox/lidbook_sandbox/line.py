"""The line between a linked device and the simulated server, with everything that can be wrong with it."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import TypeVar

from lidbook.capabilities import Capability
from lidbook.errors import EngineDisconnected, EngineTimeout, LoggedOut, RateLimited
from lidbook.world.conditions import Conditions, Kind

T = TypeVar("T")


class LineState(Enum):
    """Whether calls can be made at all."""

    CLOSED = auto()
    OPEN = auto()
    REMOVED = auto()


class Line:
    """Asks the server on behalf of one session; waits no longer than `query_timeout` seconds for anything."""

    def __init__(self, query_timeout: float) -> None:
        self._query_timeout = query_timeout
        self._conditions = Conditions()
        self._state = LineState.CLOSED
        self._changed = asyncio.Event()

    @property
    def state(self) -> LineState:
        """Where the line stands now."""
        return self._state

    @property
    def conditions(self) -> Conditions:
        """What is made to happen on it."""
        return self._conditions

    def attach(self, conditions: Conditions) -> None:
        """Obey these from now on; whoever attaches them also calls `pulse` when they change."""
        self._conditions = conditions
        self.pulse()

    def move(self, state: LineState) -> None:
        """Open or close the line; calls under way notice."""
        self._state = state
        self.pulse()

    def pulse(self) -> None:
        """Let everybody who waits look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def changed(self) -> asyncio.Event:
        """Set at the next change; take it before looking, wait for it after."""
        return self._changed

    @property
    def hears(self) -> bool:
        """Whether what the server announces gets through."""
        return (
            self._state is LineState.OPEN
            and self._conditions.active(Kind.DISCONNECT) is None
            and self._conditions.active(Kind.SILENCE) is None
        )

    async def hearing(self) -> None:
        """Return as soon as announcements get through."""
        while not self.hears:
            await self._changed.wait()

    async def answer(self, capability: Capability, ask: Callable[[], T]) -> T:
        """What `ask` returns, as the conditions let it through.

        Raises `EngineTimeout`, `EngineDisconnected`, `LoggedOut` or `RateLimited`, besides what `ask` raises.
        """
        return await self.bounded(capability, self._answer(capability, ask))

    async def bounded(self, capability: Capability, work: Awaitable[T]) -> T:
        """The result of `work`, waited for no longer than the server is. Raises `EngineTimeout`."""
        try:
            async with asyncio.timeout(self._query_timeout):
                return await work
        except TimeoutError as error:
            raise EngineTimeout(f"no answer to {capability.value} within {self._query_timeout:g} s") from error

    async def _answer(self, capability: Capability, ask: Callable[[], T]) -> T:
        self._conditions.refresh()
        await self._while_active(Kind.SILENCE, capability)
        self._check_open()
        limit = self._conditions.active(Kind.RATE_LIMIT, capability)
        if limit is not None:
            raise RateLimited(f"WhatsApp limits {capability.value} for this account", limit.retry_after)
        slow = self._conditions.active(Kind.SLOW, capability)
        if slow is not None:
            await asyncio.sleep(slow.milliseconds / 1000)
            self._check_open()
        answer = ask()
        await self._while_active(Kind.TIMEOUT, capability)
        return answer

    async def _while_active(self, kind: Kind, capability: Capability) -> None:
        while True:
            changed = self._changed
            self._check_open()
            if self._conditions.active(kind, capability) is None:
                return
            await changed.wait()

    def _check_open(self) -> None:
        if self._state is LineState.REMOVED or self._conditions.active(Kind.LOGOUT) is not None:
            raise LoggedOut("the device was removed from the account; link it again")
        if self._state is LineState.CLOSED:
            raise EngineDisconnected("the session is not connected to the simulated server")
        if self._conditions.active(Kind.DISCONNECT) is not None:
            raise EngineDisconnected("the connection to the simulated server is away")
