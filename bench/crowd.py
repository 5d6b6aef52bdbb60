"""Many sessions in one server: all started, the process restarted, the process killed; and reads meanwhile."""

import http.client
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from bench.generator import KEY
from bench.processes import ChildFailed, spawned
from bench.served import Served, lidbook, serving
from bench.table import Row, Unit

SESSIONS: Final = 500
PEOPLE: Final = 200
"""In the world of each session; twenty worlds, so that twenty-five accounts' sessions share one."""
WORLDS: Final = 20
_AT_ONCE: Final = 16
_PATIENCE: Final = 180.0
_READ: Final = "/api/contacts?session=reader&contactId="


@dataclass(slots=True)
class Reads:
    """Times of reads of one contact, one after another on one connection, in milliseconds."""

    took: list[float] = field(default_factory=list)

    def at(self, share: float) -> float:
        """The time within which this share of them was answered."""
        ordered = sorted(self.took)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(folder: Path) -> list[Row]:
    """Rows for starting all of them by request, for a restart in good order, and for one after `kill -9`."""
    data_dir = folder / "crowd"
    rows: list[Row] = []
    with serving(data_dir) as served:
        _make(served)
        rows += _phase(served, f"{SESSIONS} sessions, all started by request", lambda: _start_all(served))
    with serving(data_dir) as served:
        rows += _phase(served, f"{SESSIONS} sessions, the process restarted", lambda: None)
        with _reading(served, Reads()) as at_rest:
            time.sleep(2.0)
        rows.append(_row("the same reads with all of them at rest, p99", at_rest))
    _kill(data_dir)
    with serving(data_dir) as served:
        rows += _phase(served, f"{SESSIONS} sessions, the process killed with signal 9", lambda: None)
    return rows


def _phase(served: Served, what: str, begin: Callable[[], None]) -> list[Row]:
    started = time.perf_counter()
    with _reading(served, Reads()) as reads:
        begin()
        _wait_until_working(served)
        seconds = time.perf_counter() - started
    return [
        Row(f"{what}: until every one is WORKING", (seconds,), Unit.SECONDS),
        _row("  reads of a contact meanwhile, p99", reads),
        Row("  memory then", (served.child.rss(),), Unit.MB),
    ]


def _row(what: str, reads: Reads) -> Row:
    return Row(what, (reads.at(0.99),), Unit.MILLISECONDS, latencies=(reads.at(0.5), reads.at(0.95), reads.at(0.99)))


def _make(served: Served) -> None:
    """The session that is read from, with a config that lets it be read at any time, and all the others, stopped."""
    served.call("POST", "/api/sessions", {"name": "reader", "config": {"engine": "sandbox", "staleReads": True}})
    while not served.is_synced("reader"):
        time.sleep(0.05)

    def make(number: int) -> None:
        config = {"engine": "sandbox", "settings": {"people": PEOPLE, "seed": number % WORLDS + 1}}
        served.call("POST", "/api/sessions", {"name": f"s{number:03}", "config": config, "start": False})

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(make, range(SESSIONS)))


def _start_all(served: Served) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda n: served.call("POST", f"/api/sessions/s{n:03}/start"), range(SESSIONS)))


def _wait_until_working(served: Served) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        sessions = orjson.loads(served.get("/api/sessions?all=true"))
        working = sum(session["status"] == "WORKING" for session in sessions)
        if working >= SESSIONS + 1:
            return
        if time.monotonic() > until:
            raise ChildFailed(f"only {working} of {SESSIONS} sessions were WORKING after {_PATIENCE:.0f} s")
        time.sleep(0.1)


def _kill(data_dir: Path) -> None:
    """Have a server bring everything up, and end it without warning in the midst of that."""
    command = [lidbook(), "serve", "--port", "0", "--data-dir", str(data_dir)]
    with spawned(command, data_dir.with_suffix(".killed.log"), LIDBOOK_API_KEY=KEY) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if b"http://" in line:
                break
        time.sleep(1.0)
        process.send_signal(signal.SIGKILL)
        process.wait()


@contextmanager
def _reading(served: Served, reads: Reads) -> Iterator[Reads]:
    """Read one contact again and again in a thread of its own, until leaving."""
    contact = orjson.loads(served.get("/api/contacts/all?session=reader&limit=1"))[0]["id"]
    done = threading.Event()
    faults: list[str] = []

    def read() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", served.child.port, timeout=60)) as connection:
            while not done.is_set():
                begin = time.perf_counter()
                connection.request("GET", _READ + contact, headers={"X-Api-Key": KEY})
                answer = connection.getresponse()
                body = answer.read()
                reads.took.append((time.perf_counter() - begin) * 1000)
                if answer.status != 200:
                    faults.append(f"{answer.status} {body[:200].decode()}")
                    return
                time.sleep(0.002)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield reads
    finally:
        done.set()
        thread.join()
    if faults:
        raise ChildFailed(f"a read failed meanwhile: {faults[0]}")
