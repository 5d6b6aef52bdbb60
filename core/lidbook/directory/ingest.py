"""Facts in, persons out: one batch, inside a transaction of the writer.

The states of all identifiers that a batch touches are read, merged and written; the persons they belonged to before and
belong to now are compared, and what differs is written, logged and handed to the order indexes.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeVar

import orjson

from lidbook.directory import groups, listing
from lidbook.directory.lists import OrderChanges
from lidbook.directory.projection import PersonRow, project
from lidbook.directory.state import State, decode, encode, entry_of, new_state
from lidbook.facts import (
    BlocklistFact,
    Fact,
    Field,
    FieldFact,
    GroupFact,
    GroupListFact,
    LinkFact,
    ParticipantFact,
)
from lidbook.hookspecs import Change, ChangeKind

CHUNK: Final = 4000
"""Facts worked on at a time: bounds the memory, not the transaction."""
_IN: Final = 400
_OF_THE_SPELLING: Final = frozenset({"alias", "registered"})
"""Fields that say something of a spelling and not of the person behind it."""
T = TypeVar("T")


@dataclass(slots=True)
class Applied:
    """What a batch changed."""

    changes: list[Change] = field(default_factory=list)
    mapped: dict[str, str] = field(default_factory=dict)
    """New pairs, LID to phone number; those of a first sync as well."""
    orders: OrderChanges = field(default_factory=OrderChanges)


@dataclass(slots=True)
class _Batch:
    """One transaction's work in one session."""

    connection: sqlite3.Connection
    session: int
    now: int
    quiet: bool
    followed: bool
    seq: int
    blocklist_at: int
    groups_at: int
    laid: listing.Sort
    applied: Applied = field(default_factory=Applied)
    log: list[tuple[object, ...]] = field(default_factory=list)


def apply(
    connection: sqlite3.Connection,
    session: int,
    facts: Iterable[Fact],
    *,
    now: int,
    quiet: bool,
    followed: bool = True,
) -> Applied:
    """Apply `facts` to a session's directory.

    `quiet` marks the log rows of a first sync; `followed` says whether anybody follows the orders, which costs time.
    """
    seq, blocklist_at, groups_at, laid = connection.execute(
        "SELECT seq, blocklist_at, groups_at, listed_by FROM directory WHERE session = ?", (session,)
    ).fetchone()
    batch = _Batch(connection, session, now, quiet, followed, seq, blocklist_at, groups_at, listing.Sort(laid))
    for chunk in _chunks(facts, CHUNK):
        _apply_chunk(batch, chunk)
        connection.executemany(
            "INSERT INTO log (session, seq, at, kind, subject, other, fields, quiet) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            batch.log,
        )
        batch.log.clear()
    connection.execute(
        "UPDATE directory SET seq = ?, blocklist_at = ?, groups_at = ? WHERE session = ?",
        (batch.seq, batch.blocklist_at, batch.groups_at, session),
    )
    return batch.applied


def _apply_chunk(batch: _Batch, facts: Sequence[Fact]) -> None:
    touched: dict[str, list[FieldFact | LinkFact]] = {}
    group_facts: list[GroupFact | ParticipantFact | GroupListFact] = []
    unblocked: set[str] = set()
    for fact in facts:
        if isinstance(fact, FieldFact):
            touched.setdefault(str(fact.user), []).append(fact)
        elif isinstance(fact, LinkFact):
            touched.setdefault(str(fact.phone), []).append(fact)
            touched.setdefault(str(fact.lid), []).append(fact)
        elif isinstance(fact, BlocklistFact):
            unblocked |= _take_blocklist(batch, fact, touched)
        else:
            group_facts.append(fact)
            for link, users in groups.members_named(fact):
                for user in users:
                    touched.setdefault(str(user), []).extend([link] if link is not None else [])
    _apply_persons(batch, touched, unblocked)
    if group_facts:
        batch.groups_at, refreshed = groups.apply(
            batch.connection, batch.session, group_facts, groups_at=batch.groups_at
        )
        for group in refreshed:
            _log(batch, ChangeKind.GROUP_REFRESHED, group)


