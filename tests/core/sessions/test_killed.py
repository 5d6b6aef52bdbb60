"""`kill -9` of the server: what was wanted running is WORKING again, without a scan."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from core.sessions import linking_child
from core.sessions.conftest import Moves, open_core
from core.sessions.engines import Script
from lidbook.hookspecs import ChangeKind
from lidbook.session_config import SessionConfig
from lidbook.values import SessionStatus


def killed(data_dir: Path) -> None:
    """Run the child until it is ready, and kill it."""
    with subprocess.Popen(
        [sys.executable, linking_child.__file__, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        lines = (line.strip() for line in process.stdout)
        assert "ready" in lines
        process.send_signal(signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL


async def test_what_was_wanted_running_is_working_again_without_a_scan(tmp_path: Path) -> None:
    killed(tmp_path)
    script, moves = Script(), Moves()
    lidbook = await open_core(tmp_path, script, moves=moves)
    for name in ("linked", "offline", "failing"):
        session = await lidbook.sessions.usable(name)
        assert [status for status, _ in moves.of[name]] == [SessionStatus.STARTING, SessionStatus.WORKING], name
        assert session.account is not None
    changed, unlinked, stopped = (lidbook.sessions.get(name) for name in ("changed", "unlinked", "stopped"))
    for session in (changed, unlinked):
        assert await session.until(lambda status: status is SessionStatus.SCAN_QR_CODE, 10), session.name
    assert changed.engine.name == "second"
    assert stopped.status is SessionStatus.STOPPED
    await lidbook.sessions.start("stopped")
    assert (await lidbook.sessions.usable("stopped")).qr is None
    numbers = [change.seq for change in stopped.changes.after(0, 1000) if change.kind is ChangeKind.SESSION_STATUS]
    assert numbers == sorted(set(numbers))
    await lidbook.close()
    assert moves.unknown == []


async def test_a_session_that_was_wanted_stopped_and_still_ran_is_stopped(tmp_path: Path) -> None:
    """As if the process had been killed between the wish and the deed."""
    script = Script()
    lidbook = await open_core(tmp_path, script)
    await lidbook.sessions.create("s", SessionConfig(), start=False)

    def leave_running(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE session SET status = 'WORKING'")

    await lidbook.sessions.stop("s")
    await lidbook.database.write(leave_running)
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path, copy, ignore=shutil.ignore_patterns("copy"))
    left = await open_core(copy, script)
    assert left.sessions.get("s").status is SessionStatus.STOPPED
    assert left.database.reader.execute("SELECT desired, status FROM session").fetchone() == ("stopped", "STOPPED")
    newest = left.sessions.get("s").changes.after(0)[-1].data
    assert newest is not None
    assert newest["status"] == "STOPPED"
    assert script.starts == 0
    await left.close()
    await lidbook.close()
