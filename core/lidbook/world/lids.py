"""LIDs for people of whom the world does not give one: stable from run to run, and telling nothing of the phone."""

import hashlib
from collections.abc import Container
from typing import Final

from lidbook.identifiers import Lid, PhoneNumber

_SMALLEST: Final = 10**14


def derive_lid(phone: PhoneNumber, taken: Container[object] = ()) -> Lid:
    """A LID of 15 digits for `phone`, the same whenever it is asked for, that is not in `taken`."""
    attempt = 0
    while True:
        digest = hashlib.sha256(f"lid:{attempt}:{phone.digits}".encode()).digest()
        lid = Lid(str(_SMALLEST + int.from_bytes(digest[:8], "big") % (9 * _SMALLEST)))
        if lid not in taken and phone.digits not in lid.digits:
            return lid
        attempt += 1


def derive_number(purpose: str, key: str, below: int) -> int:
    """A number in `[0, below)` that depends on nothing but the two texts."""
    digest = hashlib.sha256(f"{purpose}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % below
