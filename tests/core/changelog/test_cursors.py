"""How far each webhook has read."""

import sqlite3
from collections.abc import Sequence

from lidbook.changelog import cursors
from lidbook.changelog.log import append
from lidbook.directory.database import Database
from lidbook.hookspecs import ChangeKind

from .conftest import make_session

A, B, C = "http://a/", "http://b/", "http://c/"


async def keep(database: Database, session: int, *urls: str) -> None:
    await database.write(lambda connection: cursors.keep(connection, session, dict.fromkeys(urls)))


async def advance(database: Database, session: int, url: str, seq: int) -> None:
    await database.write(lambda connection: cursors.advance(connection, session, url, seq))


async def log(database: Database, session: int, entries: int) -> None:
    def work(connection: sqlite3.Connection) -> None:
        for _ in range(entries):
            append(connection, session, 1, ChangeKind.SESSION_STATUS, "s")

    await database.write(work)


def positions(database: Database, session: int, urls: Sequence[str] = (A, B, C)) -> list[int | None]:
    return [cursors.position(database.reader, session, url) for url in urls]


async def test_a_new_cursor_begins_at_the_end_of_the_log(database: Database, session: int) -> None:
    await keep(database, session, A)
    await log(database, session, 3)
    await keep(database, session, A, B)
    assert positions(database, session) == [0, 3, None]


async def test_what_is_kept_stays_where_it_is_and_the_rest_goes(database: Database, session: int) -> None:
    await keep(database, session, A, B, B)
    await log(database, session, 5)
    await advance(database, session, A, 2)
    await keep(database, session, A, C)
    assert positions(database, session) == [2, None, 5]
    await keep(database, session)
    assert positions(database, session) == [None, None, None]


async def test_a_cursor_that_was_given_up_begins_anew(database: Database, session: int) -> None:
    await keep(database, session, A)
    await keep(database, session)
    await log(database, session, 4)
    await keep(database, session, A)
    assert positions(database, session, [A]) == [4]


async def test_a_cursor_only_goes_forward(database: Database, session: int) -> None:
    await keep(database, session, A)
    await advance(database, session, A, 7)
    await advance(database, session, A, 3)
    assert positions(database, session, [A]) == [7]


async def test_a_cursor_that_is_gone_does_not_come_back(database: Database, session: int) -> None:
    """A delivery that was under way when the webhook was taken away."""
    await advance(database, session, A, 3)
    assert positions(database, session, [A]) == [None]


async def test_sessions_have_cursors_of_their_own(database: Database, session: int) -> None:
    other = await make_session(database, "other")
    await keep(database, session, A)
    await keep(database, other, A)
    await advance(database, other, A, 9)
    await keep(database, session)
    assert (positions(database, session, [A]), positions(database, other, [A])) == ([None], [9])
