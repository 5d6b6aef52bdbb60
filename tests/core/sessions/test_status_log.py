"""Statuses in the log: each change one line, written with the status or not at all."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import JsonValue

from core.sessions.conftest import Core, open_core
from core.sessions.engines import Script
from lidbook.errors import EngineError
from lidbook.hookspecs import Change, ChangeKind, hookimpl
from lidbook.session_config import SessionConfig
from lidbook.sessions.session import Session
from lidbook.values import SessionStatus, StatusReason


def logged(session: Session) -> list[dict[str, JsonValue]]:
    """The data of every status in the log."""
    changes = [change for change in session.changes.after(0, 1000) if change.kind is ChangeKind.SESSION_STATUS]
    assert all(change.subject == session.name for change in changes)
    return [dict(change.data or {}) for change in changes]


def statuses(session: Session) -> list[JsonValue]:
    return [entry["status"] for entry in logged(session)]


def last_three(session: Session) -> list[JsonValue]:
    """The names of the statuses that the newest line has with it."""
    kept = logged(session)[-1]["statuses"]
    assert isinstance(kept, list)
    return [entry["status"] for entry in kept if isinstance(entry, dict)]


async def is_in(session: Session, status: SessionStatus) -> None:
    assert await session.until(lambda now: now is status, 10)


async def test_each_change_is_one_line(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    core.script.sessions[-1].report(SessionStatus.STARTING, StatusReason.NETWORK)
    core.script.sessions[-1].report(SessionStatus.WORKING)
    core.script.sessions[-1].report(SessionStatus.FAILED, StatusReason.BANNED)
    await is_in(session, SessionStatus.FAILED)
    await core.lidbook.sessions.stop("s")
    assert [(entry["status"], entry["statusReason"]) for entry in logged(session)] == [
        ("STARTING", None),
        ("WORKING", None),
        ("STARTING", "network"),
        ("WORKING", None),
        ("FAILED", "banned"),
        ("STOPPED", None),
    ]


async def test_the_same_again_is_no_line(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    for _ in range(5):
        core.script.sessions[-1].report(SessionStatus.WORKING)
        core.script.sessions[-1].report(SessionStatus.STARTING, StatusReason.NETWORK)
        core.script.sessions[-1].report(SessionStatus.STARTING, StatusReason.NETWORK)
        core.script.sessions[-1].report(SessionStatus.STARTING)
    core.script.sessions[-1].report(SessionStatus.WORKING)
    await core.script.sessions[-1].context.facts([])
    assert statuses(session) == ["STARTING", "WORKING"] + ["STARTING", "WORKING"] * 5
    for _ in range(2):
        await core.lidbook.sessions.stop("s")
    assert statuses(session)[-2:] == ["WORKING", "STOPPED"]


async def test_each_new_qr_code_is_a_line(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig(settings={"slow_start": True}))
    for code in ("one", "two", "two", "three"):
        core.script.sessions[-1].context.qr(code)
    core.script.sessions[-1].report(SessionStatus.WORKING)
    await is_in(session, SessionStatus.WORKING)
    assert statuses(session) == ["STARTING", "SCAN_QR_CODE", "SCAN_QR_CODE", "SCAN_QR_CODE", "WORKING"]
    assert session.qr is None


async def test_the_last_three_statuses_are_kept_oldest_first(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    assert last_three(session) == ["STARTING", "WORKING"]
    await core.lidbook.sessions.stop("s")
    assert last_three(session) == ["STARTING", "WORKING", "STOPPED"]
    await core.lidbook.sessions.start("s")
    await core.lidbook.sessions.usable("s")
    assert last_three(session) == ["STOPPED", "STARTING", "WORKING"]
    kept = logged(session)[-1]["statuses"]
    assert isinstance(kept, list)
    times = [entry["timestamp"] for entry in kept if isinstance(entry, dict)]
    assert times == sorted(times, key=str)
    assert len(times) == 3


async def test_the_last_three_statuses_survive_a_restart(tmp_path: Path) -> None:
    script = Script()
    lidbook = await open_core(tmp_path, script)
    await lidbook.sessions.create("s", SessionConfig())
    await lidbook.sessions.usable("s")
    await lidbook.close()
    lidbook = await open_core(tmp_path, script)
    session = await lidbook.sessions.usable("s")
    assert statuses(session) == ["STARTING", "WORKING", "STOPPED", "STARTING", "WORKING"]
    assert last_three(session) == ["STOPPED", "STARTING", "WORKING"]
    await lidbook.close()


async def test_a_status_is_stored_with_its_line_or_not_at_all(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")

    def refuse(connection: sqlite3.Connection) -> None:
        connection.execute(
            "CREATE TEMP TRIGGER full BEFORE INSERT ON log BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )

    await core.lidbook.database.write(refuse)
    core.script.sessions[-1].report(SessionStatus.STARTING, StatusReason.NETWORK)
    await is_in(session, SessionStatus.STARTING)
    reader = core.lidbook.database.reader
    assert reader.execute("SELECT status, reason FROM session").fetchone() == ("WORKING", None)
    assert statuses(session) == ["STARTING", "WORKING"]
    await core.lidbook.database.write(lambda connection: connection.execute("DROP TRIGGER full").rowcount)
    core.script.sessions[-1].report(SessionStatus.FAILED, StatusReason.BANNED)
    await is_in(session, SessionStatus.FAILED)
    assert reader.execute("SELECT status, reason FROM session").fetchone() == ("FAILED", "banned")
    assert statuses(session) == ["STARTING", "WORKING", "FAILED"]


async def test_what_is_told_is_on_disk_and_shown_already(core: Core) -> None:
    told: list[tuple[JsonValue, str, str]] = []

    class Listener:
        @hookimpl
        def lidbook_changes_committed(self, session: str, changes: Sequence[Change]) -> None:
            stored = core.lidbook.database.reader.execute("SELECT status FROM session").fetchone()[0]
            shown = core.lidbook.sessions.get(session).status.value
            told.extend((change.data["status"], stored, shown) for change in changes if change.data)

    core.lidbook.hooks.register(Listener(), "listener")
    await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    await core.lidbook.sessions.stop("s")
    assert [said for said, _, _ in told] == ["STARTING", "WORKING", "STOPPED"]
    assert all(said == stored == shown for said, stored, shown in told)


async def test_a_status_under_way_is_logged_though_nobody_waits_for_it(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop that comes while WORKING is being written: both are in the log, in order, and nothing in between."""
    session = await core.lidbook.sessions.create("s", SessionConfig(settings={"slow_start": True}))
    write, begun = core.lidbook.database.write, asyncio.Event()

    async def slow(*args: object, **kwargs: object) -> object:
        begun.set()
        return await write(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(core.lidbook.database, "write", slow)
    core.script.sessions[-1].report(SessionStatus.SCAN_QR_CODE)
    await begun.wait()
    await core.lidbook.sessions.stop("s")
    assert statuses(session) == ["STARTING", "SCAN_QR_CODE", "STOPPED"]
    assert session.status is SessionStatus.STOPPED


async def test_a_loop_of_failures_is_one_line(failing: Core) -> None:
    failing.script.start_error = EngineError("no luck")
    session = await failing.lidbook.sessions.create("s", SessionConfig())
    await is_in(session, SessionStatus.FAILED)
    assert [(entry["status"], entry["statusReason"]) for entry in logged(session)] == [
        ("STARTING", None),
        ("STARTING", "crashed"),
        ("FAILED", "crashed"),
    ]


async def test_a_reset_keeps_the_statuses_and_nothing_else(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    await core.lidbook.database.write(
        lambda connection: (
            connection.execute(
                "INSERT INTO dead_letter (session, url, seq, at, event, event_id, body, attempts, reason) "
                "VALUES (?, 'http://h', 1, 1, 'contact.created', 'evt_1', '{}', 1, 'gone')",
                (session.id,),
            ).rowcount
        )
    )
    assert {change.kind for change in session.changes.after(0)} > {ChangeKind.SESSION_STATUS}
    await core.lidbook.sessions.stop("s")
    await core.lidbook.sessions.reset("s")
    assert {change.kind for change in session.changes.after(0)} == {ChangeKind.SESSION_STATUS}
    assert statuses(session) == ["STARTING", "WORKING", "STOPPED"]
    assert core.lidbook.database.reader.execute("SELECT count(*) FROM dead_letter").fetchone()[0] == 0


async def test_a_deleted_session_leaves_no_line_cursor_dead_letter_or_key(core: Core) -> None:
    webhooks = SessionConfig.parse({"webhooks": [{"url": "http://127.0.0.1:9/hook", "events": ["*"]}]})
    kept = await core.lidbook.sessions.create("kept", webhooks, start=False)
    session = await core.lidbook.sessions.create("s", webhooks)
    await core.lidbook.sessions.usable("s")
    for of in (kept.id, session.id):

        def furnish(connection: sqlite3.Connection, of: int = of) -> None:
            connection.execute(
                "INSERT INTO dead_letter (session, url, seq, at, event, event_id, body, attempts, reason) "
                "VALUES (?, 'http://h', 1, 1, 'session.status', 'evt_1', '{}', 1, 'gone')",
                (of,),
            )
            connection.execute(
                "INSERT INTO api_key (id, digest, hint, is_admin, is_active, session, created_at) "
                "VALUES (?, ?, 'a…z', 0, 1, ?, 1)",
                (f"key_{of}", bytes([of]) * 64, of),
            )
            connection.execute("INSERT INTO log VALUES (?, 999, 1, 'lid.mapped', '1@lid', NULL, '', 0, NULL)", (of,))
            connection.execute("INSERT INTO vault VALUES (?, 'second', 'link', 'x')", (of,))

        await core.lidbook.database.write(furnish)
    await core.lidbook.sessions.delete("s")
    reader = core.lidbook.database.reader
    tables = ("log", "webhook", "dead_letter", "api_key", "vault", "directory", "sync", "identifier", "person", "watch")
    for table in tables:
        left = {row[0] for row in reader.execute(f"SELECT DISTINCT session FROM {table}")}
        assert session.id not in left, f"{table} still knows it"
        if table in tables[:6]:
            assert kept.id in left, f"{table} has lost another session's"
