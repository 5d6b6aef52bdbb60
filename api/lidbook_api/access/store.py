"""The keys of a server: known in memory, where every request looks, and changed in the database first."""

import hmac
import secrets
import sqlite3
from asyncio import get_running_loop
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from lidbook.clock import now_ms
from lidbook.directory.database import Database
from lidbook.hookspecs import hookimpl
from lidbook.sessions.session import Session
from lidbook.ulid import ulid
from lidbook_api.access import stored
from lidbook_api.access.key_text import ApiKey, digest_of, masked, new_key
from lidbook_api.access.scopes import ENVIRONMENT, EXCLUDED, NO_KEYS, Access
from lidbook_api.access.stored import InvalidKey, KeyNotFound, KeyWanted, LastAdminKey, ScopedKind, StoredKey

T = TypeVar("T")

_DIGEST_SIZE: Final = 64
_ID: Final = "key_id_"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One digest that opens something."""

    access: Access
    until: int | None
    """Milliseconds since 1970 from when on it opens nothing; None is never."""


class KeyStore:
    """The key in the environment and those in the database.

    Memory is changed on the event loop, in the order of the COMMITs and never before one. A server that has had a key
    stays locked until it is started anew, though all of its keys be gone.
    """

    def __init__(
        self,
        database: Database,
        environment: ApiKey | None,
        session: Callable[[str], Session | None],
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """Reads every key there is. `session` finds a session by its name."""
        self._database = database
        self._has_environment = environment is not None
        self._environment = environment.digest if environment is not None else secrets.token_bytes(_DIGEST_SIZE)
        self._session = session
        self._clock = clock
        self._keys: dict[str, StoredKey] = {}
        self._entries: dict[bytes, _Entry] = {}
        self._locked = self._has_environment
        for key in stored.load_all(database.reader):
            self._put(key)

    # asking

    @property
    def locked(self) -> bool:
        """Whether requests need a key."""
        return self._locked

    def access(self, given: bytes) -> Access | None:
        """What a request with this key may do; None for a key that opens nothing (any more, or yet).

        A wrong key costs the same work whatever it is: one hash, one comparison in constant time, one look-up by hash.
        """
        digest = digest_of(given)
        in_environment = hmac.compare_digest(digest, self._environment)
        entry = self._entries.get(digest)
        if in_environment:
            return ENVIRONMENT
        return entry.access if entry is not None and self._opens(entry) else None

    def holds(self, access: Access) -> bool:
        """Whether an access handed out earlier still is one: for connections that outlive a request.

        Whatever changes a key, or the session it is for, ends what was handed out before.
        """
        if access is ENVIRONMENT or access is EXCLUDED:
            return True
        if access is NO_KEYS:
            return not self._locked
        key = self._keys.get(access.key_id)
        digests = () if key is None else (key.digest, key.old_digest)
        entries = (self._entries.get(digest) for digest in digests if digest is not None)
        return any(entry is not None and entry.access is access and self._opens(entry) for entry in entries)

    def all(self) -> list[StoredKey]:
        """Every stored key, the oldest first."""
        return sorted(self._keys.values(), key=lambda key: (key.created_at, key.id))

    def get(self, key_id: str) -> StoredKey:
        """The key of an id. Raises `KeyNotFound`."""
        key = self._keys.get(key_id)
        if key is None:
            raise KeyNotFound
        return key

    # changing

    async def create(self, wanted: KeyWanted) -> tuple[StoredKey, str]:
        """A new key, and its text, which is never to be had again. Raises `InvalidKey`."""

        def work(connection: sqlite3.Connection) -> tuple[StoredKey, str]:
            session_id = self._checked(connection, wanted)
            return self._insert(connection, _ID + ulid(), wanted, session_id)

        return await self._write(work, lambda made: self._put(made[0]))

    async def create_scoped(self, kind: ScopedKind, session: str) -> tuple[StoredKey, str | None]:
        """A session's key of a kind, and its text if it was made now. Raises `InvalidKey`."""

        def work(connection: sqlite3.Connection) -> tuple[StoredKey, str | None]:
            wanted = KeyWanted(session=session, actions=kind.actions)
            session_id = self._checked(connection, wanted)
            existing = stored.find(connection, kind.key_id(session))
            return (existing, None) if existing else self._insert(connection, kind.key_id(session), wanted, session_id)

        return await self._write(work, lambda made: None if made[1] is None else self._put(made[0]))

    async def replace(self, key_id: str, wanted: KeyWanted) -> StoredKey:
        """Everything about a key but its text. Raises `KeyNotFound`, `InvalidKey`, `LastAdminKey`."""

        def work(connection: sqlite3.Connection) -> StoredKey:
            key = stored.get(connection, key_id)
            session_id = self._checked(connection, wanted)
            if (wanted.is_admin, session_id) != (key.is_admin, key.session_id) and not _is_free(key):
                raise InvalidKey(f'Key {key.id} belongs to session "{key.session}": make another key instead')
            if not (wanted.is_admin and wanted.is_active):
                self._check_not_last(connection, key)
            changed = replace(
                key,
                is_admin=wanted.is_admin,
                is_active=wanted.is_active,
                session_id=session_id,
                session=wanted.session,
                actions=None if wanted.is_admin else stored.completed(wanted.actions),
                expires_at=key.expires_at if wanted.keeps_expiry else wanted.expires_at,
            )
            stored.save(connection, changed)
            return changed

        return await self._write(work, self._put)

    async def rotate(self, key_id: str, grace: int) -> tuple[StoredKey, str]:
        """Another text for a key; the old one works for `grace` more seconds. Raises `KeyNotFound`.

        One that was still working on from an earlier rotation stops at once.
        """
        text = new_key()

        def work(connection: sqlite3.Connection) -> StoredKey:
            key = stored.get(connection, key_id)
            changed = replace(
                key,
                digest=digest_of(text.encode()),
                hint=masked(text),
                old_digest=key.digest if grace else None,
                old_until=self._clock() + grace * 1000 if grace else None,
            )
            stored.save(connection, changed)
            return changed

        return await self._write(work, self._put), text

    async def delete(self, key_id: str) -> None:
        """Forget a key. Raises `KeyNotFound`, `LastAdminKey`."""

        def work(connection: sqlite3.Connection) -> str:
            self._check_not_last(connection, stored.get(connection, key_id))
            stored.delete(connection, key_id)
            return key_id

        await self._write(work, self._drop)

    @hookimpl
    def lidbook_session_deleted(self, session: str) -> None:
        """Forget the keys of a session, whose rows went with it."""
        for key in [key for key in self._keys.values() if key.session == session]:
            self._drop(key.id)

    # within

    async def _write(self, work: Callable[[sqlite3.Connection], T], remember: Callable[[T], object]) -> T:
        """Do `work` in a transaction, then change memory, even if nobody waits for the answer any more."""
        loop = get_running_loop()

        def committed(result: T) -> None:
            loop.call_soon_threadsafe(remember, result)

        return await self._database.write(work, committed)

    def _opens(self, entry: _Entry) -> bool:
        if entry.until is not None and self._clock() >= entry.until:
            return False
        access = entry.access
        if access.is_admin:
            return True
        session = self._session(access.session or "")
        return session is not None and session.id == access.session_id

    def _put(self, key: StoredKey) -> None:
        """Know a key as it is now, and nothing of what it was before."""
        self._locked = True
        self._drop(key.id)
        self._keys[key.id] = key
        if not key.is_active:
            return
        self._entries[key.digest] = _Entry(key.access, key.expires_at)
        if key.old_digest is not None and key.old_until is not None:
            until = key.old_until if key.expires_at is None else min(key.old_until, key.expires_at)
            self._entries[key.old_digest] = _Entry(key.access, until)

    def _drop(self, key_id: str) -> None:
        key = self._keys.pop(key_id, None)
        if key is not None:
            self._entries.pop(key.digest, None)
            if key.old_digest is not None:
                self._entries.pop(key.old_digest, None)

    def _checked(self, connection: sqlite3.Connection, wanted: KeyWanted) -> int | None:
        """The row of the session that is wanted. Raises `InvalidKey` for what no key can be, or the first cannot."""
        if wanted.is_admin and wanted.session is not None:
            raise InvalidKey("An admin key is for every session: leave session out, or set isAdmin to false")
        if not wanted.is_admin and wanted.session is None:
            raise InvalidKey("A key needs a session, or isAdmin set to true")
        session_id = None if wanted.session is None else stored.session_row(connection, wanted.session)
        first = not self._has_environment and not stored.any_key(connection)
        if first and not (wanted.is_admin and wanted.is_active):
            raise InvalidKey(
                "This server has no key yet and would ask for one from now on, which would lock you out: make an "
                "active admin key first, with isAdmin set to true"
            )
        return session_id

    def _check_not_last(self, connection: sqlite3.Connection, key: StoredKey) -> None:
        """Raise `LastAdminKey` if without this key nobody could administer the server."""
        now = self._clock()
        is_one = key.is_admin and key.is_usable(now)
        if is_one and not self._has_environment and not stored.any_usable_admin(connection, now, besides=key.id):
            raise LastAdminKey

    def _insert(
        self, connection: sqlite3.Connection, key_id: str, wanted: KeyWanted, session_id: int | None
    ) -> tuple[StoredKey, str]:
        text = new_key()
        key = StoredKey(
            id=key_id,
            digest=digest_of(text.encode()),
            hint=masked(text),
            is_admin=wanted.is_admin,
            is_active=wanted.is_active,
            session_id=session_id,
            session=wanted.session,
            actions=None if wanted.is_admin else stored.completed(wanted.actions),
            created_at=self._clock(),
            expires_at=wanted.expires_at,
        )
        stored.save(connection, key)
        return key, text


def _is_free(key: StoredKey) -> bool:
    """Whether a key may be made one for something else: those named for their session may not."""
    return key.session is None or all(key.id != kind.key_id(key.session) for kind in ScopedKind)
