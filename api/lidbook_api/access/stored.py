"""Keys as stored: what one is, what is asked of one, and plain SQL on the table `api_key`."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from lidbook.errors import LidbookError, NotFound
from lidbook_api.access.scopes import GRANTED, Access, Scope

MAX_GRACE: Final = 7 * 24 * 3600
"""Longest time, in seconds, for which a key may work on after it was rotated."""

_COLUMNS: Final = (
    "k.id, k.digest, k.hint, k.is_admin, k.is_active, k.session, s.name, k.actions, k.created_at, k.expires_at, "
    "k.old_digest, k.old_until"
)
_FROM: Final = "FROM api_key k LEFT JOIN session s ON s.id = k.session"
_USABLE_ADMIN: Final = "is_admin = 1 AND is_active = 1 AND (expires_at IS NULL OR expires_at > ?)"


class InvalidKey(LidbookError):
    """The key that is asked for cannot be: the message says why."""

    code = "invalid_key"
    status = 422


class LastAdminKey(LidbookError):
    """Without this key nobody could administer the server any more."""

    code = "last_admin_key"
    status = 422

    def __init__(self) -> None:
        super().__init__(
            "This is the last admin key that works, and there is none in the environment: make another one with "
            "POST /api/keys, or start the server with LIDBOOK_API_KEY, and try again"
        )


class KeyNotFound(NotFound):
    """There is no key of that id; the sentence is WAHA's."""

    code = "key_not_found"

    def __init__(self) -> None:
        super().__init__("API key not found")


class ScopedKind(StrEnum):
    """Keys of which a session has one each, with an id that can be told from the session's name."""

    MEDIA = "media"
    """For WAHA's clients, which fetch files with it: it opens nothing here."""
    CONTROL = "control"
    """Opens QR code, screenshot, start and stop, for a page that links an account."""

    def key_id(self, session: str) -> str:
        """The id of a session's key of this kind."""
        return f"key_id_{self.value}_{session}"

    @property
    def actions(self) -> dict[Scope, bool]:
        """What such a key may do."""
        return {scope: self is ScopedKind.CONTROL and scope is Scope.CONTROL for scope in GRANTED}


@dataclass(frozen=True, slots=True)
class KeyWanted:
    """What a key is to be."""

    is_admin: bool = False
    session: str | None = None
    is_active: bool = True
    actions: Mapping[Scope, bool] | None = None
    """None, and every action that is not named, is as in `GRANTED`."""
    expires_at: int | None = None
    """Milliseconds since 1970; None is never."""
    keeps_expiry: bool = False
    """That a key which is replaced expires when it did before, whatever `expires_at` says."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key in the database: all but its text, which nobody knows any more."""

    id: str
    digest: bytes
    hint: str
    is_admin: bool
    is_active: bool
    session_id: int | None
    session: str | None
    """The session's name."""
    actions: Mapping[Scope, bool] | None
    """Every action, or None for a key that has those of `GRANTED`."""
    created_at: int
    expires_at: int | None
    old_digest: bytes | None = None
    """The key before the last rotation, while it still works."""
    old_until: int | None = None

    @property
    def access(self) -> Access:
        """What a request with this key may do; a new object each time."""
        if self.is_admin:
            return Access(self.id, is_admin=True)
        granted = GRANTED if self.actions is None else self.actions
        scopes = frozenset({Scope.SERVER, *(scope for scope, given in granted.items() if given)})
        return Access(self.id, is_admin=False, session=self.session, scopes=scopes, session_id=self.session_id)

    def is_usable(self, now: int) -> bool:
        """Whether it is active and has not expired."""
        return self.is_active and (self.expires_at is None or now < self.expires_at)


def completed(actions: Mapping[Scope, bool] | None) -> dict[Scope, bool] | None:
    """`actions` with those that are not named as in `GRANTED`."""
    return None if actions is None else {**GRANTED, **actions}


def load_all(connection: sqlite3.Connection) -> list[StoredKey]:
    """Every key, the oldest first."""
    return [_key(row) for row in connection.execute(f"SELECT {_COLUMNS} {_FROM} ORDER BY k.created_at, k.id")]


def find(connection: sqlite3.Connection, key_id: str) -> StoredKey | None:
    """The key of an id."""
    row = connection.execute(f"SELECT {_COLUMNS} {_FROM} WHERE k.id = ?", (key_id,)).fetchone()
    return None if row is None else _key(row)


def get(connection: sqlite3.Connection, key_id: str) -> StoredKey:
    """The key of an id. Raises `KeyNotFound`."""
    key = find(connection, key_id)
    if key is None:
        raise KeyNotFound
    return key


def save(connection: sqlite3.Connection, key: StoredKey) -> None:
    """A new key, or everything about one anew."""
    given = None if key.actions is None else {scope.value: value for scope, value in key.actions.items()}
    connection.execute(
        "INSERT INTO api_key (id, digest, hint, is_admin, is_active, session, actions, created_at, expires_at, "
        "old_digest, old_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "digest = excluded.digest, hint = excluded.hint, is_admin = excluded.is_admin, "
        "is_active = excluded.is_active, session = excluded.session, actions = excluded.actions, "
        "expires_at = excluded.expires_at, old_digest = excluded.old_digest, old_until = excluded.old_until",
        (
            key.id,
            key.digest,
            key.hint,
            key.is_admin,
            key.is_active,
            key.session_id,
            None if given is None else orjson.dumps(given).decode(),
            key.created_at,
            key.expires_at,
            key.old_digest,
            key.old_until,
        ),
    )


def delete(connection: sqlite3.Connection, key_id: str) -> None:
    """Forget a key."""
    connection.execute("DELETE FROM api_key WHERE id = ?", (key_id,))


def any_key(connection: sqlite3.Connection) -> bool:
    """Whether there is a key at all, active or not."""
    return connection.execute("SELECT 1 FROM api_key LIMIT 1").fetchone() is not None


def any_usable_admin(connection: sqlite3.Connection, now: int, *, besides: str = "") -> bool:
    """Whether there is an admin key that is active and has not expired, besides the one of this id."""
    found = connection.execute(f"SELECT 1 FROM api_key WHERE {_USABLE_ADMIN} AND id <> ? LIMIT 1", (now, besides))
    return found.fetchone() is not None


def session_row(connection: sqlite3.Connection, name: str) -> int:
    """The row of a session. Raises `InvalidKey`, in WAHA's words, when there is none of that name."""
    row = connection.execute("SELECT id FROM session WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise InvalidKey(f'Session "{name}" does not exist')
    return int(row[0])


def _key(row: tuple[Any, ...]) -> StoredKey:
    key_id, digest, hint, is_admin, is_active, session_id, session, actions, created, expires, old, old_until = row
    given = None if actions is None else orjson.loads(actions)
    return StoredKey(
        id=key_id,
        digest=digest,
        hint=hint,
        is_admin=bool(is_admin),
        is_active=bool(is_active),
        session_id=session_id,
        session=session,
        actions=None if given is None else {scope: given.get(scope.value, GRANTED[scope]) for scope in GRANTED},
        created_at=created,
        expires_at=expires,
        old_digest=old,
        old_until=old_until,
    )
