"""Events that a receiver would not take, and the cursor that moves on behind them."""

import sqlite3

import pytest

from lidbook.changelog import cursors, dead_letters
from lidbook.changelog.dead_letters import DeadLetter, GivenUp
from lidbook.directory.database import Database

from .conftest import make_session

URL, OTHER = "http://a/", "http://b/"


def letter(seq: int, url: str = URL) -> GivenUp:
    return GivenUp(url, seq, "lid.mapped", f"evt_{seq}", b'{"n":%d}' % seq, 3, "answered 500")


async def give_up(database: Database, session: int, *letters: GivenUp) -> list[int | None]:
    def work(connection: sqlite3.Connection) -> list[int | None]:
        return [dead_letters.give_up(connection, session, each, 1000 + each.seq) for each in letters]

    return await database.write(work)


@pytest.fixture
async def watched(database: Database, session: int) -> int:
    """A session with two webhooks."""
    await database.write(lambda connection: cursors.keep(connection, session, {URL: None, OTHER: None}))
    return session


def numbers(database: Database, session: int) -> list[int]:
    return [each.seq for each in dead_letters.page(database.reader, session, 100)]


async def test_a_letter_and_the_cursor_behind_it_are_written_together(database: Database, watched: int) -> None:
    assert await give_up(database, watched, letter(5)) == [0]
    assert cursors.position(database.reader, watched, URL) == 5
    assert cursors.position(database.reader, watched, OTHER) == 0
    (kept,) = dead_letters.page(database.reader, watched, 10)
    assert kept == DeadLetter(1, URL, 5, 1005, "lid.mapped", "evt_5", 3, "answered 500")
    assert dead_letters.find(database.reader, watched, 1) == (kept, b'{"n":5}')


async def test_both_or_neither(database: Database, watched: int) -> None:
    def work(connection: sqlite3.Connection) -> None:
        dead_letters.give_up(connection, watched, letter(5), 1)
        raise RuntimeError("the lights go out")

    with pytest.raises(RuntimeError):
        await database.write(work)
    assert (numbers(database, watched), cursors.position(database.reader, watched, URL)) == ([], 0)


async def test_a_webhook_that_is_gone_or_further_leaves_no_letter(database: Database, watched: int) -> None:
    assert await give_up(database, watched, letter(5), letter(5), letter(4), letter(6, "http://gone/")) == [
        0,
        None,
        None,
        None,
    ]
    assert numbers(database, watched) == [5]


async def test_the_oldest_give_way(database: Database, watched: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "KEPT", 3)
    other = await make_session(database, "other")
    await database.write(lambda connection: cursors.keep(connection, other, {URL: None}))
    await give_up(database, other, letter(1))
    assert await give_up(database, watched, *(letter(seq) for seq in range(1, 6))) == [0, 0, 0, 1, 1]
    assert numbers(database, watched) == [5, 4, 3]
    assert numbers(database, other) == [1]


async def test_pages_go_back_in_time(database: Database, watched: int) -> None:
    await give_up(database, watched, letter(1), letter(1, OTHER), letter(2), letter(3))
    newest = dead_letters.page(database.reader, watched, 2)
    assert [(each.url, each.seq) for each in newest] == [(URL, 3), (URL, 2)]
    rest = dead_letters.page(database.reader, watched, 9, newest[-1].id)
    assert [(each.url, each.seq) for each in rest] == [(OTHER, 1), (URL, 1)]
    assert [each.url for each in dead_letters.page(database.reader, watched, 9, hidden=[URL])] == [OTHER]
    assert dead_letters.counts(database.reader, watched) == {URL: 3, OTHER: 1}


async def test_the_oldest_of_some_urls_is_found(database: Database, watched: int) -> None:
    await give_up(database, watched, letter(1), letter(1, OTHER), letter(2))
    assert dead_letters.oldest(database.reader, watched, [URL, OTHER]) == 1
    assert dead_letters.oldest(database.reader, watched, [OTHER]) == 2
    assert dead_letters.oldest(database.reader, watched, [URL], after=1) == 3
    assert dead_letters.oldest(database.reader, watched, []) is None


async def test_letters_are_deleted_one_by_one_or_all(database: Database, watched: int) -> None:
    await give_up(database, watched, letter(1), letter(1, OTHER), letter(2))
    assert await database.write(lambda connection: dead_letters.delete(connection, watched, 1))
    assert not await database.write(lambda connection: dead_letters.delete(connection, watched, 1))
    assert await database.write(lambda connection: dead_letters.delete_all(connection, watched, hidden=[OTHER])) == 1
    assert await database.write(lambda connection: dead_letters.delete_all(connection, watched)) == 1
    assert numbers(database, watched) == []


async def test_no_session_finds_anothers_letters(database: Database, watched: int) -> None:
    await give_up(database, watched, letter(1))
    other = await make_session(database, "other")
    assert dead_letters.find(database.reader, other, 1) is None
    assert not await database.write(lambda connection: dead_letters.delete(connection, other, 1))
    assert await database.write(lambda connection: dead_letters.delete_all(connection, other)) == 0
