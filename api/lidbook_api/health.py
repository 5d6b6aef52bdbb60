"""Whether the server can do its work: looked at each time somebody asks."""

import asyncio
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from pydantic import JsonValue

from lidbook.app import Lidbook
from lidbook.clock import now_ms
from lidbook.directory.database import Database
from lidbook.network_descriptor import described
from lidbook.sessions.session import Session
from lidbook_api.readiness import Readiness

PATIENCE: Final = 2.0
"""Seconds in which the database must have written something."""

Check = dict[str, JsonValue]


class WriteProbe:
    """Writes to the database to see whether that works: a disk that is full, read-only or stuck shows nowhere else."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writing: asyncio.Task[None] | None = None

    async def fault(self, seconds: float) -> str | None:
        """What is wrong with writing; None when it works. There is never more than one write under way."""
        if self._writing is None:
            self._writing = asyncio.create_task(self._database.write(_beat), name="write probe")
        writing = self._writing
        done, _ = await asyncio.wait({writing}, timeout=seconds)
        if not done:
            return f"nothing could be written for {seconds:g} seconds"
        self._writing = None
        error = None if writing.cancelled() else writing.exception()
        if error is not None and not isinstance(error, sqlite3.Error):
            raise error
        return None if error is None else f"{type(error).__name__}: {error}"

    async def close(self) -> None:
        """Wait for nothing any more."""
        if self._writing is not None:
            self._writing.cancel()
            with suppress(asyncio.CancelledError, sqlite3.Error):
                await self._writing


def _beat(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE heartbeat SET at = ?", (now_ms(),))


async def health(
    lidbook: Lidbook,
    probe: WriteProbe,
    readiness: Readiness,
    sessions: Iterable[Session],
    *,
    free_needed: int,
    stopping: bool,
) -> tuple[dict[str, JsonValue], bool]:
    """The document in the form of WAHA's, and whether all is well."""
    checks: dict[str, Check] = {
        "dataDir.space": await _space(lidbook, free_needed),
        "database": _check(await probe.fault(PATIENCE)),
        "sessions": {"status": "up", **Counter(session.status.value for session in sessions)},
        "engines": await _engines(lidbook, readiness),
        "plugins": {"status": "up", "usable": _strangers(lidbook), "broken": {**lidbook.hooks.broken}},
    }
    if lidbook.network is not None:
        checks["network"] = {"status": "up", "sandbox": True, "message": described(lidbook.network)}
    errors = {name: check for name, check in checks.items() if check["status"] == "down"}
    status = "shutting_down" if stopping else "error" if errors else "ok"
    body: dict[str, JsonValue] = {
        "status": status,
        "info": {name: check for name, check in checks.items() if name not in errors},
        "error": {**errors},
        "details": {**checks},
    }
    return body, status == "ok"


async def _space(lidbook: Lidbook, needed: int) -> Check:
    """Whether there is room for SQLite to work; it fails before the disk is full to the last byte."""
    data_dir = lidbook.settings.data_dir
    try:
        free = (await asyncio.to_thread(shutil.disk_usage, data_dir)).free
    except OSError as error:
        return {"status": "down", "path": str(data_dir), "message": str(error)}
    status = "up" if free >= needed else "down"
    return {"status": status, "path": str(data_dir), "freeBytes": free, "neededBytes": needed}


async def _engines(lidbook: Lidbook, readiness: Readiness) -> Check:
    """Those that are installed; `notReady` are those of them that lack something on this machine, with what mends it.

    None of it makes a server ill: a session that needs what is not there is FAILED, and says why.
    """
    states = await readiness.of_all(lidbook.engines.loaded())
    lacking: dict[str, JsonValue] = {name: state.complaint for name, state in states.items() if not state.ready}
    usable: list[JsonValue] = [*lidbook.engines.names()]
    return {"status": "up", "usable": usable, "notReady": lacking, "broken": {**lidbook.engines.broken}}


def _strangers(lidbook: Lidbook) -> list[JsonValue]:
    """The plugins that are not our own."""
    return [name for name in lidbook.hooks.names() if not name.startswith("lidbook_api.")]


def _check(fault: str | None) -> Check:
    return {"status": "up"} if fault is None else {"status": "down", "message": fault}
