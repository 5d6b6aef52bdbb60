"""An engine's credentials, per session and engine: named blobs in the database, written all or none."""

import sqlite3
from collections.abc import Mapping

from lidbook.directory.database import Database


class DatabaseVault:
    """What one engine keeps for one session; see `lidbook.engine.Vault`. No engine reads another's."""

    def __init__(self, database: Database, session: int, engine: str) -> None:
        self._database = database
        self._key = (session, engine)

    async def get(self, name: str) -> bytes | None:
        """The blob, or None."""
        row = self._database.reader.execute(
            "SELECT value FROM vault WHERE session = ? AND engine = ? AND name = ?", (*self._key, name)
        ).fetchone()
        return None if row is None else bytes(row[0])

    async def put(self, blobs: Mapping[str, bytes | None]) -> None:
        """Write all of these or none; None deletes. Returns after COMMIT."""
        key, changes = self._key, dict(blobs)

        def work(connection: sqlite3.Connection) -> None:
            for name, value in changes.items():
                if value is None:
                    connection.execute("DELETE FROM vault WHERE session = ? AND engine = ? AND name = ?", (*key, name))
                else:
                    connection.execute(
                        "INSERT INTO vault (session, engine, name, value) VALUES (?, ?, ?, ?) "
                        "ON CONFLICT (session, engine, name) DO UPDATE SET value = excluded.value",
                        (*key, name, value),
                    )

        await self._database.write(work)


async def forget_vaults(database: Database, session: int) -> None:
    """Forget what every engine kept for a session, and that any was linked."""

    def work(connection: sqlite3.Connection) -> None:
        for table in ("vault", "link"):
            connection.execute(f"DELETE FROM {table} WHERE session = ?", (session,))

    await database.write(work)
