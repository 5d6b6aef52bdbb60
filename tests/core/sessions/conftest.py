"""A core on a data dir of its own, with an engine that does as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.sessions.engines import Script, scripted
from lidbook.app import CoreSettings, Lidbook
from lidbook.hooks import Hooks
from lidbook.hookspecs import hookimpl
from lidbook.registry import EngineRegistry
from lidbook.sessions.supervisor import Delays
from lidbook.sessions.transitions import is_known
from lidbook.values import SessionStatus, StatusReason

AT_ONCE = Delays(first=0.001, longest=0.004)
"""For tests in which an engine fails again and again."""
NEVER = Delays(first=3600.0, longest=3600.0)
"""For tests in which a session has to stay in its back-off."""


@dataclass
class Core:
    """An open core and its engine's script."""

    lidbook: Lidbook
    script: Script
    data_dir: Path


class Moves:
    """Every status that a session went through, and whether the table knows each step."""

    def __init__(self) -> None:
        self.of: dict[str, list[tuple[SessionStatus, StatusReason | None]]] = {}
        self.unknown: list[str] = []

    @hookimpl
    def lidbook_session_changed(self, session: str, status: SessionStatus, reason: StatusReason | None) -> None:
        moves = self.of.setdefault(session, [])
        before = moves[-1][0] if moves else SessionStatus.STOPPED
        moves.append((status, reason))
        if not is_known(before, status):
            self.unknown.append(f"{session}: {before} -> {status}")

    @hookimpl
    def lidbook_session_deleted(self, session: str) -> None:
        self.of.pop(session, None)


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds that nothing announces."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def open_core(
    data_dir: Path,
    script: Script,
    *,
    ready_timeout: float = 5.0,
    deadline: float = 5.0,
    budget_factor: float = 1.0,
    delays: Delays = NEVER,
    log_days: float = 7.0,
    moves: Moves | None = None,
) -> Lidbook:
    """A core whose only engines are `scripted` and `second`."""
    hooks = Hooks()
    if moves is not None:
        hooks.register(moves, "moves")
    return await Lidbook.open(
        CoreSettings(
            data_dir,
            default_engine="scripted",
            ready_timeout=ready_timeout,
            deadline=deadline,
            budget_factor=budget_factor,
            delays=delays,
            log_days=log_days,
        ),
        engines=EngineRegistry.of(scripted(script), scripted(script, "second")),
        hooks=hooks,
    )


@pytest.fixture
def moves() -> Moves:
    """What the sessions of `core` and `failing` went through."""
    return Moves()


async def _opened(data_dir: Path, delays: Delays, moves: Moves) -> AsyncIterator[Core]:
    script = Script()
    lidbook = await open_core(data_dir, script, delays=delays, moves=moves)
    yield Core(lidbook, script, data_dir)
    await lidbook.close()
    assert moves.unknown == [], "sessions went where the table of transitions does not lead"


@pytest.fixture
async def core(tmp_path: Path, moves: Moves, anyio_backend: str) -> AsyncIterator[Core]:
    """An open core without sessions; one that fails is not tried again while the test runs."""
    async for core in _opened(tmp_path / "data", NEVER, moves):
        yield core


@pytest.fixture
async def failing(tmp_path: Path, moves: Moves, anyio_backend: str) -> AsyncIterator[Core]:
    """The same; a session that fails is tried again at once."""
    async for core in _opened(tmp_path / "data", AT_ONCE, moves):
        yield core
