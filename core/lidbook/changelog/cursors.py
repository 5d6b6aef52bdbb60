"""How far each webhook of each session has read the log: plain SQL on the table `webhook`."""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Literal

from lidbook.changelog.log import head
from lidbook.session_config import SessionConfig, WebhookConfig

SetBy = Literal["admin", "session", "nobody"]
"""With whose key a config was set; `nobody` when it was only read again, which leaves trust as it is."""

Trust = Mapping[str, bool | None]
"""URL -> whether it may lead to private addresses; with None that stays as it is, and of a new one it is no."""


def trust(config: SessionConfig, before: SessionConfig | None, own: Iterable[WebhookConfig], set_by: SetBy) -> Trust:
    """The URLs of a config and of the server's own webhooks, with who is behind them.

    What an admin set stays trusted when a session key sends it again unchanged, and not when it changes any of it.
    """
    given, had = config.webhooks or [], (before and before.webhooks) or []
    urls: dict[str, bool | None] = dict.fromkeys((webhook.url for webhook in own), False)  # trusted without this mark
    if set_by == "admin":
        return urls | dict.fromkeys((webhook.url for webhook in given), True)
    changed = set() if set_by == "nobody" else {webhook.url for webhook in given if webhook not in had}
    return urls | {webhook.url: False if webhook.url in changed else None for webhook in given}


def keep(connection: sqlite3.Connection, session: int, urls: Trust) -> None:
    """Have a cursor for each of `urls` and for no other; a new one begins at the log's present end."""
    have = {row[0] for row in connection.execute("SELECT url FROM webhook WHERE session = ?", (session,))}
    connection.executemany(
        "DELETE FROM webhook WHERE session = ? AND url = ?", [(session, url) for url in sorted(have - urls.keys())]
    )
    start = head(connection, session)
    connection.executemany(
        "INSERT INTO webhook (session, url, seq, trusted) VALUES (?, ?, ?, 0)",
        [(session, url, start) for url in sorted(urls.keys() - have)],
    )
    connection.executemany(
        "UPDATE webhook SET trusted = ? WHERE session = ? AND url = ?",
        [(trusted, session, url) for url, trusted in urls.items() if trusted is not None],
    )


def position(connection: sqlite3.Connection, session: int, url: str) -> int | None:
    """The number up to which everything is done; None when there is no such cursor."""
    row = connection.execute("SELECT seq FROM webhook WHERE session = ? AND url = ?", (session, url)).fetchone()
    return None if row is None else row[0]


def is_trusted(connection: sqlite3.Connection, session: int, url: str) -> bool:
    """Whether an admin set this webhook as it is, so that it may lead to private addresses."""
    row = connection.execute("SELECT trusted FROM webhook WHERE session = ? AND url = ?", (session, url)).fetchone()
    return row is not None and bool(row[0])


def advance(connection: sqlite3.Connection, session: int, url: str, seq: int) -> None:
    """Everything up to `seq` is done. A cursor that is gone, or further already, stays as it is."""
    connection.execute("UPDATE webhook SET seq = ? WHERE session = ? AND url = ? AND seq < ?", (seq, session, url, seq))
