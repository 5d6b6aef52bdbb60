"""One transaction's work in one session: what is read for it, and what it writes into the log."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeVar

from lidbook.directory.listing import Sort
from lidbook.directory.lists import OrderChanges
from lidbook.directory.projection import Lists, PersonRow
from lidbook.directory.state import State, decode
from lidbook.hookspecs import Change, ChangeKind

CHUNK: Final = 4000
"""Facts, or names of a list, worked on at a time: bounds the memory, not the transaction."""
IN: Final = 400
"""How many identifiers one statement asks for."""
T = TypeVar("T")


@dataclass(slots=True)
class Applied:
    """What a batch changed."""

    changes: list[Change] = field(default_factory=list)
    mapped: dict[str, str] = field(default_factory=dict)
    """New pairs, LID to phone number; those of a first sync as well."""
    orders: OrderChanges = field(default_factory=OrderChanges)


@dataclass(slots=True)
class Batch:
    """One transaction's work in one session."""

    connection: sqlite3.Connection
    session: int
    now: int
    quiet: bool
    followed: bool
    seq: int
    lists: Lists
    groups_at: int
    laid: Sort
    applied: Applied = field(default_factory=Applied)
    _log: list[tuple[object, ...]] = field(default_factory=list)

    def log(self, kind: ChangeKind, subject: str, *, other: str | None = None, fields: tuple[str, ...] = ()) -> None:
        """Note a change, for the log and, unless this is a first sync, for whoever listens."""
        self.seq += 1
        self._log.append((self.session, self.seq, self.now, kind._value_, subject, other, ",".join(fields), self.quiet))
        if not self.quiet:
            self.applied.changes.append(
                Change(seq=self.seq, at=self.now, kind=kind, subject=subject, fields=fields, other=other)
            )

    def write_log(self) -> None:
        """Write what was noted."""
        self.connection.executemany(
            "INSERT INTO log (session, seq, at, kind, subject, other, fields, quiet) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            self._log,
        )
        self._log.clear()


@dataclass(slots=True)
class Loaded:
    """States and peers as they were read, with the states merged since."""

    states: dict[str, State] = field(default_factory=dict)
    peers: dict[str, str | None] = field(default_factory=dict)


def load(batch: Batch, loaded: Loaded, wanted: Iterable[str]) -> None:
    """Read what is stored of these identifiers, unless it was read already."""
    missing = sorted(identifier for identifier in wanted if identifier not in loaded.states)
    for chunk in chunks(missing, IN):
        for identifier, peer, stored in batch.connection.execute(
            f"SELECT id, peer, state FROM identifier WHERE session = ? AND id IN ({marks(chunk)})",
            (batch.session, *chunk),
        ):
            loaded.states[identifier] = decode(stored)
            loaded.peers[identifier] = peer


def persons(batch: Batch, wanted: Iterable[str]) -> dict[str, PersonRow]:
    """The rows of persons as they stand, by id."""
    rows: dict[str, PersonRow] = {}
    for chunk in chunks(sorted(wanted), IN):
        for public_id, lid, mapped, listed, blocked, sort_name, doc in batch.connection.execute(
            "SELECT id, lid, mapped, listed, blocked, sort_name, doc FROM person "
            f"WHERE session = ? AND id IN ({marks(chunk)})",
            (batch.session, *chunk),
        ):
            rows[public_id] = PersonRow(public_id, lid, mapped == 1, listed == 1, blocked == 1, sort_name, doc)
    return rows


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The same items, some at a time."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def marks(chunk: Sequence[object]) -> str:
    """As many question marks."""
    return ",".join("?" * len(chunk))
