"""Sessions of go-bridge: how long they take to be linked, how much memory each takes, and how soon they are back.

They are linked to accounts of a sandbox network in a process of its own, whose phones scan their codes.
"""

import http.client
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
import psutil

from bench import limits
from bench.generator import KEY
from bench.processes import MB, ChildFailed, complaints, server, spawned
from bench.served import Served, lidbook
from bench.table import Row, Unit
from lidbook.network_descriptor import descriptor_path, read_descriptor
from lidbook.world.crowded import crowded_world
from lidbook.world.files import save_world
from lidbook_go_bridge.runtime import GoBridgeRuntime

SESSIONS: Final = 100
SIZES: Final = (1, 10, SESSIONS)
"""At how many sessions the host's memory is looked at, besides none."""
WHAT: Final = "sessions of go-bridge"
SETTLED: Final = 5.0
"""Seconds after which a host's memory is looked at: what the first sync needed is given back by then."""
_AT_ONCE: Final = 8
_PATIENCE: Final = 240.0
_LOOK_EVERY: Final = 0.02


def measure(folder: Path) -> list[Row]:
    """Rows for linking, for memory, for a host that is killed and for a server that is started again."""
    data_dir, world = folder / "bridge", folder / "crowd.json"
    save_world(crowded_world(SESSIONS), world)
    _install(data_dir)
    with _network(data_dir, world) as phones:
        with _serving(data_dir) as served:
            rows = _linked(served, phones)
            rows.append(_killed(served))
        with _serving(data_dir) as served:
            began = time.perf_counter()
            _await_working(served, SESSIONS)
            seconds = time.perf_counter() - began
            time.sleep(SETTLED)
            rows += [
                Row(f"{WHAT}: server started again until {SESSIONS} are WORKING", (seconds,), Unit.SECONDS),
                Row("  memory of the host then", (_host_memory(served),), Unit.MB),
                Row("  memory of the server then", (served.child.rss(),), Unit.MB),
            ]
    return rows


def _linked(served: Served, phones: "Phones") -> list[Row]:
    """Link the first ten one after the other, and all others some at a time; the host's memory on the way."""
    memory = [_without_sessions(served.data_dir)]
    took: list[float] = []
    linked = 0
    for size in SIZES:
        numbers = range(linked, size)
        if size <= 10:
            took += [_link(served, phones, number) for number in numbers]
        else:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(lambda number: _link(served, phones, number), numbers))
        linked = size
        _await_synced(served, numbers)
        time.sleep(SETTLED)
        memory.append(_host_memory(served))
    each = (memory[-1] - memory[-2]) / (SIZES[-1] - SIZES[-2])
    sizes = " / ".join(str(size) for size in (0, *SIZES))
    return [
        Row(f"{WHAT}: from the scan until WORKING, median of {len(took)}", (statistics.median(took),), Unit.SECONDS),
        Row(f"  memory of the host with {sizes}", tuple(memory), Unit.MB),
        Row(f"  for each further one, from {SIZES[-2]} to {SIZES[-1]}", (each,), Unit.MB, limit=limits.BRIDGE_EACH),
    ]


def _killed(served: Served) -> Row:
    """Kill the host with everything in it."""
    host = _host(served)
    began = time.perf_counter()
    host.kill()
    _await(lambda: _working(served) < SESSIONS, "the loss of the host to be noticed")
    _await_working(served, SESSIONS)
    return Row(f"{WHAT}: host killed until {SESSIONS} are WORKING", (time.perf_counter() - began,), Unit.SECONDS)


def _without_sessions(data_dir: Path) -> float:
    """The memory of a host that has said hello, and has no session."""
    binary = GoBridgeRuntime(data_dir / "engines" / "go-bridge").binary()
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        environment = {"LIDBOOK_HOST_FD": str(theirs.fileno())}
        process = subprocess.Popen([binary], pass_fds=[theirs.fileno()], env=environment, stderr=subprocess.DEVNULL)
        try:
            hello = {"protocol": 1, "engine": "go-bridge", "network": None, "log_level": "info"}
            ours.sendall(orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "hello", "params": hello}) + b"\n")
            if not ours.recv(1):
                raise ChildFailed("a host ended before it said hello")
            time.sleep(SETTLED)
            return float(psutil.Process(process.pid).memory_info().rss) / MB
        finally:
            process.kill()
            process.wait()


