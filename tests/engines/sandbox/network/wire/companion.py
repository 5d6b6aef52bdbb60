"""A companion's half of Signal and of pairing by code, as far as the phone's half needs an answer.

It agrees with real clients: `vectors/signal.json` and `vectors/pairing.json` were recorded from one.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lidbook_sandbox.network.wire import cbc, link_code, signal
from lidbook_sandbox.network.wire.keys import DJB, KeyPair, hkdf
from lidbook_sandbox.network.wire.signal import Bundle
from lidbook_sandbox.network.wire.wire_pb2 import PreKeySignalMessage, SignalMessage


@dataclass(frozen=True, slots=True)
class Companion:
    """A companion's keys, and what it does with a phone's pre-key messages."""

    identity: KeyPair
    signed_prekey: KeyPair
    prekeys: dict[int, KeyPair]

    @classmethod
    def generate(cls) -> "Companion":
        """One with a single one-time pre-key."""
        return cls(KeyPair.generate(), KeyPair.generate(), {7: KeyPair.generate()})

    def bundle(self, prekey: int | None = 7) -> Bundle:
        """What it uploads."""
        signature = self.identity.sign(DJB + self.signed_prekey.public)
        one = None if prekey is None else self.prekeys[prekey].public
        return Bundle(99, self.identity.public, 1, self.signed_prekey.public, signature, prekey, one)

    def decrypt(self, data: bytes) -> bytes:
        """The unpadded plaintext of a pre-key message, however many came before on its chain; checks its MAC."""
        assert data[:1] == b"\x33"
        outer = PreKeySignalMessage.FromString(data[1:])
        inner = SignalMessage.FromString(outer.message[1:-8])
        base, phone, ratchet = outer.baseKey[1:], outer.identityKey[1:], inner.ratchetKey[1:]
        secret = b"\xff" * 32 + self.signed_prekey.dh(phone) + self.identity.dh(base) + self.signed_prekey.dh(base)
        if outer.HasField("preKeyId"):
            secret += self.prekeys[outer.preKeyId].dh(base)
        root = hkdf(secret, 64, info=b"WhisperText")[:32]
        chain = hkdf(self.signed_prekey.dh(ratchet), 64, salt=root, info=b"WhisperRatchet")[32:]
        for _ in range(inner.counter):
            chain = hmac.digest(chain, b"\x02", hashlib.sha256)
        keys = hkdf(hmac.digest(chain, b"\x01", hashlib.sha256), 80, info=b"WhisperMessageKeys")
        sides = outer.identityKey + DJB + self.identity.public
        mac = hmac.digest(keys[32:64], sides + outer.message[:-8], hashlib.sha256)[:8]
        assert mac == outer.message[-8:]
        return signal.unpad(cbc.decrypt(keys[:32], keys[64:], inner.ciphertext))


class CodeCompanion:
    """The companion's side of pairing by code."""

    def __init__(self, code: str, identity: KeyPair) -> None:
        self.code = code
        self.identity = identity
        self.ephemeral = KeyPair.generate()
        self.hello = link_code.wrap(code, self.ephemeral.public)
        self.adv_secret = b""

    def answer(self, wrapped_primary: bytes, primary_identity: bytes) -> bytes:
        """The key bundle for `companion_finish`; sets `adv_secret`."""
        shared = self.ephemeral.dh(link_code.unwrap(self.code, wrapped_primary))
        salt, nonce, random = os.urandom(32), os.urandom(12), os.urandom(32)
        key = hkdf(shared, 32, salt=salt, info=b"link_code_pairing_key_bundle_encryption_key")
        sealed = AESGCM(key).encrypt(nonce, self.identity.public + primary_identity + random, None)
        agreed = shared + self.identity.dh(primary_identity) + random
        self.adv_secret = hkdf(agreed, 32, info=b"adv_secret")
        return salt + nonce + sealed
