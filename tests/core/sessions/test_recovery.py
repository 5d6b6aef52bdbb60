"""Engines that fail: tried again, each for itself, and out of the way of whoever wants something else."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from core.sessions.conftest import Core, Moves, eventually, open_core
from core.sessions.engines import ME, Script, ScriptedSession
from lidbook.errors import (
    EngineDisconnected,
    EngineError,
    EngineTimeout,
    EngineUnavailable,
    InvalidConfig,
    LoggedOut,
    NotSupported,
    SessionNotReady,
)
from lidbook.identifiers import PhoneNumber
from lidbook.session_config import SessionConfig
from lidbook.sessions import engine_run, patience
from lidbook.sessions.session import Session
from lidbook.sessions.sessions import STARTS_AT_ONCE
from lidbook.sessions.supervisor import ATTEMPTS
from lidbook.values import SessionStatus, StatusReason

HANGING = SessionConfig(settings={"hang": True})
ANN = PhoneNumber("15550101")


async def is_in(session: Session, status: SessionStatus) -> None:
    assert await session.until(lambda now: now is status, 10), f"it is {session.status} ({session.reason})"


def planned() -> list[str]:
    """The attempts that are waited for."""
    names = (task.get_name() for task in asyncio.all_tasks() if not task.cancelling())
    return [name for name in names if name.startswith("next attempt")]


# what is tried again


async def test_a_crashing_engine_recovers_by_itself_when_it_stops_crashing(failing: Core, moves: Moves) -> None:
    failing.script.start_error = EngineError("no luck")
    session = await failing.lidbook.sessions.create("s", SessionConfig())
    await session.vault.put({"key": b"secret"})
    await eventually(lambda: failing.script.starts >= 4)
    assert session.status is SessionStatus.STARTING
    failing.script.start_error = None
    await is_in(session, SessionStatus.WORKING)
    assert (session.reason, session.detail) == (None, None)
    assert await session.vault.get("key") == b"secret"
    assert moves.of["s"] == [
        (SessionStatus.STARTING, None),
        (SessionStatus.STARTING, StatusReason.CRASHED),
        (SessionStatus.WORKING, None),
    ], "a loop of failures is one change of status"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("boom"), StatusReason.CRASHED),
        (EngineTimeout("no answer"), StatusReason.TIMEOUT),
        (TimeoutError(), StatusReason.TIMEOUT),
        (EngineDisconnected("the line is dead"), StatusReason.NETWORK),
    ],
)
async def test_what_may_pass_is_tried_again_and_says_so(core: Core, error: Exception, reason: StatusReason) -> None:
    core.script.start_error = error
    session = await core.lidbook.sessions.create("s", SessionConfig())
    assert (session.status, session.reason, session.is_running) == (SessionStatus.STARTING, reason, False)
    assert session.detail is not None
    assert "attempt 1 follows in" in session.detail


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (EngineUnavailable("there is no browser: run lidbook engines install"), StatusReason.RUNTIME),
        (LoggedOut("this device is not linked any more"), StatusReason.LOGGED_OUT),
    ],
)
async def test_what_needs_a_person_fails_at_once_and_says_why(
    failing: Core, error: LoggedOut | EngineUnavailable, reason: StatusReason
) -> None:
    failing.script.start_error = error
    session = await failing.lidbook.sessions.create("s", SessionConfig())
    assert (session.status, session.reason) == (SessionStatus.FAILED, reason)
    assert session.detail == f"scripted failed to start: {error.message}"
    assert session.account is None
    assert failing.script.starts == 1


async def test_a_session_whose_engine_gives_up_is_started_anew(failing: Core) -> None:
    session = await failing.lidbook.sessions.create("s", SessionConfig())
    await failing.lidbook.sessions.usable("s")
    for starts, reason in enumerate((StatusReason.NETWORK, StatusReason.TIMEOUT, StatusReason.CRASHED, None), 2):
        failing.script.sessions[-1].report(SessionStatus.FAILED, reason)
        await eventually(lambda starts=starts: failing.script.starts == starts)  # type: ignore[misc]
        await is_in(session, SessionStatus.WORKING)
    assert failing.script.stopped == 4, "what gave up was closed"


@pytest.mark.parametrize("reason", sorted(set(StatusReason) - ATTEMPTS.keys()))
async def test_a_session_that_needs_a_person_stays_failed(failing: Core, reason: StatusReason) -> None:
    session = await failing.lidbook.sessions.create("s", SessionConfig())
    await failing.lidbook.sessions.usable("s")
    failing.script.sessions[-1].report(SessionStatus.FAILED, reason)
    await is_in(session, SessionStatus.FAILED)
    assert (session.reason, session.is_running, failing.script.starts) == (reason, False, 1)
    assert session.detail
    assert (session.account is None) is (reason is StatusReason.LOGGED_OUT)
    await failing.lidbook.sessions.start("s")
    assert (await failing.lidbook.sessions.usable("s")).reason is None


async def test_an_engine_that_never_stops_crashing_is_given_up_with_its_credentials_kept(failing: Core) -> None:
    session = await failing.lidbook.sessions.create("s", SessionConfig())
    await failing.lidbook.sessions.usable("s")
    await session.vault.put({"key": b"secret"})
    folder = failing.script.sessions[-1].context.folder
    (folder / "keys").write_text("secret")
    failing.script.start_error = EngineError("no luck")
    await failing.lidbook.sessions.restart("s")
    await is_in(session, SessionStatus.FAILED)
    assert (session.reason, failing.script.starts) == (StatusReason.CRASHED, 1 + 1 + 16)
    assert session.detail is not None
    assert "failed again and again" in session.detail
    assert await session.vault.get("key") == b"secret"
    assert (folder / "keys").read_text() == "secret"
    assert session.account == ME
    failing.script.start_error = None
    await failing.lidbook.sessions.start("s")
    await failing.lidbook.sessions.usable("s")


async def test_an_attempt_under_way_keeps_its_reason_and_says_which_it_is(failing: Core) -> None:
    failing.script.start_error = EngineError("no luck")
    session = await failing.lidbook.sessions.create("s", SessionConfig(settings={"slow_start": True}))
    failing.script.start_error = None
    await eventually(lambda: session.is_running)
    assert (session.status, session.reason) == (SessionStatus.STARTING, StatusReason.CRASHED)
    assert session.detail is not None
    assert session.detail.endswith("is under way")
    failing.script.sessions[-1].report(SessionStatus.STARTING)
    failing.script.sessions[-1].report(SessionStatus.SCAN_QR_CODE)
    await is_in(session, SessionStatus.SCAN_QR_CODE)
    assert session.reason is None


async def test_an_attempt_does_not_come_before_its_session_shows_that_it_failed(
    failing: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is slower than the first delay is short."""
    session = await failing.lidbook.sessions.create("s", SessionConfig())
    await failing.lidbook.sessions.usable("s")
    write = session._journal._write

    async def slow(*args: Any) -> None:
        await asyncio.sleep(0.02)
        await write(*args)

    with monkeypatch.context() as patched:
        patched.setattr(session._journal, "_write", slow)
        failing.script.sessions[-1].report(SessionStatus.FAILED, StatusReason.CRASHED)
        await eventually(lambda: failing.script.starts == 2)
    await is_in(session, SessionStatus.WORKING)


