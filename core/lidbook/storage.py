"""Errors of the disk that holds the data dir, told apart from faults of our own and of engines."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lidbook.errors import StorageFailed

_FULL: Final = "is full: make room on it"
_READ_ONLY: Final = "is read-only: mount it for writing"
_FAILS: Final = "cannot be used: see the server's log"

_BY_SQLITE: Final = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_IOERR: _FAILS,
    sqlite3.SQLITE_CANTOPEN: _FAILS,
}
"""SQLite's primary result codes that tell of the disk."""

_BY_SYSTEM: Final = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EIO: _FAILS,
}


def storage_failure(error: BaseException) -> StorageFailed | None:
    """What an error of SQLite or of the system says of the disk; None when it is about something else."""
    if isinstance(error, StorageFailed):
        return error
    what: str | None = None
    if isinstance(error, sqlite3.Error):
        what = _BY_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    elif isinstance(error, OSError):
        what = _BY_SYSTEM.get(error.errno or 0)
    return None if what is None else StorageFailed(f"the disk that holds the data dir {what}")


@contextmanager
def storing() -> Iterator[None]:
    """Raise `StorageFailed` for what is the disk's fault, and anything else as it is."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        failed = storage_failure(error)
        if failed is None:
            raise
        raise failed from error
