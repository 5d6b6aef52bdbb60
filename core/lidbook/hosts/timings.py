"""How long what concerns a host may take, and how soon one that fell is started again."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds, and how many pings may go unanswered."""

    ping: float = 5.0
    """Between two pings."""
    missed: int = 3
    """Pings without an answer after which a host is dead."""
    hello: float = 12.0
    """From its start until it has said hello."""
    start: float = 10.0
    """Until it has answered `session.start`, which waits for no network."""
    stop: float = 5.0
    """Until it has stopped a session; a host that takes longer hangs, and is killed."""
    exit: float = 5.0
    """From the end of its socket until it has exited."""
    idle: float = 30.0
    """For which a host without sessions is kept."""
    steady: float = 60.0
    """For which a host has to have been up for its crashes to be counted anew."""
    window: float = 3600.0
    """In which `FALLS` crashes, however far apart, have the sessions of a host told apart; a session that is suspected
    is acquitted when so long has passed without one."""
    first: float = 0.2
    """Before the second restart in a row, and before each half of sessions that are told apart is started; the first
    follows at once, each later one after twice as long."""
    longest: float = 10.0
    """Before any restart."""
    apart: float = 0.02
    """Between two sessions that are started again: those that fell together do not all connect at once."""


CRASHES: Final = 2
"""Crashes in a row after which the sessions of a host are told apart."""
FALLS: Final = 3
"""Crashes within `Timings.window` after which they are told apart as well: some sessions take their time."""
LAUNCHES: Final = 4
"""Hosts of one engine that come up at the same time: many that fell together shall not slow each other down until none
says hello in time."""
BOOTS: Final = 5
"""Attempts in a row at a host that does not come up, before its sessions are given up."""


class Restarts:
    """Counts restarts in a row, and says when the next is due: less up to half of it by chance, so that hosts which
    fell together do not come back together."""

    def __init__(self, timings: Timings, count: int = 0, chance: Callable[[], float] = random.random) -> None:
        self.count = count
        self._timings = timings
        self._chance = chance

    def delay(self) -> float:
        """Count one more; returns the seconds to wait before it."""
        self.count += 1
        if self.count <= 1:
            return 0.0
        return self._by_chance(min(self._timings.longest, self._timings.first * 2.0 ** min(self.count - 2, 30)))

    def soon(self) -> float:
        """Seconds to wait before one that is not counted: its sessions are fewer than those that fell."""
        return self._by_chance(self._timings.first)

    def forget(self) -> None:
        """Count anew."""
        self.count = 0

    def _by_chance(self, seconds: float) -> float:
        return seconds * (1 - self._chance() / 2)
