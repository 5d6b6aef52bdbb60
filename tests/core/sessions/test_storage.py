"""A disk that takes nothing is nobody's crash: sessions wait for it, and come back with it."""

import pytest

from core.sessions.conftest import Core, eventually
from disks import refusing
from lidbook.errors import StorageFailed
from lidbook.facts import Field, FieldFact, Source
from lidbook.identifiers import PhoneNumber
from lidbook.session_config import SessionConfig
from lidbook.sessions.supervisor import ATTEMPTS
from lidbook.values import SessionStatus, StatusReason

ANN = FieldFact(PhoneNumber("15550101"), Field.FULL_NAME, "Ann", Source.ADDRESS_BOOK, 1_700_000_000_000)


async def test_a_session_started_on_a_full_disk_waits_and_comes_back_by_itself(failing: Core) -> None:
    session = await failing.lidbook.sessions.create("s", SessionConfig(settings={"slow_start": True}))
    attempts = ATTEMPTS[StatusReason.CRASHED]
    assert attempts is not None
    with refusing(failing.data_dir):
        session.config = SessionConfig()
        await failing.lidbook.sessions.restart("s")
        await eventually(lambda: failing.script.starts > attempts + 3)
        await eventually(lambda: session.reason is StatusReason.STORAGE)
        assert session.status is SessionStatus.STARTING
        assert session.detail is not None
        assert "the disk that holds the data dir" in session.detail
        assert "attempt" in session.detail
    assert await session.until(lambda status: status is SessionStatus.WORKING, 10)
    assert session.reason is None


async def test_a_report_that_cannot_be_stored_is_tried_again_later(core: Core) -> None:
    session = await core.lidbook.sessions.create("s", SessionConfig(settings={"slow_start": True}))
    with refusing(core.data_dir):
        core.script.sessions[-1].report(SessionStatus.WORKING)
        await eventually(lambda: session.reason is StatusReason.STORAGE)
    assert session.status is SessionStatus.STARTING
    assert session.detail is not None
    assert session.detail.startswith("the disk that holds the data dir cannot be used: see the server's log; attempt 1")


async def test_an_engine_that_gives_up_because_of_the_disk_has_not_crashed(core: Core) -> None:
    await core.lidbook.sessions.create("s", SessionConfig())
    session = await core.lidbook.sessions.usable("s")
    engine = core.script.sessions[-1]
    with refusing(core.data_dir):
        with pytest.raises(StorageFailed):
            await engine.context.facts([ANN])
        engine.report(SessionStatus.FAILED, StatusReason.RUNTIME)
        await eventually(lambda: session.status is SessionStatus.STARTING)
    assert session.reason is StatusReason.STORAGE


async def test_a_disk_that_was_full_once_excuses_nothing_later(core: Core) -> None:
    await core.lidbook.sessions.create("s", SessionConfig())
    session = await core.lidbook.sessions.usable("s")
    engine = core.script.sessions[-1]
    with refusing(core.data_dir), pytest.raises(StorageFailed):
        await engine.context.vault.put({"key": b"secret"})
    await engine.context.vault.put({"key": b"secret"})
    engine.report(SessionStatus.FAILED, StatusReason.CRASHED)
    await eventually(lambda: session.status is SessionStatus.STARTING)
    assert session.reason is StatusReason.CRASHED


async def test_what_was_told_while_the_disk_was_full_is_told_again(core: Core) -> None:
    await core.lidbook.sessions.create("s", SessionConfig())
    session = await core.lidbook.sessions.usable("s")
    engine = core.script.sessions[-1]
    with refusing(core.data_dir), pytest.raises(StorageFailed):
        await engine.context.facts([ANN])
    assert not session.directory.is_known(PhoneNumber("15550101"))
    await engine.context.facts([ANN])
    assert session.directory.is_known(PhoneNumber("15550101"))
