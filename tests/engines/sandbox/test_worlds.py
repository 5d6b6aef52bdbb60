"""Worlds are shared while they are wanted, and no longer worked at when they are not."""

import asyncio
import threading
from pathlib import Path

import pytest

from lidbook.world.sources import LoadedWorld, WorldSource, open_source
from lidbook.world.wanted import Wanted, WorldUnwanted
from lidbook_sandbox import worlds
from lidbook_sandbox.worlds import Worlds

PEOPLE = WorldSource(people=30_000)


class Making:
    """Makes worlds, and tells what becomes of them."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.ended: asyncio.Queue[BaseException | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def open(self, source: WorldSource, wanted: Wanted) -> LoadedWorld:
        self.begun.set()
        error: BaseException | None = None
        try:
            return open_source(source, wanted)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._loop.call_soon_threadsafe(self.ended.put_nowait, error)


async def test_a_world_that_everybody_left_is_not_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    making = Making()
    monkeypatch.setattr(worlds, "open_source", making.open)
    opened = Worlds(tmp_path)
    waiting = [asyncio.create_task(opened.open(PEOPLE)) for _ in range(2)]
    await asyncio.to_thread(making.begun.wait)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    assert not waiting[1].done(), "somebody still waits for it"
    waiting[1].cancel()
    await asyncio.wait(waiting)
    async with asyncio.timeout(10):
        assert isinstance(await making.ended.get(), WorldUnwanted)
    world = await opened.open(WorldSource(people=3))
    await opened.close(world)
