"""Flatness: the same reads and pages over worlds of several sizes."""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final

from bench import rates
from bench.generator import Generator
from bench.served import Served, serving_people
from bench.table import Row, Unit

SIZES: Final = (1_000, 10_000)
_CHOSEN: Final = frozenset(
    {
        "contact by id",
        "lids/{lid}",
        "contacts/all, first page",
        "contacts/all, 50 % deep",
        "contacts/all by name, any depth",
        "lids, any depth",
    }
)


def of_size(generator: Generator, folder: Path, people: int, seconds: float, random: Random) -> dict[str, float]:
    """Ratios to the floor, in a server of its own."""
    with serving_people(folder, people) as served:
        return of_server(generator, served, seconds, random)


def of_server(generator: Generator, served: Served, seconds: float, random: Random) -> dict[str, float]:
    """Ratios to the floor, in a server that runs."""
    drawn = served.draw(random)
    asked = [*rates.reads(served, drawn), *rates.pages(served, drawn, random)]
    chosen = [each for each in asked if each.load.what in _CHOSEN]
    for each in chosen:
        each.check(served)  # the first page of a list has it laid out
    loads = [each.load for each in chosen]
    return {each.what: each.ratio for each in generator.beside_floor(loads, seconds)}


def rows(ratios: Mapping[int, Mapping[str, float]]) -> list[Row]:
    """A row for each load, from the ratios by size; the ratio is that of the largest world to the smallest."""
    sizes = sorted(ratios)
    shown = " / ".join(f"{size:,}" for size in sizes)
    return [
        Row(
            f"{what}: {shown} persons",
            tuple(ratios[size][what] for size in sizes),
            Unit.FLOORS,
            ratio=ratios[sizes[-1]][what] / ratios[sizes[0]][what],
        )
        for what in ratios[sizes[0]]
    ]
