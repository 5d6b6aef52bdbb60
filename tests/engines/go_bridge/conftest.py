"""A machine whose only Go is the test's, and a folder for the engine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from api.programs import environment, run, start  # noqa: F401 - fixtures
from lidbook_go_bridge import toolchain
from lidbook_go_bridge.runtime import GoBridgeRuntime

from .fake_go import SOURCES, FakeGo, fake_go

Machine = Callable[..., FakeGo]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Makes the Go that this test's machine has; one that was not made is not there."""
    monkeypatch.setattr(toolchain, "USUAL", str(tmp_path / "nowhere" / "go"))
    for name in ("GOPROXY", "GOCACHE", "GOMODCACHE", "GOFLAGS", "GOOS", "GOROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")

    def make(**scripts: str) -> FakeGo:
        go = fake_go(tmp_path / "go", **scripts)
        monkeypatch.setenv("PATH", go.path)
        return go

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The engine's folder, in a data dir."""
    return tmp_path / "data" / "engines" / "go-bridge"


@pytest.fixture
def runtime(folder: Path) -> GoBridgeRuntime:
    """The runtime of a small host."""
    return GoBridgeRuntime(folder, sources=SOURCES)
