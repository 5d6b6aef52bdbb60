"""Whether the host is there: cheap, without a process, and with what mends it."""

import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest

from lidbook.data_dir import default_data_dir
from lidbook.errors import EngineUnavailable
from lidbook_go_bridge.runtime import GoBridgeRuntime
from lidbook_go_bridge.sources import Sources

from .conftest import Machine
from .fake_go import SOURCES

OTHER = Sources({**SOURCES.files, "main.go": b"package main\n\nfunc main() { println() }\n"})


def test_a_host_that_was_never_built_is_not_there(runtime: GoBridgeRuntime, folder: Path) -> None:
    state = runtime.check()
    assert (state.ready, state.reason) == (False, "its host is not built on this machine")
    assert state.remedy == f"lidbook engines install go-bridge --data-dir {folder.parents[1]}"
    with pytest.raises(EngineUnavailable, match="not built on this machine; mend it with:  lidbook engines install"):
        runtime.binary()
    assert not folder.exists(), "a look changes nothing"


def test_the_command_is_short_for_the_usual_data_dir() -> None:
    runtime = GoBridgeRuntime(default_data_dir() / "engines" / "go-bridge")
    assert runtime.command == "lidbook engines install go-bridge"


def test_the_command_can_be_pasted_whatever_the_data_dir_is_called(tmp_path: Path) -> None:
    runtime = GoBridgeRuntime(tmp_path / "my data" / "engines" / "go-bridge")
    assert runtime.command.endswith(f"--data-dir '{tmp_path}/my data'")


async def test_a_host_that_was_built_is_there(runtime: GoBridgeRuntime, machine: Machine) -> None:
    machine()
    await runtime.install(lambda _: None)
    assert runtime.check().ready
    assert os.access(runtime.binary(), os.X_OK)


async def test_a_host_of_other_sources_is_outdated(runtime: GoBridgeRuntime, folder: Path, machine: Machine) -> None:
    machine()
    await runtime.install(lambda _: None)
    upgraded = GoBridgeRuntime(folder, sources=OTHER)
    state = upgraded.check()
    assert state.reason is not None
    assert state.reason.startswith("its host is outdated: it was built of the sources of another version of Lidbook")
    with pytest.raises(EngineUnavailable, match="outdated"):
        upgraded.binary()


async def test_installing_after_an_upgrade_leaves_the_new_host_alone(
    runtime: GoBridgeRuntime, folder: Path, machine: Machine
) -> None:
    machine()
    await runtime.install(lambda _: None)
    old = runtime.binary()
    upgraded = GoBridgeRuntime(folder, sources=OTHER)
    await upgraded.install(lambda _: None)
    assert not old.exists()
    assert [path.name for path in (folder / "bin").glob("go-bridge-*")] == [upgraded.binary().name]


async def test_a_host_that_may_not_be_executed_is_not_ready(runtime: GoBridgeRuntime, machine: Machine) -> None:
    machine()
    await runtime.install(lambda _: None)
    runtime.binary().chmod(0o644)
    state = runtime.check()
    assert state.reason is not None
    assert "cannot be executed" in state.reason


async def test_a_host_that_another_user_installed_is_not_called_missing(
    runtime: GoBridgeRuntime, folder: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine()
    await runtime.install(lambda _: None)
    with monkeypatch.context() as patched:
        patched.setattr(os, "access", lambda *_: False)
        state = runtime.check()
    assert state.reason == f"its host is in {folder}/bin, where this user may not look: it was installed by another one"


async def test_looking_starts_no_process_and_takes_no_time(
    folder: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real sources, of which there are many; ten looks, so that one that is disturbed does not count."""
    machine()
    runtime = GoBridgeRuntime(folder)
    await runtime.install(lambda _: None)
    for name in ("fork", "posix_spawn"):
        monkeypatch.setattr(os, name, None)
    monkeypatch.setattr(subprocess, "Popen", None)
    monkeypatch.setattr(asyncio, "create_subprocess_exec", None)
    times = []
    for _ in range(10):
        before = time.perf_counter()
        assert runtime.check().ready
        times.append(time.perf_counter() - before)
    assert min(times) < 0.05
