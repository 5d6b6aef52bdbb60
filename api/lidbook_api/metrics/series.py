"""Numbers on their way from where they are counted to the text of a scrape."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from lidbook_api.metrics.catalogue import Metric

Labels = tuple[str, ...]


class Histogram:
    """How many seconds things took."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """By bound, and last those above all of them."""
        self.total = 0.0
        """Of all the seconds."""

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def merge(self, other: "Histogram") -> None:
        """All that another of the same bounds has seen."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    def copy(self) -> "Histogram":
        """As it is now."""
        other = Histogram(self.bounds)
        other.merge(self)
        return other

    @property
    def count(self) -> int:
        """How many things there were."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Series:
    """What there is of one metric, by the values of its labels."""

    metric: Metric
    values: Sequence[tuple[Labels, float]] = ()
    times: Sequence[tuple[Labels, Histogram]] = ()
    """Instead of values, for a histogram."""
