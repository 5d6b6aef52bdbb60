"""Sessions as stored: plain SQL on the table `session`."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import orjson
from pydantic import JsonValue

from lidbook.identifiers import Lid, PhoneNumber
from lidbook.values import Account, SessionStatus, StatusReason

Desired = Literal["running", "stopped"]
_TABLES = (
    "identifier",
    "person",
    "listing",
    "chat_group",
    "participant",
    "log",
    "watch",
    "sync",
    "vault",
    "webhook",
    "dead_letter",
    "api_key",
    "directory",
)


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session as the database holds it."""

    id: int
    name: str
    engine: str
    engine_assumed: bool
    config: bytes
    desired: Desired
    status: SessionStatus
    reason: StatusReason | None
    account: Account | None
    created_at: int
    activity_at: int | None


def load_all(connection: sqlite3.Connection) -> list[SessionRow]:
    """Every session, by name."""
    rows = connection.execute(
        "SELECT id, name, engine, engine_assumed, config, desired, status, reason, account, created_at, activity_at "
        "FROM session ORDER BY name"
    )
    return [
        SessionRow(
            id=row[0],
            name=row[1],
            engine=row[2],
            engine_assumed=bool(row[3]),
            config=row[4].encode(),
            desired=row[5],
            status=SessionStatus(row[6]),
            reason=StatusReason(row[7]) if row[7] else None,
            account=_account(row[8]) if row[8] else None,
            created_at=row[9],
            activity_at=row[10],
        )
        for row in rows
    ]


def insert(
    connection: sqlite3.Connection,
    *,
    name: str,
    engine: str,
    engine_assumed: bool,
    config: bytes,
    desired: Desired,
    created_at: int,
) -> int:
    """A new session with an empty directory; returns its id."""
    cursor = connection.execute(
        "INSERT INTO session (name, engine, engine_assumed, config, desired, status, created_at) "
        "VALUES (?, ?, ?, ?, ?, 'STOPPED', ?)",
        (name, engine, engine_assumed, config.decode(), desired, created_at),
    )
    if cursor.lastrowid is None:
        raise AssertionError("an INSERT has a row id")
    connection.execute("INSERT INTO directory (session) VALUES (?)", (cursor.lastrowid,))
    return cursor.lastrowid


def update_config(
    connection: sqlite3.Connection, session: int, *, engine: str, engine_assumed: bool, config: bytes
) -> None:
    """Another config, and with it perhaps another engine."""
    connection.execute(
        "UPDATE session SET engine = ?, engine_assumed = ?, config = ? WHERE id = ?",
        (engine, engine_assumed, config.decode(), session),
    )


def set_desired(connection: sqlite3.Connection, session: int, desired: Desired) -> None:
    """What the operator wants."""
    connection.execute("UPDATE session SET desired = ? WHERE id = ?", (desired, session))


def set_status(
    connection: sqlite3.Connection,
    session: int,
    status: SessionStatus,
    reason: StatusReason | None,
    account: Account | None,
    activity_at: int | None,
    statuses: Sequence[JsonValue],
) -> None:
    """What was observed."""
    connection.execute(
        "UPDATE session SET status = ?, reason = ?, account = ?, activity_at = ?, statuses = ? WHERE id = ?",
        (
            status.value,
            reason.value if reason else None,
            _stored(account),
            activity_at,
            orjson.dumps(list(statuses)).decode(),
            session,
        ),
    )


def stored_status(
    connection: sqlite3.Connection, session: int
) -> tuple[SessionStatus, StatusReason | None, list[JsonValue]] | None:
    """The newest status with its reason, and the last few; None for a session that is gone."""
    row = connection.execute("SELECT status, reason, statuses FROM session WHERE id = ?", (session,)).fetchone()
    if row is None:
        return None
    return SessionStatus(row[0]), StatusReason(row[1]) if row[1] else None, orjson.loads(row[2])


def forget_dead_letters(connection: sqlite3.Connection, session: int) -> None:
    """Forget what no webhook took: every one of them tells of the account."""
    connection.execute("DELETE FROM dead_letter WHERE session = ?", (session,))


def bind_account(connection: sqlite3.Connection, session: int, lid: str) -> str:
    """Bind the directory to an account unless it is bound; returns the LID of the account it is bound to."""
    connection.execute("UPDATE directory SET account_lid = coalesce(account_lid, ?) WHERE session = ?", (lid, session))
    bound: str = connection.execute("SELECT account_lid FROM directory WHERE session = ?", (session,)).fetchone()[0]
    return bound


def delete(connection: sqlite3.Connection, name: str) -> None:
    """The session and everything kept for it."""
    session = connection.execute("SELECT id FROM session WHERE name = ?", (name,)).fetchone()[0]
    for table in _TABLES:
        connection.execute(f"DELETE FROM {table} WHERE session = ?", (session,))
    connection.execute("DELETE FROM session WHERE id = ?", (session,))


def _stored(account: Account | None) -> str | None:
    if account is None:
        return None
    return orjson.dumps([account.phone.digits, account.lid.digits, account.pushname, account.device]).decode()


def _account(stored: str) -> Account:
    phone, lid, pushname, device = orjson.loads(stored)
    return Account(PhoneNumber(phone), Lid(lid), pushname, device)
