"""Which errors are the disk's."""

import errno
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lidbook.directory.database import open_reader
from lidbook.errors import StorageFailed
from lidbook.storage import storage_failure, storing


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with a table."""
    path = tmp_path / "db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
    return path


def test_a_full_disk_is_the_disks_fault(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(StorageFailed, match="the disk that holds the data dir is full: make room on it"), storing():
            connection.execute("INSERT INTO t VALUES (randomblob(100000))")


def test_a_disk_that_is_only_read_is_the_disks_fault(database: Path) -> None:
    with (
        closing(open_reader(database)) as connection,
        pytest.raises(StorageFailed, match="the disk that holds the data dir is read-only: mount it for writing"),
        storing(),
    ):
        connection.execute("INSERT INTO t VALUES (1)")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_the_system_says_so_too(number: int) -> None:
    assert storage_failure(OSError(number, "no")) is not None


@pytest.mark.parametrize(
    "error", [sqlite3.IntegrityError("NOT NULL"), sqlite3.OperationalError("?"), FileNotFoundError(2, "no"), OSError()]
)
def test_anything_else_is_raised_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, storing():
        raise error
    assert raised.value is error
