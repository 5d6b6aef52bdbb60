"""What a session shows while it is linked: each for as long as its status lasts, and in memory alone."""

import pytest

from core.sessions.conftest import Core
from core.sessions.test_status_log import logged, statuses
from lidbook.errors import EngineDisconnected, NotSupported, PasskeyRefused, RateLimited, SessionNotReady
from lidbook.passkey import PasskeyAssertion, PasskeyChallenge, PasskeyCredential
from lidbook.session_config import SessionConfig
from lidbook.sessions.session import Session
from lidbook.values import SessionStatus

ONE = PasskeyChallenge("c2VjcmV0LW9uZQ", 60_000, "web.whatsapp.com", (PasskeyCredential("AQ"),), "required")
TWO = PasskeyChallenge("c2VjcmV0LXR3bw", 60_000, "web.whatsapp.com", (PasskeyCredential("AQ"),), "required")
ASSERTION = PasskeyAssertion("AQ", "AQ", "c2lnbmVk", "AQ", "AQ")


async def unlinked(core: Core) -> Session:
    """A session whose engine has not said yet where it stands."""
    await core.lidbook.sessions.create("s", SessionConfig(settings={"slow_start": True}))
    return core.lidbook.sessions.get("s")


async def shown(session: Session, status: SessionStatus) -> tuple[object, object, object]:
    """QR code, challenge and code, once the session is in a status."""
    assert await session.until(lambda now: now is status, 10), session.status
    return session.qr, session.linking.challenge, session.linking.code


async def test_each_is_shown_for_as_long_as_its_status_lasts(core: Core) -> None:
    session = await unlinked(core)
    context = core.script.sessions[-1].context
    context.qr("scan me")
    assert await shown(session, SessionStatus.SCAN_QR_CODE) == ("scan me", None, None)
    context.passkey_challenge(ONE)
    assert await shown(session, SessionStatus.PASSKEY_REQUIRED) == (None, ONE, None)
    context.passkey_confirmation("ABCD-EFGH")
    assert await shown(session, SessionStatus.PASSKEY_CONFIRMATION_REQUIRED) == (None, None, "ABCD-EFGH")
    core.script.sessions[-1].report(SessionStatus.WORKING)
    assert await shown(session, SessionStatus.WORKING) == (None, None, None)


@pytest.mark.parametrize("way", ["stop", "restart", "logout", "reset"])
async def test_a_session_that_is_ended_shows_nothing(core: Core, way: str) -> None:
    session = await unlinked(core)
    core.script.sessions[-1].context.passkey_challenge(ONE)
    await shown(session, SessionStatus.PASSKEY_REQUIRED)
    await getattr(core.lidbook.sessions, way)("s")
    assert (session.qr, session.linking.challenge, session.linking.code) == (None, None, None)


async def test_each_new_challenge_is_a_line_and_the_same_again_is_none(core: Core) -> None:
    session = await unlinked(core)
    for challenge in (ONE, ONE, TWO, TWO):
        core.script.sessions[-1].context.passkey_challenge(challenge)
    core.script.sessions[-1].report(SessionStatus.PASSKEY_REQUIRED)
    core.script.sessions[-1].context.passkey_confirmation("ABCD-EFGH")
    core.script.sessions[-1].context.passkey_confirmation("ABCD-EFGH")
    core.script.sessions[-1].report(SessionStatus.WORKING)
    await shown(session, SessionStatus.WORKING)
    assert statuses(session) == [
        "STARTING", "PASSKEY_REQUIRED", "PASSKEY_REQUIRED", "PASSKEY_CONFIRMATION_REQUIRED", "WORKING",
    ]  # fmt: skip


async def test_nothing_of_it_is_logged(core: Core, capsys: pytest.CaptureFixture[str]) -> None:
    session = await unlinked(core)
    core.script.sessions[-1].context.passkey_challenge(ONE)
    core.script.sessions[-1].context.passkey_confirmation("ABCD-EFGH")
    await shown(session, SessionStatus.PASSKEY_CONFIRMATION_REQUIRED)
    written = f"{logged(session)} {''.join(capsys.readouterr())} {ONE!r} {ASSERTION!r}"
    assert ONE.challenge not in written
    assert "ABCD-EFGH" not in written
    assert ASSERTION.client_data_json not in written


async def test_a_session_that_is_asked_for_a_passkey_is_linked_to_nobody(core: Core) -> None:
    await core.lidbook.sessions.create("s", SessionConfig())
    session = await core.lidbook.sessions.usable("s")
    assert session.account is not None
    engine = core.script.sessions[-1]
    engine.report(SessionStatus.STARTING)
    engine.context.passkey_challenge(ONE)
    await shown(session, SessionStatus.PASSKEY_REQUIRED)
    assert session.account is None


async def test_answer_and_confirmation_reach_the_engine(core: Core) -> None:
    session = await unlinked(core)
    await session.live.answer_passkey(ASSERTION)
    await session.live.confirm_passkey()
    assert core.script.asked == [("answer_passkey", ASSERTION), ("confirm_passkey", None)]
    core.script.error = PasskeyRefused("it does not fit")
    with pytest.raises(PasskeyRefused, match="it does not fit"):
        await session.live.answer_passkey(ASSERTION)
    core.script.error = RateLimited("too many", 7)
    with pytest.raises(RateLimited):
        await session.live.confirm_passkey()
    core.script.error = None
    with pytest.raises(RateLimited, match="WhatsApp limits"):
        await session.live.answer_passkey(ASSERTION)


async def test_a_session_that_is_not_open_takes_no_answer(core: Core) -> None:
    session = await unlinked(core)
    await core.lidbook.sessions.stop("s")
    for call in (session.live.answer_passkey(ASSERTION), session.live.confirm_passkey()):
        with pytest.raises(SessionNotReady):
            await call


async def test_an_engine_without_passkeys_refuses_both(core: Core) -> None:
    config = SessionConfig(engine="second", settings={"slow_start": True})
    session = await core.lidbook.sessions.create("s", config)
    for call in (session.live.answer_passkey(ASSERTION), session.live.confirm_passkey()):
        with pytest.raises(NotSupported, match="asks for none"):
            await call


async def test_an_answer_that_comes_after_the_stop_is_nobodys(core: Core) -> None:
    session = await unlinked(core)

    async def stopping() -> None:
        await core.lidbook.sessions.stop("s")

    core.script.pause = stopping  # type: ignore[method-assign]
    with pytest.raises(EngineDisconnected):
        await session.live.answer_passkey(ASSERTION)
