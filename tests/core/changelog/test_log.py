"""The log: appended in order, read by number, pruned by age without a gap."""

import sqlite3

import pytest

from lidbook.changelog import log
from lidbook.changelog.log import ChangeLog, append, prune
from lidbook.directory.database import Database
from lidbook.hookspecs import Change, ChangeKind

from .conftest import make_session


async def appended(database: Database, session: int, *times: int) -> list[Change]:
    """One entry for each time."""

    def work(connection: sqlite3.Connection) -> list[Change]:
        return [append(connection, session, at, ChangeKind.SESSION_STATUS, "s", data={"n": at}) for at in times]

    return await database.write(work)


async def quieten(database: Database, session: int, *numbers: int) -> None:
    def work(connection: sqlite3.Connection) -> None:
        connection.executemany(
            "UPDATE log SET quiet = 1 WHERE session = ? AND seq = ?", [(session, seq) for seq in numbers]
        )

    await database.write(work)


async def pruned_whole(database: Database, session: int, before: int) -> int:
    """Prune until it is done; returns in how many pieces."""
    pieces = 1
    while not await database.write(lambda connection: prune(connection, session, before)):
        pieces += 1
    return pieces


async def test_what_is_appended_is_read_back_in_order(database: Database, session: int) -> None:
    changes = await appended(database, session, 10, 20, 30)
    reader = ChangeLog(database, session)
    assert [change.seq for change in changes] == [1, 2, 3]
    assert reader.after(0) == changes
    assert reader.after(2) == changes[2:]
    assert reader.after(0, limit=2) == changes[:2]
    assert reader.after(3) == []
    assert (reader.head(), reader.pruned(), reader.count_after(1)) == (3, 0, 2)


async def test_an_entry_of_every_kind_is_read_back(database: Database, session: int) -> None:
    def work(connection: sqlite3.Connection) -> list[Change]:
        return [append(connection, session, 1, kind, "s") for kind in ChangeKind]

    changes = await database.write(work)
    assert ChangeLog(database, session).after(0) == changes


async def test_sessions_have_logs_of_their_own(database: Database, session: int) -> None:
    other = await make_session(database, "other")
    await appended(database, session, 10, 20)
    changes = await appended(database, other, 30)
    assert [change.seq for change in changes] == [1]
    assert ChangeLog(database, other).after(0) == changes
    await pruned_whole(database, session, 100)
    assert ChangeLog(database, other).after(0) == changes


async def test_quiet_entries_are_numbered_and_not_told(database: Database, session: int) -> None:
    changes = await appended(database, session, 10, 20, 30, 40)
    await quieten(database, session, 1, 3)
    reader = ChangeLog(database, session)
    assert reader.after(0) == [changes[1], changes[3]]
    assert reader.after(0, limit=1) == [changes[1]]
    assert reader.after(2) == [changes[3]]
    assert (reader.count_after(0), reader.count_after(2), reader.count_after(4), reader.head()) == (2, 1, 0, 4)


async def test_an_empty_log(database: Database, session: int) -> None:
    for number in (session, 4711):
        reader = ChangeLog(database, number)
        assert (reader.after(0), reader.head(), reader.pruned(), reader.count_after(0)) == ([], 0, 0, 0)
    assert await pruned_whole(database, session, 100) == 1


async def test_pruning_forgets_what_is_older_and_notes_how_far(database: Database, session: int) -> None:
    changes = await appended(database, session, 10, 20, 30)
    await quieten(database, session, 1)
    await pruned_whole(database, session, 30)
    reader = ChangeLog(database, session)
    assert (reader.after(0), reader.pruned(), reader.head()) == (changes[2:], 2, 3)
    await pruned_whole(database, session, 5)
    assert reader.pruned() == 2
    await pruned_whole(database, session, 1000)
    assert (reader.after(0), reader.pruned(), reader.head()) == ([], 3, 3)
    assert [change.seq for change in await appended(database, session, 40)] == [4], "no number is used twice"


async def test_what_is_left_has_no_gap_although_a_clock_was_set_back(database: Database, session: int) -> None:
    await appended(database, session, 10, 900, 20, 30)
    await pruned_whole(database, session, 100)
    reader = ChangeLog(database, session)
    assert ([change.seq for change in reader.after(0)], reader.pruned()) == ([2, 3, 4], 1)


async def test_a_long_log_is_pruned_in_pieces(
    database: Database, session: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "PRUNED_AT_ONCE", 10)
    await appended(database, session, *range(1, 36))
    assert await pruned_whole(database, session, 32) == 4
    reader = ChangeLog(database, session)
    assert ([change.seq for change in reader.after(0)], reader.pruned()) == ([32, 33, 34, 35], 31)
    assert await pruned_whole(database, session, 1000) == 1


async def test_an_entry_that_is_not_committed_takes_no_number(database: Database, session: int) -> None:
    def work(connection: sqlite3.Connection) -> None:
        append(connection, session, 1, ChangeKind.SESSION_STATUS, "s")
        raise ValueError("the rest of the transaction failed")

    with pytest.raises(ValueError, match="the rest"):
        await database.write(work)
    assert ChangeLog(database, session).head() == 0
    assert [change.seq for change in await appended(database, session, 1)] == [1]
