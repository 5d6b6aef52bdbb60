"""ULIDs in lower case: 26 letters that sort by time."""

import os
import time
from typing import Final

_CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"


def ulid(at: int | None = None, entropy: bytes | None = None) -> str:
    """One of `at` (milliseconds since 1970; now), made unique by ten bytes of `entropy` (random ones)."""
    moment = time.time_ns() // 1_000_000 if at is None else at
    number = moment << 80 | int.from_bytes(os.urandom(10) if entropy is None else entropy[:10])
    digits = []
    for _ in range(26):
        number, digit = divmod(number, 32)
        digits.append(_CROCKFORD[digit])
    return "".join(reversed(digits))
