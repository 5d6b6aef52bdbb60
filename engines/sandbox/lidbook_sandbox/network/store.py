"""What the simulated servers and phones keep: keys, linked devices, what waits for them, and the app state.

One SQLite file, or memory alone. Belongs to the thread of the event loop; every method is done when it returns.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from lidbook.identifiers import Lid
from lidbook_sandbox.network.wire.keys import KeyPair

FILE: Final = "network.sqlite3"

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS devices (
    account TEXT NOT NULL, number INTEGER NOT NULL, phone TEXT NOT NULL, noise BLOB NOT NULL, identity BLOB NOT NULL,
    registration INTEGER NOT NULL, signed_id INTEGER NOT NULL, signed_key BLOB NOT NULL, signature BLOB NOT NULL,
    platform TEXT NOT NULL, linked_at INTEGER NOT NULL, last_seen INTEGER NOT NULL, introduced INTEGER NOT NULL,
    session BLOB, PRIMARY KEY (account, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS numbering (account TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS prekeys (
    account TEXT NOT NULL, number INTEGER NOT NULL, id INTEGER NOT NULL, public BLOB NOT NULL,
    PRIMARY KEY (account, number, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
    position INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, number INTEGER NOT NULL, id TEXT NOT NULL,
    stanza BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS waiting_device ON waiting (account, number, id);
CREATE TABLE IF NOT EXISTS collections (
    account TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, hash BLOB NOT NULL,
    PRIMARY KEY (account, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS macs (
    account TEXT NOT NULL, name TEXT NOT NULL, ix BLOB NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (account, name, ix)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS patches (
    account TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, patch BLOB NOT NULL,
    PRIMARY KEY (account, name, version)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lines (
    account TEXT NOT NULL, user TEXT NOT NULL, line TEXT NOT NULL, PRIMARY KEY (account, user)) WITHOUT ROWID;
"""


@dataclass(slots=True)
class Device:
    """A linked device as the server and the phone know it. `session` is the phone's Signal session with it."""

    account: Lid
    number: int
    phone: str
    """The digits it logs in with: the account's number when it was linked."""
    noise: bytes
    identity: bytes
    registration: int
    signed_id: int
    signed_key: bytes
    signature: bytes
    platform: str
    linked_at: int
    last_seen: int
    introduced: bool = False
    """Whether the phone has handed over its keys and its history."""
    session: bytes | None = None


@dataclass(frozen=True, slots=True)
class StoredCollection:
    """One app-state collection: its version, its LT hash and the value MAC of each index MAC."""

    version: int
    hash: bytes
    macs: dict[bytes, bytes]