# isolation


async def test_an_engine_whose_starts_hang_does_not_keep_another_from_starting(core: Core) -> None:
    hanging = [
        asyncio.create_task(core.lidbook.sessions.create(f"h{number}", HANGING)) for number in range(STARTS_AT_ONCE + 2)
    ]
    await core.script.hanging.wait()
    await core.lidbook.sessions.create("other", SessionConfig(engine="second"))
    assert (await core.lidbook.sessions.usable("other")).status is SessionStatus.WORKING
    assert not any(making.done() for making in hanging)
    assert core.script.starts == STARTS_AT_ONCE + 1, "the budget of the engine that hangs is used up"
    for number in range(len(hanging)):
        await core.lidbook.sessions.delete(f"h{number}")
    await asyncio.gather(*hanging)


async def test_a_start_that_hangs_is_ended_and_tried_again(failing: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_run, "START_TIMEOUT", 0.05)
    session = await failing.lidbook.sessions.create("s", HANGING)
    assert (session.status, session.reason) == (SessionStatus.STARTING, StatusReason.TIMEOUT)
    assert session.detail is not None
    assert "took too long to begin to connect" in session.detail
    assert failing.script.stopped == 1
    await failing.lidbook.sessions.update("s", SessionConfig(settings={}))
    await failing.lidbook.sessions.usable("s")


