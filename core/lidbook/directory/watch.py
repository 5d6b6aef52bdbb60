"""The watch-list: LIDs that somebody asked for and whose phone number is not known yet."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from typing import Final

from lidbook.directory.database import Database

MOST: Final = 50_000
"""Longest watch-list of one session; who asks for more made-up LIDs than that is not waiting for people."""


class WatchList:
    """Gathers look-ups that missed and writes them behind the answer, so that a read stays a read."""

    def __init__(self, database: Database, session: int, clock: Callable[[], int]) -> None:
        self._database = database
        self._session = session
        self._clock = clock
        self._known: set[str] = set()
        self._pending: set[str] = set()
        self._writing: asyncio.Task[None] | None = None

    def add(self, lid: str) -> None:
        """Watch for the phone number of `lid`; must be called on the event loop."""
        if lid in self._known or len(self._known) >= MOST:
            return
        self._known.add(lid)
        self._pending.add(lid)
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    def forget(self, lids: Iterable[str]) -> None:
        """These have resolved."""
        self._known.difference_update(lids)

    def clear(self) -> None:
        """Nobody is waited for any more."""
        self._known.clear()
        self._pending.clear()

    async def flush(self) -> None:
        """Wait until everything noted so far is on disk."""
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def is_empty(self) -> bool:
        """Whether nobody waits for any phone number."""
        session = self._session
        return await self._database.read(
            lambda connection: (
                connection.execute("SELECT 1 FROM watch WHERE session = ? LIMIT 1", (session,)).fetchone() is None
            )
        )

    async def _write(self) -> None:
        session = self._session
        try:
            while self._pending:
                lids, self._pending = sorted(self._pending), set()
                now = self._clock()

                def work(connection: sqlite3.Connection, lids: list[str] = lids, now: int = now) -> None:
                    connection.executemany(
                        "INSERT INTO watch (session, lid, since, asked_at) SELECT ?1, ?2, ?3, ?3 WHERE NOT EXISTS "
                        "(SELECT 1 FROM person WHERE session = ?1 AND mapped = 1 AND lid = ?2) "
                        "ON CONFLICT (session, lid) DO UPDATE SET asked_at = excluded.asked_at",
                        [(session, lid, now) for lid in lids],
                    )

                await self._database.write(work)
        finally:
            self._writing = None
