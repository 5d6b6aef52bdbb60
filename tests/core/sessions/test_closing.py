"""What is under way when a session is stopped or started anew ends at once, truthfully, and holds up nothing."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.sessions.conftest import Core, open_core
from core.sessions.engines import Script, ScriptedSession
from lidbook.errors import EngineDisconnected
from lidbook.hookspecs import hookimpl
from lidbook.identifiers import Lid, PhoneNumber, UserId
from lidbook.session_config import SessionConfig
from lidbook.sessions.session import Session
from lidbook.values import Person, SessionStatus, StatusReason

ANN, ANN_LID = PhoneNumber("15550101"), Lid("9101")
BOB, BOB_LID = PhoneNumber("15550102"), Lid("9102")


@pytest.fixture
async def patient(tmp_path: Path) -> AsyncIterator[Core]:
    """A core whose calls may take longer than any test."""
    script = Script()
    lidbook = await open_core(tmp_path, script, deadline=3600)
    yield Core(lidbook, script, tmp_path)
    await lidbook.close()


async def test_a_call_under_way_ends_when_the_session_is_started_anew(patient: Core) -> None:
    await patient.lidbook.sessions.create("s", SessionConfig())
    session = await patient.lidbook.sessions.usable("s")
    patient.script.gate = asyncio.Event()
    asking = [asyncio.create_task(session.live.about(ANN)) for _ in range(2)]
    while not patient.script.asked:  # noqa: ASYNC110 - the engine announces nothing
        await asyncio.sleep(0)
    await patient.lidbook.sessions.restart("s")
    async with asyncio.timeout(5):
        errors = await asyncio.gather(*asking, return_exceptions=True)
    for error in errors:
        assert isinstance(error, EngineDisconnected)
        assert error.message == "the session was stopped or started anew before the answer came; try again"
    patient.script.gate.set()
    await patient.lidbook.sessions.usable("s")
    assert await session.live.about(ANN) == "Busy"


async def test_a_change_under_way_does_not_hold_up_those_of_the_next_engine_session(
    patient: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()
    block = ScriptedSession.block

    async def hang(_: ScriptedSession, _person: Person) -> frozenset[UserId]:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    patient.script.registered |= {ANN: ANN_LID, BOB: BOB_LID}
    await patient.lidbook.sessions.create("s", SessionConfig())
    session = await patient.lidbook.sessions.usable("s")
    monkeypatch.setattr(ScriptedSession, "block", hang)
    blocking = asyncio.create_task(session.live.block(ANN))
    await asked.wait()
    monkeypatch.setattr(ScriptedSession, "block", block)
    async with asyncio.timeout(5):
        await patient.lidbook.sessions.restart("s")
        await patient.lidbook.sessions.usable("s")
        await session.live.block(BOB)
        with pytest.raises(EngineDisconnected):
            await blocking
    assert patient.script.blocked == {BOB_LID}


async def test_a_call_that_fails_because_the_engine_session_ended_says_so(
    patient: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = asyncio.Event()

    async def about(_: ScriptedSession, _persons: object) -> object:
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("the socket was closed under my feet")

    async def stop(_: ScriptedSession) -> None:
        stopping.set()

    monkeypatch.setattr(ScriptedSession, "about", about)
    monkeypatch.setattr(ScriptedSession, "stop", stop)
    await patient.lidbook.sessions.create("s", SessionConfig())
    session = await patient.lidbook.sessions.usable("s")
    asking = asyncio.create_task(session.live.about(ANN))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await patient.lidbook.sessions.stop("s")
    with pytest.raises(EngineDisconnected, match="stopped or started anew"):
        await asking
    assert stopping.is_set()


@dataclass
class StopsAtOnce:
    """Stops a session in the moment in which it shows WORKING."""

    session: Session | None = None
    stopping: "asyncio.Task[None] | None" = None

    @hookimpl
    def lidbook_session_changed(self, session: str, status: SessionStatus, reason: StatusReason | None) -> None:
        if status is SessionStatus.WORKING and self.session is not None:
            self.stopping = asyncio.create_task(self.session.stop())


async def test_facts_of_an_engine_session_stopped_as_it_shows_working_end_quietly(core: Core) -> None:
    plugin = StopsAtOnce()
    core.lidbook.hooks.register(plugin, "stops at once")
    plugin.session = await core.lidbook.sessions.create("s", SessionConfig(), start=False)
    plugin.session.config = SessionConfig(settings={"feeds_at_once": True})
    await core.lidbook.sessions.start("s")
    feeding = core.script.sessions[-1].feeding
    assert feeding is not None
    await asyncio.wait({feeding})
    assert plugin.stopping is not None
    await plugin.stopping
    assert isinstance(feeding.exception(), EngineDisconnected | None)


async def test_facts_of_an_engine_session_stopped_before_it_showed_working_end_quietly(core: Core) -> None:
    await core.lidbook.sessions.create("s", SessionConfig(settings={"slow_start": True}))
    engine = core.script.sessions[-1]
    engine.report(SessionStatus.WORKING)
    feeding = asyncio.create_task(engine._feed())
    await asyncio.sleep(0)
    await core.lidbook.sessions.stop("s")
    with pytest.raises(EngineDisconnected, match="this engine session is over"):
        await feeding
