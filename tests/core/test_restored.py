"""What a backup holds that no server has written, and two who restore at once."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import structlog

from core.sessions.conftest import open_core
from core.sessions.engines import Script
from lidbook.backup import BackupRefused, back_up
from lidbook.data_dir import database_path
from lidbook.restore import restore
from lidbook.session_config import SessionConfig
from lidbook.values import SessionStatus

FORGED = {
    "name = '../../x'": "'../../x' cannot be the name of a session",
    "name = ''": "'' cannot be the name of a session",
    "name = x'7a'": "b'z' cannot be the name of a session",
    "engine = '../sandbox'": "session 's' has the engine '../sandbox', which cannot be the name of one",
    "status = 'HUH'": "session 's' has the status 'HUH', which there is not",
    "reason = 'bored'": "session 's' has the reason 'bored', which there is not",
    "config = x'7b7d'": "session 's' has a config that is no text",
}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """What a server with two sessions leaves."""
    asyncio.run(_make(tmp_path / "data"))
    return tmp_path / "data"


async def _make(folder: Path) -> None:
    lidbook = await open_core(folder, Script())
    for name in ("s", "t"):
        await lidbook.sessions.create(name, SessionConfig(), start=name == "s")
    await lidbook.sessions.usable("s")
    await lidbook.close()


def forge(folder: Path, change: str) -> None:
    """Change the row of session `s`."""
    with closing(sqlite3.connect(database_path(folder))) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = 1")
        connection.execute(f"UPDATE session SET {change} WHERE name = 's'")


@pytest.mark.parametrize(("change", "fault"), FORGED.items(), ids=list(FORGED))
def test_a_session_that_cannot_be_is_not_restored(data_dir: Path, tmp_path: Path, change: str, fault: str) -> None:
    forge(data_dir, change)
    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    with pytest.raises(BackupRefused) as refused:
        restore(made.path, tmp_path / "other")
    assert refused.value.message == f"the database in the backup was not written by a server: {fault}"
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "change",
    ["status = 'HUH'", "reason = 'bored'", "desired = 'both'", "account = '?'", "config = '{'", "statuses = 'x'"],
)
async def test_a_row_that_cannot_be_read_is_one_sessions_trouble(tmp_path: Path, change: str) -> None:
    await _make(tmp_path)
    await asyncio.to_thread(forge, tmp_path, change)
    lidbook = await open_core(tmp_path, Script())
    await lidbook.sessions.start("s")
    assert (await lidbook.sessions.usable("s")).status is SessionStatus.WORKING
    await lidbook.close()


async def test_a_name_that_leads_out_of_the_data_dir_is_passed_over(tmp_path: Path) -> None:
    await _make(tmp_path / "data")
    await asyncio.to_thread(forge, tmp_path / "data", "name = '../../x'")
    with structlog.testing.capture_logs() as logged:
        lidbook = await open_core(tmp_path / "data", Script())
    assert [session.name for session in lidbook.sessions.all()] == ["t"]
    assert [line["session"] for line in logged if line["log_level"] == "error"] == ["../../x"]
    await lidbook.close()


RESTORING = """
import sys
from pathlib import Path
from lidbook.errors import LidbookError
from lidbook.restore import restore
print("ready", flush=True)
sys.stdin.readline()
try:
    restore(Path(sys.argv[1]), Path(sys.argv[2]), replace=True)
except LidbookError as error:
    print(type(error).__name__)
else:
    print("restored")
"""


def test_of_several_who_restore_at_once_each_is_told_what_came_of_it(data_dir: Path, tmp_path: Path) -> None:
    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    for number in range(3):
        target = tmp_path / str(number) / "data"
        target.parent.mkdir()
        with ExitStack() as stack:
            restoring = [
                stack.enter_context(
                    subprocess.Popen(
                        [sys.executable, "-c", RESTORING, made.path, target],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE,
                        text=True,
                    )
                )
                for _ in range(4)
            ]
            for process in restoring:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            for process in restoring:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            ended = [process.communicate(timeout=60) for process in restoring]
        assert [errors for _, errors in ended] == [""] * 4
        told = [said.strip() for said, _ in ended]
        assert "restored" in told
        assert set(told) <= {"restored", "BackupRefused", "DataDirLocked"}
        with closing(sqlite3.connect(database_path(target))) as connection:
            assert connection.execute("SELECT count(*) FROM session").fetchone() == (2,)
        assert {path.name.split(".before")[0] for path in target.parent.iterdir()} == {"data"}, "nothing is left over"
