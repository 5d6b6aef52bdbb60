"""The table: rows with a figure, what it is compared with, and the limit it is held to."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

HEADINGS: Final = ("measured", "figure", "p50/p95/p99 ms", "us CPU / floor", "floor", "ratio", "limit", "", "peer")


class Unit(StrEnum):
    """What a figure counts. Megabytes are 2^20 bytes."""

    RPS = "rps"
    PERSONS = "persons/s"
    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    MB = "MB"
    FLOORS = "F"


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure, or its ratio to the floor, must reach or must not pass."""

    sign: Literal[">=", "<="]
    value: float
    unit: str
    of: Literal["figure", "ratio"]

    def holds(self, value: float) -> bool:
        """Whether a measured value keeps it."""
        return value >= self.value if self.sign == ">=" else value <= self.value

    def __str__(self) -> str:
        return f"{self.sign} {self.value:g} {self.unit}"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement."""

    what: str
    figures: tuple[float, ...]
    """One; several where the same was measured at several sizes."""
    unit: Unit
    floor: float | None = None
    """In the same unit: the bare route of the same moment, or what the design compares with instead."""
    ratio: float | None = None
    limit: Limit | None = None
    peer: str = ""
    latencies: tuple[float, float, float] | None = None
    """p50, p95, p99 in milliseconds."""
    cpu: tuple[float, ...] = ()
    """Microseconds of the server's CPU for each answer, and of the floor's; of an ingest, for each fact."""

    @property
    def met(self) -> bool | None:
        """Whether the limit is kept; None where there is none."""
        value = self.ratio if self.limit is not None and self.limit.of == "ratio" else self.figures[-1]
        return None if self.limit is None or value is None else self.limit.holds(value)

    def document(self) -> dict[str, object]:
        """The row as JSON."""
        return {
            "measured": self.what,
            "figures": list(self.figures),
            "unit": self.unit.value,
            "floor": self.floor,
            "ratio": self.ratio,
            "limit": None if self.limit is None else str(self.limit),
            "met": self.met,
            "peer": self.peer or None,
            "latenciesMs": self.latencies,
            "cpuMicroseconds": self.cpu,
        }

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        return (
            self.what,
            f"{' / '.join(_number(figure, self.unit) for figure in self.figures)} {self.unit.value}",
            "" if self.latencies is None else " / ".join(f"{milliseconds:.1f}" for milliseconds in self.latencies),
            " / ".join(f"{microseconds:.0f}" for microseconds in self.cpu),
            "" if self.floor is None else f"{_number(self.floor, self.unit)} {self.unit.value}",
            "" if self.ratio is None else f"{self.ratio:.3f}",
            "" if self.limit is None else str(self.limit),
            {True: "met", False: "MISSED", None: ""}[self.met],
            self.peer,
        )


def render(rows: Sequence[Row]) -> str:
    """The rows under each other, as a table that Markdown understands too."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    drawn = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    drawn.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(drawn)


def _number(value: float, unit: Unit) -> str:
    if unit in (Unit.RPS, Unit.PERSONS):
        return f"{value:,.0f}"
    return f"{value:.2f}" if unit in (Unit.SECONDS, Unit.FLOORS) else f"{value:.1f}"
