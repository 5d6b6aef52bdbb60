"""The worlds that are open in this process: each loaded once, and shared by all sessions in it."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lidbook.world.changes import Journal
from lidbook.world.live import LiveWorld, wall_clock
from lidbook.world.sources import LoadedWorld, WorldSource, open_source


@dataclass(frozen=True, slots=True)
class OpenWorld:
    """A world being lived in, and where it came from."""

    key: str
    live: LiveWorld
    loaded: LoadedWorld


@dataclass(slots=True)
class _Shelf:
    loading: "asyncio.Task[OpenWorld]"
    left: threading.Event
    """Set once nobody wants it any more, so that loading it comes to an end."""
    users: int = 0


class Worlds:
    """Opens worlds on first use and closes them after the last; their changes are kept under `folder`.

    A file that is edited while a session is in its world is read again once no session is.
    """

    def __init__(self, folder: Path, now: Callable[[], int] = wall_clock) -> None:
        self._folder = folder
        self._now = now
        self._shelves: dict[str, _Shelf] = {}

    async def open(self, source: WorldSource) -> OpenWorld:
        """The world, loaded in a thread. Raises `InvalidWorld`. Give it back with `close`."""
        key = source.key
        shelf = self._shelves.get(key)
        if shelf is None:
            left = threading.Event()
            shelf = _Shelf(asyncio.create_task(asyncio.to_thread(self._load, source, key, left)), left)
            self._shelves[key] = shelf
        shelf.users += 1
        try:
            return await asyncio.shield(shelf.loading)
        except BaseException:
            await self._leave(key, shelf)
            raise

    async def close(self, world: OpenWorld) -> None:
        """One session needs the world no longer."""
        await self._leave(world.key, self._shelves[world.key])

    async def _leave(self, key: str, shelf: _Shelf) -> None:
        shelf.users -= 1
        if shelf.users > 0 or self._shelves.get(key) is not shelf:
            return
        del self._shelves[key]
        shelf.left.set()
        shelf.loading.add_done_callback(_close)

    def _load(self, source: WorldSource, key: str, left: threading.Event) -> OpenWorld:
        def wanted() -> bool:
            return not left.is_set()

        loaded = open_source(source, wanted)
        journal = Journal(self._folder / key / "changes.jsonl")
        try:
            return OpenWorld(key, LiveWorld(loaded.world, journal, self._now, wanted), loaded)
        except BaseException:
            journal.close()
            raise


def _close(loading: "asyncio.Task[OpenWorld]") -> None:
    if not loading.cancelled() and loading.exception() is None:
        loading.result().live.journal.close()
