"""Changing a session's engine: the directory stays, each engine keeps its own link."""

import sqlite3
from pathlib import Path

import orjson
import pytest

from core.sessions.conftest import Core, open_core
from core.sessions.engines import Script
from lidbook.capabilities import Feed
from lidbook.directory.database import upgrade
from lidbook.facts import Field, FieldFact, Source
from lidbook.identifiers import PhoneNumber
from lidbook.session_config import SessionConfig
from lidbook.sessions.session import Session
from lidbook.values import SessionStatus, StatusReason

ANN = PhoneNumber("15550101")


def on(engine: str) -> SessionConfig:
    """A config whose engine wants to be scanned once."""
    return SessionConfig(engine=engine, settings={"needs_scan": True})


async def is_in(session: Session, status: SessionStatus) -> None:
    assert await session.until(lambda now: now is status, 10)


async def linked(core: Core) -> Session:
    """A session that was scanned on its first engine, with somebody in its directory."""
    session = await core.lidbook.sessions.create("s", on("scripted"))
    await is_in(session, SessionStatus.SCAN_QR_CODE)
    await core.script.sessions[-1].scan()
    await is_in(session, SessionStatus.WORKING)
    await session.directory.apply([FieldFact(ANN, Field.FULL_NAME, "Ann", Source.ADDRESS_BOOK, 1)])
    return session


def name_of_ann(session: Session) -> object:
    return orjson.loads(session.directory.contact(ANN))["name"]


async def test_a_running_session_is_started_on_its_new_engine_which_wants_a_scan_of_its_own(core: Core) -> None:
    session = await linked(core)
    await core.lidbook.sessions.update("s", on("second"))
    await is_in(session, SessionStatus.SCAN_QR_CODE)
    assert (session.engine.name, core.script.sessions[-1].engine.name) == ("second", "second")
    assert (name_of_ann(session), session.account) == ("Ann", None)


async def test_a_stopped_session_stays_stopped_and_starts_on_its_new_engine(core: Core) -> None:
    session = await linked(core)
    await core.lidbook.sessions.stop("s")
    await core.lidbook.sessions.update("s", on("second"))
    assert (session.status, session.engine.name, name_of_ann(session)) == (SessionStatus.STOPPED, "second", "Ann")
    assert len(core.script.sessions) == 1
    await core.lidbook.sessions.start("s")
    await is_in(session, SessionStatus.SCAN_QR_CODE)


@pytest.mark.parametrize("running", [True, False])
async def test_whoever_goes_back_is_linked_without_a_scan(core: Core, *, running: bool) -> None:
    session = await linked(core)
    for engine, scanned in (("second", False), ("scripted", True), ("second", True)):
        if not running:
            await core.lidbook.sessions.stop("s")
        await core.lidbook.sessions.update("s", on(engine))
        await core.lidbook.sessions.start("s")
        if not scanned:
            await is_in(session, SessionStatus.SCAN_QR_CODE)
            await core.script.sessions[-1].scan()
        await is_in(session, SessionStatus.WORKING)
        assert await session.vault.get("link") == engine.encode(), "an engine reads its own blobs"
    assert name_of_ann(session) == "Ann"
    folder = core.data_dir / "sessions" / "s"
    assert {path.relative_to(folder).as_posix(): path.read_text() for path in folder.glob("*/*")} == {
        "scripted/keys": "scripted",
        "second/keys": "second",
    }


async def test_the_link_that_is_not_in_use_survives_a_restart(tmp_path: Path) -> None:
    script = Script()
    lidbook = await open_core(tmp_path, script)
    await linked(Core(lidbook, script, tmp_path))
    await lidbook.sessions.update("s", on("second"))
    await lidbook.close()
    lidbook = await open_core(tmp_path, script)
    await lidbook.sessions.update("s", on("scripted"))
    assert (await lidbook.sessions.usable("s")).engine.name == "scripted"
    await lidbook.close()


async def test_another_engine_has_everything_still_to_fetch(core: Core) -> None:
    session = await linked(core)
    context = core.script.sessions[-1].context
    await context.sync(Feed.CONTACTS, expected=1, received=1, complete=True)
    await core.lidbook.sessions.update("s", SessionConfig(engine="scripted", settings={"needs_scan": True}, debug=True))
    assert await session.directory.is_synced(Feed.CONTACTS), "it is the same engine"
    await core.lidbook.sessions.update("s", on("second"))
    assert not await session.directory.is_synced(Feed.CONTACTS)
    assert session.directory.is_whole, "what is known is whole all the same: this is no first sync"


