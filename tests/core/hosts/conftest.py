"""Hosts that are real processes, and none of them left when a test is over."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import psutil
import pytest

from core.hosts.stand_in import MisbehavingEngine, Studio

Opening = Callable[..., AbstractAsyncContextManager[Studio]]


async def loop_has_had_a_child() -> None:
    """So that what an event loop opens for its first child, and keeps, is there."""
    process = await asyncio.create_subprocess_exec("true", stdout=asyncio.subprocess.PIPE)
    await process.communicate()


def open_descriptors() -> int:
    """How many this process has."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture
def opening(tmp_path: Path) -> Opening:
    """Opens a studio with an engine that differs from the usual one in what is given."""

    @asynccontextmanager
    async def opened(**differing: object) -> AsyncIterator[Studio]:
        engine = type("Differing", (MisbehavingEngine,), differing)(tmp_path / "engine")
        await loop_has_had_a_child()
        before = open_descriptors()
        studio = Studio(tmp_path, engine)
        async with engine.running():
            yield studio
            for each in studio.opened:
                await each.session.stop()
        assert engine.processes() == {}
        assert open_descriptors() == before, "a descriptor was left open"
        assert psutil.Process().children() == [], "a host was left over"

    return opened


@pytest.fixture
async def studio(opening: Opening, anyio_backend: str) -> AsyncIterator[Studio]:
    """The usual one."""
    async with opening() as studio:
        yield studio
