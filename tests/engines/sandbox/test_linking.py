"""Linking to an account that asks for its passkey, at the engine: what is shown, what is taken, what runs out."""

import base64
import json
from pathlib import Path

import pytest

from lidbook.errors import PasskeyRefused
from lidbook.passkey import PasskeyAssertion, PasskeyChallenge
from lidbook.values import SessionStatus, StatusReason
from lidbook.world.conditions import Condition, Kind
from lidbook_sandbox.engine import SandboxEngine
from lidbook_sandbox.session import LINK
from lidbook_sandbox.settings import SandboxSettings

from .conftest import Start
from .recording import RecordingContext

ASKED = SandboxSettings(require_passkey=True)
HASTY = SandboxSettings(require_passkey=True, passkey_seconds=0.02, qr_rounds=3)


def signed(challenge: PasskeyChallenge) -> PasskeyAssertion:
    """What a browser on WhatsApp's page would give."""
    data = {"type": "webauthn.get", "challenge": challenge.challenge, "origin": "https://web.whatsapp.com"}
    client_data = base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")
    return PasskeyAssertion("AQ", "AQ", client_data, "AQ", "AQ")


async def test_challenge_answer_code_confirmation(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path, ASKED)
    session = await start(context)
    await context.until(lambda: len(context.challenges) == 1)
    (challenge,) = context.challenges
    assert (challenge.rp_id, challenge.timeout, challenge.extensions) == ("web.whatsapp.com", 60_000, {})
    with pytest.raises(PasskeyRefused, match="no passkey confirmation is pending"):
        await session.confirm_passkey()
    await session.answer_passkey(signed(challenge))
    assert [len(part) for part in context.codes[0].split("-")] == [4, 4]
    with pytest.raises(PasskeyRefused, match="no passkey challenge is pending"):
        await session.answer_passkey(signed(challenge))
    assert LINK not in context.kept.blobs, "it is not linked before the code was confirmed"
    await session.confirm_passkey()
    await context.until_status(SessionStatus.WORKING)
    for late in (session.answer_passkey(signed(challenge)), session.confirm_passkey()):
        with pytest.raises(PasskeyRefused, match="not waiting to be linked"):
            await late
    await session.stop()
    again = RecordingContext(tmp_path, ASKED, vault=context.kept)
    await start(again)
    await again.until_status(SessionStatus.WORKING)
    assert again.challenges == []


async def test_the_passkey_is_asked_for_after_the_scan(engine: SandboxEngine, start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path, SandboxSettings(require_scan=True, require_passkey=True))
    await start(context)
    await context.until(lambda: len(context.qrs) == 1)
    assert context.challenges == []
    (account,) = engine.conditions._accounts
    engine.conditions.of(account).set(Condition(Kind.SCAN))
    await context.until(lambda: len(context.challenges) == 1)


async def test_challenges_change_and_run_out(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path, HASTY)
    session = await start(context)
    await context.until_status(SessionStatus.FAILED, StatusReason.QR_EXPIRED)
    assert len({each.challenge for each in context.challenges}) == 3
    assert {each.allow_credentials for each in context.challenges} == {context.challenges[0].allow_credentials}
    with pytest.raises(PasskeyRefused):
        await session.answer_passkey(signed(context.challenges[-1]))


async def test_an_unconfirmed_code_uses_up_a_round(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path, SandboxSettings(require_passkey=True, passkey_seconds=0.05, qr_rounds=2))
    session = await start(context)
    await context.until(lambda: len(context.challenges) == 1)
    await session.answer_passkey(signed(context.challenges[0]))
    await context.until_status(SessionStatus.FAILED, StatusReason.QR_EXPIRED)
    assert (len(context.challenges), len(context.codes)) == (2, 1)
    assert LINK not in context.kept.blobs


async def test_a_stopped_session_takes_no_answer(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path, ASKED)
    session = await start(context)
    await context.until(lambda: len(context.challenges) == 1)
    await session.stop()
    with pytest.raises(PasskeyRefused):
        await session.answer_passkey(signed(context.challenges[0]))
