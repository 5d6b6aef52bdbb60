"""What broke sessions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from core.sessions.conftest import Core, open_core
from core.sessions.engines import ME, OTHER, Script, ScriptedSession
from lidbook.capabilities import Capability
from lidbook.engine import Engine
from lidbook.errors import EngineDisconnected, EngineError, RateLimited, SessionExists, SessionNotFound
from lidbook.facts import BlocklistFact, ContactListFact, Field, FieldFact, Source
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.runtime import Runtime, RuntimeStatus
from lidbook.session_config import SessionConfig
from lidbook.sessions.budget import Budget
from lidbook.values import LidState, SessionStatus, StatusReason

ANN, ANN_LID = PhoneNumber("15550101"), Lid("9101")


async def _ends_by_its_own_cancelling(_: ScriptedSession) -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    task.cancel()
    await task


async def test_an_engine_that_leaks_a_cancelling_at_the_start_has_crashed(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedSession, "start", _ends_by_its_own_cancelling)
    session = await core.lidbook.sessions.create("s", SessionConfig())
    assert (session.status, session.reason) == (SessionStatus.STARTING, StatusReason.CRASHED)
    assert not session.is_running


async def test_an_engine_that_leaks_a_cancelling_at_the_end_is_stopped(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedSession, "stop", _ends_by_its_own_cancelling)
    await core.lidbook.sessions.create("s", SessionConfig())
    session = await core.lidbook.sessions.usable("s")
    await core.lidbook.sessions.stop("s")
    assert session.status is SessionStatus.STOPPED


async def test_a_runtime_that_cannot_be_looked_at_is_a_status(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(_: Runtime) -> RuntimeStatus:
        raise OSError("no such file: node")

    monkeypatch.setattr(Runtime, "check", check)
    session = await core.lidbook.sessions.create("s", SessionConfig())
    assert (session.status, session.reason) == (SessionStatus.STARTING, StatusReason.CRASHED)
    assert not session.is_running


async def test_what_sessions_share_may_fail_to_close(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def running(_: Engine) -> AsyncIterator[None]:
        yield
        raise RuntimeError("the shared part broke")

    monkeypatch.setattr(Engine, "running", running)
    await core.lidbook.sessions.create("s", SessionConfig())
    session = await core.lidbook.sessions.usable("s")
    await core.lidbook.sessions.stop("s")
    assert session.status is SessionStatus.STOPPED


async def test_whoever_gives_up_on_a_start_does_not_leave_half_a_session(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, begun = asyncio.Event(), asyncio.Event()

    async def start(self: ScriptedSession) -> None:
        begun.set()
        await gate.wait()
        self.context.status(SessionStatus.WORKING, account=ME)

    monkeypatch.setattr(ScriptedSession, "start", start)
    making = asyncio.create_task(core.lidbook.sessions.create("s", SessionConfig()))
    await begun.wait()
    making.cancel()
    await asyncio.gather(making, return_exceptions=True)
    gate.set()
    await core.lidbook.sessions.start("s")
    assert (await core.lidbook.sessions.usable("s")).is_running


async def test_whoever_gives_up_on_a_creation_does_not_leave_a_ghost(core: Core) -> None:
    making = asyncio.create_task(core.lidbook.sessions.create("s", SessionConfig()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    making.cancel()
    await asyncio.gather(making, return_exceptions=True)
    with pytest.raises(SessionExists):
        await core.lidbook.sessions.create("s", SessionConfig())


async def test_a_stop_is_not_undone_by_a_refusal_under_way(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, stopping = asyncio.Event(), asyncio.Event()

    async def stop(_: ScriptedSession) -> None:
        stopping.set()
        await gate.wait()

    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    monkeypatch.setattr(ScriptedSession, "stop", stop)
    core.script.sessions[-1].context.status(SessionStatus.WORKING, account=OTHER)
    await stopping.wait()
    ending = asyncio.create_task(core.lidbook.sessions.stop("s"))
    await asyncio.wait({ending}, timeout=0.2)
    gate.set()
    await ending
    await session.until(lambda status: status is SessionStatus.FAILED, 0.2)
    assert session.status is SessionStatus.STOPPED


async def test_a_refusal_under_way_does_not_fail_the_next_start(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, stopping = asyncio.Event(), asyncio.Event()

    async def stop(_: ScriptedSession) -> None:
        stopping.set()
        await gate.wait()

    session = await core.lidbook.sessions.create("s", SessionConfig())
    await core.lidbook.sessions.usable("s")
    with monkeypatch.context() as patched:
        patched.setattr(ScriptedSession, "stop", stop)
        core.script.sessions[-1].context.status(SessionStatus.WORKING, account=OTHER)
        await stopping.wait()
        starting = asyncio.create_task(core.lidbook.sessions.start("s"))
        await asyncio.wait({starting}, timeout=0.2)
        gate.set()
        await starting
        await session.settled(5)
    await session.until(lambda status: status is SessionStatus.FAILED, 0.2)
    assert (session.status, session.is_running) == (SessionStatus.WORKING, True)


async def test_a_refusal_during_the_start_keeps_its_reason(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    await core.lidbook.sessions.create("s", SessionConfig())
    session = await core.lidbook.sessions.usable("s")
    ended = asyncio.Event()

    async def start(self: ScriptedSession) -> None:
        ended.clear()
        self.context.status(SessionStatus.WORKING, account=OTHER)
        await ended.wait()
        raise RuntimeError("connection closed")

    async def stop(_: ScriptedSession) -> None:
        ended.set()

    monkeypatch.setattr(ScriptedSession, "start", start)
    monkeypatch.setattr(ScriptedSession, "stop", stop)
    reasons: list[StatusReason | None] = []
    shown = session._show

    def show(status: SessionStatus, reason: StatusReason | None, detail: str | None = None) -> None:
        reasons.append(reason)
        shown(status, reason, detail)

    monkeypatch.setattr(session, "_show", show)
    await core.lidbook.sessions.restart("s")
    await session.settled(5)
    assert StatusReason.CRASHED not in reasons
    assert session.reason is StatusReason.ACCOUNT_CHANGED


async def test_what_an_engine_says_after_it_was_stopped_is_nobodys(core: Core) -> None:
    await core.lidbook.sessions.create("s", SessionConfig())
    session = await core.lidbook.sessions.usable("s")
    old = core.script.sessions[-1].context
    await core.lidbook.sessions.reset("s")
    with pytest.raises(EngineDisconnected):
        await old.facts(
            [FieldFact(ANN, Field.FULL_NAME, "A friend of the old account", Source.ADDRESS_BOOK, 1_700_000_000_000)]
        )
    with pytest.raises(EngineDisconnected):
        await old.vault.put({"key": b"of the old account"})
    assert orjson.loads(session.directory.contact(ANN))["name"] is None
    assert await session.vault.get("key") is None


async def test_a_new_session_inherits_nothing_from_a_deleted_one(core: Core) -> None:
    first = await core.lidbook.sessions.create("s", SessionConfig(), start=False)
    await core.lidbook.sessions.delete("s")
    second = await core.lidbook.sessions.create("t", SessionConfig(), start=False)
    assert second.id != first.id
    await first.vault.put({"key": b"late"})
    assert await second.vault.get("key") is None


async def test_an_engine_that_fails_to_log_out_is_logged_out_here(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    async def logout(_: ScriptedSession) -> None:
        raise RuntimeError("boom")

    await core.lidbook.sessions.create("s", SessionConfig())
    session = await core.lidbook.sessions.usable("s")
    folder = core.script.sessions[-1].context.folder
    (folder / "creds").write_text("secret")
    await session.vault.put({"key": b"secret"})
    monkeypatch.setattr(ScriptedSession, "logout", logout)
    await core.lidbook.sessions.logout("s")
    assert await session.vault.get("key") is None
    assert not (folder / "creds").exists()


async def test_a_name_that_is_not_there_leaves_no_lock(core: Core) -> None:
    for number in range(20):
        with pytest.raises(SessionNotFound):
            await core.lidbook.sessions.start(f"nobody{number}")
    assert core.lidbook.sessions._turns.is_idle()


async def test_making_what_is_being_deleted_is_done_once(core: Core) -> None:
    await core.lidbook.sessions.create("s", SessionConfig())
    deleting = asyncio.create_task(core.lidbook.sessions.delete("s"))
    making = asyncio.create_task(core.lidbook.sessions.create("s", SessionConfig()))
    await deleting
    results = await asyncio.gather(making, core.lidbook.sessions.create("s", SessionConfig()), return_exceptions=True)
    assert isinstance(results[1], SessionExists)


async def test_a_session_whose_engine_is_gone_can_be_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lidbook = await open_core(tmp_path, Script())
    await lidbook.sessions.create("s", SessionConfig(), start=False)
    await lidbook.database.write(lambda c: c.execute("UPDATE session SET engine = 'gone'").rowcount)
    await lidbook.close()
    lidbook = await open_core(tmp_path, Script())
    await lidbook.sessions.delete("s")
    assert (await lidbook.sessions.create("s", SessionConfig(), start=False)).name == "s"
    await lidbook.close()


async def test_a_config_that_no_longer_parses_is_one_sessions_trouble(tmp_path: Path) -> None:
    lidbook = await open_core(tmp_path, Script())
    await lidbook.sessions.create("s", SessionConfig(), start=False)
    await lidbook.sessions.create("t", SessionConfig(), start=False)
    await lidbook.database.write(
        lambda c: c.execute("""UPDATE session SET config = '{"proxy": 5}' WHERE name = 's'""").rowcount
    )
    await lidbook.close()
    lidbook = await open_core(tmp_path, Script())
    assert lidbook.sessions.find("t") is not None
    await lidbook.close()


# test_live.py


async def test_many_who_ask_for_one_lid_spend_one_query(core: Core) -> None:
    await core.lidbook.sessions.create("s", SessionConfig())
    session = await core.lidbook.sessions.usable("s")
    core.script.registered[ANN] = ANN_LID
    core.script.gate = asyncio.Event()
    asking = [asyncio.create_task(session.live.lid_of(ANN)) for _ in range(150)]
    await asyncio.sleep(0)
    core.script.gate.set()
    assert {answer.state for answer in await asyncio.gather(*asking)} == {LidState.MAPPED}
    await session.live.lid_of(PhoneNumber("15550102"))
    assert sum(1 for kind, _ in core.script.asked if kind == "query_lids") == 2


async def test_an_engines_own_cancelling_is_an_error_of_the_engine(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(self: ScriptedSession, _: object) -> None:
        await _ends_by_its_own_cancelling(self)

    await core.lidbook.sessions.create("s", SessionConfig())
    session = await core.lidbook.sessions.usable("s")
    monkeypatch.setattr(ScriptedSession, "check", check)
    with pytest.raises(EngineError):
        await session.live.check(ANN)


def test_a_shorter_limit_does_not_end_a_longer_one() -> None:
    budget = Budget(lambda: 0.0)
    budget.close(Capability.CONTACTS_CHECK, 3600)
    budget.close(Capability.CONTACTS_CHECK, 1)
    with pytest.raises(RateLimited) as caught:
        budget.spend(Capability.CONTACTS_CHECK)
    assert caught.value.retry_after == 3600


async def test_a_clock_that_is_behind_whatsapps_does_not_lose_what_was_written(core: Core) -> None:
    await core.lidbook.sessions.create("s", SessionConfig())
    session = await core.lidbook.sessions.usable("s")
    core.script.registered[ANN] = ANN_LID
    ahead = 2**42
    await session.directory.apply(
        [
            BlocklistFact(frozenset(), Source.SERVER, ahead),
            FieldFact(ANN, Field.FULL_NAME, "Old", Source.ADDRESS_BOOK, ahead),
        ]
    )
    await session.live.block(ANN)
    await session.live.update_contact(ANN, "New", None)
    contact = orjson.loads(session.directory.contact(ANN))
    assert (contact["isBlocked"], contact["name"]) == (True, "New")
    await session.directory.apply([ContactListFact(frozenset(), Source.ADDRESS_BOOK, 2 * ahead)])
    await session.live.update_contact(ANN, "Newer", None)
    assert orjson.loads(session.directory.contact(ANN))["name"] == "Newer"


async def test_a_number_that_moved_between_spellings_is_not_led_astray(core: Core) -> None:
    typed, short = PhoneNumber("5531988887777"), PhoneNumber("553188887777")
    await core.lidbook.sessions.create("s", SessionConfig())
    session = await core.lidbook.sessions.usable("s")
    core.script.registered = {short: ANN_LID}
    await session.live.check(typed)
    core.script.registered = {typed: Lid("9102")}
    await session.live.update_contact(short, "Bia", None)
    assert session.directory.person(typed).phone == typed
    assert session.directory.person(short).phone == typed
