"""Session names: WAHA's rule, less the names that would collide with routes."""

import re
from typing import Final

from lidbook.errors import InvalidSessionName
from lidbook.ulid import ulid

MAX_LENGTH: Final = 54
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+")

RESERVED: Final = frozenset(
    {
        "apps",
        "audit",
        "checkNumberStatus",
        "contacts",
        "engines",
        "events",
        "features",
        "health",
        "keys",
        "metrics",
        "ping",
        "screenshot",
        "server",
        "sessions",
        "version",
        "webhooks",
        "ws",
    }
)
"""First segments of paths under /api, and words a path may need one day."""


def is_well_formed(name: str) -> bool:
    """Whether it is short and plain enough, though it may be reserved: a folder is named after it."""
    return len(name) <= MAX_LENGTH and _NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Raise `InvalidSessionName` for a name that cannot be a session's."""
    if not is_well_formed(name):
        raise InvalidSessionName(
            f"a session's name has letters, digits, - and _, at most {MAX_LENGTH} of them; leave it out to get one made"
        )
    if name in RESERVED:
        raise InvalidSessionName(f"'{name}' is part of a path of this API and cannot name a session; add a letter")


def new_name() -> str:
    """`session_` and a ULID in lower case, as WAHA makes them: sorted by time, unique."""
    return "session_" + ulid()
