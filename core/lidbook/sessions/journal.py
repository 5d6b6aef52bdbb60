"""A session's statuses on disk: the newest one, the last few, and a line in the log for each."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from pydantic import JsonValue

from lidbook.changelog import log as changelog
from lidbook.directory.database import Database
from lidbook.hookspecs import Change, ChangeKind
from lidbook.sessions import links, rows
from lidbook.values import Account, SessionStatus, StatusReason

STATUSES_KEPT: Final = 3
"""How many of the last statuses each line of the log has with it, oldest first."""


class StatusJournal:
    """Writes one session's statuses, in order, and what they say of the links of its engines; `told` hears of each
    status that was news, after it is on disk."""

    def __init__(
        self,
        database: Database,
        session: int,
        name: str,
        clock: Callable[[], int],
        told: Callable[[Sequence[Change]], None],
    ) -> None:
        self._database = database
        self._session = session
        self._name = name
        self._clock = clock
        self._told = told

    async def write(
        self,
        engine: str,
        status: SessionStatus,
        reason: StatusReason | None,
        account: Account | None,
        activity_at: int | None,
        *,
        another: bool = False,
        shown: Callable[[], None],
    ) -> None:
        """Store the status and log it, both or neither; one that is stored already is logged for `another` code alone.

        In a task of its own: what was committed is `shown` and told, though nobody waits for it any more.
        """
        task = asyncio.ensure_future(self._write(engine, status, reason, account, activity_at, another, shown))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(task)

    async def _write(
        self,
        engine: str,
        status: SessionStatus,
        reason: StatusReason | None,
        account: Account | None,
        activity_at: int | None,
        another: bool,
        shown: Callable[[], None],
    ) -> None:
        session, now = self._session, self._clock()

        def work(connection: sqlite3.Connection) -> Change | None:
            before = rows.stored_status(connection, session)
            if before is None:
                return None  # deleted meanwhile
            stored_status, stored_reason, statuses = before
            is_news = (status, reason) != (stored_status, stored_reason) or another
            if is_news:
                statuses.append({"status": status.value, "timestamp": now})
                del statuses[:-STATUSES_KEPT]
            rows.set_status(connection, session, status, reason, account, activity_at, statuses)
            links.note(connection, session, engine, status, reason)
            if not is_news:
                return None
            data: dict[str, JsonValue] = {
                "status": status.value,
                "statusReason": None if reason is None else reason.value,
                "statuses": statuses,
            }
            return changelog.append(connection, session, now, ChangeKind.SESSION_STATUS, self._name, data=data)

        change = await self._database.write(work)
        shown()
        if change is not None:
            self._told([change])
