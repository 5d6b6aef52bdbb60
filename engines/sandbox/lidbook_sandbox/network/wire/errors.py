"""What the wire refuses.

WireError
├── Malformed            not WhatsApp's format
├── HandshakeRefused     the Noise handshake failed
├── BadSignature         an XEdDSA signature does not verify
├── BadMac               an app-state patch fails one of its four MACs
└── WrongCode            a pairing code that is not the companion's
"""

from __future__ import annotations

from enum import StrEnum


class WireError(Exception):
    """Root of what bytes from a client can raise; the message says what was wrong with them."""


class Malformed(WireError):
    """The bytes are not what WhatsApp's format allows here."""


class HandshakeRefused(WireError):
    """The Noise handshake failed: a message is missing a part, or does not decrypt."""


class BadSignature(WireError):
    """A signature does not verify with the key it is claimed for."""


class Mac(StrEnum):
    """The four MACs of app state, in the order they are checked."""

    VALUE = "value"
    """Of one mutation's ciphertext, with its operation and key id."""
    INDEX = "index"
    """Of one mutation's plaintext index: what it is found by without decrypting."""
    SNAPSHOT = "snapshot"
    """Of the whole collection's LT-hash after the patch."""
    PATCH = "patch"
    """Of the snapshot MAC and the value MACs of the patch, in order."""


class BadMac(WireError):
    """A patch fails the MAC named by `which`."""

    def __init__(self, which: Mac, collection: str, version: int) -> None:
        super().__init__(f"patch {version} of {collection}: the {which} MAC does not match")
        self.which = which


class WrongCode(WireError):
    """The pairing code is not the one the companion shows, or is not a pairing code at all."""
