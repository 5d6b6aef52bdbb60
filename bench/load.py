"""The load generator: a process of its own that takes jobs as lines of JSON and answers each with one.

`python -m bench.load`; the other end is `bench.generator`.
"""

import asyncio
import gc
import sys
import time
from itertools import cycle, islice
from typing import Final

import orjson
import uvloop

from bench.client import Asking, Clock, Reading, request
from bench.jobs import Dumped, Dumps, Pings, Rate, Rated

HOST: Final = "127.0.0.1"


async def rate(job: Rate) -> Rated:
    """As many requests as `connections` can have answered, one after another each."""
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[None] = loop.create_future()
    running = job.connections

    def done(error: BaseException | None) -> None:
        nonlocal running
        running -= 1
        if finished.done():
            return
        if error is not None:
            finished.set_exception(error)
        elif not running:
            finished.set_result(None)

    requests = [request(path, job.key) for path in job.paths]
    clock = Clock(job.warm_up, job.seconds, done)
    for number in range(job.connections):
        own = cycle(islice(requests, number, None, job.connections)) if len(requests) > job.connections else None
        await loop.create_connection(lambda own=own: Asking(clock, own or cycle(requests)), HOST, job.port)  # type: ignore[misc]
    await finished
    times = sorted(clock.latencies)
    return Rated(
        len(times) / job.seconds, _at(times, 0.5), _at(times, 0.95), _at(times, 0.99), clock.answers, clock.refused
    )


async def dumps(job: Dumps) -> Dumped:
    """The same long answer over all connections at once, with pings meanwhile if they are asked for."""
    loop = asyncio.get_running_loop()
    ends: list[asyncio.Future[float]] = [loop.create_future() for _ in range(job.connections)]
    readers = [(await loop.create_connection(lambda end=end: Reading(end), HOST, job.port))[1] for end in ends]  # type: ignore[misc]
    pinging = asyncio.create_task(_ping(job.port, job.pings)) if job.pings is not None else None
    if job.pings is not None:
        await asyncio.sleep(job.pings.lead)
    begin = time.perf_counter()
    for reader in readers:
        reader.ask(request(job.path, job.key))
    last = max(await asyncio.gather(*ends))
    pings: list[float] = []
    if pinging is not None:
        pinging.cancel()
        pings = [late for due, late in await pinging if due >= begin]
    return Dumped(last - begin, sum(reader.size for reader in readers), pings)


async def _ping(port: int, pings: Pings) -> list[tuple[float, float]]:
    """When each ping was due and how long after that it was answered: a stall delays the following ones as well.

    The loop's timer wakes up to a millisecond early; such a ping counts from when it was sent.
    """
    reader, writer = await asyncio.open_connection(HOST, port)
    raw, taken = request(pings.path, ""), []
    due = time.perf_counter()
    try:
        while True:
            await asyncio.sleep(due - time.perf_counter())
            begin = min(due, time.perf_counter())
            writer.write(raw)
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(pings.body)
            taken.append((due, time.perf_counter() - begin))
            due += pings.every
    except asyncio.CancelledError:
        now = time.perf_counter()
        while due < now:
            taken.append((due, now - due))
            due += pings.every
    writer.close()
    return taken


def _at(times: list[float], quantile: float) -> float:
    return times[min(int(len(times) * quantile), len(times) - 1)] if times else 0.0


def main() -> None:
    """Work on jobs until there are no more."""
    gc.disable()
    for line in sys.stdin.buffer:
        kind, job = orjson.loads(line)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            answer: Rated | Dumped
            if kind == "rate":
                answer = runner.run(rate(Rate(**job)))
            else:
                pings = job.pop("pings")
                answer = runner.run(dumps(Dumps(**job, pings=Pings(**pings) if pings else None)))
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()
        gc.collect()


if __name__ == "__main__":
    main()
