"""A directory on a real SQLite file, and one in memory for tests that need thousands."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lidbook.directory.database import Database, upgrade
from lidbook.directory.directory import Directory
from lidbook.hookspecs import Change
from lidbook.sessions import rows


@dataclass
class Clock:
    """A clock that goes when it is told to."""

    now: int = 1_000_000

    def __call__(self) -> int:
        return self.now


@dataclass
class Opened:
    """A directory with what it told its listeners."""

    directory: Directory
    database: Database
    clock: Clock
    told: list[Change] = field(default_factory=list)


def add_session(connection: sqlite3.Connection, name: str = "default") -> int:
    """A session with an empty directory."""
    return rows.insert(
        connection, name=name, engine="none", engine_assumed=False, config=b"{}", desired="running", created_at=0
    )


@pytest.fixture
async def opened(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Opened]:
    """The directory of a first session."""
    database = Database(tmp_path / "lidbook.sqlite3")
    session = await database.write(add_session)
    clock = Clock()
    told: list[Change] = []
    yield Opened(Directory(database, session, clock, told.extend), database, clock, told)
    database.close()


@pytest.fixture
def memory() -> Iterator[sqlite3.Connection]:
    """A database in memory, with session 1."""
    connection = in_memory()
    yield connection
    connection.close()


def in_memory() -> sqlite3.Connection:
    """A database in memory, with session 1."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    upgrade(connection)
    add_session(connection)
    return connection
