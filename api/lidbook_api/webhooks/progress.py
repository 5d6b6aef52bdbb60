"""How far lanes have got, written down for all of them together, one transaction after another."""

import asyncio
import sqlite3
from functools import partial
from typing import Final

import structlog

from lidbook.changelog import cursors
from lidbook.directory.database import Database

AFTER_A_FAULT: Final = 1.0
"""Seconds until positions that could not be written are tried again."""

CLOSING: Final = 5.0
"""Seconds that the end of the server waits for them."""


class Progress:
    """Positions in memory, on their way to disk. What is lost in a crash is sent again, with the same ids."""

    def __init__(self, database: Database, *, after_a_fault: float = AFTER_A_FAULT) -> None:
        self._database = database
        self._after_a_fault = after_a_fault
        self._pending: dict[tuple[int, str], int] = {}
        self._writing: asyncio.Task[None] | None = None
        self._log = structlog.stdlib.get_logger("lidbook.webhooks")

    def note(self, session: int, url: str, seq: int) -> None:
        """Everything up to `seq` is done; the disk hears of it soon."""
        self._pending[session, url] = seq
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Finish writing, unless the disk does not take it."""
        if self._writing is None:
            return
        _, unfinished = await asyncio.wait({self._writing}, timeout=CLOSING)
        for task in unfinished:
            self._log.error("webhook positions were not written; some events will be sent again")
            task.cancel()

    async def _write(self) -> None:
        try:
            while self._pending:
                pending, self._pending = self._pending, {}
                try:
                    await self._database.write(partial(_advance, noted=pending))
                except sqlite3.Error:
                    self._log.exception("webhook positions cannot be written; after a crash events are sent again")
                    self._pending = pending | self._pending
                    await asyncio.sleep(self._after_a_fault)
        finally:
            self._writing = None


def _advance(connection: sqlite3.Connection, noted: dict[tuple[int, str], int]) -> None:
    for (session, url), seq in noted.items():
        cursors.advance(connection, session, url, seq)
