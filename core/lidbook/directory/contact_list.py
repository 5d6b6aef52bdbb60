"""Whole address books: whom one names is marked with its time, and whoever it does not name is looked at again.

A name from the address book counts when it is no older than the newest list, or when that list names the person: a
maximum of times on both sides, so neither the order of names and lists matters nor how often they come.
"""

import sqlite3
from collections.abc import Collection, Iterable
from typing import Final

from lidbook.directory.batch import Batch, Loaded, load
from lidbook.directory.state import SAVED, encode, new_state, saved_entry

_SAVED: Final = b'"isMyContact":true'
"""Within the document of whoever has a name from the address book; no text has it, since quotes within are escaped."""


def mark(batch: Batch, loaded: Loaded, users: Collection[str], at: int) -> set[str]:
    """Note that a list of that time names these; returns those whose persons have to be written anew.

    That are few: while there was no list, every name counts, and whom the list before named has names that count.
    """
    load(batch, loaded, users)
    to_look_at: set[str] = set()
    marked: list[tuple[bytes, int, str]] = []
    entry, counting = saved_entry(at), batch.lists.contacts_at
    for user in users:
        state = loaded.states.get(user)
        if state is None:
            state = loaded.states[user] = new_state()
            loaded.peers[user] = None
            to_look_at.add(user)
        before = state.fields.get(SAVED)
        if not state.merge_field(SAVED, entry):
            continue
        if state.aliases or (counting and (before is None or before[2] < counting)):
            to_look_at.add(user)
        elif user not in to_look_at:
            marked.append((encode(state), batch.session, user))
    batch.connection.executemany("UPDATE identifier SET state = ? WHERE session = ? AND id = ?", marked)
    return to_look_at


def left_out(connection: sqlite3.Connection, session: int, named: Iterable[str]) -> list[str]:
    """Everybody who is shown as saved and whom the list does not name."""
    there = frozenset(named)
    rows = connection.execute(
        "SELECT id, lid FROM person INDEXED BY person_by_listed_id "
        "WHERE session = ? AND listed = 1 AND instr(doc, ?) > 0",
        (session, _SAVED),
    )
    return [public_id for public_id, lid in rows if public_id not in there and lid not in there]
