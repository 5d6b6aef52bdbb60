"""Time, in the one unit that facts, the log and the wire use."""

import time
from collections.abc import Callable


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def within_second(seconds: int, arrived_ms: int) -> int:
    """The time, in milliseconds, of what a wire dates in whole `seconds`: its arrival, kept within that second.

    What arrives later, or before by a clock that is behind, is as of the nearest end of the second.
    """
    return min(max(arrived_ms, seconds * 1000), seconds * 1000 + 999)


class Moments:
    """A clock that never gives the same time twice, so that of two answers the later one wins."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._last = 0

    def __call__(self) -> int:
        """Now, or one millisecond after the last time given."""
        self._last = max(self._clock(), self._last + 1)
        return self._last