async def test_a_config_that_gives_neither_engine_nor_settings_keeps_both(core: Core) -> None:
    session = await linked(core)
    await core.lidbook.sessions.update("s", SessionConfig(debug=True))
    await is_in(session, SessionStatus.WORKING)
    assert session.config.stored() == {"debug": True, "settings": {"needs_scan": True}}
    assert core.script.sessions[-1].settings.needs_scan
    await core.lidbook.sessions.update("s", SessionConfig(engine="scripted"))
    await is_in(session, SessionStatus.WORKING)
    assert session.config.stored() == {"engine": "scripted"}, "it names the engine, so it says all about it"
    assert not core.script.sessions[-1].settings.needs_scan


async def test_settings_that_are_kept_and_fit_no_longer_do_not_keep_a_config_from_being_stored(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    session.config = SessionConfig(settings={"colour": "red"})
    await core.lidbook.sessions.update("s", SessionConfig(debug=True))
    assert (session.status, session.reason) == (SessionStatus.FAILED, StatusReason.RUNTIME)
    assert session.config.stored() == {"debug": True, "settings": {"colour": "red"}}


async def test_a_logout_forgets_the_links_of_every_engine(core: Core) -> None:
    session = await linked(core)
    await core.lidbook.sessions.update("s", on("second"))
    await core.lidbook.sessions.update("s", on("scripted"))
    await is_in(session, SessionStatus.WORKING)
    await core.lidbook.sessions.logout("s")
    await is_in(session, SessionStatus.SCAN_QR_CODE)
    assert core.lidbook.database.reader.execute("SELECT count(*) FROM vault").fetchone()[0] == 0
    assert name_of_ann(session) == "Ann"


NOT_LINKED = (
    "{} is not linked yet: link the account whose number ends in 0100, to which this session's contacts and LIDs "
    "belong; they are kept (to link another account, reset the session)"
)


def told(session: Session) -> str | None:
    return session.detail


async def test_an_engine_that_was_not_linked_yet_says_what_becomes_of_everything(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", on("scripted"))
    await is_in(session, SessionStatus.SCAN_QR_CODE)
    assert told(session) is None, "nothing was linked before"
    await core.script.sessions[-1].scan()
    await is_in(session, SessionStatus.WORKING)
    assert told(session) is None
    await core.lidbook.sessions.update("s", on("second"))
    await is_in(session, SessionStatus.SCAN_QR_CODE)
    kept = NOT_LINKED.format("second") + "; the link of scripted is kept as well, for going back"
    assert told(session) == kept
    await core.lidbook.sessions.update("s", on("scripted"))
    await is_in(session, SessionStatus.WORKING)
    assert told(session) is None
    await core.lidbook.sessions.update("s", on("second"))
    await is_in(session, SessionStatus.SCAN_QR_CODE)
    assert told(session) == kept


async def test_a_link_that_is_lost_is_said_to_be_kept_no_more(core: Core) -> None:
    session = await linked(core)
    core.script.sessions[-1].context.status(SessionStatus.FAILED, StatusReason.LOGGED_OUT)
    await is_in(session, SessionStatus.FAILED)
    await core.lidbook.sessions.update("s", on("second"))
    await core.lidbook.sessions.start("s")
    await is_in(session, SessionStatus.SCAN_QR_CODE)
    assert told(session) == NOT_LINKED.format("second")


async def test_after_a_logout_no_link_is_said_to_be_kept(core: Core) -> None:
    session = await linked(core)
    await core.lidbook.sessions.logout("s")
    await core.lidbook.sessions.update("s", on("second"))
    await is_in(session, SessionStatus.SCAN_QR_CODE)
    assert told(session) == NOT_LINKED.format("second")


async def test_after_a_reset_nothing_is_left_to_be_said(core: Core) -> None:
    session = await linked(core)
    await core.lidbook.sessions.reset("s")
    await is_in(session, SessionStatus.SCAN_QR_CODE)
    assert told(session) is None


def test_the_schema_upgrade_takes_whoever_has_an_account_for_linked(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "old.sqlite3", isolation_level=None) as connection:
        upgrade(connection)
        connection.execute("DROP TABLE link")
        connection.execute("PRAGMA user_version = 5")
        for name, account in (("linked", "[]"), ("other", None)):
            connection.execute(
                "INSERT INTO session (name, engine, engine_assumed, config, desired, status, account, created_at) "
                "VALUES (?, 'sandbox', 0, '{}', 'running', 'WORKING', ?, 1)",
                (name, account),
            )
        upgrade(connection)
        linked = connection.execute("SELECT name, link.engine FROM link JOIN session ON session.id = session")
        assert linked.fetchall() == [("linked", "sandbox")]
    connection.close()
