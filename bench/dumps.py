"""Full dumps: how long, how much memory, and who has to wait meanwhile."""

import statistics
import time
from typing import Final

import orjson

from bench import limits
from bench.generator import CONNECTIONS, Generator
from bench.jobs import Pings
from bench.processes import ChildFailed, PeakRss
from bench.served import Served
from bench.table import Row, Unit

PATH: Final = "/api/contacts/all?session=default"
REPEATED: Final = 5
PINGS: Final = Pings("/ping", len(b'{"message":"pong"}'), every=0.002, lead=0.1)
_JOIN: Final = (
    "SELECT doc FROM person NOT INDEXED WHERE session = (SELECT id FROM session WHERE name = 'default') "
    "AND listed = 1 ORDER BY id"
)


def measure(generator: Generator, served: Served, people: int) -> list[Row]:
    """Six rows; the memory of the first dump is that of a server which has answered nothing before."""
    with PeakRss(served.child) as one:
        first = generator.dump(served.child, PATH)
    joined = join(served)
    if first.size < joined[1]:
        raise ChildFailed(f"the dump has {first.size} bytes, but the documents alone have {joined[1]}")
    alone, joins = [], [joined[0]]
    for _ in range(REPEATED):
        alone.append(generator.dump(served.child, PATH).seconds)
        joins.append(join(served)[0])
    pings = sorted(late for _ in range(2 * REPEATED) for late in generator.dump(served.child, PATH, pings=PINGS).pings)
    with PeakRss(served.child) as many:
        crowd = generator.dump(served.child, PATH, CONNECTIONS)
    seconds, floor = statistics.median(alone), statistics.median(joins)
    return [
        Row(
            "full dump, to the last byte",
            (seconds * 1000,),
            Unit.MILLISECONDS,
            floor=floor * 1000,
            ratio=seconds / floor,
            limit=limits.DUMP,
            peer=limits.PEER_DUMP,
        ),
        Row(
            "full dump, memory grows by",
            (one.growth,),
            Unit.MB,
            limit=limits.at(people, limits.DUMP_GROWTH),
            peer=limits.PEER_DUMP_GROWTH,
        ),
        Row(
            "/ping during a dump, p99",
            (_at(pings, 0.99),),
            Unit.MILLISECONDS,
            limit=limits.at(people, limits.PING),
            peer=limits.PEER_PING,
            latencies=(_at(pings, 0.5), _at(pings, 0.95), _at(pings, 0.99)),
        ),
        Row("/ping during a dump, the slowest", (_at(pings, 1),), Unit.MILLISECONDS),
        Row(f"{CONNECTIONS} dumps at once, to the last byte", (crowd.seconds,), Unit.SECONDS),
        Row(
            f"{CONNECTIONS} dumps at once, memory grows by",
            (many.growth,),
            Unit.MB,
            limit=limits.at(people, limits.DUMPS_GROWTH),
            peer=limits.PEER_DUMPS_GROWTH,
        ),
    ]


def join(served: Served) -> tuple[float, int]:
    """Seconds that reading the stored documents and joining them takes in this process, and how many bytes that is."""
    with served.reading() as connection:
        begin = time.perf_counter()
        body = b"[" + b",".join([row[0] for row in connection.execute(_JOIN)]) + b"]"
        return time.perf_counter() - begin, len(body)


def retire(served: Served) -> None:
    """Stop session `default`, its directory staying readable: a server without a world has its own memory alone."""
    served.call("POST", "/api/sessions/default/stop")
    config = orjson.loads(served.get("/api/sessions/default"))["config"] or {}
    served.call("PUT", "/api/sessions/default", {"config": {**config, "staleReads": True}})


def _at(seconds: list[float], quantile: float) -> float:
    """In milliseconds."""
    return 1000 * seconds[min(int(len(seconds) * quantile), len(seconds) - 1)]
