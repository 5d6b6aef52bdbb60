"""Signal, as far as a phone needs it to tell its companions things: X3DH version 3 and one sending chain.

The companion never answers in these flows, so every message is a PreKeySignalMessage on the first chain; whatsmeow
and Baileys go on accepting those with a rising counter.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass, field
from typing import Self

from lidbook_sandbox.network.wire import cbc
from lidbook_sandbox.network.wire.errors import BadSignature, Malformed
from lidbook_sandbox.network.wire.keys import DJB, KeyPair, hkdf, verify
from lidbook_sandbox.network.wire.wire_pb2 import PreKeySignalMessage, SignalMessage

VERSION = b"\x33"
"""Message version 3, and 3 is the newest known."""
MAC_SIZE = 8
MOST_PADDING = 15
NO_PREKEY = 0xFFFFFFFF
"""Kept in place of a pre-key id, which has 24 bits, when the companion had none left."""

_KEPT = struct.Struct("<I32s32s32s32sII32sI")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A companion's public keys, raw (32 bytes, no type byte); it may have run out of one-time pre-keys."""

    registration_id: int
    identity: bytes
    signed_prekey_id: int
    signed_prekey: bytes
    signed_prekey_signature: bytes
    prekey_id: int | None = None
    prekey: bytes | None = None


@dataclass(slots=True)
class PhoneSession:
    """The phone's session with one companion; `encrypt` moves it on, so keep it after each message."""

    registration_id: int
    identity_public: bytes
    companion_identity: bytes
    base_public: bytes
    ratchet_public: bytes
    signed_prekey_id: int
    prekey_id: int | None
    chain_key: bytes = field(repr=False)
    counter: int = 0

    @classmethod
    def begin(cls, identity: KeyPair, bundle: Bundle, *, registration_id: int = 1) -> Self:
        """A session from the phone's identity to a companion's bundle.

        `registration_id` is the phone's own. Raises `BadSignature` when the bundle's signed pre-key is not signed by
        its identity, `Malformed` when a key of it is not usable.
        """
        if not verify(bundle.identity, DJB + bundle.signed_prekey, bundle.signed_prekey_signature):
            raise BadSignature("the signed pre-key is not signed by the companion's identity key")
        base, ratchet = KeyPair.generate(), KeyPair.generate()
        try:
            secret = b"\xff" * 32 + identity.dh(bundle.signed_prekey)
            secret += base.dh(bundle.identity) + base.dh(bundle.signed_prekey)
            if bundle.prekey is not None:
                secret += base.dh(bundle.prekey)
            stepped = ratchet.dh(bundle.signed_prekey)
        except ValueError as error:
            raise Malformed("a key of the companion's bundle is not a usable Curve25519 key") from error
        root = hkdf(secret, 64, info=b"WhisperText")[:32]
        chain = hkdf(stepped, 64, salt=root, info=b"WhisperRatchet")[32:]
        return cls(
            registration_id=registration_id,
            identity_public=identity.public,
            companion_identity=bundle.identity,
            base_public=base.public,
            ratchet_public=ratchet.public,
            signed_prekey_id=bundle.signed_prekey_id,
            prekey_id=None if bundle.prekey is None else bundle.prekey_id,
            chain_key=chain,
        )

    def encrypt(self, message: bytes) -> bytes:
        """The serialised `PreKeySignalMessage` of a serialised `Message`, which is padded here as WhatsApp does."""
        seed = hmac.digest(self.chain_key, b"\x01", hashlib.sha256)
        keys = hkdf(seed, 80, info=b"WhisperMessageKeys")
        inner = SignalMessage(
            ratchetKey=DJB + self.ratchet_public,
            counter=self.counter,
            previousCounter=0,
            ciphertext=cbc.encrypt(keys[:32], keys[64:], _pad(message)),
        )
        body = VERSION + inner.SerializeToString()
        sides = DJB + self.identity_public + DJB + self.companion_identity
        mac = hmac.digest(keys[32:64], sides + body, hashlib.sha256)[:MAC_SIZE]
        outer = PreKeySignalMessage(
            baseKey=DJB + self.base_public,
            identityKey=DJB + self.identity_public,
            message=body + mac,
            registrationId=self.registration_id,
            signedPreKeyId=self.signed_prekey_id,
        )
        if self.prekey_id is not None:
            outer.preKeyId = self.prekey_id
        self.chain_key = hmac.digest(self.chain_key, b"\x02", hashlib.sha256)
        self.counter += 1
        return VERSION + outer.SerializeToString()

    def to_bytes(self) -> bytes:
        """The session to be kept, secret: who has it reads what the phone sends from here on."""
        return _KEPT.pack(
            self.registration_id,
            self.identity_public,
            self.companion_identity,
            self.base_public,
            self.ratchet_public,
            self.signed_prekey_id,
            NO_PREKEY if self.prekey_id is None else self.prekey_id,
            self.chain_key,
            self.counter,
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The session that `to_bytes` kept; raises `ValueError` for anything else."""
        if len(data) != _KEPT.size:
            raise ValueError("not a kept Signal session: remove it and begin another")
        registration, identity, companion, base, ratchet, signed, prekey, chain, counter = _KEPT.unpack(data)
        return cls(
            registration_id=registration,
            identity_public=identity,
            companion_identity=companion,
            base_public=base,
            ratchet_public=ratchet,
            signed_prekey_id=signed,
            prekey_id=None if prekey == NO_PREKEY else prekey,
            chain_key=chain,
            counter=counter,
        )


def unpad(message: bytes) -> bytes:
    """A message without WhatsApp's padding; raises `Malformed` when there is none."""
    if not message or not 1 <= message[-1] <= len(message):
        raise Malformed("a message without padding")
    return message[: -message[-1]]


def _pad(message: bytes) -> bytes:
    """1 to 15 bytes, each of the value of their number."""
    size = 1 + secrets.randbelow(MOST_PADDING)
    return message + bytes([size]) * size
