"""The door: who keeps the server waiting, for how long that goes, and who has to go when it is full.

A connection is waited for unless a whole request of it is being answered and the answer read, or it is a websocket that
was accepted.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, Protocol

MOST: Final = 768
"""Connections at the same time, where nobody counted the file descriptors."""


class Visitor(Protocol):
    """A connection, as the door sees it."""

    def has_waited(self, seconds: float) -> bool:
        """Told about once a second from `Patience.head` on; returns whether it may stay."""

    def give_way(self) -> None:
        """Somebody else needs the place: be gone."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in seconds."""

    head: float = 10.0
    """For a whole head, from its first byte on; for that byte, from the last answer or the connection's begin on."""
    body: float = 30.0
    """For the next byte of a body, and for a client to read any of an answer that is complete."""
    look_every: float = 1.0


class Door:
    """Counts connections and looks after those that are waited for, without a timer for each."""

    def __init__(self, most: int = MOST, patience: Patience | None = None) -> None:
        self.most: Final = most
        self.patience: Final = patience or Patience()
        self.waiting: Final[OrderedDict[Visitor, float]] = OrderedDict()
        """Since when, the longest first; whoever has a whole request takes itself out."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looking: asyncio.TimerHandle | None = None

    def count(self) -> int:
        """How many are waited for."""
        return len(self.waiting)

    def enter(self, visitor: Visitor, inside: int) -> None:
        """Let a new connection in, which makes them `inside`. When those are too many, the one that has kept the server
        waiting longest goes; where nobody does, the new one."""
        if inside > self.most:
            goes = next(iter(self.waiting), visitor)
            self.waiting.pop(goes, None)
            goes.give_way()
            if goes is visitor:
                return
        self.waits(visitor)

    def waits(self, visitor: Visitor) -> None:
        """It is waited for, from now on."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self.waiting[visitor] = self._loop.time()
        self.waiting.move_to_end(visitor)
        if self._looking is None:
            self._looking = self._loop.call_later(self.patience.look_every, self._look)

    def leaves(self, visitor: Visitor) -> None:
        """It is not waited for any more: there is a whole request, or no connection."""
        self.waiting.pop(visitor, None)

    def _look(self) -> None:
        self._looking = None
        if self._loop is None or not self.waiting:
            return
        now = self._loop.time()
        late = list(takewhile(lambda entry: now - entry[1] >= self.patience.head, self.waiting.items()))
        for visitor, since in late:
            if not visitor.has_waited(now - since):
                self.leaves(visitor)
        self._looking = self._loop.call_later(self.patience.look_every, self._look)
