"""One server at a time on a data dir, whatever happens to the files in it."""

import fcntl
import os
import stat
from pathlib import Path

import pytest

from lidbook.data_dir import DataDirLock, lock_holder
from lidbook.errors import DataDirLocked


def test_who_deletes_the_lock_file_opens_nothing(tmp_path: Path) -> None:
    lock = DataDirLock(tmp_path)
    (tmp_path / "lidbook.lock").unlink()
    with pytest.raises(DataDirLocked, match="process unknown"):
        DataDirLock(tmp_path)
    assert lock_holder(tmp_path) == 0
    lock.release()
    DataDirLock(tmp_path).release()


def test_a_server_that_locks_the_file_alone_is_heeded(tmp_path: Path) -> None:
    """As older ones do, and all where folders cannot be locked."""
    with (tmp_path / "lidbook.lock").open("w") as file:
        file.write("4711")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DataDirLocked, match="process 4711"):
            DataDirLock(tmp_path)
        assert lock_holder(tmp_path) == 4711
    DataDirLock(tmp_path).release()


def test_where_folders_cannot_be_locked_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock = fcntl.flock

    def refuse_folders(handle: int, operation: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(9, "Bad file descriptor")
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", refuse_folders)
    lock = DataDirLock(tmp_path)
    with pytest.raises(DataDirLocked, match=f"process {os.getpid()}"):
        DataDirLock(tmp_path)
    assert lock_holder(tmp_path) == os.getpid()
    lock.release()


def test_a_folder_that_was_replaced_while_it_was_locked_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    flock = fcntl.flock

    def replace(handle: int, operation: int) -> None:
        if not (tmp_path / "old").exists():
            folder.rename(tmp_path / "old")
            folder.mkdir()
        flock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", replace)
    with pytest.raises(DataDirLocked, match="replaced at this moment"):
        DataDirLock(folder)
    DataDirLock(folder).release()


def test_a_failed_attempt_leaves_nothing_open(tmp_path: Path) -> None:
    lock = DataDirLock(tmp_path)
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(DataDirLocked):
            DataDirLock(tmp_path)
    assert len(list(Path("/dev/fd").iterdir())) == before
    lock.release()
