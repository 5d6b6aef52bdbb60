"""A key store on a real SQLite file, with sessions that are only rows and names."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from lidbook.directory.database import Database
from lidbook.sessions import rows
from lidbook.sessions.session import Session
from lidbook_api.access.key_text import ApiKey
from lidbook_api.access.store import KeyStore

ENVIRONMENT = "6c35dcbf31914c65a90f29e2ca1840d2"


@dataclass
class Clock:
    """A clock that goes when it is told to; milliseconds."""

    now: int = 1_000_000

    def __call__(self) -> int:
        return self.now


@dataclass(frozen=True, slots=True)
class Named:
    """As much of a session as a key store looks at."""

    id: int
    name: str


@dataclass
class Kept:
    """A database, its sessions, and key stores on it."""

    database: Database
    clock: Clock = field(default_factory=Clock)
    sessions: dict[str, Named] = field(default_factory=dict)

    def store(self, *, environment: str | None = ENVIRONMENT) -> KeyStore:
        """A key store that reads what is there, as after a restart."""
        key = None if environment is None else ApiKey.parse(environment)
        return KeyStore(self.database, key, self._find, self.clock)

    async def add(self, name: str) -> None:
        """A session."""

        def work(connection: sqlite3.Connection) -> int:
            return rows.insert(
                connection,
                name=name,
                engine="none",
                engine_assumed=False,
                config=b"{}",
                desired="stopped",
                created_at=0,
            )

        self.sessions[name] = Named(await self.database.write(work), name)

    async def remove(self, name: str) -> None:
        """Delete a session, without telling anybody."""
        await self.database.write(lambda connection: rows.delete(connection, name))
        del self.sessions[name]

    def _find(self, name: str) -> Session | None:
        return cast("Session | None", self.sessions.get(name))


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    """A database with sessions `a` and `b`."""
    database = Database(tmp_path / "lidbook.sqlite3")
    kept = Kept(database)
    await kept.add("a")
    await kept.add("b")
    yield kept
    database.close()