def _take_blocklist(batch: _Batch, fact: BlocklistFact, touched: dict[str, list[FieldFact | LinkFact]]) -> set[str]:
    """A whole blocklist: who is on it is blocked as of then; whoever was blocked before has to be looked at again."""
    for user in fact.users:
        touched.setdefault(str(user), []).append(
            FieldFact(user, Field.BLOCKED, value=True, source=fact.source, observed_at=fact.observed_at)
        )
    if fact.observed_at <= batch.blocklist_at:
        return set()
    batch.blocklist_at = fact.observed_at
    rows = batch.connection.execute("SELECT id, lid FROM person WHERE session = ? AND blocked = 1", (batch.session,))
    return {identifier for row in rows for identifier in row if identifier}


@dataclass(slots=True)
class _Loaded:
    """States and peers as they were read, with the states merged since."""

    states: dict[str, State] = field(default_factory=dict)
    peers: dict[str, str | None] = field(default_factory=dict)


def _apply_persons(batch: _Batch, touched: dict[str, list[FieldFact | LinkFact]], forced: set[str]) -> None:
    loaded = _Loaded()
    _load(batch, loaded, touched.keys() | forced)
    changed: set[str] = set(forced)
    relinked: set[str] = set()
    for identifier, facts in touched.items():
        state = loaded.states.get(identifier)
        if state is None:
            state = loaded.states[identifier] = new_state()
            loaded.peers[identifier] = None
            changed.add(identifier)
        for fact in facts:
            if isinstance(fact, FieldFact):
                entry = entry_of(fact)
                if entry is not None and state.merge_field(fact.field._value_, entry):
                    changed.add(identifier)
                if fact.field is Field.ALIAS and isinstance(fact.value, str) and fact.value not in ("", identifier):
                    changed.update([identifier] if state.merge_alias(fact.value) else [])
            else:
                partner = str(fact.lid) if identifier == str(fact.phone) else str(fact.phone)
                seen = (fact.observed_at, fact.source._value_)
                if state.merge_link(partner, seen + seen):
                    changed.add(identifier)
                    relinked.add(identifier)
    if not changed:
        return
    _share_with_canonical(batch, loaded, changed)
    affected = set(changed)
    for identifier in relinked:
        affected.update(filter(None, (loaded.peers[identifier], loaded.states[identifier].partner())))
    _load(batch, loaded, affected)
    _load(batch, loaded, {peer for identifier in affected if (peer := loaded.peers[identifier])})
    _load(batch, loaded, {other for identifier in affected if (other := loaded.states[identifier].partner())})
    peers = {identifier: _mutual(identifier, loaded) for identifier in affected}
    _write(batch, loaded, peers, changed)


def _share_with_canonical(batch: _Batch, loaded: _Loaded, changed: set[str]) -> None:
    """What is known of a spelling is known of the one that it is an alias of: the two are one subscriber.

    Whether it is an alias still does not matter here: then any order of the same facts would not end in the same state.
    """
    pending = sorted(identifier for identifier in changed if loaded.states[identifier].aliases)
    while pending:
        state = loaded.states[pending.pop()]
        _load(batch, loaded, state.aliases)
        for canonical in state.aliases:
            target = loaded.states.get(canonical)
            if target is None:
                target = loaded.states[canonical] = new_state()
                loaded.peers[canonical] = None
                changed.add(canonical)
            fields = [(name, entry) for name, entry in state.fields.items() if name not in _OF_THE_SPELLING]
            if sum(target.merge_field(name, entry) for name, entry in fields):
                changed.add(canonical)
                if target.aliases:
                    pending.append(canonical)


def _mutual(identifier: str, loaded: _Loaded) -> str | None:
    """The identifier that this one is linked with: each must name the other as the one last seen with it."""
    partner = loaded.states[identifier].partner()
    if partner is None or partner not in loaded.states:
        return None
    return partner if loaded.states[partner].partner() == identifier else None


