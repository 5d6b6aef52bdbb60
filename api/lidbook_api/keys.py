"""The API key: what is accepted as one, and comparing it."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final, Self

WEAK: Final = frozenset({"123", "321", "waha", "admin", "0" * 32, "1" * 32})
"""Keys that WAHA refuses, because they stand in somebody's documentation."""

PREFIX: Final = "sha512:"
"""Marks a key of which the server knows only the SHA-512, in hexadecimal."""


class WeakKey(ValueError):
    """The key must not be used; the message says what to use instead."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The server's one key, as its SHA-512."""

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
        else:
            digest = hashlib.sha512(text.encode()).digest()
        if any(digest == hashlib.sha512(weak.encode()).digest() for weak in WEAK):
            raise WeakKey("this API key is known to everybody; make one with: openssl rand -hex 16")
        return cls(digest)

    def matches(self, given: bytes) -> bool:
        """Whether a client gave this key. Takes the same time whatever it gave."""
        return hmac.compare_digest(hashlib.sha512(given).digest(), self.digest)
