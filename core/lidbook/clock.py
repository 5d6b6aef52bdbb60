"""Time, in the one unit that facts, the log and the wire use."""

import time
from collections.abc import Callable


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Moments:
    """A clock that never gives the same time twice, so that of two answers the later one wins."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._last = 0

    def __call__(self) -> int:
        """Now, or one millisecond after the last time given."""
        self._last = max(self._clock(), self._last + 1)
        return self._last
