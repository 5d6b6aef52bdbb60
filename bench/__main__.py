"""`python -m bench`: measures and prints the table; see the package's docstring for how to read it."""

import argparse
import signal
import sys
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final, NoReturn

import orjson

from bench import busy, dumps, echo, flatness, generator, ingest, limits, machine, rates, start
from bench.processes import ChildFailed
from bench.served import serving, serving_people
from bench.table import Row, render

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


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    people: int
    seconds: float
    parts: frozenset[Part]
    million: bool
    json: Path | None


def main() -> int:
    """Measure what is asked for; 1 when something failed, never because a limit was missed."""
    signal.signal(signal.SIGTERM, _leave)
    wanted = _wanted()
    meanwhile = machine.Meanwhile.begin()
    try:
        with tempfile.TemporaryDirectory(prefix="lidbook-bench-") as folder:
            ceilings, rows = _run(Path(folder), wanted, meanwhile)
    except ChildFailed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    ceiling = " and ".join(f"{rps:,.0f} rps of {size:,} bytes" for size, rps in zip(echo.SIZES, ceilings, strict=False))
    others = f"others used {meanwhile.others():.0%} of the machine meanwhile"
    quick, slow = meanwhile.speed
    sizes = f"{wanted.people:,} persons; {generator.CONNECTIONS} connections; {wanted.seconds:g} s a rate"
    about = [
        f"{sizes}; {meanwhile.seconds:.0f} s in all",
        machine.described(),
        f"load average {meanwhile.load_before:.2f} before; {others}; a fixed loop took {quick:.0f} to {slow:.0f} ms",
        f"load generator alone: {ceiling or 'not used'}",
    ]
    print("\n".join(about), render(rows), sep="\n\n")
    if wanted.json is not None:
        document = {"about": about, "rows": [row.document() for row in rows]}
        wanted.json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return 0


def _run(folder: Path, wanted: Wanted, meanwhile: machine.Meanwhile) -> tuple[tuple[float, ...], list[Row]]:
    rows: list[Row] = []
    parts = wanted.parts
    if Part.START in parts:
        _begin("starting", meanwhile)
        rows += start.measure(folder)
    if Part.INGEST in parts:
        _begin("ingest", meanwhile)
        rows += ingest.measure(folder, wanted.people)
    if parts - {Part.START, Part.INGEST}:
        with generator.started(folder) as (load, ceilings):
            return ceilings, [*_served(folder, load, wanted, meanwhile), *rows]
    return (), rows


def _served(folder: Path, load: generator.Generator, wanted: Wanted, meanwhile: machine.Meanwhile) -> list[Row]:
    """Everything about one server full of people, and the flatness over several."""
    rows: list[Row] = []
    parts, seconds, random = wanted.parts, wanted.seconds, Random(1)
    ratios: dict[int, dict[str, float]] = {}
    _begin(f"a world of {wanted.people:,} persons", meanwhile)
    with serving_people(folder, wanted.people) as served:
        drawn = served.draw(random)
        asked = rates.reads(served, drawn) if Part.READS in parts else []
        asked += rates.pages(served, drawn, random) if Part.PAGES in parts else []
        for each in asked:
            each.check(served)
        if asked:
            _begin("reads and pages", meanwhile)
            rows += rates.measure(load, asked, seconds)
        if Part.FLATNESS in parts:
            _begin("flatness", meanwhile)
            ratios[wanted.people] = flatness.of_server(load, served, seconds / 2, random)
        dumps.retire(served)
    if parts & {Part.DUMPS, Part.BUSY}:
        with serving(served.data_dir) as served:
            if Part.DUMPS in parts:
                _begin("dumps", meanwhile)
                rows += dumps.measure(load, served, wanted.people)
            if Part.BUSY in parts:
                _begin("pages under ingest", meanwhile)
                served.call("POST", "/api/sessions/default/start")
                rows += busy.measure(load, served, wanted.people, seconds, random)
    if Part.FLATNESS in parts:
        for people in (*flatness.SIZES, *((LARGEST,) if wanted.million else ())):
            if people not in ratios:
                _begin(f"flatness at {people:,} persons", meanwhile)
                ratios[people] = flatness.of_size(load, folder, people, seconds / 2, random)
        sizes = sorted(ratios)
        rows += flatness.rows(sizes, [ratios[size] for size in sizes])
    return rows


def _wanted() -> Wanted:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Lidbook against its limits.")
    parser.add_argument("--people", type=int, default=limits.PEOPLE, help="persons in the world (default %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="how long each rate is measured (default %(default)s)"
    )
    parser.add_argument(
        "--only",
        type=Part,
        action="append",
        choices=list(Part),
        metavar="PART",
        help=f"one of {', '.join(Part)}; repeatable",
    )
    parser.add_argument("--million", action="store_true", help="flatness at 1,000,000 persons as well; takes minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to a file, too")
    given = parser.parse_args()
    if given.people < 1000 or given.seconds <= 0:
        parser.error("give at least 1000 people, and more than 0 seconds")
    return Wanted(given.people, given.seconds, frozenset(given.only or Part), given.million, given.json)


def _begin(what: str, meanwhile: machine.Meanwhile) -> None:
    meanwhile.look()
    print(f"bench: {what} …", file=sys.stderr, flush=True)


def _leave(*_: object) -> NoReturn:
    """Turn the signal into an exception, so that every child is ended and every folder removed."""
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main())
