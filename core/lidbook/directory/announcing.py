"""What clients are told of a batch: contacts first, then what happened to their LIDs."""

from collections.abc import Mapping, Sequence

import orjson

from lidbook.directory.batch import IN, Batch, Loaded, chunks, marks
from lidbook.directory.projection import PersonRow
from lidbook.hookspecs import ChangeKind


def note_changes(
    batch: Batch,
    loaded: Loaded,
    peers: Mapping[str, str | None],
    old_rows: Mapping[str, PersonRow],
    new_rows: Mapping[str, PersonRow],
    gone: Sequence[str],
    written: Sequence[PersonRow],
) -> None:
    """Log the difference between the persons before and now; `peers` are those now, `loaded` has those before."""
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
            batch.log(ChangeKind.CONTACT_DELETED, public_id)
    for row in written:
        old = old_rows.get(row.id)
        if (old is None or not old.listed) and row.lid is not None and row.lid in merged:
            old = old_rows[row.lid]
        _note_person(batch, old, row)
    for other, public_id in sorted(merged.items()):
        batch.log(ChangeKind.CONTACT_MERGED, public_id, other=other)
    _note_links(batch, loaded, peers)


def _note_person(batch: Batch, old: PersonRow | None, new: PersonRow) -> None:
    if old is None or not old.listed:
        if new.listed:
            batch.log(ChangeKind.CONTACT_CREATED, new.id)
    elif not new.listed:
        batch.log(ChangeKind.CONTACT_DELETED, new.id)
    elif old.doc != new.doc:
        batch.log(ChangeKind.CONTACT_UPDATED, new.id, fields=() if batch.quiet else _differing(old.doc, new.doc))
    was_blocked = old is not None and old.blocked
    if was_blocked != new.blocked:
        batch.log(ChangeKind.CONTACT_BLOCKED if new.blocked else ChangeKind.CONTACT_UNBLOCKED, new.id)


def _differing(old: bytes, new: bytes) -> tuple[str, ...]:
    was, now = orjson.loads(old), orjson.loads(new)
    return tuple(key for key in now if now[key] != was[key])


def _note_links(batch: Batch, loaded: Loaded, peers: Mapping[str, str | None]) -> None:
    moved = [lid for lid, peer in peers.items() if lid.endswith("@lid") and peer != loaded.peers[lid]]
    if not moved:
        return
    awaited: set[str] = set()
    for chunk in chunks(moved, IN):
        rows = batch.connection.execute(
            f"SELECT lid FROM watch WHERE session = ? AND lid IN ({marks(chunk)})", (batch.session, *chunk)
        )
        awaited.update(row[0] for row in rows)
    for lid in sorted(moved):
        old, new = loaded.peers[lid], peers[lid]
        if old is not None:
            batch.log(ChangeKind.LID_SUPERSEDED, lid, other=old)
        if new is not None:
            batch.applied.mapped[lid] = new
            batch.log(ChangeKind.LID_MAPPED, lid, other=new)
            if lid in awaited:
                batch.connection.execute("DELETE FROM watch WHERE session = ? AND lid = ?", (batch.session, lid))
                batch.log(ChangeKind.LID_RESOLVED, lid, other=new)
