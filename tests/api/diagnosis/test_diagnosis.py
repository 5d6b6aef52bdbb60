"""What no test can bring about on a real machine: another user's folder, a full disk, a wrong clock."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lidbook.data_dir import DataDirLock, lock_holder
from lidbook_api.diagnosis import data, machine
from lidbook_api.diagnosis.finding import Level


def levels(path: Path) -> dict[str, Level]:
    return {finding.check: finding.level for finding in data.folder(path)}


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    (finding, _) = data.folder(tmp_path)
    assert finding.level is Level.BROKEN
    assert finding.remedy is not None
    assert finding.remedy.startswith("sudo chown")


def test_a_disk_that_is_mounted_read_only_is_no_case_for_a_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lidbook.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (x)")

    def refuse(*_: object, **__: object) -> None:
        with closing(sqlite3.connect(tmp_path / "missing" / "db")):
            """An error such as SQLite's, with its code."""

    monkeypatch.setattr(data, "is_mounted_read_only", lambda _: True)
    (about_folder, _) = data.folder(tmp_path)
    assert (about_folder.level, about_folder.remedy) == (Level.BROKEN, "mount the disk for writing")
    with monkeypatch.context() as patched:
        patched.setattr(data, "_whole", refuse)
        (finding,), stored = data.database(tmp_path)
    assert (finding.level, finding.remedy) == (Level.BROKEN, "mend the data dir first, then ask again")
    assert "as long as the data dir cannot be written to" in finding.says
    assert stored.sessions == ()


def test_a_folder_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    assert levels(tmp_path)["data dir"] is Level.WARNING


@pytest.mark.parametrize(("free", "level"), [(1 << 20, Level.BROKEN), (100 << 20, Level.WARNING), (1 << 30, Level.OK)])
def test_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: Level) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1 << 40, 0, free))
    assert levels(tmp_path)["space"] is level


def test_a_log_that_nobody_folds_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "LARGE_LOG", 10)
    (tmp_path / "lidbook.sqlite3-wal").write_bytes(b"x" * 11)
    (finding,) = data._log(tmp_path / "lidbook.sqlite3")
    assert (finding.level, finding.check) == (Level.WARNING, "log")


def test_looking_for_the_server_does_not_disturb_it(tmp_path: Path) -> None:
    assert lock_holder(tmp_path) is None
    lock = DataDirLock(tmp_path)
    assert lock_holder(tmp_path) == os.getpid()
    (tmp_path / "lidbook.lock").write_text("?")
    assert lock_holder(tmp_path) == 0
    lock.release()
    assert lock_holder(tmp_path) is None
    DataDirLock(tmp_path).release()


def test_a_clock_before_this_was_written() -> None:
    assert machine.clock(None, now=0).level is Level.BROKEN
    assert machine.clock(None).level is Level.OK


def test_a_clock_a_little_behind_is_right() -> None:
    assert machine.clock(2_000_000_100_000, now=2_000_000_000).level is Level.OK
    assert machine.clock(2_000_000_400_000, now=2_000_000_000).level is Level.WARNING


def test_a_python_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "OLDEST_PYTHON", (9, 0))
    assert machine.python().level is Level.BROKEN
