"""Keys of a data dir that no server has: the first one, and whether there is one."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Final

from lidbook.clock import now_ms
from lidbook.data_dir import DataDirLock, database_path
from lidbook.directory.database import Database, open_reader
from lidbook_api.access import stored
from lidbook_api.access.audit import Audit, Deed
from lidbook_api.access.store import KeyStore
from lidbook_api.access.stored import KeyWanted, StoredKey

HERE: Final = "local"
"""The key id in the audit log of what was done on the data dir itself."""


def create_admin_key(data_dir: Path, expires_at: int | None) -> tuple[StoredKey, str]:
    """An admin key for the server that will have this data dir, and its text. Runs an event loop of its own.

    Raises `DataDirLocked` while a server has it, `OSError` and `sqlite3.Error`.
    """
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = DataDirLock(data_dir)
    try:
        return asyncio.run(_create(database_path(data_dir), expires_at))
    finally:
        lock.release()


async def _create(path: Path, expires_at: int | None) -> tuple[StoredKey, str]:
    database = await asyncio.to_thread(Database, path)
    try:
        keys = KeyStore(database, None, lambda _: None)
        key, text = await keys.create(KeyWanted(is_admin=True, expires_at=expires_at))
        await Audit(database).write(Deed(HERE, "create_key", None, key.id, 201, None, None))
    finally:
        await asyncio.to_thread(database.close)
    return key, text


def has_admin_key(data_dir: Path) -> bool:
    """Whether a data dir has an admin key that works now. Changes nothing there. Raises `sqlite3.Error`."""
    path = database_path(data_dir)
    if not path.is_file():
        return False
    with closing(open_reader(path)) as connection:
        table = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'api_key'").fetchone()
        return table is not None and stored.any_usable_admin(connection, now_ms())