async def test_an_engine_that_heeds_no_cancelling_holds_nobody_up(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    released = asyncio.Event()

    async def deaf(_: ScriptedSession) -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    monkeypatch.setattr(ScriptedSession, "start", deaf)
    monkeypatch.setattr(ScriptedSession, "stop", deaf)
    monkeypatch.setattr(engine_run, "START_TIMEOUT", 0.02)
    monkeypatch.setattr(engine_run, "STOP_TIMEOUT", 0.02)
    monkeypatch.setattr(patience, "GRACE", 0.02)
    monkeypatch.setattr(engine_run, "GRACE", 0.02)
    session = await core.lidbook.sessions.create("s", SessionConfig())
    assert (session.status, session.reason) == (SessionStatus.STARTING, StatusReason.TIMEOUT)
    await core.lidbook.sessions.delete("s")
    released.set()


# somebody wants something else meanwhile


async def test_a_stop_cuts_a_start_short(core: Core) -> None:
    making = asyncio.create_task(core.lidbook.sessions.create("s", HANGING))
    await core.script.hanging.wait()
    session = await core.lidbook.sessions.stop("s")
    assert session is not None
    assert (session.status, session.reason, session.is_running) == (SessionStatus.STOPPED, None, False)
    assert core.script.stopped == 1
    assert await making is session


async def test_a_delete_cuts_a_start_short(core: Core) -> None:
    making = asyncio.create_task(core.lidbook.sessions.create("s", HANGING))
    await core.script.hanging.wait()
    await core.lidbook.sessions.delete("s")
    assert core.lidbook.sessions.find("s") is None
    await making
    await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")


async def test_a_new_config_cuts_a_start_short_and_starts_with_it(core: Core) -> None:
    making = asyncio.create_task(core.lidbook.sessions.create("s", HANGING))
    await core.script.hanging.wait()
    await core.lidbook.sessions.update("s", SessionConfig(settings={}))
    assert (await core.lidbook.sessions.usable("s")).reason is None
    await making


async def test_a_config_that_is_refused_does_not_end_the_start(core: Core) -> None:
    making = asyncio.create_task(core.lidbook.sessions.create("s", HANGING))
    await core.script.hanging.wait()
    with pytest.raises(InvalidConfig):
        await core.lidbook.sessions.update("s", SessionConfig(settings={"colour": "red"}))
    assert not making.done()
    await core.lidbook.sessions.stop("s")


async def test_a_change_that_comes_to_nothing_gives_back_the_start_it_took(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    making = asyncio.create_task(core.lidbook.sessions.create("s", HANGING))
    await core.script.hanging.wait()
    core.script.hanging.clear()

    async def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(core.lidbook.sessions, "_want", full)
        with pytest.raises(sqlite3.OperationalError):
            await core.lidbook.sessions.stop("s")
    await asyncio.wait_for(core.script.hanging.wait(), 5)
    await making
    await core.lidbook.sessions.stop("s")


async def test_deleting_a_session_between_attempts_ends_them(failing: Core) -> None:
    failing.script.start_error = EngineError("no luck")
    for _ in range(20):
        await failing.lidbook.sessions.create("s", SessionConfig())
        async with asyncio.timeout(10):
            await failing.lidbook.sessions.delete("s")
    assert (failing.lidbook.sessions.all(), planned()) == ([], [])


async def test_stopping_a_session_between_attempts_ends_them(failing: Core) -> None:
    failing.script.start_error = EngineError("no luck")
    session = await failing.lidbook.sessions.create("s", SessionConfig())
    await failing.lidbook.sessions.stop("s")
    assert (session.status, planned()) == (SessionStatus.STOPPED, [])


@pytest.mark.parametrize("change", ["start", "restart", "reset", "logout"])
async def test_whoever_does_not_want_to_wait_for_the_next_attempt_has_it_now(core: Core, change: str) -> None:
    core.script.start_error = EngineError("no luck")
    await core.lidbook.sessions.create("s", SessionConfig())
    core.script.start_error = None
    await getattr(core.lidbook.sessions, change)("s")
    assert (await core.lidbook.sessions.usable("s")).reason is None


@pytest.mark.parametrize("error", [EngineError("no luck"), EngineUnavailable("no browser")])
async def test_a_new_config_starts_a_session_that_is_wanted_running(core: Core, error: Exception) -> None:
    core.script.start_error = error
    session = await core.lidbook.sessions.create("s", SessionConfig())
    assert session.status is not SessionStatus.WORKING
    core.script.start_error = None
    await core.lidbook.sessions.update("s", SessionConfig(debug=True))
    assert (await core.lidbook.sessions.usable("s")).config.debug is True


async def test_a_new_config_does_not_start_a_session_that_is_wanted_stopped(core: Core) -> None:
    await core.lidbook.sessions.create("s", SessionConfig(), start=False)
    session = await core.lidbook.sessions.update("s", SessionConfig(debug=True))
    assert (session.status, core.script.starts) == (SessionStatus.STOPPED, 0)


async def test_a_new_config_is_kept_though_its_start_fails(tmp_path: Path) -> None:
    script = Script()
    lidbook = await open_core(tmp_path, script)
    await lidbook.sessions.create("s", SessionConfig())
    await lidbook.sessions.usable("s")
    script.start_error = EngineError("no luck")
    session = await lidbook.sessions.update("s", SessionConfig(engine="second", metadata={"a": "b"}))
    assert (session.status, session.reason) == (SessionStatus.STARTING, StatusReason.CRASHED)
    await lidbook.close()
    script.start_error = None
    lidbook = await open_core(tmp_path, script)
    session = await lidbook.sessions.usable("s")
    assert (session.engine.name, session.config.stored()) == ("second", {"engine": "second", "metadata": {"a": "b"}})
    await lidbook.close()


async def test_starting_what_runs_leaves_it_alone_though_its_settings_no_longer_fit(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    await core.lidbook.sessions.create("s", SessionConfig())
    session = await core.lidbook.sessions.usable("s")
    monkeypatch.setattr(session, "config", SessionConfig(settings={"colour": "red"}))
    await core.lidbook.sessions.start("s")
    assert (session.status, core.script.starts) == (SessionStatus.WORKING, 1)


async def test_a_request_waits_for_an_attempt_that_comes_soon(failing: Core) -> None:
    failing.script.start_error = EngineError("no luck")
    await failing.lidbook.sessions.create("s", SessionConfig())
    failing.script.start_error = None
    assert (await failing.lidbook.sessions.usable("s")).status is SessionStatus.WORKING


async def test_a_request_does_not_wait_for_an_attempt_that_comes_late(core: Core) -> None:
    core.script.start_error = EngineError("no luck")
    await core.lidbook.sessions.create("s", SessionConfig())
    async with asyncio.timeout(2):
        with pytest.raises(SessionNotReady):
            await core.lidbook.sessions.usable("s")


async def test_a_qr_code_is_there_for_as_long_as_the_session_asks_for_a_scan(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, stopping = asyncio.Event(), asyncio.Event()

    async def stop(_: ScriptedSession) -> None:
        stopping.set()
        await gate.wait()

    session = await core.lidbook.sessions.create("s", SessionConfig(settings={"needs_scan": True}))
    await is_in(session, SessionStatus.SCAN_QR_CODE)
    monkeypatch.setattr(ScriptedSession, "stop", stop)
    core.script.sessions[-1].report(SessionStatus.FAILED, StatusReason.QR_EXPIRED)
    await stopping.wait()
    assert (session.status, session.qr) == (SessionStatus.SCAN_QR_CODE, "scan me")
    gate.set()
    await is_in(session, SessionStatus.FAILED)
    assert session.qr is None


# the end of the server


async def test_closing_ends_starts_that_hang_and_those_that_wait_for_them(tmp_path: Path) -> None:
    script = Script()
    lidbook = await open_core(tmp_path, script)
    making = [
        asyncio.create_task(lidbook.sessions.create(f"h{number}", HANGING)) for number in range(STARTS_AT_ONCE + 5)
    ]
    await script.hanging.wait()
    async with asyncio.timeout(5):
        await lidbook.close()
        await asyncio.gather(*making)
    assert {session.status for session in lidbook.sessions.all()} == {SessionStatus.STOPPED}
    assert script.starts == script.stopped
    script.hanging.clear()
    lidbook = await open_core(tmp_path, script)
    assert {session.status for session in lidbook.sessions.all()} == {SessionStatus.STARTING}, "they are still wanted"
    await script.hanging.wait()
    async with asyncio.timeout(5):
        await lidbook.close()


async def test_closing_ends_what_waits_for_its_next_attempt(tmp_path: Path) -> None:
    script = Script()
    lidbook = await open_core(tmp_path, script)
    script.start_error = EngineError("no luck")
    session = await lidbook.sessions.create("s", SessionConfig())
    await lidbook.close()
    assert (session.status, session.reason) == (SessionStatus.STOPPED, None)
    assert planned() == []
    script.start_error = None
    lidbook = await open_core(tmp_path, script)
    await lidbook.sessions.usable("s")
    await lidbook.close()


# what comes late


async def test_what_an_engine_reports_after_it_was_closed_changes_nothing(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    old = core.script.sessions[-1]
    await core.lidbook.sessions.stop("s")
    for status in SessionStatus:
        old.report(status, StatusReason.CRASHED)
    old.context.qr("late")
    await core.lidbook.sessions.start("s")
    await core.lidbook.sessions.usable("s")
    old.report(SessionStatus.FAILED, StatusReason.BANNED)
    await asyncio.sleep(0)
    assert (session.status, session.qr, core.script.starts) == (SessionStatus.WORKING, None, 2)


async def test_an_answer_that_comes_after_the_session_was_reset_is_nobodys(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    core.script.gate = asyncio.Event()
    asking = asyncio.create_task(session.live.about(ANN))
    await eventually(lambda: bool(core.script.asked))
    await core.lidbook.sessions.reset("s")
    await core.lidbook.sessions.usable("s")
    core.script.gate.set()
    with pytest.raises(EngineDisconnected):
        await asking
    assert not session.directory.is_known(ANN)


async def test_what_an_engine_reports_while_it_is_logged_out_is_not_told(
    core: Core, moves: Moves, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def logout(self: ScriptedSession) -> None:
        self.report(SessionStatus.STARTING)
        self.report(SessionStatus.FAILED, StatusReason.LOGGED_OUT)

    monkeypatch.setattr(ScriptedSession, "logout", logout)
    await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    await core.lidbook.sessions.logout("s")
    await core.lidbook.sessions.usable("s")
    assert [status.value for status, _ in moves.of["s"]] == ["STARTING", "WORKING", "STOPPED", "STARTING", "WORKING"]


async def test_a_session_that_is_stopped_although_the_disk_is_full_says_so(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")

    async def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(session._journal, "write", full)
        await session.stop()
        assert (session.status, session.is_running) == (SessionStatus.STOPPED, False)
    await core.lidbook.sessions.start("s")
    await core.lidbook.sessions.usable("s")


# what is forgotten


async def test_deleting_a_linked_session_unlinks_its_device(core: Core) -> None:
    await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    await core.lidbook.sessions.delete("s")
    assert ("logout", None) in core.script.asked


async def test_an_engine_that_cannot_log_out_is_deleted_and_reset_all_the_same(core: Core) -> None:
    await core.lidbook.sessions.create("s", SessionConfig(engine="second"))
    await core.lidbook.sessions.usable("s")
    with pytest.raises(NotSupported):
        await core.lidbook.sessions.logout("s")
    await core.lidbook.sessions.reset("s")
    await core.lidbook.sessions.usable("s")
    await core.lidbook.sessions.delete("s")
    assert core.lidbook.sessions.all() == []


async def test_a_reset_of_a_stopped_session_forgets_its_account_for_good(tmp_path: Path) -> None:
    script = Script()
    lidbook = await open_core(tmp_path, script)
    await lidbook.sessions.create("s", SessionConfig())
    session = await lidbook.sessions.usable("s")
    await lidbook.sessions.stop("s")
    assert session.account == ME
    session = await lidbook.sessions.reset("s")
    assert session.account is None
    await lidbook.close()
    lidbook = await open_core(tmp_path, script)
    assert lidbook.sessions.get("s").account is None
    await lidbook.close()


async def test_a_new_session_does_not_find_the_files_of_one_whose_deletion_was_cut_short(core: Core) -> None:
    left = core.data_dir / "sessions" / "s" / "scripted"
    left.mkdir(parents=True)
    (left / "keys").write_text("of the one before")
    await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    assert list(core.script.sessions[-1].context.folder.iterdir()) == []
