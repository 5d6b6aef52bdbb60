"""Curve25519 keys as WhatsApp uses them: one pair agrees on secrets (X25519) and signs (XEdDSA)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Self

import xeddsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_SIZE = 32
SIGNATURE_SIZE = 64
DJB = b"\x05"
"""The type byte before a public key in Signal's formats; raw keys are without it."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A Curve25519 key pair; `private` is clamped, `public` is the raw 32 bytes."""

    private: bytes = field(repr=False)
    public: bytes

    @classmethod
    def generate(cls) -> Self:
        """A new random pair."""
        return cls.of(os.urandom(KEY_SIZE))

    @classmethod
    def of(cls, private: bytes) -> Self:
        """The pair of a private key; raises `ValueError` unless it is 32 bytes."""
        if len(private) != KEY_SIZE:
            raise ValueError(f"a private key has {KEY_SIZE} bytes, not {len(private)}")
        clamped = bytes([private[0] & 248, *private[1:31], private[31] & 127 | 64])
        return cls(clamped, X25519PrivateKey.from_private_bytes(clamped).public_key().public_bytes_raw())

    def dh(self, public: bytes) -> bytes:
        """The secret shared with `public`; raises `ValueError` for a wrong length and for points of low order."""
        secret = X25519PrivateKey.from_private_bytes(self.private)
        return secret.exchange(X25519PublicKey.from_public_bytes(public))

    def sign(self, message: bytes) -> bytes:
        """An XEdDSA signature, randomised; the sign bit is forced to zero, which all implementations accept."""
        return xeddsa.ed25519_priv_sign(xeddsa.priv_force_sign(self.private, False), message)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is an XEdDSA signature of `message` by the owner of `public`; wrong lengths are False.

    libsignal keeps the sign of the Ed25519 key in the top bit of the signature's last byte.
    """
    if len(public) != KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    sign = bool(signature[63] & 0x80)
    plain = signature[:63] + bytes([signature[63] & 0x7F])
    return xeddsa.ed25519_verify(plain, xeddsa.curve25519_pub_to_ed25519_pub(public, sign), message)


def hkdf(key: bytes, length: int, *, salt: bytes = b"", info: bytes = b"") -> bytes:
    """HKDF-SHA256 (RFC 5869); no salt means 32 zero bytes."""
    return HKDF(SHA256(), length, salt or None, info).derive(key)
