"""A core on a data dir of its own, with an engine that does as it is told."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.sessions.engines import Script, scripted
from lidbook.app import CoreSettings, Lidbook
from lidbook.hooks import Hooks
from lidbook.registry import EngineRegistry


@dataclass
class Core:
    """An open core and its engine's script."""

    lidbook: Lidbook
    script: Script
    data_dir: Path


async def open_core(data_dir: Path, script: Script, **settings: float) -> Lidbook:
    """A core whose only engines are `scripted` and `second`."""
    return await Lidbook.open(
        CoreSettings(
            data_dir,
            default_engine="scripted",
            ready_timeout=settings.get("ready_timeout", 5.0),
            deadline=settings.get("deadline", 5.0),
            budget_factor=settings.get("budget_factor", 1.0),
        ),
        engines=EngineRegistry.of(scripted(script), scripted(script, "second")),
        hooks=Hooks(),
    )


@pytest.fixture
async def core(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Core]:
    """An open core without sessions."""
    script = Script()
    lidbook = await open_core(tmp_path / "data", script)
    yield Core(lidbook, script, tmp_path / "data")
    await lidbook.close()
