"""The passkey of a simulated account: what it is asked to sign, and whether it was asked that.

Nobody has the account's key, so signatures are not looked at; everything else is held to what was asked.
"""

import base64
import hashlib
import json
import secrets
from typing import Final

from lidbook.errors import PasskeyRefused
from lidbook.identifiers import Lid
from lidbook.passkey import PasskeyAssertion, PasskeyChallenge, PasskeyCredential

ORIGIN: Final = "https://web.whatsapp.com"
_RP_ID: Final = "web.whatsapp.com"
_CHALLENGE_BYTES: Final = 32


def challenge_for(account: Lid, seconds: float) -> PasskeyChallenge:
    """A new challenge, for the one credential that an account has."""
    credential = hashlib.sha256(f"passkey of {account}".encode()).digest()
    return PasskeyChallenge(
        challenge=secrets.token_urlsafe(_CHALLENGE_BYTES),
        timeout=round(seconds * 1000),
        rp_id=_RP_ID,
        allow_credentials=(PasskeyCredential(_base64url(credential), ("internal", "hybrid")),),
        user_verification="required",
    )


def check(assertion: PasskeyAssertion, asked: PasskeyChallenge) -> None:
    """Raise `PasskeyRefused` unless this is an answer to what was asked, given on WhatsApp's own pages."""
    try:
        signed = json.loads(_bytes(assertion.client_data_json))
    except (ValueError, RecursionError) as error:
        raise PasskeyRefused("response.clientDataJSON is not JSON in base64url") from error
    if not isinstance(signed, dict):
        raise PasskeyRefused("response.clientDataJSON is not a JSON object")
    if signed.get("type") != "webauthn.get":
        raise PasskeyRefused("response.clientDataJSON is of another type than webauthn.get: use credentials.get")
    if signed.get("challenge") != asked.challenge:
        raise PasskeyRefused("response.clientDataJSON has another challenge than the one that is pending now")
    if signed.get("origin") != ORIGIN:
        raise PasskeyRefused(f"response.clientDataJSON has another origin than {ORIGIN}: sign it there")


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
