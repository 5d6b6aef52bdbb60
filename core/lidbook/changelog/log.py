"""One session's log: appended in the transaction of what it tells of, read by sequence number, pruned by age."""

import sqlite3
from collections.abc import Mapping
from typing import Final

import orjson
from pydantic import JsonValue

from lidbook.directory.database import Database
from lidbook.hookspecs import Change, ChangeKind

PRUNED_AT_ONCE: Final = 5000
"""Rows deleted in one transaction, so that pruning a long log holds nobody up."""


def append(
    connection: sqlite3.Connection,
    session: int,
    at: int,
    kind: ChangeKind,
    subject: str,
    *,
    data: Mapping[str, JsonValue] | None = None,
) -> Change:
    """One more entry, in the caller's transaction."""
    row = connection.execute(
        "UPDATE directory SET seq = seq + 1 WHERE session = ? RETURNING seq", (session,)
    ).fetchone()
    connection.execute(
        "INSERT INTO log (session, seq, at, kind, subject, other, fields, quiet, data) "
        "VALUES (?, ?, ?, ?, ?, NULL, '', 0, ?)",
        (session, row[0], at, kind.value, subject, None if data is None else orjson.dumps(data).decode()),
    )
    return Change(seq=row[0], at=at, kind=kind, subject=subject, data=data)


def head(connection: sqlite3.Connection, session: int) -> int:
    """The number of the newest entry, quiet ones included; 0 when there is none."""
    row = connection.execute("SELECT seq FROM directory WHERE session = ?", (session,)).fetchone()
    return 0 if row is None else row[0]


def prune(connection: sqlite3.Connection, session: int, before: int) -> bool:
    """Forget entries older than `before` (milliseconds since 1970), a few thousand at most; says whether that was all.

    An entry that is newer keeps those behind it, so that what is left has no gap.
    """
    rows = connection.execute(
        "SELECT seq, at FROM log WHERE session = ? ORDER BY seq LIMIT ?", (session, PRUNED_AT_ONCE)
    ).fetchall()
    last = 0
    for seq, at in rows:
        if at >= before:
            break
        last = seq
    if last:
        connection.execute("DELETE FROM log WHERE session = ? AND seq <= ?", (session, last))
        connection.execute("UPDATE directory SET pruned = ? WHERE session = ?", (last, session))
    return len(rows) < PRUNED_AT_ONCE or last < rows[-1][0]


class ChangeLog:
    """Reads of one session's log, of a few microseconds each, on the event loop."""

    def __init__(self, database: Database, session: int) -> None:
        self._database = database
        self._session = session

    def after(self, seq: int, limit: int = 100) -> list[Change]:
        """The next entries with a number above `seq`, without the quiet ones of a first sync."""
        rows = self._database.reader.execute(
            "SELECT seq, at, kind, subject, other, fields, data FROM log "
            "WHERE session = ? AND seq > ? AND quiet = 0 ORDER BY seq LIMIT ?",
            (self._session, seq, limit),
        )
        return [
            Change(
                seq=row[0],
                at=row[1],
                kind=ChangeKind(row[2]),
                subject=row[3],
                other=row[4],
                fields=tuple(row[5].split(",")) if row[5] else (),
                data=None if row[6] is None else orjson.loads(row[6]),
            )
            for row in rows
        ]

    def head(self) -> int:
        """The number of the newest entry; 0 when there is none."""
        return head(self._database.reader, self._session)

    def pruned(self) -> int:
        """The number up to which entries were pruned: reading `after` a lower one misses some."""
        row = self._database.reader.execute(
            "SELECT pruned FROM directory WHERE session = ?", (self._session,)
        ).fetchone()
        return 0 if row is None else row[0]

    def count_after(self, seq: int) -> int:
        """How many entries `after` would give without a limit."""
        count: int = self._database.reader.execute(
            "SELECT count(*) FROM log WHERE session = ? AND seq > ? AND quiet = 0", (self._session, seq)
        ).fetchone()[0]
        return count
