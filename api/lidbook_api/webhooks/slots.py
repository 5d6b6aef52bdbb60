"""How many sends may be under way at once, so that slow receivers take nothing away from quick ones.

A send to a receiver that is not known to be slow holds a quick place, for `PATIENCE` seconds at most: then it gives it
back and goes on as an overdue one. Sends to slow receivers, those that were overdue lately, have places of their own.
So, however many slow ones there are, with N sessions a quick one waits for N / `QUICK` seconds at most, rounded up, and
behind others of its own session for its turn among them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from lidbook_api.webhooks.pool import Pool

PATIENCE: Final = 1.0
"""Seconds after which a receiver is slow."""
QUICK: Final = 200
QUICK_SHARE: Final = 20
"""Quick places that one session may hold."""
SLOW: Final = 200
SLOW_SHARE: Final = 20
SLOW_PER_HOST: Final = 10
OVERDUE: Final = 300
"""Sends that may go on though they outstayed a quick place; one more, and the session with the most loses its last."""


class Place:
    """One send's."""

    def __init__(self, session: str, patience: float) -> None:
        self.session: Final = session
        self.is_overdue = False
        """Whether it gave back the quick place that it had."""
        self.was_cut = False
        self._loop = asyncio.get_running_loop()
        self._slow_from = self._loop.time() + patience
        self._limit: asyncio.Timeout | None = None

    @property
    def is_slow(self) -> bool:
        """Whether it has been held for so long that the receiver is slow."""
        return self.is_overdue or self._loop.time() > self._slow_from

    def within(self, seconds: float) -> asyncio.Timeout:
        """A limit for a step of the send; `cut` makes it now."""
        self._limit = asyncio.timeout(seconds)
        return self._limit

    def cut(self) -> None:
        """End the send."""
        self.was_cut = True
        if self._limit is not None:
            with suppress(RuntimeError):  # it has come to its end by itself
                self._limit.reschedule(self._loop.time())


class Slots:
    """Places for sends."""

    def __init__(self, *, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._quick = Pool(QUICK, share=QUICK_SHARE)
        self._slow = Pool(SLOW, share=SLOW_SHARE, per_host=SLOW_PER_HOST)
        self._overdue: dict[str, dict[Place, None]] = {}
        """By session, the last one last."""

    @asynccontextmanager
    async def taken(self, session: str, host: str, *, slow: bool) -> AsyncIterator[Place]:
        """Hold a place for one send; `slow` when the receiver is known to be."""
        pool = self._slow if slow else self._quick
        await pool.enter(session, host)
        place = Place(session, self._patience)
        timer = None
        if not slow:
            timer = asyncio.get_running_loop().call_later(self._patience, self._outstay, place, host)
        try:
            yield place
        finally:
            if timer is not None:
                timer.cancel()
            if place.is_overdue:
                self._forget(place)
            else:
                pool.leave(session, host)

    def _outstay(self, place: Place, host: str) -> None:
        """Let a send go on without the quick place that it had, if that is not one too many."""
        place.is_overdue = True
        self._overdue.setdefault(place.session, {})[place] = None
        self._quick.leave(place.session, host)
        if sum(map(len, self._overdue.values())) > OVERDUE:
            most = max(self._overdue.values(), key=lambda held: (len(held), place in held))
            last = next(reversed(most))
            self._forget(last)
            last.cut()

    def _forget(self, place: Place) -> None:
        held = self._overdue.get(place.session, {})
        held.pop(place, None)
        if not held:
            self._overdue.pop(place.session, None)
