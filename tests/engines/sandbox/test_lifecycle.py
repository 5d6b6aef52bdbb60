"""Sandbox sessions under the core's supervision: unscanned, scanned, unlinked, restarted."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lidbook.app import CoreSettings, Lidbook
from lidbook.hooks import Hooks
from lidbook.hookspecs import ChangeKind
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig
from lidbook.sessions.session import Session
from lidbook.sessions.supervisor import Delays
from lidbook.values import SessionStatus, StatusReason
from lidbook.world.conditions import Condition, Conditions, Kind
from lidbook_sandbox.engine import SandboxEngine

PATIENT = SessionConfig(engine="sandbox", settings={"require_scan": True})
HASTY = SessionConfig(engine="sandbox", settings={"require_scan": True, "qr_seconds": 0.02, "qr_rounds": 3})


async def opened(data_dir: Path) -> Lidbook:
    return await Lidbook.open(
        CoreSettings(data_dir, delays=Delays(0.001, 0.002)), engines=EngineRegistry.of(SandboxEngine), hooks=Hooks()
    )


@pytest.fixture
async def lidbook(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Lidbook]:
    """An open core with the sandbox engine alone."""
    lidbook = await opened(tmp_path)
    yield lidbook
    await lidbook.close()


async def is_in(session: Session, status: SessionStatus) -> None:
    assert await session.until(lambda now: now is status, 10), f"it is {session.status} ({session.reason})"


def conditions(lidbook: Lidbook) -> Conditions:
    """What happens to the demo world's account."""
    engine = lidbook.sessions.engine(SandboxEngine)
    assert isinstance(engine, SandboxEngine)
    (account,) = engine.conditions._accounts
    return engine.conditions.of(account)


def statuses(session: Session) -> list[object]:
    changes = session.changes.after(0, 1000)
    return [dict(change.data or {})["status"] for change in changes if change.kind is ChangeKind.SESSION_STATUS]


async def test_a_session_that_nobody_scans_goes_idle_and_stays_so(lidbook: Lidbook) -> None:
    session = await lidbook.sessions.create("s", HASTY)
    await is_in(session, SessionStatus.FAILED)
    assert (session.reason, session.is_running, session.qr) == (StatusReason.QR_EXPIRED, False, None)
    assert session.detail == "nobody scanned the QR code, or answered for the passkey: start the session to begin anew"
    assert statuses(session) == ["STARTING", "SCAN_QR_CODE", "SCAN_QR_CODE", "SCAN_QR_CODE", "FAILED"]
    assert not await session.until(lambda status: status is not SessionStatus.FAILED, 0.05)
    await lidbook.sessions.start("s")
    await is_in(session, SessionStatus.SCAN_QR_CODE)
    conditions(lidbook).set(Condition(Kind.SCAN))
    await is_in(session, SessionStatus.WORKING)


async def test_a_scanned_session_needs_no_other_scan_after_a_restart(tmp_path: Path) -> None:
    lidbook = await opened(tmp_path)
    session = await lidbook.sessions.create("s", PATIENT)
    await is_in(session, SessionStatus.SCAN_QR_CODE)
    conditions(lidbook).set(Condition(Kind.SCAN))
    await is_in(session, SessionStatus.WORKING)
    await lidbook.close()
    lidbook = await opened(tmp_path)
    session = await lidbook.sessions.usable("s")
    assert statuses(session)[-3:] == ["STOPPED", "STARTING", "WORKING"]
    await lidbook.close()


async def test_a_device_that_is_removed_on_the_phone_is_linked_anew_by_a_start(lidbook: Lidbook) -> None:
    session = await lidbook.sessions.create("s", PATIENT)
    await is_in(session, SessionStatus.SCAN_QR_CODE)
    conditions(lidbook).set(Condition(Kind.SCAN))
    await is_in(session, SessionStatus.WORKING)
    conditions(lidbook).set(Condition(Kind.LOGOUT))
    await is_in(session, SessionStatus.FAILED)
    assert (session.reason, session.account) == (StatusReason.LOGGED_OUT, None)
    await lidbook.sessions.start("s")
    await is_in(session, SessionStatus.SCAN_QR_CODE)


async def test_a_logged_out_session_shows_a_qr_code_again(lidbook: Lidbook) -> None:
    session = await lidbook.sessions.create("s", PATIENT)
    await is_in(session, SessionStatus.SCAN_QR_CODE)
    conditions(lidbook).set(Condition(Kind.SCAN))
    await is_in(session, SessionStatus.WORKING)
    known = await session.directory.contacts_count()
    await lidbook.sessions.logout("s")
    await is_in(session, SessionStatus.SCAN_QR_CODE)
    assert statuses(session)[-3:] == ["STOPPED", "STARTING", "SCAN_QR_CODE"]
    assert await session.directory.contacts_count() >= known


async def test_losing_the_network_is_no_failure(lidbook: Lidbook) -> None:
    await lidbook.sessions.create("s", SessionConfig(engine="sandbox"))
    session = await lidbook.sessions.usable("s")
    conditions(lidbook).set(Condition(Kind.DISCONNECT))
    await is_in(session, SessionStatus.STARTING)
    assert (session.reason, session.is_running) == (StatusReason.NETWORK, True)
    conditions(lidbook).clear()
    await is_in(session, SessionStatus.WORKING)
