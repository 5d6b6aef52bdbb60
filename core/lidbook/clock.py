"""Time, in the one unit that facts, the log and the wire use."""

import time


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
