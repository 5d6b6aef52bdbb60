"""`python -m bench`: measures and prints the table; see the package's docstring for how to read it."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import orjson

from bench import echo, generator, limits, machine
from bench.processes import ChildFailed
from bench.run import Part, Run, Wanted
from bench.table import render


def main() -> int:
    """Measure what is asked for; 1 when something failed, never because a limit was missed."""
    signal.signal(signal.SIGTERM, _leave)
    wanted, json = _wanted()
    meanwhile = machine.Meanwhile.begin()
    try:
        with tempfile.TemporaryDirectory(prefix="lidbook-bench-") as folder:
            ceilings, rows = Run(Path(folder), wanted, meanwhile).measure()
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
    if json is not None:
        document = {"about": about, "rows": [row.document() for row in rows]}
        json.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return 0


def _wanted() -> tuple[Wanted, Path | None]:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Lidbook against its limits.")
    parser.add_argument("--people", type=int, default=limits.PEOPLE, help="persons in the world (default %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="how long each rate is measured (default %(default)s)"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=[part.value for part in Part],
        metavar="PART",
        help=f"one of {', '.join(Part)}; repeatable",
    )
    parser.add_argument("--million", action="store_true", help="flatness at 1,000,000 persons as well; takes minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to a file, too")
    given = parser.parse_args()
    if given.people < 1000 or given.seconds <= 0:
        parser.error("give at least 1000 people, and more than 0 seconds")
    return Wanted(given.people, given.seconds, frozenset(map(Part, given.only or Part)), given.million), given.json


def _leave(*_: object) -> NoReturn:
    """Turn the signal into an exception, so that every child is ended and every folder removed."""
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main())
