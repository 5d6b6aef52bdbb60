"""Whether engines have what they need: asked together, and none that hangs takes more than one thread."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

import pytest

from lidbook.capabilities import Capability, absent
from lidbook.engine import API_VERSION, Engine
from lidbook.runtime import Runtime, RuntimeStatus
from lidbook_api import readiness
from lidbook_api.readiness import Readiness

from .served import PoorEngine, PoorSession


class Lacking(Runtime):
    """Is not there."""

    def check(self) -> RuntimeStatus:
        return RuntimeStatus(ready=False, reason="there is no browser", remedy="lidbook engines install lacking")


class Stranger(Engine):
    """Something to make others of."""

    name = "stranger"
    title = "Somebody's"
    api_version = API_VERSION
    feeds = frozenset()
    claims: ClassVar = {capability: absent("nothing") for capability in Capability}
    session = PoorSession


class LackingEngine(Stranger):
    """Lacks a browser."""

    name = "lacking"

    def runtime(self) -> Runtime:
        return Lacking()


class FailingEngine(Stranger):
    """Raises whatever it likes."""

    name = "failing"

    def runtime(self) -> Runtime:
        raise KeyError("browser")


async def test_each_says_what_it_lacks_and_a_strangers_error_is_a_reason(tmp_path: Path) -> None:
    states = await Readiness(tmp_path).of_all([PoorEngine, LackingEngine, FailingEngine])
    assert states["poor"] == RuntimeStatus(ready=True)
    assert states["lacking"].complaint == "there is no browser; mend it with:  lidbook engines install lacking"
    assert states["failing"].complaint == "its check failed: KeyError: 'browser'"


async def test_looking_makes_no_folder(tmp_path: Path) -> None:
    await Readiness(tmp_path / "data").of(PoorEngine)
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_one_that_hangs_is_asked_once_and_answers_when_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "PATIENCE", 0.02)
    gate, looks = threading.Event(), []

    class HangingEngine(Stranger):
        name = "hanging"

        def runtime(self) -> Runtime:
            looks.append(1)
            gate.wait(20)
            return Runtime()

    asking = Readiness(tmp_path)
    for _ in range(3):
        state = await asking.of(HangingEngine)
        assert (state.ready, state.reason) == (False, "it has been looking for more than 0.02 seconds")
    assert looks == [1]
    monkeypatch.undo()
    gate.set()
    assert (await asking.of(HangingEngine)).ready


HANGING = """
import asyncio, sys, threading
from pathlib import Path
from lidbook.runtime import Runtime
from lidbook_api import readiness

class Hanging:
    name = "hanging"
    def __init__(self, folder): pass
    def runtime(self): return threading.Event().wait()

readiness.PATIENCE = 0.01
print(asyncio.run(readiness.Readiness(Path(sys.argv[1])).of(Hanging)).ready)
"""


def test_a_server_ends_though_an_engines_check_hangs(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANGING, str(tmp_path)], capture_output=True, text=True, timeout=20, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "False\n", "")
