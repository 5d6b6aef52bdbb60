"""Sessions as stored: plain SQL on the table `session`."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import orjson
import structlog
from pydantic import JsonValue

from lidbook.identifiers import Lid, PhoneNumber
from lidbook.sessions.names import is_well_formed
from lidbook.values import Account, SessionStatus, StatusReason

_LOG: Final = structlog.stdlib.get_logger("lidbook.core")

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
    "link",
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
            desired="running" if row[5] == "running" else "stopped",
            status=_status(row[6]),
            reason=_reason(row[7]),
            account=_account(row[8]) if row[8] else None,
            created_at=row[9],
            activity_at=row[10],
        )
        for row in rows
        if _can_be(row[1])
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
    try:
        statuses = orjson.loads(row[2])
    except orjson.JSONDecodeError:
        statuses = []
    return _status(row[0]), _reason(row[1]), statuses if isinstance(statuses, list) else []


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


def _account(stored: str) -> Account | None:
    """None for one that cannot be read: it is reported anew when the session works."""
    try:
        phone, lid, pushname, device = orjson.loads(stored)
        return Account(PhoneNumber(phone), Lid(lid), pushname, device)
    except (ValueError, TypeError):
        _LOG.warning("a stored account cannot be read, and is passed over")
        return None


def _can_be(name: str) -> bool:
    """Whether it can be a session's: a folder is named after it, and no server has made it if it is not."""
    if is_well_formed(name):
        return True
    _LOG.error("a stored session is passed over: it cannot have this name", session=name)
    return False


def _status(stored: str) -> SessionStatus:
    """STOPPED for one that this Lidbook does not know."""
    try:
        return SessionStatus(stored)
    except ValueError:
        _LOG.warning("a stored status is unknown and read as STOPPED", status=stored)
        return SessionStatus.STOPPED


def _reason(stored: str | None) -> StatusReason | None:
    """None for one that this Lidbook does not know."""
    try:
        return StatusReason(stored) if stored else None
    except ValueError:
        _LOG.warning("a stored reason is unknown, and is passed over", reason=stored)
        return None
