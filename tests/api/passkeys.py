"""An authenticator for tests: signs passkey challenges as a browser on WhatsApp's page would."""

import base64
import json
from collections.abc import Mapping

ORIGIN = "https://web.whatsapp.com"


def base64url(raw: bytes) -> str:
    """As browsers write bytes: without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(challenge: Mapping[str, object], /, **client_data: object) -> dict[str, object]:
    """The credential for a challenge, as `toJSON()` has it; `client_data` overrides what was signed."""
    data = {"type": "webauthn.get", "challenge": challenge["challenge"], "origin": ORIGIN, "crossOrigin": False}
    return with_client_data(base64url(json.dumps({**data, **client_data}).encode()))


def with_client_data(text: str) -> dict[str, object]:
    """A credential with any `clientDataJSON`."""
    credential = base64url(b"the passkey")
    return {
        "id": credential,
        "rawId": credential,
        "type": "public-key",
        "authenticatorAttachment": "cross-platform",
        "clientExtensionResults": {},
        "response": {
            "clientDataJSON": text,
            "authenticatorData": base64url(bytes(37)),
            "signature": base64url(b"a signature"),
            "userHandle": None,
        },
    }
