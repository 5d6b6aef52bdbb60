"""The text of keys: what is accepted as one, how one is made, what of it is stored and shown."""

import hashlib
import hmac
import secrets
import string
from dataclasses import dataclass
from typing import Final, Self

SHORTEST: Final = 8
"""Characters that a key has at least: whatever has fewer can be tried out."""

WAHAS_WEAK: Final = frozenset({"123", "321", "waha", "admin", "0" * 32, "1" * 32})
"""Keys that WAHA refuses, because they stand in somebody's documentation."""

WEAK: Final = WAHAS_WEAK | {
    "1" * 8,
    "12345678",
    "123456789",
    "1234567890",
    "0" * 8,
    "api-key",
    "api_key",
    "apikey",
    "change-me",
    "change_me",
    "changeme",
    "lidbook",
    "my-secret-key",
    "mysecretkey",
    "password",
    "secret",
    "secret-key",
    "secretkey",
    "test",
    "test-key",
    "testtest",
    "your-api-key",
    "your-key",
    "your-secret-key",
    "your_api_key",
    "your_secret_key",
    "yourapikey",
    "yoursecretkey",
}
"""Keys that everybody tries first, in lower case; refused in any case, and as a hash in this one."""

PREFIX: Final = "sha512:"
"""Marks a key of which the server knows only the SHA-512, in hexadecimal."""

_REMEDY: Final = "make one with: openssl rand -hex 16"
_ALPHABET: Final = string.ascii_letters + string.digits
_LENGTH: Final = 32
_MADE: Final = "key_"
_SHOWN: Final = 2


class WeakKey(ValueError):
    """The key must not be used; the message says what to use instead."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The key in the environment, as its SHA-512."""

    digest: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key in a setting: the key itself, or `sha512:<hex>`. Raises `WeakKey`."""
        if text.startswith(PREFIX):
            try:
                digest = bytes.fromhex(text.removeprefix(PREFIX))
            except ValueError as error:
                raise WeakKey(f"the API key starts with {PREFIX}, but what follows is not hexadecimal") from error
            if len(digest) != hashlib.sha512().digest_size:
                raise WeakKey(f"the API key starts with {PREFIX}, so 128 hexadecimal digits must follow")
            known = digest in {digest_of(weak.encode()) for weak in WEAK}
        else:
            digest, known = digest_of(text.encode()), text.lower() in WEAK
        if known:
            raise WeakKey(f"this API key is known to everybody; {_REMEDY}")
        if not text.startswith(PREFIX) and len(text) < SHORTEST:
            raise WeakKey(f"this API key has fewer than {SHORTEST} characters, and can be guessed; {_REMEDY}")
        return cls(digest)

    def matches(self, given: bytes) -> bool:
        """Whether a client gave this key. Takes the same time whatever it gave."""
        return hmac.compare_digest(digest_of(given), self.digest)


def digest_of(given: bytes) -> bytes:
    """What is stored and compared instead of a key."""
    return hashlib.sha512(given).digest()


def new_key() -> str:
    """A key nobody has ever seen: 190 bits of chance, so that its plain SHA-512 is as good as any slower hash."""
    return _MADE + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def masked(key: str) -> str:
    """What lists show of a key that `new_key` made: enough to tell two apart."""
    return f"{key[: len(_MADE) + _SHOWN]}…{key[-_SHOWN:]}"
