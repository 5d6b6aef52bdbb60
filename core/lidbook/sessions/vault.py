"""An engine's credentials, per session: named blobs in the database, written all or none."""

import sqlite3
from collections.abc import Mapping

from lidbook.directory.database import Database


class DatabaseVault:
    """The vault of one session; see `lidbook.engine.Vault`."""

    def __init__(self, database: Database, session: int) -> None:
        self._database = database
        self._session = session

    async def get(self, name: str) -> bytes | None:
        """The blob, or None."""
        row = self._database.reader.execute(
            "SELECT value FROM vault WHERE session = ? AND name = ?", (self._session, name)
        ).fetchone()
        return None if row is None else bytes(row[0])

    async def put(self, blobs: Mapping[str, bytes | None]) -> None:
        """Write all of these or none; None deletes. Returns after COMMIT."""
        session, changes = self._session, dict(blobs)

        def work(connection: sqlite3.Connection) -> None:
            for name, value in changes.items():
                if value is None:
                    connection.execute("DELETE FROM vault WHERE session = ? AND name = ?", (session, name))
                else:
                    connection.execute(
                        "INSERT INTO vault (session, name, value) VALUES (?, ?, ?) "
                        "ON CONFLICT (session, name) DO UPDATE SET value = excluded.value",
                        (session, name, value),
                    )

        await self._database.write(work)

    async def clear(self) -> None:
        """Forget all of it."""
        session = self._session

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM vault WHERE session = ?", (session,))

        await self._database.write(work)
