"""Another attempt for a session whose engine failed: later each time, at no round moment, and not for ever."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from lidbook.values import StatusReason


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds before an attempt: each is twice the one before, less up to half of it by chance, so that hundreds of
    sessions which fell together do not come back together."""

    first: float = 1.0
    longest: float = 300.0


ATTEMPTS: Final[Mapping[StatusReason, int | None]] = {
    StatusReason.NETWORK: None,
    StatusReason.STORAGE: None,
    StatusReason.TIMEOUT: 16,
    StatusReason.CRASHED: 16,
}
"""Reasons that may pass, and how many attempts in a row they are worth: with the usual delays about half an hour. None
means as long as it takes. Any other reason needs a person."""

STEADY: Final = 60.0
"""Seconds for which a session has to have been WORKING for its attempts to be counted anew."""


@dataclass(slots=True)
class _Record:
    attempts: int = 0
    counted: int = 0
    """Attempts for reasons that are not tried for ever: a long night without network uses none of them up."""
    working_since: float | None = None
    due: float | None = None
    waiting: "asyncio.Task[None] | None" = None


class Supervisor:
    """Counts attempts and waits between them; `start` begins one and is the caller's."""

    def __init__(
        self,
        start: Callable[[str], None],
        monotonic: Callable[[], float],
        delays: Delays = Delays(),
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._start = start
        self._monotonic = monotonic
        self._delays = delays
        self._chance = chance
        self._sleep = sleep
        self._records: dict[str, _Record] = {}
        self._closed = False

    def works(self, name: str) -> None:
        """The session is WORKING."""
        record = self._records.get(name)
        if record is not None and record.working_since is None:
            record.working_since = self._monotonic()

    def failed(self, name: str, reason: StatusReason) -> float | None:
        """Count a failure; returns in how many seconds to `try_again`, or None when no attempt is to follow."""
        if reason not in ATTEMPTS:
            self.forget(name)
            return None
        record = self._records.setdefault(name, _Record())
        since, record.working_since = record.working_since, None
        if since is not None and self._monotonic() - since >= STEADY:
            record.attempts = record.counted = 0
        most = ATTEMPTS[reason]
        if most is not None:
            if record.counted >= most:
                self.forget(name)
                return None
            record.counted += 1
        whole = min(self._delays.longest, self._delays.first * 2.0 ** min(record.attempts, 30))
        delay = whole * (1 - self._chance() / 2)
        record.attempts += 1
        self._cancel(record)
        return delay

    def try_again(self, name: str, delay: float) -> None:
        """Begin the next attempt in so many seconds, unless it was forgotten since it failed."""
        record = self._records.get(name)
        if record is None or self._closed:
            return
        self._cancel(record)
        record.due = self._monotonic() + delay
        record.waiting = asyncio.create_task(self._later(name, record, delay), name=f"next attempt of {name}")

    def begun(self, name: str) -> None:
        """An attempt is under way, whoever began it: none is waited for any more."""
        record = self._records.get(name)
        if record is not None:
            self._cancel(record)

    def forget(self, name: str) -> None:
        """No further attempt is wanted, and earlier ones do not count any more."""
        record = self._records.pop(name, None)
        if record is not None:
            self._cancel(record)

    def attempts(self, name: str) -> int:
        """How many attempts in a row were needed lately."""
        record = self._records.get(name)
        return 0 if record is None else record.attempts

    def due_in(self, name: str) -> float:
        """Seconds until the next attempt; 0 when none is waited for."""
        record = self._records.get(name)
        return 0.0 if record is None or record.due is None else max(0.0, record.due - self._monotonic())

    def close(self) -> None:
        """Begin no further attempt."""
        self._closed = True
        for record in self._records.values():
            self._cancel(record)

    async def _later(self, name: str, record: _Record, delay: float) -> None:
        await self._sleep(delay)
        record.waiting = record.due = None  # so that what `start` begins does not cancel this task
        self._start(name)

    @staticmethod
    def _cancel(record: _Record) -> None:
        waiting, record.waiting, record.due = record.waiting, None, None
        if waiting is not None:
            waiting.cancel()
