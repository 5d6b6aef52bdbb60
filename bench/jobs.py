"""What the load generator is asked for and what it answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """Ask for `paths`, again and again, over so many connections for so long."""

    port: int
    paths: list[str]
    key: str
    connections: int
    seconds: float
    warm_up: float


@dataclass(frozen=True, slots=True)
class Rated:
    """Answers a second, and after how many seconds so many of 100 requests were answered."""

    rps: float
    p50: float
    p95: float
    p99: float
    answers: int
    """Those of the warm-up as well."""
    refused: int
    """How many of them were not 200."""


@dataclass(frozen=True, slots=True)
class Pings:
    """A request every so many seconds, whether the last one was quick or not; the answer has `body` bytes."""

    path: str
    body: int
    every: float
    lead: float
    """Seconds of pings before anything else happens."""


@dataclass(frozen=True, slots=True)
class Dumps:
    """Ask for one long answer over all connections at once."""

    port: int
    path: str
    key: str
    connections: int
    pings: Pings | None


@dataclass(frozen=True, slots=True)
class Dumped:
    """Seconds to the last byte of the last answer, bytes of all, and seconds of every ping meanwhile."""

    seconds: float
    size: int
    pings: list[float]
