"""The database: one writer, upgrades, sync markers."""

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest

from core.directory.conftest import Opened, add_session
from lidbook.capabilities import Feed
from lidbook.directory.database import Database, open_reader
from lidbook.facts import Fact, Field, FieldFact, LinkFact, Source
from lidbook.hookspecs import ChangeKind
from lidbook.identifiers import Lid, PhoneNumber

ANN = PhoneNumber("15550101")


async def test_a_job_that_fails_is_undone_alone(opened: Opened) -> None:
    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE session SET name = 'spoiled' WHERE name = 'default'")
        raise KeyError("broken")

    results = await asyncio.gather(
        opened.database.write(lambda connection: add_session(connection, "two")),
        opened.database.write(fails),
        opened.database.write(lambda connection: add_session(connection, "three")),
        return_exceptions=True,
    )
    assert isinstance(results[1], KeyError)
    names = {row[0] for row in opened.database.reader.execute("SELECT name FROM session")}
    assert names == {"default", "two", "three"}


async def test_a_reader_cannot_write(opened: Opened) -> None:
    with pytest.raises(sqlite3.OperationalError):
        opened.database.reader.execute("DELETE FROM session")


async def test_a_write_is_on_disk_when_it_was_awaited(opened: Opened) -> None:
    await opened.directory.apply([FieldFact(ANN, Field.FULL_NAME, "Ann", Source.ADDRESS_BOOK, 1)])
    other = open_reader(opened.database.path)
    assert other.execute("SELECT count(*) FROM person").fetchone() == (1,)
    other.close()


def test_a_newer_data_dir_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lidbook.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 9999")
    connection.close()
    with pytest.raises(sqlite3.DatabaseError, match="newer Lidbook"):
        Database(path)


async def test_a_first_sync_is_logged_and_announced_once(opened: Opened) -> None:
    directory = opened.directory
    facts: list[Fact] = [
        FieldFact(ANN, Field.FULL_NAME, "Ann", Source.ADDRESS_BOOK, 1),
        LinkFact(ANN, Lid("9001"), Source.HISTORY, 1),
    ]
    await directory.sync(Feed.CONTACTS, expected=1, received=None, complete=False)
    await directory.apply(facts)
    assert opened.told == []
    assert not await directory.is_synced(Feed.CONTACTS)
    await directory.sync(Feed.CONTACTS, expected=None, received=1, complete=True)
    assert [change.kind for change in opened.told] == [ChangeKind.CONTACTS_SYNCED]
    assert await directory.is_synced(Feed.CONTACTS)
    logged = opened.database.reader.execute("SELECT seq, kind, quiet FROM log ORDER BY seq").fetchall()
    assert logged == [(1, "contact.created", 1), (2, "lid.mapped", 1), (3, "contacts.synced", 0)]


async def test_a_later_sync_tells_what_it_changes(opened: Opened) -> None:
    directory = opened.directory
    await directory.sync(Feed.CONTACTS, expected=0, received=0, complete=True)
    opened.told.clear()
    await directory.sync(Feed.CONTACTS, expected=1, received=None, complete=False)
    assert not await directory.is_synced(Feed.CONTACTS)
    await directory.apply([FieldFact(ANN, Field.FULL_NAME, "Ann", Source.ADDRESS_BOOK, 1)])
    await directory.sync(Feed.CONTACTS, expected=None, received=1, complete=True)
    assert [change.kind for change in opened.told] == [ChangeKind.CONTACT_CREATED]


async def test_what_was_written_is_in_the_file_itself_after_closing(tmp_path: Path) -> None:
    database = Database(tmp_path / "lidbook.sqlite3")
    await database.write(add_session)
    await database.read(lambda connection: connection.execute("SELECT name FROM session").fetchall())
    database.close()
    assert os.listdir(tmp_path) == ["lidbook.sqlite3"]  # noqa: PTH208
