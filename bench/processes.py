"""Child processes: started, watched, and ended by their own id."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

ROOT: Final = Path(__file__).parents[1]
MB: Final = 1024 * 1024
_PATIENCE: Final = 60.0
"""Seconds that a server may take until it says where it listens."""
_DRAIN: Final = 20.0
_SAMPLE: Final = 0.004
_ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:(\d+)")


class ChildFailed(Exception):
    """A child process did not do what it was started for; the message has the end of what it complained of."""


@dataclass(frozen=True, slots=True)
class Child:
    """A server in a process of its own."""

    process: psutil.Process
    port: int

    def rss(self) -> float:
        """Resident memory, in MB of 2^20."""
        return float(self.process.memory_info().rss) / MB

    def cpu(self) -> float:
        """Seconds of CPU used so far."""
        times = self.process.cpu_times()
        return float(times.user) + float(times.system)


@contextmanager
def spawned(command: Sequence[str], log: Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A child with pipes for its input and output, ended on the way out: asked first, then killed."""
    with log.open("wb") as complaints:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            cwd=ROOT,
            env=_environment(environment),
        )
        try:
            yield process
        finally:
            end(process)


@contextmanager
def server(command: Sequence[str], log: Path, **environment: str) -> Iterator[Child]:
    """A server that prints its address, from when it has printed it."""
    with spawned(command, log, **environment) as process:
        yield Child(psutil.Process(process.pid), _port(process, log))


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module of this package in another process."""
    return [sys.executable, "-m", f"bench.{name}", *arguments]


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ask the process to leave and wait for that; kill it when it does not."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.terminate()
    try:
        process.wait(_DRAIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def complaints(log: Path) -> str:
    """The last lines that a child wrote to its error output."""
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-12:])


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    timer = threading.Timer(_PATIENCE, process.kill)
    timer.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            found = _ADDRESS.search(line.decode())
            if found is not None:
                return int(found[1])
    finally:
        timer.cancel()
    raise ChildFailed(f"{log.stem} did not start\n{complaints(log)}")


def _environment(additional: Mapping[str, str]) -> dict[str, str]:
    """This process's own, without any setting of a server."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LIDBOOK_", "WAHA_", "WHATSAPP_")) and name != "PORT"
    }
    return {**kept, **additional}


class PeakRss:
    """The most memory that a process had between entering and leaving, and how much more that is than at first."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.before = self.peak = child.rss()

    @property
    def growth(self) -> float:
        """In MB."""
        return self.peak - self.before

    def __enter__(self) -> "PeakRss":
        """Look every few milliseconds from now on."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no longer."""
        self._leave.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._leave.wait(_SAMPLE):
            self.peak = max(self.peak, self._child.rss())
