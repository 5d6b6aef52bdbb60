"""Everything at once: operators who change their minds, engines that fail, and what is left when it is quiet."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from core.sessions.conftest import AT_ONCE, Core, Moves, eventually, open_core
from core.sessions.engines import Script
from lidbook.errors import EngineError, LidbookError, NotSupported, SessionExists, SessionNotFound
from lidbook.hookspecs import ChangeKind
from lidbook.session_config import SessionConfig
from lidbook.sessions.sessions import Sessions
from lidbook.values import SessionStatus, StatusReason

NAMES = ("a", "b", "c")
CONFIGS = [
    SessionConfig(),
    SessionConfig(engine="second"),
    SessionConfig(engine="scripted", settings={"hang": True}),
    SessionConfig(engine="scripted", settings={"needs_scan": True}),
]
EXPECTED = (NotSupported, SessionExists, SessionNotFound)


def change(sessions: Sessions, dice: random.Random) -> Awaitable[object]:
    """Something that an operator may ask for at any time."""
    name, config = dice.choice(NAMES), dice.choice(CONFIGS)
    changes: list[Callable[[], Awaitable[object]]] = [
        lambda: sessions.create(name, config, start=dice.random() < 0.8),
        lambda: sessions.update(name, config),
        lambda: sessions.delete(name),
        lambda: sessions.start(name),
        lambda: sessions.stop(name),
        lambda: sessions.restart(name),
        lambda: sessions.logout(name),
        lambda: sessions.reset(name),
    ]
    return dice.choice(changes)()


def report(script: Script, dice: random.Random) -> None:
    """Something that an engine says, whether or not its session is open any more."""
    if script.sessions:
        session = dice.choice(script.sessions[-4:])
        session.report(
            dice.choice([SessionStatus.WORKING, SessionStatus.STARTING, SessionStatus.FAILED]),
            dice.choice([None, StatusReason.NETWORK, StatusReason.CRASHED, StatusReason.LOGGED_OUT]),
        )


@pytest.mark.parametrize("seed", range(4))
async def test_when_it_is_quiet_every_session_is_where_it_was_wanted(tmp_path: Path, seed: int) -> None:
    dice, script, moves = random.Random(seed), Script(), Moves()
    lidbook = await open_core(tmp_path, script, delays=AT_ONCE, moves=moves)
    sessions = lidbook.sessions
    asked: list[asyncio.Future[object]] = []
    for _ in range(120):
        script.start_error = EngineError("no luck") if dice.random() < 0.3 else None
        asked.append(asyncio.ensure_future(change(sessions, dice)))
        report(script, dice)
        if dice.random() < 0.1:
            dice.choice(asked).cancel()
        await asyncio.sleep(dice.choice([0, 0, 0, 0.002]))
    script.start_error = None
    async with asyncio.timeout(20):
        for name in NAMES:
            await sessions.delete(name)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        wrong = [answer for answer in answers if isinstance(answer, Exception) and not isinstance(answer, EXPECTED)]
        assert wrong == []
        for name in NAMES:
            await sessions.delete(name)
            await sessions.create(name, SessionConfig())
            await sessions.usable(name)
        await sessions.stop("c")
    assert sessions._turns.is_idle()
    assert sessions._attempts == {}
    await eventually(lambda: not sessions._booting and not sessions._changing)
    working = [session for session in sessions.all() if session.is_running]
    assert [session.name for session in working] == ["a", "b"]
    assert script.stopped == len(script.sessions) - len(working), "every engine session but those was closed, once"
    for session in sessions.all():
        changes = session.changes.after(0, 1000)
        newest = [change.data for change in changes if change.kind is ChangeKind.SESSION_STATUS][-1]
        assert newest is not None
        assert newest["status"] == session.status.value, "the log ends with what is shown"
    async with asyncio.timeout(10):
        await lidbook.close()
    assert script.stopped == len(script.sessions)
    assert moves.unknown == []


async def test_a_server_may_be_closed_in_the_middle_of_it(tmp_path: Path) -> None:
    dice, script = random.Random(5), Script()
    lidbook = await open_core(tmp_path, script, delays=AT_ONCE)
    asked: list[asyncio.Future[object]] = []
    for _ in range(60):
        script.start_error = EngineError("no luck") if dice.random() < 0.3 else None
        asked.append(asyncio.ensure_future(change(lidbook.sessions, dice)))
        report(script, dice)
        await asyncio.sleep(dice.choice([0, 0, 0.002]))
    async with asyncio.timeout(10):
        await lidbook.close()
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, LidbookError) for answer in answers if isinstance(answer, Exception))
    assert script.stopped == len(script.sessions)
    assert {session.status for session in lidbook.sessions.all()} <= {SessionStatus.STOPPED}
    lidbook = await open_core(tmp_path, Script())
    await lidbook.close()


async def test_a_session_that_is_started_many_times_at_once_is_opened_once(core: Core) -> None:
    await core.lidbook.sessions.create("s", SessionConfig(), start=False)
    await asyncio.gather(*(core.lidbook.sessions.start("s") for _ in range(20)))
    await core.lidbook.sessions.usable("s")
    assert (core.script.starts, len(core.script.sessions)) == (1, 1)
