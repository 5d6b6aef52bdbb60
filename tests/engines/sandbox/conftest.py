"""A sandbox engine in a folder of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from lidbook_sandbox.engine import SandboxEngine
from lidbook_sandbox.session import SandboxSession

from .recording import RecordingContext

Start = Callable[[RecordingContext], Awaitable[SandboxSession]]


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_750_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The engine's clock."""
    return Clock()


@pytest.fixture
def engine(tmp_path: Path, clock: Clock) -> SandboxEngine:
    """An engine whose worlds and conditions are kept under `tmp_path`."""
    return SandboxEngine(tmp_path / "engine", clock)


@pytest.fixture
async def start(engine: SandboxEngine) -> AsyncIterator[Start]:
    """Opens and starts sessions, and stops them after the test."""
    sessions: list[SandboxSession] = []

    async def begin(context: RecordingContext) -> SandboxSession:
        session = engine.open(context)
        assert isinstance(session, SandboxSession)
        sessions.append(session)
        await session.start()
        return session

    yield begin
    for session in sessions:
        await session.stop()
