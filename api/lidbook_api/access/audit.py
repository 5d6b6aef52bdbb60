"""Who did what with which key: one row a change, and one a refusal unless there are many of one key."""

import asyncio
import ipaddress
import sqlite3
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response

from lidbook.clock import now_ms
from lidbook.directory.database import Database
from lidbook_api.access.refusals import Refusals
from lidbook_api.access.scopes import Access

SESSION: Final = "lidbook.session"
"""Where in a request's ASGI scope the name of the session it is about is noted, once it is known to exist."""
SUBJECT: Final = "lidbook.subject"
"""Where the id of the key that a request changes is noted."""

KEPT: Final = 100_000
"""Rows of what admins did, and as many of what session keys did and were refused; of each the oldest go first."""
PRUNED_EVERY: Final = 1_000
MOMENT: Final = 1.0
"""Seconds between two lines of the log about requests without a key."""

_COLUMNS: Final = "id, at, key_id, action, session, subject, status, error, client, by_admin"


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done, or refused. It never carries a phone number, a key or a body."""

    key_id: str
    action: str
    """The operationId of what was asked."""
    session: str | None
    """The session it was about, if it exists or did."""
    subject: str | None
    """The id of the key it changed."""
    status: int
    error: str | None
    """The stable code of what went wrong."""
    client: str | None
    """The address it came from: the proxy's, if there is one."""
    by_admin: bool = True
    """Whether the key opened everything."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A deed as it was written down."""

    id: int
    at: int
    deed: Deed


class Audit:
    """The audit log of a server, and the count of those who were not even let in.

    Requests without a key leave no rows, because anybody could fill the disk with them.
    """

    def __init__(self, database: Database, clock: Callable[[], int] = now_ms) -> None:
        self.unauthorized = 0
        """Requests since the start whose key was missing or wrong."""
        self.foreign = 0
        """Requests since the start that a server without a key refused, because a web page may have sent them."""
        self._database = database
        self._clock = clock
        self._refusals = Refusals(clock)
        self._untold = 0
        self._client: str | None = None
        self._telling: asyncio.TimerHandle | None = None
        self._log = structlog.stdlib.get_logger("lidbook.audit")

    async def record(self, request: Request, access: Access, action: str, response: Response) -> None:
        """Write down what came of a request. A row that cannot be written is an error in the log: the deed is done."""
        scope = request.scope
        by_admin = access.is_admin
        if response.status_code == 403 and not by_admin and not self._refusals.has_a_row(access.key_id):
            return
        error = next((value.decode() for name, value in response.raw_headers if name == b"lidbook-error"), None)
        client = None if request.client is None else _address(request.client.host)
        deed = Deed(
            key_id=access.key_id,
            action=action,
            session=scope.get(SESSION),
            subject=scope.get(SUBJECT),
            status=response.status_code,
            error=error,
            client=client,
            by_admin=by_admin,
        )
        try:
            await self.write(deed)
        except sqlite3.Error:
            self._log.exception("not in the audit log", key_id=deed.key_id, action=deed.action, status=deed.status)

    async def write(self, deed: Deed) -> None:
        """Write a row, and let the oldest go when there are many."""
        at = self._clock()

        def work(connection: sqlite3.Connection) -> None:
            row = connection.execute(
                "INSERT INTO audit (at, key_id, action, session, subject, status, error, client, by_admin) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (at, *astuple(deed)),
            ).lastrowid
            if row is not None and row % PRUNED_EVERY == 0:
                for by_admin in (True, False):
                    connection.execute(
                        "DELETE FROM audit WHERE by_admin = ? AND id <= "
                        "(SELECT id FROM audit WHERE by_admin = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
                        (by_admin, by_admin, KEPT),
                    )

        await self._database.write(work)

    async def page(self, limit: int, before: int | None) -> list[AuditRow]:
        """The newest rows first; with `before`, those older than that row."""

        def work(connection: sqlite3.Connection) -> list[AuditRow]:
            older = "" if before is None else "WHERE id < ?"
            given = (limit,) if before is None else (before, limit)
            rows = connection.execute(f"SELECT {_COLUMNS} FROM audit {older} ORDER BY id DESC LIMIT ?", given)
            return [AuditRow(row[0], row[1], Deed(*(*row[2:-1], bool(row[-1])))) for row in rows]

        return await self._database.read(work)

    def refused(self, client: str | None, *, foreign: bool = False) -> None:
        """Count a request that was not let in; the log hears of it at once, and of further ones once a second."""
        if foreign:
            self.foreign += 1
        else:
            self.unauthorized += 1
        self._untold += 1
        self._client = client
        if self._telling is None:
            self._tell()

    def close(self) -> None:
        """Tell what was not told yet, and no more."""
        self._refusals.close()
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        self._say()

    def _tell(self) -> None:
        """Tell, and wait a moment before telling more; until there is nothing more to tell."""
        self._telling = asyncio.get_running_loop().call_later(MOMENT, self._tell) if self._say() else None

    def _say(self) -> bool:
        """Log how many there were since the last time; whether there were any."""
        if not self._untold:
            return False
        self._log.warning("not let in", requests=self._untold, latest=self._client, unauthorized=self.unauthorized)
        self._untold = 0
        return True


def _address(text: str) -> str | None:
    """An address, and nothing else that a proxy may have been told to pass on."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
