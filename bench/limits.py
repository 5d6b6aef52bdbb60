"""What Lidbook must reach at 100,000 persons, and what a peer reached: WAHA 2025.11.3 with its NOWEB store."""

from typing import Final

from bench.table import Limit

PEOPLE: Final = 100_000
"""Limits in seconds, milliseconds and megabytes are about so many persons."""

READ: Final = Limit(">=", 0.60, "F", "ratio")
PAGE: Final = Limit(">=", 0.50, "F", "ratio")
PAGE_UNDER_INGEST: Final = Limit("<=", 50, "ms", "figure")
DUMP: Final = Limit("<=", 3, "x", "ratio")
DUMP_GROWTH: Final = Limit("<=", 16, "MB", "figure")
DUMPS_GROWTH: Final = Limit("<=", 64, "MB", "figure")
PING: Final = Limit("<=", 20, "ms", "figure")
INGEST_DELIVERED: Final = Limit("<=", 12, "s", "figure")
INGEST_SHUFFLED: Final = Limit("<=", 30, "s", "figure")
START: Final = Limit("<=", 1.2, "s", "figure")
IDLE: Final = Limit("<=", 90, "MB", "figure")
BRIDGE_EACH: Final = Limit("<=", 2, "MB", "figure")

PEER_CONTACT: Final = "1,117 rps, 0.14 F"
PEER_LID: Final = "896 rps"
PEER_PAGE: Final = "521 rps"
PEER_DEEP_PAGE: Final = "196 rps"
PEER_BY_NAME: Final = "26 rps"
PEER_LIDS: Final = "29 rps"
PEER_DUMP: Final = "854 ms"
PEER_DUMP_GROWTH: Final = "835 MB"
PEER_DUMPS_GROWTH: Final = "1,216 MB"
PEER_PING: Final = "stalls 1 s"
PEER_START: Final = "2.6 s"
PEER_IDLE: Final = "253 MB"


def at(people: int, limit: Limit) -> Limit | None:
    """The limit, where it is about a world of this size."""
    return limit if limit.of == "ratio" or people == PEOPLE else None
