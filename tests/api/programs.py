"""`lidbook` as a user has it: real processes, real ports, real signals."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

LIDBOOK = str(Path(sys.executable).with_name("lidbook"))


@dataclass
class Running:
    """A server in a process of its own, and what it printed."""

    process: subprocess.Popen[str]
    said: str

    @property
    def url(self) -> str:
        """Where it listens."""
        found = re.search(r"listens on (\S+)", self.said)
        assert found, self.said
        return found[1]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; returns exit code and what is on stderr."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Wait for its end; returns exit code and what is on stderr."""
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., Running]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user's environment: an empty HOME, and nothing of ours."""
    ours = ("LIDBOOK_", "WAHA_", "WHATSAPP_", "XDG_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    for name in ("PORT", "DEBUG"):
        kept.pop(name, None)
    return {**kept, "HOME": str(tmp_path / "home"), "COLUMNS": "100"}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    """Runs `lidbook` to its end."""

    def run(*arguments: str, given: str | None = None, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [LIDBOOK, *arguments],
            env={**environment, **variables},
            cwd=tmp_path,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts `lidbook serve` on a free port, and reads what it prints until the line to try."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **variables: str) -> Running:
        process = subprocess.Popen(
            [LIDBOOK, "serve", "--port", "0", *arguments],
            env={**environment, **variables},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if line.lstrip().startswith("try "):
                break
        else:
            pytest.fail(f"it ended: {lines} {process.communicate()}")
        return Running(process, "".join(lines))

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)
