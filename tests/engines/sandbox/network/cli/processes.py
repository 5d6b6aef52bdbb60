"""`lidbook sandbox` and `lidbook phone` as a user has them: real processes, real signals."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lidbook.network_descriptor import descriptor_path

LIDBOOK = str(Path(sys.executable).with_name("lidbook"))


@dataclass
class NetworkProcess:
    """A network in a process of its own."""

    process: subprocess.Popen[str]
    data_dir: Path
    said: str

    @property
    def websocket(self) -> str:
        """Where devices connect, as it was printed."""
        found = re.search(r"listens on (\S+)", self.said)
        assert found, self.said
        return found[1]

    @property
    def descriptor(self) -> dict[str, str]:
        """What its file says."""
        described: dict[str, str] = json.loads(descriptor_path(self.data_dir).read_text())
        return described

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; returns exit code and what is on stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


Serve = Callable[..., NetworkProcess]
Lidbook = Callable[..., "subprocess.CompletedProcess[str]"]
Phone = Callable[..., str]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user's environment: a home and a data dir of their own, and nothing else of ours."""
    ours = ("LIDBOOK_", "WAHA_", "WHATSAPP_", "XDG_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    here = {"HOME": str(tmp_path / "home"), "LIDBOOK_DATA_DIR": str(tmp_path / "data"), "COLUMNS": "200"}
    return {**kept, **here}


@pytest.fixture
def lidbook(environment: dict[str, str], tmp_path: Path) -> Lidbook:
    """Runs `lidbook` to its end."""

    def run(*arguments: str, given: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [LIDBOOK, *arguments],
            env=environment,
            cwd=tmp_path,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def phone(lidbook: Lidbook) -> Phone:
    """Runs `lidbook phone`, which has to end as expected; returns what it says."""

    def run(*arguments: str, exit_code: int = 0, given: str | None = None) -> str:
        done = lidbook("phone", *arguments, given=given)
        assert done.returncode == exit_code, done
        assert "Traceback" not in done.stderr
        return done.stdout if exit_code == 0 else done.stderr

    return run


@pytest.fixture
def serve(environment: dict[str, str], tmp_path: Path) -> Iterator[Serve]:
    """Starts `lidbook sandbox` on the data dir, and waits until it listens."""
    processes: list[subprocess.Popen[str]] = []

    def serve(*arguments: str) -> NetworkProcess:
        process = subprocess.Popen(
            [LIDBOOK, "sandbox", *arguments],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        if "listens on" not in line:
            pytest.fail(f"it ended: {line} {process.communicate(timeout=30)}")
        return NetworkProcess(process, tmp_path / "data", line)

    yield serve
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


def read(answer: str) -> Any:
    """What a command printed with `--json`."""
    return json.loads(answer)
