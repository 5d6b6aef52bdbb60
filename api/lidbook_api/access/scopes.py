"""What a key can be allowed, in WAHA's words, and what of it one request has."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lidbook.errors import NotAllowed


class Scope(StrEnum):
    """What an operation asks of the key. Each operation has one, and a session key has those of its actions."""

    PUBLIC = "public"
    """Served without a key."""
    SERVER = "server"
    """What any key may ask of the server: its version, its engines, the sessions that the key can see."""
    READ = "read"
    """Reading contacts, LIDs, groups and the session itself; the websocket."""
    SEND = "send"
    """Writing contacts, blocking, refreshing groups: what the account does."""
    CONTROL = "control"
    """Starting, stopping and linking the session."""
    SETTING = "setting"
    """Changing the session's config, and what belongs to it: webhooks and their dead letters."""
    APP = "app"
    """WAHA's apps: nothing here, kept because clients set it."""
    DELETE = "delete"
    """Deleting the session, or what it knows."""
    ADMIN = "admin"
    """What only an admin key opens: making sessions, keys, the server itself."""


GRANTED: Final[Mapping[Scope, bool]] = {
    Scope.READ: True,
    Scope.SEND: True,
    Scope.CONTROL: True,
    Scope.SETTING: True,
    Scope.APP: True,
    Scope.DELETE: False,
}
"""The actions a session key can have, and whether it has them when it is made without any."""


@dataclass(frozen=True, slots=True)
class Access:
    """What one request may do."""

    key_id: str
    """The key's id; `env` for the one in the environment, `none` on a server without keys."""
    is_admin: bool
    session: str | None = None
    """The one session that a session key sees."""
    scopes: frozenset[Scope] = frozenset()
    """What a session key opens; every session key has `Scope.SERVER`."""
    session_id: int | None = None
    """The row of that session: a later session of the same name is another one."""

    def require(self, scope: Scope) -> None:
        """Raise `NotAllowed` unless the key has this scope."""
        if self.is_admin or scope is Scope.PUBLIC or scope in self.scopes:
            return
        raise NotAllowed(f"this key has no scope {scope.value}")

    def sees(self, session: str) -> bool:
        """Whether the key may know of a session of this name at all."""
        return self.is_admin or session == self.session

    def require_session(self, session: str) -> None:
        """Raise `NotAllowed` unless the key may know of this session."""
        if not self.sees(session):
            raise NotAllowed("this key is for another session")


NO_KEYS: Final = Access("none", is_admin=True)
"""Everybody's access to a server that has no keys, and that only this machine reaches."""
ENVIRONMENT: Final = Access("env", is_admin=True)
"""The access of the key in the environment."""
EXCLUDED: Final = Access("excluded", is_admin=True)
"""The access of paths that the operator opened; WAHA gives those an admin's rights as well."""
ANONYMOUS: Final = Access("anonymous", is_admin=False)
"""The access of what is public."""
