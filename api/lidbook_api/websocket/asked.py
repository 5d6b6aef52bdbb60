"""What a client asks of its websocket: which sessions, which events, from where on."""

import re
from dataclasses import dataclass
from typing import Final

from lidbook.errors import NotAllowed
from lidbook.hookspecs import ChangeKind
from lidbook.session_config import EVENT_WILDCARDS, LIDBOOK_EVENTS, WAHA_EVENTS
from lidbook_api.access.scopes import Access, Scope
from lidbook_api.events import is_wanted
from lidbook_api.query import Query

EVERY: Final = "*"
"""As a session, all that the key sees; as an event, WAHA's own set."""

UNAUTHORIZED: Final = "Unauthorized"
FORBIDDEN: Final = "Forbidden"

POLICY: Final = 1008
"""Close code: what was asked for is not to be had; asking again changes nothing."""
INTERNAL: Final = 1011
"""Close code: a fault of the server's."""
TRY_AGAIN: Final = 1013
"""Close code: not now."""

_REASON_BYTES: Final = 123
"""What a close frame has room for."""
_EVENTS: Final = frozenset((*WAHA_EVENTS, *LIDBOOK_EVENTS, *EVENT_WILDCARDS))
_SEQ: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


class Refused(Exception):
    """The websocket is closed, and this is what the client is told."""

    def __init__(self, reason: str, code: int = POLICY) -> None:
        self.code = code
        self.reason = reason.encode()[:_REASON_BYTES].decode(errors="ignore")
        super().__init__(self.reason)


@dataclass(frozen=True, slots=True)
class Asked:
    """One client's wish, within what its key may see."""

    access: Access
    session: str | None
    """The one session it is about; None means all of them."""
    kinds: frozenset[ChangeKind]
    """What it wants to hear of."""
    since: int | None
    """The number of the last entry of the session's log that it knows; None means from now on."""


def read(query: Query, access: Access | None) -> Asked:
    """The wish in a query string. Raises `Refused`."""
    if access is None:
        raise Refused(UNAUTHORIZED)
    session = _session(query)
    try:
        access.require(Scope.READ)
        if not access.is_admin and session is None:
            session = access.session
        if session is not None:
            access.require_session(session)
    except NotAllowed as error:
        raise Refused(FORBIDDEN) from error
    if session is None and not access.is_admin:
        raise Refused(FORBIDDEN)
    return Asked(access, session, _kinds(query), _since(query, session))


def _session(query: Query) -> str | None:
    value = query.get("session", EVERY)
    if isinstance(value, list):
        raise Refused("session may be given once: name one, or * for all")
    return None if value in ("", EVERY) else value


def _kinds(query: Query) -> frozenset[ChangeKind]:
    value = query.get("events", EVERY)
    lists = [value] if isinstance(value, str) else value
    names = [name.strip() for names in lists for name in names.split(",") if name.strip()] or [EVERY]
    wanted = [name for name in names if name in _EVENTS]
    return frozenset(kind for kind in ChangeKind if is_wanted(kind.value, wanted))


def _since(query: Query, session: str | None) -> int | None:
    value = query.get("since")
    if value is None:
        return None
    if session is None:
        raise Refused("since counts in one session's log: name it as well, as session=default")
    if isinstance(value, list) or not _SEQ.fullmatch(value):
        raise Refused("since must be a whole number: the seq of the last event you have, or 0")
    return int(value)
