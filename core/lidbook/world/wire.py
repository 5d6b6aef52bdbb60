"""A device's connection to a simulated server, with everything that can be wrong with it.

It is to an engine what a library that speaks to WhatsApp would be: it fails with errors of its own, and waits for as
long as the server is silent. Giving up after a while, and saying what happened in the core's words, is the engine's.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import TypeVar

from lidbook.capabilities import Capability
from lidbook.world.conditions import Conditions, Kind

T = TypeVar("T")


class WireError(Exception):
    """What the server, or the way to it, did not let through."""


class Away(WireError):
    """There is no connection now."""


class Removed(WireError):
    """The account's owner removed this device, or it was never linked."""


class Limited(WireError):
    """The server has had enough of this kind of question for `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class WireState(Enum):
    """Whether calls can be made at all."""

    CLOSED = auto()
    OPEN = auto()
    REMOVED = auto()


class Wire:
    """Closed at first; obeys the conditions that are attached to it."""

    def __init__(self, conditions: Conditions | None = None) -> None:
        self._conditions = Conditions() if conditions is None else conditions
        self._state = WireState.CLOSED
        self._changed = asyncio.Event()

    @property
    def state(self) -> WireState:
        """Where the connection stands now."""
        return self._state

    @property
    def conditions(self) -> Conditions:
        """What is made to happen on it."""
        return self._conditions

    def attach(self, conditions: Conditions) -> None:
        """Obey these from now on; whoever attaches them also calls `pulse` when they change."""
        self._conditions = conditions
        self.pulse()

    def move(self, state: WireState) -> None:
        """Open or close it; calls under way notice."""
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
    def is_away(self) -> bool:
        """Whether the network between device and server is down."""
        return self._conditions.active(Kind.DISCONNECT) is not None

    @property
    def hears(self) -> bool:
        """Whether what the server announces gets through."""
        return self._state is WireState.OPEN and not self.is_away and self._conditions.active(Kind.SILENCE) is None

    async def hearing(self) -> None:
        """Return as soon as announcements get through."""
        while not self.hears:
            await self._changed.wait()

    async def ask(self, capability: Capability, question: Callable[[], T]) -> T:
        """What the server answers, when it does. Raises `Away`, `Removed`, `Limited`, and what `question` raises."""
        self._conditions.refresh()
        await self._while_active(Kind.SILENCE, capability)
        self._check_open()
        limit = self._conditions.active(Kind.RATE_LIMIT, capability)
        if limit is not None:
            raise Limited(f"WhatsApp limits {capability.value} for this account", limit.retry_after)
        slow = self._conditions.active(Kind.SLOW, capability)
        if slow is not None:
            await asyncio.sleep(slow.milliseconds / 1000)
            self._check_open()
        answer = question()
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
        if self._state is WireState.REMOVED or self._conditions.active(Kind.LOGOUT) is not None:
            raise Removed("the device was removed from the account; link it again")
        if self._state is WireState.CLOSED:
            raise Away("the session is not connected to the simulated server")
        if self.is_away:
            raise Away("the connection to the simulated server is away")
