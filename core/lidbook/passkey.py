"""Passkeys: what WhatsApp asks an authenticator before it links a device, and what the authenticator answers.

Both are WebAuthn's, as browsers write them in JSON; binary values are base64url without padding.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class PasskeyCredential:
    """A credential that may answer a challenge."""

    id: str
    transports: tuple[str, ...] = ()
    """How the authenticator may be reached: `internal`, `hybrid`, `usb`, `nfc`, `ble`."""
    type: str = "public-key"


@dataclass(frozen=True, slots=True)
class PasskeyChallenge:
    """What to sign: the options of `navigator.credentials.get`, which answers on WhatsApp's own origin alone."""

    challenge: str = field(repr=False)
    timeout: int
    """Milliseconds for which it is good."""
    rp_id: str
    allow_credentials: tuple[PasskeyCredential, ...]
    user_verification: str
    """`required`, `preferred` or `discouraged`."""
    extensions: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PasskeyAssertion:
    """What the authenticator signed: a credential of `navigator.credentials.get`, as its `toJSON` has it."""

    id: str
    raw_id: str
    client_data_json: str = field(repr=False)
    authenticator_data: str = field(repr=False)
    signature: str = field(repr=False)
    user_handle: str | None = field(default=None, repr=False)
    type: str = "public-key"
