"""Which engines of a session are linked to its account, as far as they said so: each is a device of its own."""

import sqlite3

from lidbook.directory.directory import Directory
from lidbook.identifiers import parse_lid
from lidbook.sessions.transitions import LINKING
from lidbook.values import SessionStatus, StatusReason

_SHOWN = 4
"""Digits of the account's number by which its owner knows it."""


def note(
    connection: sqlite3.Connection, session: int, engine: str, status: SessionStatus, reason: StatusReason | None
) -> None:
    """Keep what a status says: WORKING is linked; who shows a QR code, or was logged out, is not any more."""
    if status is SessionStatus.WORKING:
        connection.execute("INSERT OR IGNORE INTO link (session, engine) VALUES (?, ?)", (session, engine))
    elif status in LINKING or reason is StatusReason.LOGGED_OUT:
        connection.execute("DELETE FROM link WHERE session = ? AND engine = ?", (session, engine))


def explain(reader: sqlite3.Connection, session: int, engine: str, directory: Directory) -> str | None:
    """What becomes of the account's data, and of the links of other engines, while this engine has to be linked first;
    None when no engine ever was."""
    bound = reader.execute("SELECT account_lid FROM directory WHERE session = ?", (session,)).fetchone()
    if bound is None or bound[0] is None:
        return None
    phone = directory.known_pair(parse_lid(bound[0])).phone
    whose = "that it had before" if phone is None else f"whose number ends in {phone.digits[-_SHOWN:]}"
    said = (
        f"{engine} is not linked yet: link the account {whose}, to which this session's contacts and LIDs belong; "
        "they are kept (to link another account, reset the session)"
    )
    others = [
        row[0]
        for row in reader.execute(
            "SELECT engine FROM link WHERE session = ? AND engine <> ? ORDER BY engine", (session, engine)
        )
    ]
    return f"{said}; the link of {' and of '.join(others)} is kept as well, for going back" if others else said