def _link(served: Served, phones: "Phones", number: int) -> float:
    """Make a session and have its code scanned; seconds from the scan until it works."""
    name = _name(number)
    served.call("POST", "/api/sessions", {"name": name, "config": {"engine": "go-bridge"}})
    _await_status(served, name, "SCAN_QR_CODE")
    code = orjson.loads(served.get(f"/api/{name}/auth/qr?format=raw"))["value"]
    began = time.perf_counter()
    phones.scan(number, code)
    _await_status(served, name, "WORKING")
    return time.perf_counter() - began


def _host(served: Served) -> psutil.Process:
    """The one host. Raises `ChildFailed` when there is none, or another."""
    hosts: list[psutil.Process] = served.child.process.children()
    if len(hosts) != 1:
        raise ChildFailed(f"the server has {len(hosts)} child processes, and not one host")
    return hosts[0]


def _host_memory(served: Served) -> float:
    return float(_host(served).memory_info().rss) / MB


def _name(number: int) -> str:
    return f"s{number:03}"


def _await(holds: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > until:
            raise ChildFailed(f"waited {_PATIENCE:.0f} s for {what}")
        time.sleep(_LOOK_EVERY)


def _await_status(served: Served, name: str, status: str) -> None:
    _await(lambda: orjson.loads(served.get(f"/api/sessions/{name}"))["status"] == status, f"{name} to be {status}")


def _working(served: Served) -> int:
    sessions = orjson.loads(served.get("/api/sessions?all=true"))
    return sum(session["status"] == "WORKING" for session in sessions)


def _await_working(served: Served, sessions: int) -> None:
    _await(lambda: _working(served) >= sessions, f"{sessions} sessions to be WORKING")


def _await_synced(served: Served, numbers: range) -> None:
    _await(lambda: all(served.is_synced(_name(number)) for number in numbers), "every session to be synced")


def _install(data_dir: Path) -> None:
    """Build the host in the data dir, unless it is built already; what it is built of is kept between runs."""
    with spawned(
        [lidbook(), "engines", "install", "go-bridge", "--data-dir", str(data_dir)], _log(data_dir)
    ) as process:
        assert process.stdout is not None
        process.stdout.read()
        if process.wait() != 0:
            raise ChildFailed(f"the host of go-bridge cannot be built\n{complaints(_log(data_dir))}")


def _log(data_dir: Path) -> Path:
    return data_dir.with_suffix(".install.log")


@dataclass(frozen=True, slots=True)
class Phones:
    """The phones of a network's accounts, at its control address."""

    host: str
    port: int
    token: str = field(repr=False)

    def accounts(self) -> list[str]:
        """Phone numbers, in the order of the world."""
        return [account["account"] for account in self._call("GET", "/accounts")]

    def scan(self, number: int, code: str) -> None:
        """Have the phone of one account scan a code."""
        self._call("POST", f"/accounts/{self.accounts()[number]}/scan", {"code": code})

    def _call(self, method: str, path: str, body: object = None) -> Any:
        with closing(http.client.HTTPConnection(self.host, self.port, timeout=60)) as connection:
            sent = None if body is None else orjson.dumps(body)
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            text = answer.read()
        if answer.status not in (200, 201):
            raise ChildFailed(f"{method} {path}: {answer.status} {text[:300].decode()}")
        return orjson.loads(text)


@contextmanager
def _network(data_dir: Path, world: Path) -> Iterator[Phones]:
    command = [lidbook(), "sandbox", "--data-dir", str(data_dir), "--world", str(world)]
    with spawned(command, data_dir.with_suffix(".network.log")) as process:
        assert process.stdout is not None
        if b"listens on" not in process.stdout.readline():
            raise ChildFailed(f"the network did not start\n{complaints(data_dir.with_suffix('.network.log'))}")
        network = read_descriptor(descriptor_path(data_dir))
        control = urlsplit(network.control_url)
        if control.hostname is None or control.port is None:
            raise ChildFailed(f"{control.geturl()} is no address to steer a network at")
        yield Phones(control.hostname, control.port, network.control_token)


@contextmanager
def _serving(data_dir: Path) -> Iterator[Served]:
    command = [lidbook(), "serve", "--port", "0", "--data-dir", str(data_dir)]
    with server(command, data_dir.with_suffix(".log"), LIDBOOK_API_KEY=KEY, LIDBOOK_NETWORK="sandbox") as child:
        yield Served(child, data_dir)
