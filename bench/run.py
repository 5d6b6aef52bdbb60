"""One run: which parts are measured, in what order, on which servers."""

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final

from bench import bridge, busy, crowd, dumps, flatness, generator, ingest, rates, start, steps
from bench.generator import Generator
from bench.machine import Meanwhile
from bench.served import Served, serving, serving_people
from bench.table import Row

LARGEST: Final = 1_000_000


class Part(StrEnum):
    """What can be measured alone."""

    START = "start"
    INGEST = "ingest"
    READS = "reads"
    PAGES = "pages"
    DUMPS = "dumps"
    BUSY = "busy"
    FLATNESS = "flatness"
    CROWD = "crowd"
    BRIDGE = "bridge"
    STEPS = "steps"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    people: int
    seconds: float
    parts: frozenset[Part]
    million: bool


@dataclass(frozen=True, slots=True)
class Run:
    """A folder that is removed afterwards, what is wanted, and a look at the machine between the parts."""

    folder: Path
    wanted: Wanted
    meanwhile: Meanwhile

    def measure(self) -> tuple[tuple[float, ...], list[Row]]:
        """The rows, and the ceilings of the load generator where it was needed."""
        alone: list[Row] = []
        if self._begins(Part.START):
            alone += start.measure(self.folder)
        if self._begins(Part.INGEST):
            alone += ingest.measure(self.folder, self.wanted.people)
        if self._begins(Part.CROWD):
            alone += crowd.measure(self.folder)
        if self._begins(Part.BRIDGE):
            alone += bridge.measure(self.folder)
        if self.wanted.parts <= {Part.START, Part.INGEST, Part.CROWD, Part.BRIDGE}:
            return (), alone
        with generator.started(self.folder) as (load, ceilings):
            return ceilings, [*self._served(load), *alone]

    def _served(self, load: Generator) -> list[Row]:
        """Everything that needs servers full of people."""
        random = Random(1)
        ratios: dict[int, dict[str, float]] = {}
        people, seconds = self.wanted.people, self.wanted.seconds
        self._say(f"a world of {people:,} persons")
        with serving_people(self.folder, people) as served:
            rows = self._rates(load, served, random)
            if self._begins(Part.FLATNESS):
                ratios[people] = flatness.of_server(load, served, seconds / 2, random)
            dumps.retire(served)
        if self._begins(Part.STEPS):
            rows += steps.measure(self.folder, served.data_dir)
        with ExitStack() as stack:
            if self.wanted.parts & {Part.DUMPS, Part.BUSY}:
                served = stack.enter_context(serving(served.data_dir))
            if self._begins(Part.DUMPS):
                rows += dumps.measure(load, served, people)
            if self._begins(Part.BUSY):
                served.call("POST", "/api/sessions/default/start")
                rows += busy.measure(load, served, people, seconds, random)
        if Part.FLATNESS in self.wanted.parts:
            for size in (*flatness.SIZES, *((LARGEST,) if self.wanted.million else ())):
                if size not in ratios:
                    self._say(f"flatness at {size:,} persons")
                    ratios[size] = flatness.of_size(load, self.folder, size, seconds / 2, random)
            rows += flatness.rows(ratios)
        return rows

    def _rates(self, load: Generator, served: Served, random: Random) -> list[Row]:
        drawn = served.draw(random)
        asked: list[rates.Asked] = []
        if self._begins(Part.READS):
            asked += rates.reads(served, drawn)
        if self._begins(Part.PAGES):
            asked += rates.pages(served, drawn, random)
        for each in asked:
            each.check(served)
        return rates.measure(load, asked, self.wanted.seconds) if asked else []

    def _begins(self, part: Part) -> bool:
        if part in self.wanted.parts:
            self._say(part.value)
        return part in self.wanted.parts

    def _say(self, what: str) -> None:
        self.meanwhile.look()
        print(f"bench: {what} …", file=sys.stderr, flush=True)
