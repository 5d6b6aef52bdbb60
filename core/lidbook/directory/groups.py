"""Groups as facts: subject and the like by the same order as persons' fields, membership by time.

A whole list of participants says who was there as of its time; a single change says so of one. A participant counts
when what was last heard of them is no older than the last whole list, and is not that they left.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import orjson

from lidbook.directory.state import RANK, Entry, encodable, outranks
from lidbook.facts import GroupFact, GroupListFact, LinkFact, Participant, ParticipantFact, Role, Source
from lidbook.identifiers import UserId

GroupFacts = GroupFact | ParticipantFact | GroupListFact
_FIELDS: Final = ("subject", "description", "owner", "creation")
_LISTED: Final = (
    "FROM chat_group g JOIN directory d ON d.session = g.session WHERE g.session = ? AND g.seen_at >= d.groups_at"
)


def members_named(fact: GroupFacts) -> Iterator[tuple[LinkFact | None, tuple[UserId, ...]]]:
    """Everybody a fact about groups names, with the link it makes where it shows both identifiers."""
    participants: Sequence[Participant] = ()
    if isinstance(fact, ParticipantFact):
        participants = (fact.participant,)
    elif isinstance(fact, GroupFact):
        participants = fact.participants or ()
    for participant in participants:
        phone, lid = participant.phone, participant.lid
        if phone is not None and lid is not None:
            yield LinkFact(phone, lid, Source.GROUP, fact.observed_at), (phone, lid)
        elif phone is not None:
            yield None, (phone,)
        elif lid is not None:
            yield None, (lid,)
    if isinstance(fact, GroupFact) and fact.owner is not None:
        yield None, (fact.owner,)


def apply(
    connection: sqlite3.Connection, session: int, facts: Iterable[GroupFacts], *, groups_at: int
) -> tuple[int, list[str]]:
    """Apply facts about groups; returns the time of the newest whole list of groups, and which groups changed."""
    refreshed: dict[str, None] = {}
    for fact in facts:
        if isinstance(fact, GroupListFact):
            for group in fact.groups:
                _see(connection, session, str(group), fact.observed_at)
            if fact.observed_at > groups_at:
                refreshed.update(dict.fromkeys(_vanished(connection, session, groups_at, fact.observed_at)))
                groups_at = fact.observed_at
            continue
        group_id = str(fact.group)
        new = _see(connection, session, group_id, fact.observed_at)
        if isinstance(fact, GroupFact):
            changed = _merge(connection, session, fact)
            if fact.participants is not None:
                changed |= _take_list(connection, session, fact, fact.participants)
        else:
            changed = _take_member(connection, session, group_id, fact.participant, fact.source, fact.observed_at)
        if changed or new:
            refreshed[group_id] = None
    return groups_at, list(refreshed)


def _see(connection: sqlite3.Connection, session: int, group: str, at: int) -> bool:
    """Note that the group was seen; says whether it is new."""
    row = connection.execute("SELECT seen_at FROM chat_group WHERE session = ? AND id = ?", (session, group)).fetchone()
    if row is None:
        connection.execute(
            "INSERT INTO chat_group (session, id, seen_at, participants_at, state) VALUES (?, ?, ?, 0, '{}')",
            (session, group, at),
        )
        return True
    if at > row[0]:
        connection.execute("UPDATE chat_group SET seen_at = ? WHERE session = ? AND id = ?", (at, session, group))
    return False


def _vanished(connection: sqlite3.Connection, session: int, since: int, at: int) -> list[str]:
    rows = connection.execute(
        "SELECT id FROM chat_group WHERE session = ? AND seen_at >= ? AND seen_at < ?", (session, since, at)
    )
    return [row[0] for row in rows]


def _merge(connection: sqlite3.Connection, session: int, fact: GroupFact) -> bool:
    group = str(fact.group)
    stored = connection.execute(
        "SELECT state FROM chat_group WHERE session = ? AND id = ?", (session, group)
    ).fetchone()[0]
    state: dict[str, Entry] = orjson.loads(stored)
    changed = stored_anew = False
    for name in _FIELDS:
        value = getattr(fact, name)
        if value is None:
            continue
        entry: Entry = (
            [value] if isinstance(value, int) else encodable(str(value)),
            fact.source.value,
            fact.observed_at,
        )
        old = state.get(name)
        if old is None or outranks(entry, old):
            state[name] = entry
            stored_anew = True
            changed |= old is None or old[0] != entry[0]
    if stored_anew:
        subject = state.get("subject")
        connection.execute(
            "UPDATE chat_group SET state = ?, subject = ? WHERE session = ? AND id = ?",
            (orjson.dumps(state), subject[0] if subject else None, session, group),
        )
    return changed


def _take_list(
    connection: sqlite3.Connection, session: int, fact: GroupFact, participants: Sequence[Participant]
) -> bool:
    group = str(fact.group)
    old_at = connection.execute(
        "SELECT participants_at FROM chat_group WHERE session = ? AND id = ?", (session, group)
    ).fetchone()[0]
    before = _present(connection, session, group, old_at)
    for participant in participants:
        _take_member(connection, session, group, participant, fact.source, fact.observed_at)
    newest = max(old_at, fact.observed_at)
    if newest > old_at:
        connection.execute(
            "UPDATE chat_group SET participants_at = ? WHERE session = ? AND id = ?", (newest, session, group)
        )
    return _present(connection, session, group, newest) != before


def _present(connection: sqlite3.Connection, session: int, group: str, at: int) -> dict[str, str]:
    rows = connection.execute(
        "SELECT id, role FROM participant WHERE session = ? AND chat_group = ? AND observed_at >= ? AND role <> 'left'",
        (session, group, at),
    )
    return dict(rows.fetchall())


def _take_member(
    connection: sqlite3.Connection, session: int, group: str, participant: Participant, source: Source, at: int
) -> bool:
    """What was heard of one participant, under the LID where the group shows it: a LID stays when a number moves."""
    user = str(participant.lid or participant.phone)
    row = connection.execute(
        "SELECT observed_at, source, role FROM participant WHERE session = ? AND chat_group = ? AND id = ?",
        (session, group, user),
    ).fetchone()
    heard = (at, source.rank, source.value, participant.role.value)
    if row is not None and (row[0], RANK[row[1]], row[1], row[2]) >= heard:
        return False
    connection.execute(
        "INSERT INTO participant (session, chat_group, id, role, source, observed_at) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (session, chat_group, id) DO UPDATE SET role = excluded.role, source = excluded.source, "
        "observed_at = excluded.observed_at",
        (session, group, user, participant.role.value, source.value, at),
    )
    return row is None or bool(row[2] != participant.role.value)


def document(
    connection: sqlite3.Connection, session: int, group: str, stored: bytes, at: int, *, participants: bool
) -> dict[str, object]:
    """A group as clients get it."""
    state: dict[str, Entry] = orjson.loads(stored)

    def value(name: str) -> object:
        entry = state.get(name)
        held = entry[0] if entry is not None else None
        return held[0] if isinstance(held, list) else held

    members = members_of(connection, session, group, at)
    owner = value("owner")
    if isinstance(owner, str):
        row = connection.execute(
            "SELECT peer FROM identifier WHERE session = ? AND id = ?", (session, owner)
        ).fetchone()
        owner = row[0] if row is not None and row[0] is not None and owner.endswith("@lid") else owner
    shown: dict[str, object] = {
        "id": group,
        "subject": value("subject"),
        "description": value("description"),
        "owner": owner,
        "creation": value("creation"),
        "size": len(members),
    }
    if participants:
        shown["participants"] = members
    return shown


def members_of(connection: sqlite3.Connection, session: int, group: str, at: int) -> list[dict[str, str | None]]:
    """Participants, one a person, ordered by id; each with both identifiers as far as the directory knows them."""
    rows = connection.execute(
        "SELECT p.id, p.role, p.observed_at, i.peer FROM participant p "
        "LEFT JOIN identifier i ON i.session = p.session AND i.id = p.id "
        "WHERE p.session = ? AND p.chat_group = ? AND p.observed_at >= ?",
        (session, group, at),
    )
    newest: dict[str, tuple[int, str, str | None, str | None]] = {}
    for identifier, role, observed_at, peer in rows:
        lid, phone = (identifier, peer) if identifier.endswith("@lid") else (peer, identifier)
        public_id = phone or lid
        held = newest.get(public_id)
        if held is None or (observed_at, role) > held[:2]:
            newest[public_id] = (observed_at, role, lid, phone)
    return [
        {"id": public_id, "lid": lid, "pn": phone, "role": role}
        for public_id, (_, role, lid, phone) in sorted(newest.items())
        if role != Role.LEFT.value
    ]


def listed(
    connection: sqlite3.Connection,
    session: int,
    *,
    sort_by: str,
    descending: bool,
    limit: int | None,
    offset: int,
    participants: bool,
) -> list[dict[str, object]]:
    """The groups the account is in, ordered by id, or by subject with those without one last."""
    direction = "DESC" if descending else "ASC"
    order = f"id {direction}" if sort_by == "id" else f"subject IS NULL, subject {direction}, id {direction}"
    rows = connection.execute(
        f"SELECT g.id, g.state, g.participants_at {_LISTED} ORDER BY {order} LIMIT ? OFFSET ?",
        (session, -1 if limit is None else limit, offset),
    ).fetchall()
    return [document(connection, session, *row, participants=participants) for row in rows]


def count(connection: sqlite3.Connection, session: int) -> int:
    """How many groups the account is in."""
    found: int = connection.execute(f"SELECT count(*) {_LISTED}", (session,)).fetchone()[0]
    return found


def one(connection: sqlite3.Connection, session: int, group: str) -> dict[str, object] | None:
    """One group with its participants; None when the account is not in it."""
    row = connection.execute(
        f"SELECT g.id, g.state, g.participants_at {_LISTED} AND g.id = ?", (session, group)
    ).fetchone()
    return None if row is None else document(connection, session, *row, participants=True)
