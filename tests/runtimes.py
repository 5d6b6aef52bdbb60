"""Hosts of engines, built once for all runs of the tests: a pytest plugin that `conftest.py` names.

They are kept in `$XDG_CACHE_HOME/lidbook/test-runtimes`, or where `LIDBOOK_TEST_CACHE` says, by what they are built of.
Several processes may ask at once: the first builds, the others wait.
"""

import asyncio
import os
import shutil
import time
from pathlib import Path

import pytest

from lidbook.errors import EngineUnavailable
from lidbook_go_bridge.failure import CannotBuild
from lidbook_go_bridge.runtime import GoBridgeRuntime
from lidbook_go_bridge.sources import Sources

VARIABLE = "LIDBOOK_TEST_CACHE"
KEPT = 7 * 24 * 3600
"""Seconds for which a host is kept that nobody asks for."""


def cache() -> Path:
    """Where the hosts are."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get(VARIABLE) or base / "lidbook" / "test-runtimes")


def go_bridge_runtime() -> GoBridgeRuntime:
    """The host of go-bridge, built or not: a folder for each state of the sources, and one for what all builds need."""
    folder = cache() / "go-bridge"
    return GoBridgeRuntime(folder / Sources.load().mark(), work=folder / "build")


@pytest.fixture(scope="session")
def go_bridge_binary() -> Path:
    """go-bridge's host; where it cannot be built on this machine the test is skipped, with what mends that."""
    runtime = go_bridge_runtime()
    try:
        asyncio.run(runtime.install(print))
    except EngineUnavailable as error:
        cause = error.__cause__
        if not isinstance(cause, CannotBuild) or cause.is_ours:
            raise
        pytest.skip(
            f"needs the host of go-bridge, and {cause.why}: {cause.mend}, then run  pytest  again\n{cause.lines}"
        )
    binary = runtime.binary()
    os.utime(binary.parent.parent)
    _forget_old(binary.parent.parent.parent)
    return binary


def _forget_old(folder: Path) -> None:
    for each in folder.iterdir():
        if each.name != "build" and time.time() - each.stat().st_mtime > KEPT:
            shutil.rmtree(each, ignore_errors=True)
