"""Pages while facts come in: another session with a world of its own begins in the same server."""

import sys
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import orjson

from bench import limits
from bench.generator import Generator, Load, Measured, between
from bench.processes import ChildFailed
from bench.served import Served
from bench.table import Row, Unit

OTHER: Final = "other"
ROUNDS: Final = 3
_PATIENCE: Final = 120.0
_LOOK_EVERY: Final = 0.05


def measure(generator: Generator, served: Served, people: int, seconds: float, random: Random) -> list[Row]:
    """How late pages are meanwhile. No rows when the other session is complete before the first turn is over."""
    total = served.total("/api/contacts/all?limit=1")
    _wait(
        lambda: orjson.loads(served.get("/api/sessions/default"))["status"] == "WORKING", "session default did not work"
    )
    config = {"engine": "sandbox", "settings": {"people": people, "seed": 2}}
    served.call("POST", "/api/sessions", {"name": OTHER, "config": config})
    _wait(lambda: served.persons(OTHER) > 0, "the other session did not begin to be fed")
    began, persons = time.monotonic(), served.persons(OTHER)
    turns = _turns(generator, served, _loads(served, total, random), seconds)
    if not turns:
        print("bench: the other session was complete at once, so nothing was measured under ingest", file=sys.stderr)
        return []
    speed = (served.persons(OTHER) - persons) / (time.monotonic() - began)
    return [
        *(_row(sorted(each, key=lambda turn: turn.own.rated.p95)[len(each) // 2], people) for each in turns),
        Row("  taken in meanwhile by the other session", (speed,), Unit.PERSONS),
    ]


def _wait(is_so: Callable[[], bool], otherwise: str) -> None:
    until = time.monotonic() + _PATIENCE
    while not is_so():
        if time.monotonic() > until:
            raise ChildFailed(otherwise)
        time.sleep(_LOOK_EVERY)


def _loads(served: Served, total: int, random: Random) -> list[Load]:
    page = "/api/contacts/all?limit=100"
    fed = served.total(f"/api/contacts/all?limit=1&session={OTHER}")
    return [
        Load("contacts/all, any depth, another session is fed", served.child, _deep(page, total, random)),
        Load("contacts/all by name, another session is fed", served.child, _deep(f"{page}&sortBy=name", total, random)),
        Load(
            "contacts/all by name, this session is fed",
            served.child,
            _deep(f"{page}&sortBy=name&session={OTHER}", fed, random),
        ),
    ]


def _deep(path: str, total: int, random: Random) -> list[str]:
    return [f"{path}&offset={random.randrange(max(total - 100, 1))}" for _ in range(1000)]


def _turns(generator: Generator, served: Served, loads: Sequence[Load], seconds: float) -> list[list[Measured]]:
    """The loads in turns; only rounds that ended before the other session was complete."""
    share = seconds / ROUNDS
    turns: list[list[Measured]] = [[] for _ in loads]
    before = generator.floor_slice(share / 2)
    for _ in range(ROUNDS):
        found = []
        for load in loads:
            own = generator.slice(load, share)
            after = generator.floor_slice(share / 2)
            found.append(Measured(load.what, own, between(before, after)))
            before = after
        if served.is_synced(OTHER):
            break
        for measured, taken in zip(found, turns, strict=True):
            taken.append(measured)
    return turns if turns[0] else []


def _row(measured: Measured, people: int) -> Row:
    own, floor = measured.own.rated, measured.floor.rated
    return Row(
        measured.what,
        (own.p95 * 1000,),
        Unit.MILLISECONDS,
        floor=floor.p95 * 1000,
        ratio=own.p95 / floor.p95,
        limit=limits.at(people, limits.PAGE_UNDER_INGEST),
        latencies=(own.p50 * 1000, own.p95 * 1000, own.p99 * 1000),
    )
