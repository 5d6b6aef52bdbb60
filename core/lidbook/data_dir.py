"""The data dir: where it is unless told otherwise, and the lock that lets one server at a time write it."""

import fcntl
import os
from pathlib import Path

from lidbook.errors import DataDirLocked


def default_data_dir() -> Path:
    """Where data is kept unless told otherwise: `$XDG_DATA_HOME/lidbook`, else `~/.local/share/lidbook`."""
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share") / "lidbook"


def database_path(data_dir: Path) -> Path:
    """The SQLite file in a data dir."""
    return data_dir / "lidbook.sqlite3"


class DataDirLock:
    """Held from construction until `release`, or until the process ends, however it ends."""

    def __init__(self, data_dir: Path) -> None:
        path = data_dir / "lidbook.lock"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise DataDirLocked(
                f"another lidbook (process {holder}) works on {data_dir}: stop it, or use another --data-dir"
            ) from error
        os.ftruncate(self._file, 0)
        os.write(self._file, str(os.getpid()).encode())

    def release(self) -> None:
        """Let another server have the data dir."""
        os.close(self._file)
