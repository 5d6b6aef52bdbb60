"""What the figures were measured on, and how much of the machine others used meanwhile."""

import os
import platform
import resource
import sqlite3
import time
from pathlib import Path
from typing import Final, Self

import psutil

_LOOPS: Final = 400_000


class Meanwhile:
    """CPU time of the whole machine and of this run, from when it is made; and how fast the machine was at times."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy = _busy()
        self._own = _own()
        self.load_before = os.getloadavg()[0]
        self._looks: list[float] = []
        self.look()

    @classmethod
    def begin(cls) -> Self:
        """From now on."""
        return cls()

    def look(self) -> None:
        """Do a fixed piece of work, the same on every day, and take the time."""
        begin = time.perf_counter()
        sum(number * number for number in range(_LOOPS))
        self._looks.append((time.perf_counter() - begin) * 1000)

    @property
    def speed(self) -> tuple[float, float]:
        """Milliseconds that the fixed piece of work took, at best and at worst."""
        return min(self._looks), max(self._looks)

    @property
    def seconds(self) -> float:
        """How long it has been."""
        return time.monotonic() - self._began

    def others(self) -> float:
        """The share of all cores that went to others. Children that still run count as others."""
        used = (_busy() - self._busy) - (_own() - self._own)
        return max(used, 0.0) / (self.seconds * (os.cpu_count() or 1))


def described() -> str:
    """Processor, system and versions."""
    return (
        f"{_processor()}, {os.cpu_count()} cores; {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _busy() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def _own() -> float:
    mine, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + ended.ru_utime + ended.ru_stime
