"""Pairing by code, the phone's side: the `link_code_companion_reg` stages' cryptography.

The code is an eight-letter password that hides both sides' ephemeral keys. Nothing authenticates what it unlocks: a
wrong code gives a wrong key, and shows only when the companion's key bundle does not decrypt.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from lidbook_sandbox.network.wire.errors import Malformed, WrongCode
from lidbook_sandbox.network.wire.keys import KEY_SIZE, KeyPair, hkdf

ITERATIONS = 2 << 16
SALT_SIZE = 32
IV_SIZE = 16
NONCE_SIZE = 12
TAG_SIZE = 16
WRAPPED_SIZE = SALT_SIZE + IV_SIZE + KEY_SIZE
BUNDLE_SIZE = SALT_SIZE + NONCE_SIZE + 3 * KEY_SIZE + TAG_SIZE
BUNDLE_INFO = b"link_code_pairing_key_bundle_encryption_key"
SECRET_INFO = b"adv_secret"

_CODE = re.compile("[0-9A-Z]{8}")


def written(code: str) -> str:
    """A code as the cryptography takes it, eight capitals and digits, from however it was typed.

    Raises `WrongCode` for anything else. Libraries draw from Crockford's alphabet without I, O, U and 0, but Baileys
    lets an application choose a code with those too.
    """
    plain = re.sub(r"[\s-]", "", code).upper()
    if not _CODE.fullmatch(plain):
        raise WrongCode("a pairing code has eight letters and digits, such as ABCD-1234")
    return plain


def wrap(code: str, public: bytes) -> bytes:
    """`public` hidden by the code, 80 bytes; takes some 50 ms, as it is meant to."""
    salt, iv = os.urandom(SALT_SIZE), os.urandom(IV_SIZE)
    return salt + iv + _hidden(code, salt, iv, public)


def unwrap(code: str, wrapped: bytes) -> bytes:
    """The key hidden by the code, or 32 meaningless bytes if it was another code; raises `Malformed`."""
    if len(wrapped) != WRAPPED_SIZE:
        raise Malformed(f"a wrapped key has {WRAPPED_SIZE} bytes, not {len(wrapped)}")
    salt, iv, hidden = wrapped[:SALT_SIZE], wrapped[SALT_SIZE : SALT_SIZE + IV_SIZE], wrapped[SALT_SIZE + IV_SIZE :]
    return _hidden(code, salt, iv, hidden)


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides know once the code has been entered."""

    companion_identity: bytes
    adv_secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CodeEntry:
    """A code entered on the phone: `wrapped` goes to the companion, its key bundle comes back."""

    identity: KeyPair
    shared: bytes = field(repr=False)
    wrapped: bytes

    @classmethod
    def begin(cls, code: str, identity: KeyPair, wrapped_companion: bytes) -> CodeEntry:
        """Enter `code` against the companion's hello.

        `identity` is the phone's identity key pair; `wrapped_companion` is the content of
        `link_code_pairing_wrapped_companion_ephemeral_pub`. Takes some 100 ms. Raises `WrongCode` for what is not a
        code, or unlocks no usable key, and `Malformed`.
        """
        plain = written(code)
        ephemeral = KeyPair.generate()
        shared = _shared(ephemeral, unwrap(plain, wrapped_companion))
        return cls(identity, shared, wrap(plain, ephemeral.public))

    def finish(self, bundle: bytes, companion_identity: bytes) -> Agreed:
        """Open the companion's `link_code_pairing_wrapped_key_bundle`.

        Raises `WrongCode` when it does not decrypt, `Malformed` when it does and is not about these two identities.
        """
        if len(bundle) != BUNDLE_SIZE:
            raise Malformed(f"a key bundle has {BUNDLE_SIZE} bytes, not {len(bundle)}")
        salt, nonce = bundle[:SALT_SIZE], bundle[SALT_SIZE : SALT_SIZE + NONCE_SIZE]
        key = hkdf(self.shared, 32, salt=salt, info=BUNDLE_INFO)
        try:
            opened = AESGCM(key).decrypt(nonce, bundle[SALT_SIZE + NONCE_SIZE :], None)
        except InvalidTag as error:
            raise WrongCode("the companion shows another code: read it again") from error
        companion, primary, random = opened[:KEY_SIZE], opened[KEY_SIZE : 2 * KEY_SIZE], opened[2 * KEY_SIZE :]
        if companion != companion_identity or primary != self.identity.public:
            raise Malformed("the key bundle names other identity keys than the two that are pairing")
        return Agreed(companion, _adv_secret(self.identity, self.shared, companion, random))


def _adv_secret(own: KeyPair, shared: bytes, other: bytes, random: bytes) -> bytes:
    return hkdf(shared + _shared(own, other) + random, 32, info=SECRET_INFO)


def _shared(own: KeyPair, public: bytes) -> bytes:
    try:
        return own.dh(public)
    except ValueError as error:
        raise WrongCode("the code unlocks no usable key: read it again") from error


def _hidden(code: str, salt: bytes, iv: bytes, key: bytes) -> bytes:
    """`key` under the keystream of the code: hides and reveals alike."""
    password = hashlib.pbkdf2_hmac("sha256", code.encode(), salt, ITERATIONS, 32)
    stream = Cipher(AES(password), CTR(iv)).encryptor()
    return stream.update(key) + stream.finalize()