def _write(batch: _Batch, loaded: _Loaded, peers: dict[str, str | None], changed: set[str]) -> None:
    session = batch.session
    before: set[str] = set()
    after: dict[str, tuple[str | None, str | None]] = {}
    for identifier, peer in peers.items():
        before.add(_pair(identifier, loaded.peers[identifier])[2])
        pair = _pair(identifier, peer)
        after[pair[2]] = pair[:2]
    batch.connection.executemany(
        "INSERT INTO identifier (session, id, peer, state) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (session, id) DO UPDATE SET peer = excluded.peer, state = excluded.state",
        [
            (session, identifier, peer, encode(loaded.states[identifier]))
            for identifier, peer in sorted(peers.items())
            if identifier in changed or peer != loaded.peers[identifier]
        ],
    )
    old_rows = _persons(batch, before | after.keys())
    states = loaded.states
    new_rows: dict[str, PersonRow] = {}
    for public_id, (phone, lid) in after.items():
        row = project(phone, states[phone] if phone else None, lid, states[lid] if lid else None, batch.blocklist_at)
        if row is not None:
            new_rows[public_id] = row
    gone = [public_id for public_id in old_rows if public_id not in new_rows]
    written = [row for public_id, row in sorted(new_rows.items()) if old_rows.get(public_id) != row]
    batch.connection.executemany(
        "DELETE FROM person WHERE session = ? AND id = ?", [(session, public_id) for public_id in gone]
    )
    batch.connection.executemany(
        "INSERT INTO person (session, id, lid, mapped, listed, blocked, sort_name, doc) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session, id) DO UPDATE SET lid = excluded.lid, "
        "mapped = excluded.mapped, listed = excluded.listed, blocked = excluded.blocked, "
        "sort_name = excluded.sort_name, doc = excluded.doc",
        [(session, row.id, row.lid, row.mapped, row.listed, row.blocked, row.sort_name, row.doc) for row in written],
    )
    if batch.laid or batch.followed:
        moves: list[tuple[PersonRow | None, PersonRow | None]] = [(old_rows[public_id], None) for public_id in gone]
        moves += [(old_rows.get(row.id), row) for row in written]
        _follow(batch, moves)
    _note_changes(batch, loaded, peers, old_rows, new_rows, gone, written)


def _follow(batch: _Batch, moves: Sequence[tuple[PersonRow | None, PersonRow | None]]) -> None:
    """Move what follows persons: the lists that are laid out, and the counts of those that somebody pages through."""
    if batch.laid:
        listing.keep(batch.connection, batch.session, batch.laid, moves)
    if batch.followed:
        for before, after in moves:
            batch.applied.orders.note(before, after)


def _note_changes(
    batch: _Batch,
    loaded: _Loaded,
    peers: dict[str, str | None],
    old_rows: dict[str, PersonRow],
    new_rows: dict[str, PersonRow],
    gone: Sequence[str],
    written: Sequence[PersonRow],
) -> None:
    """Log what clients are told: contacts first, then what happened to their LIDs."""
    merged = {
        public_id: peer
        for public_id in gone
        if old_rows[public_id].listed
        and public_id in peers
        and (peer := peers[public_id]) is not None
        and new_rows[peer].listed
    }
    for public_id in gone:
        if old_rows[public_id].listed and public_id not in merged:
            _log(batch, ChangeKind.CONTACT_DELETED, public_id)
    for row in written:
        old = old_rows.get(row.id)
        if (old is None or not old.listed) and row.lid is not None and row.lid in merged:
            old = old_rows[row.lid]
        _note_person(batch, old, row)
    for other, public_id in sorted(merged.items()):
        _log(batch, ChangeKind.CONTACT_MERGED, public_id, other=other)
    _note_links(batch, loaded, peers)


