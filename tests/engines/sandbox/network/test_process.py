"""The network as a task of somebody else's loop: what is left of it once that is cancelled."""

import asyncio
from pathlib import Path

import pytest

from lidbook.network_descriptor import descriptor_path
from lidbook.world.sources import WorldSource
from lidbook_sandbox.network.process import Served, Wanted, serve


async def test_nothing_is_left_of_one_that_is_cancelled(tmp_path: Path) -> None:
    listening: asyncio.Future[Served] = asyncio.get_running_loop().create_future()
    before = asyncio.all_tasks()
    serving = asyncio.create_task(serve(Wanted(tmp_path, WorldSource()), listening.set_result))
    async with asyncio.timeout(20):
        await listening
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert asyncio.all_tasks() == before
    assert not descriptor_path(tmp_path).exists()
