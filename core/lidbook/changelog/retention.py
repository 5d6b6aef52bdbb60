"""How long the log is kept: a task that prunes each session's once in a while."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Final

from lidbook.changelog.log import prune
from lidbook.directory.database import Database
from lidbook.engine import Log

EVERY: Final = 3600.0
"""Seconds between two rounds; the first one is right after the start."""
DAY_MS: Final = 24 * 3600 * 1000


async def keep_pruned(
    database: Database, days: float, clock: Callable[[], int], log: Log, every: float = EVERY
) -> None:
    """Prune for as long as the server runs; 0 days or less keep everything. A round that fails is logged."""
    while days > 0:
        try:
            await prune_all(database, clock() - round(days * DAY_MS))
        except sqlite3.Error:
            log.exception("the log of changes could not be pruned; it is tried again")
        await asyncio.sleep(every)


async def prune_all(database: Database, before: int) -> None:
    """Forget what is older than `before` (milliseconds since 1970) in every session's log, a piece at a time."""
    sessions = await database.write(_sessions)
    for session in sessions:
        while not await database.write(lambda connection, session=session: prune(connection, session, before)):  # type: ignore[misc]
            pass


def _sessions(connection: sqlite3.Connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT session FROM directory ORDER BY session")]
