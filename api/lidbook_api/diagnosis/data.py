"""The data dir: whether it is there, ours, private, whole, and who has it."""

import os
import shlex
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lidbook.data_dir import database_path
from lidbook.directory.database import newest_schema
from lidbook.storage import storage_failure
from lidbook_api.diagnosis.finding import Finding, Level

MEGABYTE: Final = 1 << 20
LITTLE_SPACE: Final = 512 * MEGABYTE
LARGE_LOG: Final = 256 * MEGABYTE
"""Bytes of a write-ahead log that nobody folds in; SQLite does so at 64 MB."""

_RESTORE: Final = "lidbook restore FILE --replace"
_NEWER: Final = "install the newer Lidbook the way this one was installed"


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session, as the database has it."""

    name: str
    engine: str
    desired: str
    status: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """What could be read of a database."""

    sessions: tuple[StoredSession, ...] = ()
    newest_entry: int | None = None
    """Milliseconds since 1970."""


def folder(data_dir: Path) -> Iterator[Finding]:
    """The folder itself."""
    quoted = shlex.quote(str(data_dir))
    if not data_dir.exists():
        yield Finding("data dir", Level.NOTE, f"{data_dir} does not exist yet", f"lidbook serve --data-dir {quoted}")
        return
    if not data_dir.is_dir():
        yield Finding("data dir", Level.BROKEN, f"{data_dir} is no folder", "choose another --data-dir")
        return
    about = data_dir.stat()
    if is_mounted_read_only(data_dir):
        says = f"{data_dir} is on a disk that is mounted read-only"
        yield Finding("data dir", Level.BROKEN, says, "mount the disk for writing")
    elif not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        remedy = f"sudo chown -R {os.geteuid()} {quoted}"
        yield Finding("data dir", Level.BROKEN, f"{data_dir} cannot be written to by this user", remedy)
    elif about.st_uid != os.geteuid():
        says = f"{data_dir} belongs to user {about.st_uid}, and this is user {os.geteuid()}"
        yield Finding("data dir", Level.WARNING, says, f"run this, and the server, as user {about.st_uid}")
    elif stat.S_IMODE(about.st_mode) & 0o077:
        says = f"{data_dir} holds credentials, and others on this machine can look into it"
        yield Finding("data dir", Level.WARNING, says, f"chmod 700 {quoted}")
    else:
        yield Finding("data dir", Level.OK, str(data_dir))
    yield _space(data_dir)
    for left in sorted(data_dir.parent.glob(f".{data_dir.name}.restore-*")):
        says = f"{left} is what a restore that was interrupted left: the old data dir, or a part of the new one"
        yield Finding("restore", Level.NOTE, says, "look into it, then delete it")


def is_mounted_read_only(data_dir: Path) -> bool:
    """Whether nobody can write there, whoever it is."""
    return bool(os.statvfs(data_dir).f_flag & os.ST_RDONLY)


def server(process: int | None) -> Finding:
    """Whether one runs."""
    if process is None:
        return Finding("server", Level.OK, "none has the data dir now")
    return Finding("server", Level.OK, f"process {process or 'unknown'} has the data dir")


def database(data_dir: Path) -> tuple[list[Finding], Stored]:
    """The database: whether it opens, whose it is, whether it is whole; and what is in it."""
    path = database_path(data_dir)
    if not path.exists():
        says = "there is none yet: the server makes it when it starts"
        return [Finding("database", Level.NOTE, says)] if data_dir.is_dir() else [], Stored()
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
            findings = [_schema(connection), _whole(connection)]
            stored = _read(connection)
    except sqlite3.Error as error:
        if storage_failure(error) is not None or not os.access(data_dir, os.W_OK):  # reading writes its log
            says = f"{path} cannot be looked into as long as the data dir cannot be written to: {error}"
            return [Finding("database", Level.BROKEN, says, "mend the data dir first, then ask again")], Stored()
        return [Finding("database", Level.BROKEN, f"{path} cannot be read: {error}", _RESTORE)], Stored()
    return [*findings, *_log(path)], stored


def sessions(stored: Stored) -> Iterator[Finding]:
    """Each session that is wanted and does not work; the rest is counted."""
    well = 0
    for session in stored.sessions:
        reason = f" ({session.reason})" if session.reason else ""
        says = f"{session.name}: {session.status}{reason}"
        remedy = _remedy(session)
        if remedy is None or session.desired == "stopped":
            well += 1
        else:
            yield Finding("session", Level.WARNING, says, remedy)
    wanted = sum(session.desired == "running" for session in stored.sessions)
    says = f"{len(stored.sessions)}, of which {wanted} are wanted running"
    yield Finding("sessions", Level.OK, says)


def _space(data_dir: Path) -> Finding:
    free = shutil.disk_usage(data_dir).free
    says = f"{free / MEGABYTE:,.0f} MB are free for it"
    level = Level.BROKEN if free < 32 * MEGABYTE else Level.WARNING if free < LITTLE_SPACE else Level.OK
    return Finding("space", level, says, None if level is Level.OK else "make room on the disk")


def _schema(connection: sqlite3.Connection) -> Finding:
    have, newest = int(connection.execute("PRAGMA user_version").fetchone()[0]), newest_schema()
    if have > newest:
        says = f"a newer Lidbook wrote it: schema {have}, and this one knows {newest}"
        return Finding("schema", Level.BROKEN, says, f"{_NEWER}, see docs/operate.md")
    if have < newest:
        return Finding(
            "schema", Level.NOTE, f"{have}, and {newest} once the server has been started; back up before that"
        )
    return Finding("schema", Level.OK, str(have))


def _whole(connection: sqlite3.Connection) -> Finding:
    found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    if found == "ok":
        return Finding("database", Level.OK, "it is whole")
    return Finding("database", Level.BROKEN, f"it is damaged: {found}", _RESTORE)


def _log(path: Path) -> Iterator[Finding]:
    try:
        size = path.with_name(path.name + "-wal").stat().st_size
    except FileNotFoundError:
        size = 0
    says = f"the write-ahead log has {size / MEGABYTE:,.1f} MB"
    if size > LARGE_LOG:
        remedy = "restart the server; if it grows again, something reads the database for hours"
        yield Finding("log", Level.WARNING, says, remedy)
    else:
        yield Finding("log", Level.OK, says)


def _read(connection: sqlite3.Connection) -> Stored:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "session" not in tables:
        return Stored()
    rows = connection.execute("SELECT name, engine, desired, status, reason FROM session ORDER BY name")
    entries = [
        connection.execute(f"SELECT max(at) FROM {table}").fetchone()[0]
        for table in ("log", "audit")
        if table in tables
    ]
    return Stored(
        tuple(StoredSession(*row) for row in rows), max((at for at in entries if at is not None), default=None)
    )


def _remedy(session: StoredSession) -> str | None:
    name = shlex.quote(session.name)
    if session.status == "SCAN_QR_CODE":
        return f"lidbook sessions qr {name}"
    if session.status != "FAILED":
        return None
    match session.reason:
        case "account_changed":
            return f"link the old account again, or  lidbook sessions reset {name}"
        case "logged_out" | "qr_expired":
            return f"lidbook sessions restart {name} && lidbook sessions qr {name}"
        case "banned":
            return "look at the phone: WhatsApp does not let the account in"
        case "replaced":
            return f"end whatever else runs with its credentials, then  lidbook sessions restart {name}"
        case "outdated":
            return f"update the engine, then  lidbook sessions restart {name}"
        case _:
            return f"lidbook sessions show {name}, and the server's log"
