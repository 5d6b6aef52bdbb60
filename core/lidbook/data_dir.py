"""The data dir: where it is unless told otherwise, and the lock that lets one server at a time write it."""

import errno
import fcntl
import os
from pathlib import Path
from typing import Final

from lidbook.errors import DataDirLocked

_FILE: Final = "lidbook.lock"
_NO_LOCKS: Final = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What a file system says that knows no locks of folders."""


def default_data_dir() -> Path:
    """Where data is kept unless told otherwise: `$XDG_DATA_HOME/lidbook`, else `~/.local/share/lidbook`."""
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share") / "lidbook"


def database_path(data_dir: Path) -> Path:
    """The SQLite file in a data dir."""
    return data_dir / "lidbook.sqlite3"


class DataDirLock:
    """Held from construction until `release`, or until the process ends, however it ends.

    Locked is the folder itself, whatever becomes of the files in it, and a file that says which process it is; the file
    alone where folders cannot be locked, as on NFS.
    """

    def __init__(self, data_dir: Path) -> None:
        """Raises `DataDirLocked`, and `OSError` for a folder that cannot be used."""
        self._handles: list[int] = []
        try:
            self._take(data_dir)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let another server have the data dir."""
        while self._handles:
            os.close(self._handles.pop())

    def _take(self, data_dir: Path) -> None:
        folder = self._open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _locked(data_dir) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        file = self._open(data_dir / _FILE, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _locked(data_dir) from error
        if not os.path.samestat(os.fstat(folder), data_dir.stat()):
            raise DataDirLocked(f"{data_dir} was replaced at this moment: try again")
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())

    def _open(self, path: Path, flags: int) -> int:
        handle = os.open(path, flags | os.O_CLOEXEC, 0o600)
        self._handles.append(handle)
        return handle


def lock_holder(data_dir: Path) -> int | None:
    """The process that has the data dir; None when none has it, 0 when it is not known which. Changes nothing."""
    for path in (data_dir, data_dir / _FILE):
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _named_in(data_dir)
        except OSError:
            continue
        finally:
            os.close(handle)
    return None


def _named_in(data_dir: Path) -> int:
    try:
        text = (data_dir / _FILE).read_text("ascii", "replace")[:32].strip()
    except OSError:
        return 0
    return int(text) if text.isdecimal() else 0


def _locked(data_dir: Path) -> DataDirLocked:
    holder = _named_in(data_dir) or "unknown"
    return DataDirLocked(f"another lidbook (process {holder}) works on {data_dir}: stop it, or use another --data-dir")
