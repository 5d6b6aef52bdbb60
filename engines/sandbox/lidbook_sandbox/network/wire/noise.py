"""Noise_XX_25519_AESGCM_SHA256 in WhatsApp's framing: three `HandshakeMessage`s, then one cipher each way.

The prologue is the four bytes of the intro header only, also when an edge-routing header came before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError

from lidbook_sandbox.network.wire.errors import HandshakeRefused
from lidbook_sandbox.network.wire.frames import INTRO
from lidbook_sandbox.network.wire.keys import KEY_SIZE, KeyPair, hkdf
from lidbook_sandbox.network.wire.wire_pb2 import HandshakeMessage

PATTERN = b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0"


class Cipher:
    """AES-256-GCM with a counter for a nonce, one per direction; each message moves the counter on."""

    __slots__ = ("_aead", "_count")

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._count = 0

    def encrypt(self, plaintext: bytes, associated: bytes = b"") -> bytes:
        """The ciphertext with its tag."""
        return self._aead.encrypt(self._nonce(), plaintext, associated)

    def decrypt(self, ciphertext: bytes, associated: bytes = b"") -> bytes:
        """The plaintext; raises `HandshakeRefused` when the tag does not match: the stream is lost from here on."""
        try:
            return self._aead.decrypt(self._nonce(), ciphertext, associated)
        except InvalidTag as error:
            raise HandshakeRefused("a frame does not decrypt: wrong key, or frames lost or out of order") from error

    def _nonce(self) -> bytes:
        nonce = bytes(8) + self._count.to_bytes(4, "big")
        self._count += 1
        return nonce


@dataclass(frozen=True, slots=True)
class Finished:
    """A handshake that is over: who the other side is, what it said, and the two ciphers."""

    client_static: bytes
    payload: bytes
    receive: Cipher
    send: Cipher


class SymmetricState:
    """Noise's symmetric state: chaining key, handshake hash, and the cipher of the moment."""

    __slots__ = ("_chaining", "_cipher", "hash")

    def __init__(self, prologue: bytes) -> None:
        self._chaining = PATTERN
        self._cipher = Cipher(PATTERN)
        self.hash = PATTERN
        self.mix_hash(prologue)

    def mix_hash(self, data: bytes) -> None:
        """Bind the handshake to what both sides have seen."""
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix_key(self, own: KeyPair, public: bytes) -> None:
        """Take a shared secret in and start a new cipher; raises `HandshakeRefused` for a key that gives none."""
        try:
            secret = own.dh(public)
        except ValueError as error:
            raise HandshakeRefused("a public key of the handshake is not a usable Curve25519 key") from error
        derived = hkdf(secret, 64, salt=self._chaining)
        self._chaining = derived[:32]
        self._cipher = Cipher(derived[32:])

    def encrypt(self, plaintext: bytes) -> bytes:
        """Encrypt a part of a message, bound to all before it."""
        ciphertext = self._cipher.encrypt(plaintext, self.hash)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Decrypt a part of a message; raises `HandshakeRefused` when it, or anything before it, was changed."""
        plaintext = self._cipher.decrypt(ciphertext, self.hash)
        self.mix_hash(ciphertext)
        return plaintext

    def split(self) -> tuple[Cipher, Cipher]:
        """The ciphers from initiator to responder, and back."""
        derived = hkdf(b"", 64, salt=self._chaining)
        return Cipher(derived[:32]), Cipher(derived[32:])


class Responder:
    """The server's side: `answer` the client's hello, then `finish`; each once, in this order.

    `ephemeral` makes the key of this handshake: known answers bring their own.
    """

    def __init__(
        self,
        static: KeyPair,
        chain: bytes,
        *,
        prologue: bytes = INTRO,
        ephemeral: Callable[[], KeyPair] = KeyPair.generate,
    ) -> None:
        self._static = static
        self._chain = chain
        self._ephemeral = ephemeral()
        self._state = SymmetricState(prologue)

    def answer(self, client_hello: bytes) -> bytes:
        """The `HandshakeMessage` with our hello; raises `HandshakeRefused`."""
        hello = _message(client_hello).clientHello
        if len(hello.ephemeral) != KEY_SIZE:
            raise HandshakeRefused("the client's hello has no ephemeral key")
        state, ephemeral = self._state, self._ephemeral
        state.mix_hash(hello.ephemeral)
        state.mix_hash(ephemeral.public)
        state.mix_key(ephemeral, hello.ephemeral)
        static = state.encrypt(self._static.public)
        state.mix_key(self._static, hello.ephemeral)
        payload = state.encrypt(self._chain)
        answer = HandshakeMessage.ServerHello(ephemeral=ephemeral.public, static=static, payload=payload)
        return HandshakeMessage(serverHello=answer).SerializeToString()

    def finish(self, client_finish: bytes) -> Finished:
        """The client's static key, its payload (a `ClientPayload`) and the ciphers; raises `HandshakeRefused`."""
        finish = _message(client_finish).clientFinish
        static = self._state.decrypt(finish.static)
        self._state.mix_key(self._ephemeral, static)
        payload = self._state.decrypt(finish.payload)
        receive, send = self._state.split()
        return Finished(static, payload, receive, send)


class Initiator:
    """A client's side: `hello`, then `finish` with the server's answer; the Python client of the test suite uses it."""

    def __init__(
        self, static: KeyPair, *, prologue: bytes = INTRO, ephemeral: Callable[[], KeyPair] = KeyPair.generate
    ) -> None:
        self._static = static
        self._ephemeral = ephemeral()
        self._server_ephemeral = b""
        self._state = SymmetricState(prologue)

    def hello(self) -> bytes:
        """The first `HandshakeMessage`."""
        self._state.mix_hash(self._ephemeral.public)
        hello = HandshakeMessage.ClientHello(ephemeral=self._ephemeral.public)
        return HandshakeMessage(clientHello=hello).SerializeToString()

    def read(self, server_hello: bytes) -> tuple[bytes, bytes]:
        """The server's static key and its certificate chain, unchecked; raises `HandshakeRefused`."""
        hello = _message(server_hello).serverHello
        if len(hello.ephemeral) != KEY_SIZE:
            raise HandshakeRefused("the server's hello has no ephemeral key")
        state = self._state
        state.mix_hash(hello.ephemeral)
        state.mix_key(self._ephemeral, hello.ephemeral)
        static = state.decrypt(hello.static)
        state.mix_key(self._ephemeral, static)
        chain = state.decrypt(hello.payload)
        self._server_ephemeral = hello.ephemeral
        return static, chain

    def finish(self, payload: bytes) -> tuple[bytes, Cipher, Cipher]:
        """The last `HandshakeMessage`, the cipher to receive with and the one to send with."""
        static = self._state.encrypt(self._static.public)
        self._state.mix_key(self._static, self._server_ephemeral)
        finish = HandshakeMessage.ClientFinish(static=static, payload=self._state.encrypt(payload))
        send, receive = self._state.split()
        return HandshakeMessage(clientFinish=finish).SerializeToString(), receive, send


def _message(data: bytes) -> HandshakeMessage:
    try:
        return HandshakeMessage.FromString(data)
    except DecodeError as error:
        raise HandshakeRefused("not a HandshakeMessage") from error