def _note_person(batch: _Batch, old: PersonRow | None, new: PersonRow) -> None:
    if old is None or not old.listed:
        if new.listed:
            _log(batch, ChangeKind.CONTACT_CREATED, new.id)
    elif not new.listed:
        _log(batch, ChangeKind.CONTACT_DELETED, new.id)
    elif old.doc != new.doc:
        _log(batch, ChangeKind.CONTACT_UPDATED, new.id, fields=() if batch.quiet else _differing(old.doc, new.doc))
    was_blocked = old is not None and old.blocked
    if was_blocked != new.blocked:
        _log(batch, ChangeKind.CONTACT_BLOCKED if new.blocked else ChangeKind.CONTACT_UNBLOCKED, new.id)


def _differing(old: bytes, new: bytes) -> tuple[str, ...]:
    was, now = orjson.loads(old), orjson.loads(new)
    return tuple(key for key in now if now[key] != was[key])


def _note_links(batch: _Batch, loaded: _Loaded, peers: dict[str, str | None]) -> None:
    moved = [lid for lid, peer in peers.items() if lid.endswith("@lid") and peer != loaded.peers[lid]]
    if not moved:
        return
    awaited: set[str] = set()
    for chunk in _chunks(moved, _IN):
        rows = batch.connection.execute(
            f"SELECT lid FROM watch WHERE session = ? AND lid IN ({_marks(chunk)})", (batch.session, *chunk)
        )
        awaited.update(row[0] for row in rows)
    for lid in sorted(moved):
        old, new = loaded.peers[lid], peers[lid]
        if old is not None:
            _log(batch, ChangeKind.LID_SUPERSEDED, lid, other=old)
        if new is not None:
            batch.applied.mapped[lid] = new
            _log(batch, ChangeKind.LID_MAPPED, lid, other=new)
            if lid in awaited:
                batch.connection.execute("DELETE FROM watch WHERE session = ? AND lid = ?", (batch.session, lid))
                _log(batch, ChangeKind.LID_RESOLVED, lid, other=new)


def _log(
    batch: _Batch, kind: ChangeKind, subject: str, *, other: str | None = None, fields: tuple[str, ...] = ()
) -> None:
    batch.seq += 1
    batch.log.append((batch.session, batch.seq, batch.now, kind._value_, subject, other, ",".join(fields), batch.quiet))
    if not batch.quiet:
        batch.applied.changes.append(
            Change(seq=batch.seq, at=batch.now, kind=kind, subject=subject, fields=fields, other=other)
        )


def _load(batch: _Batch, loaded: _Loaded, wanted: Iterable[str]) -> None:
    missing = sorted(identifier for identifier in wanted if identifier not in loaded.states)
    for chunk in _chunks(missing, _IN):
        for identifier, peer, stored in batch.connection.execute(
            f"SELECT id, peer, state FROM identifier WHERE session = ? AND id IN ({_marks(chunk)})",
            (batch.session, *chunk),
        ):
            loaded.states[identifier] = decode(stored)
            loaded.peers[identifier] = peer


def _persons(batch: _Batch, wanted: Iterable[str]) -> dict[str, PersonRow]:
    rows: dict[str, PersonRow] = {}
    for chunk in _chunks(sorted(wanted), _IN):
        for public_id, lid, mapped, listed, blocked, sort_name, doc in batch.connection.execute(
            "SELECT id, lid, mapped, listed, blocked, sort_name, doc FROM person "
            f"WHERE session = ? AND id IN ({_marks(chunk)})",
            (batch.session, *chunk),
        ):
            rows[public_id] = PersonRow(public_id, lid, mapped == 1, listed == 1, blocked == 1, sort_name, doc)
    return rows


def _pair(identifier: str, peer: str | None) -> tuple[str | None, str | None, str]:
    """Phone, LID and public id of the person that an identifier and its peer are."""
    if identifier.endswith("@lid"):
        return peer, identifier, peer or identifier
    return identifier, peer, identifier


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _marks(chunk: Sequence[object]) -> str:
    return ",".join("?" * len(chunk))
