"""Events that a webhook's receiver would not take: plain SQL on the table `dead_letter`."""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from lidbook.changelog import cursors

KEPT: Final = 10_000
"""Letters of one session; older ones give way."""

_COLUMNS: Final = "id, url, seq, at, event, event_id, attempts, reason"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One of them, without its body."""

    id: int
    url: str
    seq: int
    """Number of the event's entry in the log."""
    at: int
    """When it was given up, in milliseconds since 1970."""
    event: str
    event_id: str
    attempts: int
    reason: str
    """Why the last attempt failed."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """An event that is to become one, with the body as it was sent."""

    url: str
    seq: int
    event: str
    event_id: str
    body: bytes
    attempts: int
    reason: str


def give_up(connection: sqlite3.Connection, session: int, letter: GivenUp, at: int) -> int | None:
    """Keep an event as a dead letter and move its webhook's cursor on; returns how many old letters gave way.

    None, and nothing is done, when the webhook has no cursor any more, or has got past this event already.
    """
    position = cursors.position(connection, session, letter.url)
    if position is None or position >= letter.seq:
        return None
    cursors.advance(connection, session, letter.url, letter.seq)
    connection.execute(
        "INSERT INTO dead_letter (session, url, seq, at, event, event_id, body, attempts, reason) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            session,
            letter.url,
            letter.seq,
            at,
            letter.event,
            letter.event_id,
            letter.body,
            letter.attempts,
            letter.reason,
        ),
    )
    return connection.execute(
        "DELETE FROM dead_letter WHERE session = ?1 AND id <= "
        "(SELECT id FROM dead_letter WHERE session = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        (session, KEPT),
    ).rowcount


def page(
    connection: sqlite3.Connection, session: int, limit: int, before: int | None = None, *, hidden: Collection[str] = ()
) -> list[DeadLetter]:
    """The newest `limit` letters, only those with an id below `before`; none to the URLs `hidden`."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM dead_letter WHERE session = ? AND id < ? AND url NOT IN ({_marks(hidden)}) "
        "ORDER BY id DESC LIMIT ?",
        (session, 2**62 if before is None else before, *hidden, limit),
    )
    return [DeadLetter(*row) for row in rows]


def oldest(connection: sqlite3.Connection, session: int, urls: Collection[str], after: int = 0) -> int | None:
    """The id of the oldest letter to one of `urls` whose id is above `after`."""
    row = connection.execute(
        f"SELECT min(id) FROM dead_letter WHERE session = ? AND id > ? AND url IN ({_marks(urls)})",
        (session, after, *urls),
    ).fetchone()
    found: int | None = row[0]
    return found


def find(connection: sqlite3.Connection, session: int, letter: int) -> tuple[DeadLetter, bytes] | None:
    """One letter with its body."""
    row: tuple[Any, ...] | None = connection.execute(
        f"SELECT {_COLUMNS}, body FROM dead_letter WHERE session = ? AND id = ?", (session, letter)
    ).fetchone()
    return None if row is None else (DeadLetter(*row[:-1]), row[-1])


def counts(connection: sqlite3.Connection, session: int) -> dict[str, int]:
    """How many letters there are to each URL that has any."""
    rows = connection.execute("SELECT url, count(*) FROM dead_letter WHERE session = ? GROUP BY url", (session,))
    return dict(rows.fetchall())


def delete(connection: sqlite3.Connection, session: int, letter: int) -> bool:
    """Forget one letter; says whether there was one."""
    return connection.execute("DELETE FROM dead_letter WHERE session = ? AND id = ?", (session, letter)).rowcount > 0


def delete_all(connection: sqlite3.Connection, session: int, *, hidden: Collection[str] = ()) -> int:
    """Forget every letter but those to the URLs `hidden`; returns how many there were."""
    return connection.execute(
        f"DELETE FROM dead_letter WHERE session = ? AND url NOT IN ({_marks(hidden)})", (session, *hidden)
    ).rowcount


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))
