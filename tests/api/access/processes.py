"""`lidbook` in processes of its own: a server to be killed, and commands run to their end."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LIDBOOK = str(Path(sys.executable).with_name("lidbook"))


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    process: subprocess.Popen[str]
    url: str


def environment(home: Path, **variables: str) -> dict[str, str]:
    """A user's environment: a home of its own, and nothing of ours but `variables`."""
    ours = ("LIDBOOK_", "WAHA_", "WHATSAPP_", "XDG_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours) and name != "PORT"}
    return {**kept, "HOME": str(home), **variables}


def lidbook(home: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return subprocess.run(
        [LIDBOOK, *arguments],
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@contextmanager
def serving(home: Path, *arguments: str, **variables: str) -> Iterator[Running]:
    """A server on a free port, killed in the end unless it has ended."""
    errors = home / "stderr"
    with errors.open("w") as log:
        process = subprocess.Popen(
            [LIDBOOK, "serve", "--port", "0", *arguments],
            env=environment(home, **variables),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield Running(process, _url(process, errors))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def _url(process: "subprocess.Popen[str]", errors: Path) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"listens on (\S+)", line):
            return found[1]
    raise AssertionError(f"the server ended with {process.wait()} before it listened: {errors.read_text()}")
