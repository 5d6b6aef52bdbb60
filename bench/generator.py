"""The load generator as the measurements use it: one process, kept for the whole run."""

import statistics
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

import orjson

from bench import echo, floor
from bench.jobs import Dumped, Dumps, Pings, Rate, Rated
from bench.processes import Child, ChildFailed, complaints, module, server, spawned

A = TypeVar("A", Rated, Dumped)
CONNECTIONS: Final = 32
WARM_UP: Final = 0.05
ROUNDS: Final = 5
KEY: Final = "key-of-the-benchmark"


@dataclass(frozen=True, slots=True)
class Load:
    """Paths to ask of a server."""

    what: str
    server: Child
    paths: list[str]


@dataclass(frozen=True, slots=True)
class Slice:
    """One stretch of load: how quickly it was answered, and the server's CPU seconds for each answer."""

    rated: Rated
    cpu: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A load beside the floor of the same moment."""

    what: str
    own: Slice
    floor: Slice

    @property
    def ratio(self) -> float:
        """Requests a second, of the floor's."""
        return self.own.rated.rps / self.floor.rated.rps


class Generator:
    """Runs one load at a time."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path, floor_server: Child) -> None:
        self._process = process
        self._log = log
        self._floor = Load("floor", floor_server, [floor.PATH])

    def slice(self, load: Load, seconds: float, *, warm_up: float = WARM_UP) -> Slice:
        """One load for so long. Raises `ChildFailed` if anything but a 200 came back."""
        before = load.server.cpu()
        job = Rate(load.server.port, load.paths, KEY, CONNECTIONS, seconds, warm_up)
        rated = self._do("rate", job, Rated)
        if rated.refused or not rated.rps:
            raise ChildFailed(f"{load.what}: {rated.refused} of {rated.answers} answers were not 200")
        return Slice(rated, (load.server.cpu() - before) / rated.answers)

    def floor_slice(self, seconds: float) -> Slice:
        """The floor for so long."""
        return self.slice(self._floor, seconds)

    def beside_floor(self, loads: Sequence[Load], seconds: float) -> list[Measured]:
        """Each load for `seconds` in all, in turns, the floor before and after every turn.

        Other work on the machine disturbs some turns and not others, so what is kept of each load is the turn with
        the median ratio.
        """
        share = seconds / ROUNDS
        turns: list[list[Measured]] = [[] for _ in loads]
        before = self.floor_slice(share)
        for _ in range(ROUNDS):
            for load, taken in zip(loads, turns, strict=True):
                own = self.slice(load, share)
                after = self.floor_slice(share)
                taken.append(Measured(load.what, own, between(before, after)))
                before = after
        return [statistics.median_high(_ByRatio(turn) for turn in taken).measured for taken in turns]

    def dump(self, child: Child, path: str, connections: int = 1, pings: Pings | None = None) -> Dumped:
        """One long answer, over so many connections at once."""
        return self._do("dumps", Dumps(child.port, path, KEY, connections, pings), Dumped)

    def _do(self, kind: str, job: Rate | Dumps, answered: type[A]) -> A:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps([kind, job]) + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise ChildFailed(f"the load generator is gone\n{complaints(self._log)}")
        return answered(**orjson.loads(line))


@dataclass(frozen=True, slots=True)
class _ByRatio:
    measured: Measured

    def __lt__(self, other: "_ByRatio") -> bool:
        return self.measured.ratio < other.measured.ratio


def between(before: Slice, after: Slice) -> Slice:
    """What the floor will have been between two measurements of it."""
    a, b = before.rated, after.rated
    rated = replace(
        a, rps=(a.rps + b.rps) / 2, p50=(a.p50 + b.p50) / 2, p95=(a.p95 + b.p95) / 2, p99=(a.p99 + b.p99) / 2
    )
    return Slice(rated, (before.cpu + after.cpu) / 2)


@contextmanager
def started(folder: Path) -> Iterator[tuple[Generator, tuple[float, ...]]]:
    """The generator with a floor to measure, and how many requests a second it can do at most, by size of answer."""
    with ExitStack() as stack:
        floor_server = stack.enter_context(server(module("floor"), folder / "floor.log"))
        log = folder / "generator.log"
        process = stack.enter_context(spawned(module("load"), log))
        generator = Generator(process, log, floor_server)
        ceilings = []
        for size in echo.SIZES:
            with server(module("echo", str(size)), folder / "echo.log") as raw:
                ceilings.append(generator.slice(Load("echo", raw, [echo.PATH]), 0.7).rated.rps)
        generator.floor_slice(0.5)
        yield generator, tuple(ceilings)
