"""Sync markers: what of a first sync was expected, has arrived, is complete."""

import sqlite3
from dataclasses import dataclass

from lidbook.capabilities import Feed
from lidbook.changelog.log import append
from lidbook.hookspecs import Change, ChangeKind


@dataclass(frozen=True, slots=True)
class SyncReport:
    """How far the sync of one feed has come; None where the engine did not say."""

    feed: Feed
    expected: int | None
    received: int | None
    complete: bool


def reports(connection: sqlite3.Connection, session: int) -> list[SyncReport]:
    """One report a feed, by name."""
    rows = connection.execute(
        "SELECT feed, expected, received, completed_at FROM sync WHERE session = ? ORDER BY feed", (session,)
    )
    return [SyncReport(Feed(row[0]), row[1], row[2], row[3] is not None) for row in rows]


def is_first(connection: sqlite3.Connection, session: int) -> bool:
    """Whether the first sync of the contacts is under way: its changes are logged, not told one by one."""
    row = connection.execute(
        "SELECT first_completed_at FROM sync WHERE session = ? AND feed = ?", (session, Feed.CONTACTS.value)
    ).fetchone()
    return row is not None and row[0] is None


def was_completed(connection: sqlite3.Connection, session: int) -> bool:
    """Whether a sync of the contacts was ever completed; until then what is known of them is not all there is."""
    row = connection.execute(
        "SELECT first_completed_at FROM sync WHERE session = ? AND feed = ?", (session, Feed.CONTACTS.value)
    ).fetchone()
    return row is not None and row[0] is not None


def is_complete(connection: sqlite3.Connection, session: int, feed: Feed) -> bool:
    """Whether the sync of `feed` that was begun last is complete."""
    row = connection.execute(
        "SELECT completed_at FROM sync WHERE session = ? AND feed = ?", (session, feed.value)
    ).fetchone()
    return row is not None and row[0] is not None


def begin_anew(connection: sqlite3.Connection, session: int) -> None:
    """What another engine has fetched counts for nothing: each feed has to be fetched again, whole."""
    connection.execute("UPDATE sync SET completed_at = NULL WHERE session = ?", (session,))


def note(
    connection: sqlite3.Connection,
    session: int,
    feed: Feed,
    now: int,
    *,
    expected: int | None,
    received: int | None,
    complete: bool,
) -> list[Change]:
    """Note progress; a report on a feed that was complete begins a new sync of it. Returns what to announce."""
    ever = connection.execute(
        "SELECT first_completed_at FROM sync WHERE session = ? AND feed = ?", (session, feed.value)
    ).fetchone()
    first = ever is None or ever[0] is None
    completed_at = now if complete else None
    connection.execute(
        "INSERT INTO sync (session, feed, started_at, expected, received, completed_at, first_completed_at) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (session, feed) DO UPDATE SET "
        "started_at = CASE WHEN completed_at IS NULL THEN started_at ELSE excluded.started_at END, "
        "expected = coalesce(excluded.expected, expected), received = coalesce(excluded.received, received), "
        "completed_at = excluded.completed_at, first_completed_at = coalesce(first_completed_at, ?6)",
        (session, feed.value, now, expected, received, completed_at),
    )
    if feed is not Feed.CONTACTS or not complete or not first:
        return []
    name = connection.execute("SELECT name FROM session WHERE id = ?", (session,)).fetchone()[0]
    return [append(connection, session, now, ChangeKind.CONTACTS_SYNCED, name)]
