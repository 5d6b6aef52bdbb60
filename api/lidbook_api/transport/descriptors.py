"""File descriptors: as many as the process may have, and how many of them connections may take."""

import sys
from typing import Final

MOST_REQUESTED: Final = 65_536
"""Descriptors that are asked for at most: child processes close every number that they may have, one by one."""

MOST_CONNECTIONS: Final = 4096
"""Connections beside the websockets, however many descriptors there are: each may hold 64 KiB of a half request."""

_UNKNOWN: Final = 1024
"""What is counted on where the limit cannot be asked for."""


def raised() -> tuple[int, int]:
    """Raise the soft limit to the hard one; returns how many descriptors there were before, and are now."""
    if sys.platform == "win32":
        return _UNKNOWN, _UNKNOWN
    import resource  # noqa: PLC0415 - not on every platform

    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_REQUESTED if hard == resource.RLIM_INFINITY else min(hard, MOST_REQUESTED)
    if before == resource.RLIM_INFINITY or before >= wanted:
        return (MOST_REQUESTED, MOST_REQUESTED) if before == resource.RLIM_INFINITY else (before, before)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS has another limit below the one that it tells
        return before, before
    return before, wanted


def connections(descriptors: int, websockets: int) -> int:
    """How many connections there may be: a quarter of the descriptors, but 1024 at most, is left to the database, to
    webhooks and to engines."""
    return max(1, min(descriptors - min(descriptors // 4, 1024), MOST_CONNECTIONS + websockets))
