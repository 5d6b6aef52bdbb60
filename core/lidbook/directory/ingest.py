"""Facts in, persons out: one batch, inside a transaction of the writer.

The states of all identifiers that a batch touches are read, merged and written; the persons they belonged to before and
belong to now are compared, and what differs is written, logged and handed to the order indexes.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from lidbook.directory import contact_list, groups, listing
from lidbook.directory.announcing import note_changes
from lidbook.directory.batch import CHUNK, Applied, Batch, Loaded, chunks, load, persons
from lidbook.directory.projection import Lists, PersonRow, project
from lidbook.directory.state import encode, entry_of, new_state
from lidbook.facts import (
    BlocklistFact,
    ContactListFact,
    Fact,
    Field,
    FieldFact,
    GroupFact,
    GroupListFact,
    LinkFact,
    ParticipantFact,
)
from lidbook.hookspecs import ChangeKind

_OF_THE_SPELLING: Final = frozenset({"alias", "registered"})
"""Fields that say something of a spelling and not of the person behind it."""


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
    seq, blocklist_at, contacts_at, groups_at, laid = connection.execute(
        "SELECT seq, blocklist_at, contacts_at, groups_at, listed_by FROM directory WHERE session = ?", (session,)
    ).fetchone()
    lists = Lists(blocklist_at, contacts_at)
    batch = Batch(connection, session, now, quiet, followed, seq, lists, groups_at, listing.Sort(laid))
    for chunk in chunks(facts, CHUNK):
        _apply_chunk(batch, chunk)
        batch.write_log()
    connection.execute(
        "UPDATE directory SET seq = ?, blocklist_at = ?, contacts_at = ?, groups_at = ? WHERE session = ?",
        (batch.seq, *batch.lists, batch.groups_at, session),
    )
    return batch.applied


def _apply_chunk(batch: Batch, facts: Sequence[Fact]) -> None:
    touched: dict[str, list[FieldFact | LinkFact]] = {}
    group_facts: list[GroupFact | ParticipantFact | GroupListFact] = []
    contact_lists: list[ContactListFact] = []
    unblocked: set[str] = set()
    for fact in facts:
        if isinstance(fact, FieldFact):
            touched.setdefault(str(fact.user), []).append(fact)
        elif isinstance(fact, LinkFact):
            touched.setdefault(str(fact.phone), []).append(fact)
            touched.setdefault(str(fact.lid), []).append(fact)
        elif isinstance(fact, BlocklistFact):
            unblocked |= _take_blocklist(batch, fact, touched)
        elif isinstance(fact, ContactListFact):
            contact_lists.append(fact)
        else:
            group_facts.append(fact)
            for link, users in groups.members_named(fact):
                for user in users:
                    touched.setdefault(str(user), []).extend([link] if link is not None else [])
    _apply_persons(batch, touched, unblocked)
    for contacts in contact_lists:
        _take_contact_list(batch, contacts)
    if group_facts:
        batch.groups_at, refreshed = groups.apply(
            batch.connection, batch.session, group_facts, groups_at=batch.groups_at
        )
        for group in refreshed:
            batch.log(ChangeKind.GROUP_REFRESHED, group)


def _take_blocklist(batch: Batch, fact: BlocklistFact, touched: dict[str, list[FieldFact | LinkFact]]) -> set[str]:
    """A whole blocklist: who is on it is blocked as of then; whoever was blocked before has to be looked at again."""
    for user in fact.users:
        touched.setdefault(str(user), []).append(
            FieldFact(user, Field.BLOCKED, value=True, source=fact.source, observed_at=fact.observed_at)
        )
    if fact.observed_at <= batch.lists.blocklist_at:
        return set()
    batch.lists = batch.lists._replace(blocklist_at=fact.observed_at)
    rows = batch.connection.execute("SELECT id, lid FROM person WHERE session = ? AND blocked = 1", (batch.session,))
    return {identifier for row in rows for identifier in row if identifier}


def _take_contact_list(batch: Batch, fact: ContactListFact) -> None:
    """A whole address book: first whoever is in it, so that nobody goes and comes back; then those who are not."""
    named = sorted(map(str, fact.users))
    for users in chunks(named, CHUNK):
        loaded = Loaded()
        _settle(batch, loaded, contact_list.mark(batch, loaded, users, fact.observed_at), set())
        batch.write_log()
    if fact.observed_at <= batch.lists.contacts_at:
        return
    batch.lists = batch.lists._replace(contacts_at=fact.observed_at)
    for users in chunks(contact_list.left_out(batch.connection, batch.session, named), CHUNK):
        loaded = Loaded()
        load(batch, loaded, users)
        _settle(batch, loaded, set(users), set())
        batch.write_log()


def _apply_persons(batch: Batch, touched: dict[str, list[FieldFact | LinkFact]], forced: set[str]) -> None:
    loaded = Loaded()
    load(batch, loaded, touched.keys() | forced)
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
    _settle(batch, loaded, changed, relinked)


def _settle(batch: Batch, loaded: Loaded, changed: set[str], relinked: set[str]) -> None:
    """Write the identifiers whose state or standing changed, and the persons that they belong to."""
    if not changed:
        return
    _share_with_canonical(batch, loaded, changed)
    affected = set(changed)
    for identifier in relinked:
        affected.update(filter(None, (loaded.peers[identifier], loaded.states[identifier].partner())))
    load(batch, loaded, affected)
    load(batch, loaded, {peer for identifier in affected if (peer := loaded.peers[identifier])})
    load(batch, loaded, {other for identifier in affected if (other := loaded.states[identifier].partner())})
    peers = {identifier: _mutual(identifier, loaded) for identifier in affected}
    _write(batch, loaded, peers, changed)


def _share_with_canonical(batch: Batch, loaded: Loaded, changed: set[str]) -> None:
    """What is known of a spelling is known of the one that it is an alias of: the two are one subscriber.

    Whether it is an alias still does not matter here: then any order of the same facts would not end in the same state.
    """
    pending = sorted(identifier for identifier in changed if loaded.states[identifier].aliases)
    while pending:
        state = loaded.states[pending.pop()]
        load(batch, loaded, state.aliases)
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


def _mutual(identifier: str, loaded: Loaded) -> str | None:
    """The identifier that this one is linked with: each must name the other as the one last seen with it."""
    partner = loaded.states[identifier].partner()
    if partner is None or partner not in loaded.states:
        return None
    return partner if loaded.states[partner].partner() == identifier else None


def _write(batch: Batch, loaded: Loaded, peers: dict[str, str | None], changed: set[str]) -> None:
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
    old_rows = persons(batch, before | after.keys())
    states = loaded.states
    new_rows: dict[str, PersonRow] = {}
    for public_id, (phone, lid) in after.items():
        row = project(phone, states[phone] if phone else None, lid, states[lid] if lid else None, batch.lists)
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
    note_changes(batch, loaded, peers, old_rows, new_rows, gone, written)


def _follow(batch: Batch, moves: Sequence[tuple[PersonRow | None, PersonRow | None]]) -> None:
    """Move what follows persons: the lists that are laid out, and the counts of those that somebody pages through."""
    if batch.laid:
        listing.keep(batch.connection, batch.session, batch.laid, moves)
    if batch.followed:
        for before, after in moves:
            batch.applied.orders.note(before, after)


def _pair(identifier: str, peer: str | None) -> tuple[str | None, str | None, str]:
    """Phone, LID and public id of the person that an identifier and its peer are."""
    if identifier.endswith("@lid"):
        return peer, identifier, peer or identifier
    return identifier, peer, identifier
