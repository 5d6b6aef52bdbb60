"""Disks that take nothing: real errors of the system and of SQLite, without a disk to spoil."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def refusing(data_dir: Path) -> Iterator[None]:
    """While this lasts, no write of this process makes the write-ahead log of `data_dir` longer: each is an error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((data_dir / "lidbook.sqlite3-wal").stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
