"""Starting: from the process's first moment to the first answers, and the memory when nothing more happens."""

import http.client
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from typing import Final

import orjson
import psutil

from bench import limits
from bench.generator import KEY
from bench.processes import Child, ChildFailed, complaints, spawned
from bench.served import lidbook
from bench.table import Row, Unit

REPEATED: Final = 5
_PATIENCE: Final = 30.0
_LOOK_EVERY: Final = 0.002
_IDLE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Started:
    """Seconds to a first answer of two kinds, and MB afterwards."""

    ping: float
    contact: float
    rss: float


def measure(folder: Path) -> list[Row]:
    """Three rows; the first start is not counted, since it compiles and fills the disk's cache."""
    person, _ = _start(folder / "start-0", None)
    runs = [_start(folder / f"start-{number + 1}", person)[1] for number in range(REPEATED)]
    return [
        Row(
            "start to first 200 on /ping",
            (statistics.median(run.ping for run in runs),),
            Unit.SECONDS,
            limit=limits.START,
            peer=limits.PEER_START,
        ),
        Row(
            "start to first 200 with a contact of the demo world",
            (statistics.median(r.contact for r in runs),),
            Unit.SECONDS,
        ),
        Row(
            "idle memory, demo world",
            (statistics.median(run.rss for run in runs),),
            Unit.MB,
            limit=limits.IDLE,
            peer=limits.PEER_IDLE,
        ),
    ]


def _start(data_dir: Path, person: str | None) -> tuple[str, Started]:
    """A server on an empty data dir; `person` is one of the demo world, found out when not given."""
    port = _free_port()
    log = data_dir.with_suffix(".log")
    command = [lidbook(), "serve", "--port", str(port), "--data-dir", str(data_dir)]
    begin = time.perf_counter()
    with spawned(command, log, LIDBOOK_API_KEY=KEY) as process:
        until = begin + _PATIENCE

        def wait(path: str, is_right: Callable[[bytes], bool]) -> bytes:
            while time.perf_counter() < until and process.poll() is None:
                body = _get(port, path)
                if body is not None and is_right(body):
                    return body
                time.sleep(_LOOK_EVERY)
            raise ChildFailed(f"the server did not answer {path}\n{complaints(log)}")

        wait("/ping", bool)
        ping = time.perf_counter() - begin
        if person is None:
            body = wait("/api/contacts/all?limit=1", lambda body: len(body) > 2)
            person = str(orjson.loads(body)[0]["id"])
        wait(f"/api/contacts?contactId={person}", lambda body: orjson.loads(body)["displayName"] is not None)
        contact = time.perf_counter() - begin
        time.sleep(_IDLE)
        return person, Started(ping, contact, Child(psutil.Process(process.pid), port).rss())


def _get(port: int, path: str) -> bytes | None:
    """The body of a 200; None for any other answer, or none."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)) as connection:
        try:
            connection.request("GET", path, headers={"X-Api-Key": KEY})
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            return None
        return body if answer.status == 200 else None


def _free_port() -> int:
    with create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
