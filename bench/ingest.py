"""Ingest: a phone number's field, a LID's field and the link of every person, into a new directory.

`python -m bench.ingest DELIVERY|SHUFFLED PEOPLE BATCH FILE` is the child that does it: it prints a line when it is
ready, begins when it gets one, and prints what came of it.
"""

import asyncio
import sqlite3
import sys
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Final

import orjson
import psutil

from bench import limits
from bench.processes import MB, Child, ChildFailed, PeakRss, complaints, module, spawned
from bench.table import Limit, Row, Unit
from lidbook.capabilities import Feed
from lidbook.clock import now_ms
from lidbook.directory.database import Database
from lidbook.directory.directory import Directory
from lidbook.facts import Fact, Field, FieldFact, LinkFact, Source
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.sessions import rows

KINDS: Final = 3
_FIRST: Final = ("Ana", "Bruno", "Chidi", "Dewi", "Elif", "Farid", "Grace", "Hana", "Ivan", "Juan")
_LAST: Final = ("Silva", "Okafor", "Rivera", "Kaya", "Novak", "Haddad", "Costa", "Mensah", "Suzuki", "Weber")
_AT: Final = 1_700_000_000_000


class Order(StrEnum):
    """In what order facts come."""

    DELIVERY = "delivery"
    """A person's three facts one after another; persons in no order."""
    SHUFFLED = "shuffled"
    """All facts in no order."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What came of it."""

    seconds: float
    cpu: float
    size: int
    """Bytes on disk."""


def measure(folder: Path, people: int) -> list[Row]:
    """Three rows for each order."""
    return [
        *_rows(folder, Order.DELIVERY, people, 3_000, limits.INGEST_DELIVERED),
        *_rows(folder, Order.SHUFFLED, people, 5_000, limits.INGEST_SHUFFLED),
    ]


def _rows(folder: Path, order: Order, people: int, batch: int, limit: Limit) -> list[Row]:
    file = folder / f"{order.value}.sqlite3"
    log = folder / f"ingest-{order.value}.log"
    with spawned(module("ingest", order.value, str(people), str(batch), str(file)), log) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        with PeakRss(Child(psutil.Process(process.pid), 0)) as memory:
            process.stdin.write(b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        if not line:
            raise ChildFailed(f"the ingest failed\n{complaints(log)}")
        done = Ingested(**orjson.loads(line))
    file.unlink()
    what = f"ingest {KINDS * people:,} facts, {order.value}, {batch:,} at a time"
    return [
        Row(
            what,
            (done.seconds,),
            Unit.SECONDS,
            limit=limits.at(people, limit),
            cpu=(done.cpu / (KINDS * people) * 1e6,),
        ),
        Row("  memory grows by", (memory.growth,), Unit.MB),
        Row("  size on disk", (done.size / MB,), Unit.MB),
    ]


def fact(number: int) -> Fact:
    """Fact so-and-so of all; three in a row are about one person, whose number and LID look like anybody's."""
    person, kind = divmod(number, KINDS)
    phone = PhoneNumber(f"55119{person * 61_803_399 % 10**8:08d}")
    lid = Lid(str(10**14 + person * 314_159_265_359 % (9 * 10**14)))
    first, last = _FIRST[person * 7 % 10], _LAST[person * 3 % 97 % 10]
    if kind == 0:
        return FieldFact(phone, Field.FULL_NAME, f"{first} {last}", Source.ADDRESS_BOOK, _AT + person)
    if kind == 1:
        return FieldFact(lid, Field.PUSHNAME, first, Source.HISTORY, _AT + person)
    return LinkFact(phone, lid, Source.HISTORY, _AT + person)


def _numbers(order: Order, people: int) -> Sequence[int]:
    numbers = array("I", range(KINDS * people))
    if order is Order.SHUFFLED:
        Random(1).shuffle(numbers)
    return numbers


def _batches(numbers: Sequence[int], size: int) -> Iterator[list[Fact]]:
    for start in range(0, len(numbers), size):
        yield [fact(number) for number in numbers[start : start + size]]


async def ingest(file: Path, numbers: Sequence[int], batch: int) -> Ingested:
    """All facts into a new directory, as an engine hands them over. The time to make them is not counted."""
    database = Database(file)
    session = await database.write(_new_session)
    directory = Directory(database, session, now_ms, lambda _: None)
    await directory.sync(Feed.CONTACTS, expected=len(numbers) // KINDS, received=None, complete=False)
    seconds = cpu = 0.0
    for facts in _batches(numbers, batch):
        begin, used = time.perf_counter(), time.process_time()
        await directory.apply(facts)
        seconds += time.perf_counter() - begin
        cpu += time.process_time() - used
    mapped = await directory.lids_count()
    await asyncio.to_thread(database.close)
    if mapped != len(numbers) // KINDS:
        raise ChildFailed(f"{len(numbers)} facts made {mapped} pairs")
    return Ingested(seconds, cpu, sum(path.stat().st_size for path in file.parent.glob(f"{file.name}*")))


def _new_session(connection: sqlite3.Connection) -> int:
    return rows.insert(
        connection, name="default", engine="none", engine_assumed=False, config=b"{}", desired="running", created_at=0
    )


def main() -> None:
    """The child."""
    order, people, batch, file = sys.argv[1:]
    numbers = _numbers(Order(order), int(people))
    print("ready", flush=True)
    sys.stdin.readline()
    print(orjson.dumps(asyncio.run(ingest(Path(file), numbers, int(batch)))).decode(), flush=True)


if __name__ == "__main__":
    main()
