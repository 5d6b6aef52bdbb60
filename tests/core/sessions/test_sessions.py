"""Sessions: made, found, changed, brought back."""

import asyncio
from pathlib import Path

import orjson
import pytest

from core.sessions.conftest import Core, open_core
from core.sessions.engines import Script, scripted
from lidbook.app import CoreSettings, Lidbook
from lidbook.errors import (
    DataDirLocked,
    InvalidConfig,
    InvalidSessionName,
    LoggedOut,
    NotSupported,
    SessionExists,
    SessionMissing,
    SessionNotFound,
    SessionNotReady,
    UnknownEngine,
)
from lidbook.facts import Fact, Field, FieldFact, LinkFact, Source
from lidbook.hooks import Hooks
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig
from lidbook.values import SessionStatus, StatusReason

ANN = PhoneNumber("15550101")


async def test_a_session_is_working_soon_after_it_was_made(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    assert session.status in (SessionStatus.STARTING, SessionStatus.WORKING)
    session = await core.lidbook.sessions.usable("s")
    assert session.account is not None
    me = orjson.loads(session.directory.contact(session.account.lid))
    assert (me["isMe"], me["id"], me["pushname"]) == (True, "15550100@c.us", "Robin")


async def test_a_name_is_made_when_none_is_given(core: Core) -> None:
    names = [(await core.lidbook.sessions.create(None, SessionConfig(), start=False)).name for _ in range(3)]
    assert len(set(names)) == 3
    assert all(len(name) == len("session_") + 26 for name in names)


@pytest.mark.parametrize("name", ["sessions", "contacts", "keys", "a b", "ä", "x" * 55, "../x"])
async def test_a_name_that_cannot_be_is_refused(core: Core, name: str) -> None:
    with pytest.raises(InvalidSessionName):
        await core.lidbook.sessions.create(name, SessionConfig())


async def test_a_name_can_be_used_once(core: Core) -> None:
    await core.lidbook.sessions.create("s", SessionConfig(), start=False)
    with pytest.raises(SessionExists):
        await core.lidbook.sessions.create("s", SessionConfig())


async def test_an_unknown_engine_is_refused_and_leaves_nothing(core: Core) -> None:
    with pytest.raises(UnknownEngine) as caught:
        await core.lidbook.sessions.create("s", SessionConfig(engine="teleport"))
    assert "installed: scripted, second" in caught.value.message
    assert core.lidbook.sessions.all() == []


async def test_settings_the_engine_does_not_know_are_refused(core: Core) -> None:
    with pytest.raises(InvalidConfig) as caught:
        await core.lidbook.sessions.create("s", SessionConfig(settings={"colour": "red"}))
    assert "config.settings.colour" in caught.value.message
    assert "slow_start" in caught.value.message, "it says what there is"


async def test_an_alias_names_the_engine(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig(engine="told"), start=False)
    assert session.engine.name == "scripted"


async def test_a_request_waits_for_a_session_that_is_starting(core: Core) -> None:
    await core.lidbook.sessions.create("s", SessionConfig(settings={"slow_start": True}))
    waiting = asyncio.create_task(core.lidbook.sessions.usable("s"))
    await asyncio.sleep(0)
    assert not waiting.done()
    core.script.sessions[0].report(SessionStatus.WORKING)
    assert (await waiting).status is SessionStatus.WORKING


async def test_a_session_that_does_not_come_up_is_an_error_that_says_so(tmp_path: Path) -> None:
    script = Script()
    lidbook = await open_core(tmp_path, script, ready_timeout=0.05)
    await lidbook.sessions.create("s", SessionConfig(settings={"slow_start": True}))
    with pytest.raises(SessionNotReady) as caught:
        await lidbook.sessions.usable("s")
    assert (caught.value.session_status, caught.value.expected) == ("STARTING", ["WORKING"])
    await lidbook.close()


async def test_a_session_that_is_not_there(core: Core) -> None:
    with pytest.raises(SessionMissing):
        await core.lidbook.sessions.usable("s")
    with pytest.raises(SessionNotFound):
        await core.lidbook.sessions.start("s")
    assert await core.lidbook.sessions.stop("s") is None
    await core.lidbook.sessions.delete("s")


async def test_an_engine_that_fails_to_start_is_a_status(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig(settings={"fail_to_start": True}))
    assert (session.status, session.reason) == (SessionStatus.STARTING, StatusReason.CRASHED)
    assert session.detail is not None
    assert session.detail.startswith("scripted failed to start: RuntimeError, see the server's log; attempt 1 follows")
    with pytest.raises(SessionNotReady):
        await core.lidbook.sessions.usable("s")  # at once: the next attempt is further away than it waits
    await core.lidbook.sessions.update("s", SessionConfig(settings={}))
    session = await core.lidbook.sessions.usable("s")
    assert (session.reason, session.detail) == (None, None)


async def test_another_account_does_not_get_into_this_directory(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    await session.directory.apply([FieldFact(ANN, Field.FULL_NAME, "Ann", Source.ADDRESS_BOOK, 1)])
    await core.lidbook.sessions.update("s", SessionConfig(settings={"other_account": True}))
    await session.settled(5)
    assert (session.status, session.reason) == (SessionStatus.FAILED, StatusReason.ACCOUNT_CHANGED)
    await core.lidbook.sessions.reset("s")
    session = await core.lidbook.sessions.usable("s")
    assert orjson.loads(session.directory.contact(ANN))["name"] is None
    assert session.account is not None
    assert session.account.pushname == "Somebody Else"


async def test_changing_the_engine_keeps_the_directory(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    await session.directory.apply([FieldFact(ANN, Field.FULL_NAME, "Ann", Source.ADDRESS_BOOK, 1)])
    await core.lidbook.sessions.update("s", SessionConfig(engine="second"))
    session = await core.lidbook.sessions.usable("s")
    assert session.engine.name == "second"
    assert orjson.loads(session.directory.contact(ANN))["name"] == "Ann"
    await core.lidbook.sessions.update("s", SessionConfig())
    assert session.engine.name == "second", "a config that names no engine keeps it"


async def test_a_deleted_session_leaves_nothing(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    await session.directory.apply([FieldFact(ANN, Field.FULL_NAME, "Ann", Source.ADDRESS_BOOK, 1)])
    await session.vault.put({"key": b"secret"})
    await core.lidbook.sessions.delete("s")
    assert core.lidbook.sessions.find("s") is None
    assert not (core.data_dir / "sessions" / "s").exists()
    session = await core.lidbook.sessions.create("s", SessionConfig(), start=False)
    assert await session.directory.contacts_page(limit=10) == b"[]"
    assert await session.vault.get("key") is None


async def test_what_was_wanted_running_runs_again_after_a_restart(tmp_path: Path) -> None:
    script = Script()
    lidbook = await open_core(tmp_path, script)
    await lidbook.sessions.create("up", SessionConfig())
    await lidbook.sessions.create("down", SessionConfig(metadata={"user.id": "1"}), start=False)
    session = await lidbook.sessions.usable("up")
    await session.directory.apply([FieldFact(ANN, Field.FULL_NAME, "Ann", Source.ADDRESS_BOOK, 1)])
    await lidbook.close()
    assert script.stopped == 1
    lidbook = await open_core(tmp_path, script)
    session = await lidbook.sessions.usable("up")
    assert orjson.loads(session.directory.contact(ANN))["name"] == "Ann"
    down = lidbook.sessions.get("down")
    assert down.status is SessionStatus.STOPPED
    assert down.config.stored() == {"metadata": {"user.id": "1"}}
    await lidbook.close()


async def test_two_servers_do_not_share_a_data_dir(core: Core) -> None:
    with pytest.raises(DataDirLocked) as caught:
        await open_core(core.data_dir, Script())
    assert "another lidbook" in caught.value.message


async def test_losing_the_network_is_starting_and_not_failed(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    core.script.sessions[0].report(SessionStatus.STARTING, StatusReason.NETWORK)
    assert await session.until(lambda status: status is SessionStatus.STARTING, 5)
    assert session.reason is StatusReason.NETWORK
    waiting = asyncio.create_task(core.lidbook.sessions.usable("s"))
    core.script.sessions[0].report(SessionStatus.WORKING)
    assert (await waiting).reason is None


async def test_what_another_account_feeds_never_arrives(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    await core.lidbook.sessions.update("s", SessionConfig(settings={"other_account": True, "feeds_at_once": True}))
    await session.settled(5)
    assert session.reason is StatusReason.ACCOUNT_CHANGED
    feeding = core.script.sessions[-1].feeding
    assert feeding is not None
    with pytest.raises(LoggedOut):
        await feeding
    assert orjson.loads(session.directory.contact(PhoneNumber("15550199")))["name"] is None


async def test_what_the_right_account_feeds_at_once_arrives(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig(settings={"feeds_at_once": True}))
    await core.lidbook.sessions.usable("s")
    feeding = core.script.sessions[-1].feeding
    assert feeding is not None
    await feeding
    assert orjson.loads(session.directory.contact(PhoneNumber("15550199")))["name"] == "From the wrong book"


async def test_a_session_whose_engine_is_gone_is_shown_and_can_be_mended(tmp_path: Path) -> None:
    script = Script()
    lidbook = await open_core(tmp_path, script)
    await lidbook.sessions.create("s", SessionConfig(engine="second"))
    session = await lidbook.sessions.usable("s")
    await session.directory.apply([FieldFact(ANN, Field.FULL_NAME, "Ann", Source.ADDRESS_BOOK, 1)])
    await lidbook.close()
    lidbook = await Lidbook.open(
        CoreSettings(tmp_path, default_engine="scripted"), engines=EngineRegistry.of(scripted(script)), hooks=Hooks()
    )
    session = lidbook.sessions.get("s")
    await session.settled(5)
    assert (session.status, session.reason) == (SessionStatus.FAILED, StatusReason.RUNTIME)
    assert session.detail is not None
    assert "second" in session.detail
    with pytest.raises(SessionNotReady):
        await lidbook.sessions.usable("s")
    await lidbook.sessions.update("s", SessionConfig(engine="scripted"))
    await lidbook.sessions.start("s")
    session = await lidbook.sessions.usable("s")
    assert orjson.loads(session.directory.contact(ANN))["name"] == "Ann"
    await lidbook.sessions.delete("s")
    assert lidbook.sessions.all() == []
    await lidbook.close()


async def test_a_device_removed_on_the_phone_has_no_account(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    core.script.sessions[0].report(SessionStatus.FAILED, StatusReason.LOGGED_OUT)
    assert await session.until(lambda status: status is SessionStatus.FAILED, 5)
    assert session.account is None


async def test_an_engine_that_cannot_log_out_says_so(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig(engine="second"))
    await core.lidbook.sessions.usable("s")
    with pytest.raises(NotSupported):
        await core.lidbook.sessions.logout("s")
    assert session.status is SessionStatus.WORKING


@pytest.mark.parametrize(
    "fact",
    [
        FieldFact("4915112345678", Field.FULL_NAME, "x", Source.HISTORY, 10**12),  # type: ignore[arg-type]
        FieldFact(PhoneNumber("+49 151"), Field.FULL_NAME, "x", Source.HISTORY, 10**12),
        FieldFact(ANN, Field.FULL_NAME, 123, Source.HISTORY, 10**12),  # type: ignore[arg-type]
        FieldFact(ANN, Field.BLOCKED, "yes", Source.HISTORY, 10**12),
        FieldFact(ANN, Field.FULL_NAME, "x", Source.HISTORY, 1_700_000_000),
        LinkFact(Lid("1"), ANN, Source.HISTORY, 10**12),  # type: ignore[arg-type]
        "a fact",
    ],
)
async def test_what_is_no_fact_is_refused_at_the_door(core: Core, fact: Fact) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    before = await session.directory.contacts_page(limit=10)
    right = FieldFact(ANN, Field.FULL_NAME, "Ann", Source.HISTORY, 10**12)
    with pytest.raises((TypeError, ValueError)):
        await core.script.sessions[0].context.facts([right, fact])
    assert await session.directory.contacts_page(limit=10) == before


async def test_facts_are_not_taken_before_it_is_known_whose_they_are(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig(settings={"slow_start": True}))
    context = core.script.sessions[0].context
    fact = FieldFact(ANN, Field.FULL_NAME, "Ann", Source.ADDRESS_BOOK, 10**12)
    with pytest.raises(ValueError, match="report WORKING"):
        await context.facts([fact])
    core.script.sessions[0].report(SessionStatus.WORKING)
    await context.facts([fact])
    assert orjson.loads(session.directory.contact(ANN))["name"] == "Ann"