class NetworkStore:
    """The file in `folder`, made on first use; in memory without a folder."""

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(":memory:" if folder is None else folder / FILE)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # Secrets

    def secret(self, name: str) -> bytes | None:
        """A secret by name."""
        row = self._db.execute("SELECT value FROM secrets WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def keep_secret(self, name: str, value: bytes) -> None:
        """Keep a secret in place of any other of this name."""
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO secrets VALUES (?, ?)", (name, value))

    def key_pair(self, name: str) -> KeyPair:
        """The key pair of this name, made on first use."""
        private = self.secret(name)
        if private is None:
            pair = KeyPair.generate()
            self.keep_secret(name, pair.private)
            return pair
        return KeyPair.of(private)

    # Devices

    def devices(self, account: Lid) -> list[Device]:
        """The account's linked devices, by number."""
        rows = self._db.execute("SELECT * FROM devices WHERE account = ? ORDER BY number", (account.digits,))
        return [Device(account, *(*row[1:12], bool(row[12]), row[13])) for row in rows]

    def next_number(self, account: Lid, first: int) -> int:
        """A number that no device of the account ever had."""
        row = self._db.execute("SELECT last FROM numbering WHERE account = ?", (account.digits,)).fetchone()
        number = first if row is None else int(row[0]) + 1
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO numbering VALUES (?, ?)", (account.digits, number))
        return number

    def put_device(self, device: Device) -> None:
        """Keep a device as it is now."""
        values = (
            device.account.digits,
            device.number,
            device.phone,
            device.noise,
            device.identity,
            device.registration,
            device.signed_id,
            device.signed_key,
            device.signature,
            device.platform,
            device.linked_at,
            device.last_seen,
            device.introduced,
            device.session,
        )
        with self._db:
            self._db.execute(f"INSERT OR REPLACE INTO devices VALUES ({','.join('?' * len(values))})", values)

    def remove_device(self, account: Lid, number: int) -> None:
        """Forget a device and everything that waits for it."""
        with self._db:
            for table in ("devices", "prekeys", "waiting"):
                self._db.execute(f"DELETE FROM {table} WHERE account = ? AND number = ?", (account.digits, number))

    # Prekeys

    def put_prekeys(self, account: Lid, number: int, keys: Iterable[tuple[int, bytes]]) -> None:
        """Keep what a device uploaded."""
        rows = ((account.digits, number, identifier, public) for identifier, public in keys)
        with self._db:
            self._db.executemany("INSERT OR REPLACE INTO prekeys VALUES (?, ?, ?, ?)", rows)

    def count_prekeys(self, account: Lid, number: int) -> int:
        """How many of a device's prekeys are left."""
        query = "SELECT COUNT(*) FROM prekeys WHERE account = ? AND number = ?"
        return int(self._db.execute(query, (account.digits, number)).fetchone()[0])

    def take_prekey(self, account: Lid, number: int) -> tuple[int, bytes] | None:
        """One of a device's prekeys, which nobody gets again."""
        key = (account.digits, number)
        query = "SELECT id, public FROM prekeys WHERE account = ? AND number = ? ORDER BY id LIMIT 1"
        row = self._db.execute(query, key).fetchone()
        if row is None:
            return None
        with self._db:
            self._db.execute("DELETE FROM prekeys WHERE account = ? AND number = ? AND id = ?", (*key, row[0]))
        return int(row[0]), bytes(row[1])

    # What waits for a device until it says that it has it

    def enqueue(self, account: Lid, number: int, identifier: str, stanza: bytes) -> None:
        """Let a stanza wait for a device."""
        with self._db:
            self._db.execute(
                "INSERT INTO waiting (account, number, id, stanza) VALUES (?, ?, ?, ?)",
                (account.digits, number, identifier, stanza),
            )

    def waiting(self, account: Lid, number: int) -> list[bytes]:
        """All that waits for a device, oldest first."""
        query = "SELECT stanza FROM waiting WHERE account = ? AND number = ? ORDER BY position"
        return [bytes(row[0]) for row in self._db.execute(query, (account.digits, number))]

    def acknowledge(self, account: Lid, number: int, identifier: str) -> None:
        """The device has this stanza."""
        query = "DELETE FROM waiting WHERE account = ? AND number = ? AND id = ?"
        with self._db:
            self._db.execute(query, (account.digits, number, identifier))

    # App state

    def collection(self, account: Lid, name: str) -> StoredCollection | None:
        """A collection as its last patch left it."""
        key = (account.digits, name)
        row = self._db.execute("SELECT version, hash FROM collections WHERE account = ? AND name = ?", key).fetchone()
        if row is None:
            return None
        macs = self._db.execute("SELECT ix, value FROM macs WHERE account = ? AND name = ?", key)
        return StoredCollection(int(row[0]), bytes(row[1]), {bytes(ix): bytes(value) for ix, value in macs})

    def append_patch(
        self,
        account: Lid,
        name: str,
        patch: bytes,
        after: StoredCollection,
        changed: Mapping[bytes, bytes | None],
        lines: Mapping[str, str | None],
    ) -> None:
        """Keep a patch, what it changed of the index MACs, and the address book lines it wrote; None removes."""
        key = (account.digits, name)
        gone = [(*key, ix) for ix, value in changed.items() if value is None]
        kept = [(*key, ix, value) for ix, value in changed.items() if value is not None]
        with self._db:
            self._db.execute("INSERT INTO patches VALUES (?, ?, ?, ?)", (*key, after.version, patch))
            self._db.execute(
                "INSERT OR REPLACE INTO collections VALUES (?, ?, ?, ?)", (*key, after.version, after.hash)
            )
            self._db.executemany("DELETE FROM macs WHERE account = ? AND name = ? AND ix = ?", gone)
            self._db.executemany("INSERT OR REPLACE INTO macs VALUES (?, ?, ?, ?)", kept)
            self._db.executemany(
                "DELETE FROM lines WHERE account = ? AND user = ?",
                [(account.digits, user) for user, line in lines.items() if line is None],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO lines VALUES (?, ?, ?)",
                [(account.digits, user, line) for user, line in lines.items() if line is not None],
            )

    def patches(self, account: Lid, name: str, after: int, limit: int) -> list[bytes]:
        """The patches after a version, oldest first."""
        query = "SELECT patch FROM patches WHERE account = ? AND name = ? AND version > ? ORDER BY version LIMIT ?"
        return [bytes(row[0]) for row in self._db.execute(query, (account.digits, name, after, limit))]

    def lines(self, account: Lid) -> dict[str, str]:
        """The address book as the patches tell it, one text a line, by user."""
        return dict(self._db.execute("SELECT user, line FROM lines WHERE account = ?", (account.digits,)))
