"""A database with one session's empty log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lidbook.directory.database import Database
from lidbook.sessions import rows


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An open database without sessions."""
    database = Database(tmp_path / "lidbook.sqlite3")
    yield database
    database.close()


@pytest.fixture
async def session(database: Database, anyio_backend: str) -> int:
    """The id of a session in it."""
    return await make_session(database, "s")


async def make_session(database: Database, name: str) -> int:
    """One more session; returns its id."""
    return await database.write(
        lambda connection: rows.insert(
            connection,
            name=name,
            engine="scripted",
            engine_assumed=False,
            config=b"{}",
            desired="stopped",
            created_at=1,
        )
    )
