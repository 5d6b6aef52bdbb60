"""Pages and dumps: ordered lists of persons and pairs, flat in cost at any depth.

A list is one or two segments one after the other, each an index of the table `person`. Sorted by name, those without a
name come last, whichever way the names run.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from lidbook.directory.listing import Sort, place_of
from lidbook.directory.order import BLOCK, OrderIndex
from lidbook.directory.projection import NAMELESS, PersonRow

Key = tuple[str, ...]


class Segment(StrEnum):
    """An ordered set of rows of `person`."""

    IDS = "ids"
    """Contacts, by id."""
    NAMED = "named"
    """Contacts that have a name, by name and id."""
    NAMELESS = "nameless"
    """Contacts that have none, by id."""
    LIDS = "lids"
    """Pairs of LID and phone number, by LID."""
    UNRESOLVED = "unresolved"
    """LIDs without a phone number, by LID."""


@dataclass(frozen=True, slots=True)
class _Shape:
    columns: Key
    where: str
    index: str
    value: str = "doc"


_SHAPES: Final = {
    Segment.IDS: _Shape(("id",), "listed = 1", "person_by_listed_id"),
    Segment.NAMED: _Shape(("sort_name", "id"), f"listed = 1 AND sort_name < '{NAMELESS}'", "person_by_name"),
    Segment.NAMELESS: _Shape(("id",), f"listed = 1 AND sort_name = '{NAMELESS}'", "person_by_name"),
    Segment.LIDS: _Shape(
        ("lid",),
        "mapped = 1 AND lid IS NOT NULL",
        "person_by_lid",
        """CAST('{"lid":"' || lid || '","pn":"' || id || '"}' AS BLOB)""",
    ),
    Segment.UNRESOLVED: _Shape(
        ("lid",),
        "mapped = 0 AND lid IS NOT NULL",
        "person_by_lid",
        """CAST('{"lid":"' || lid || '","pn":null}' AS BLOB)""",
    ),
}


_LAID_OUT: Final[Mapping[Segment, tuple[Sort, Key]]] = {
    Segment.IDS: (Sort.ID, ()),
    Segment.NAMED: (Sort.NAME, ()),
    Segment.NAMELESS: (Sort.NAME, (NAMELESS,)),
}
"""Segments that can be laid out: in which list, and what stands before their keys there."""

SORTS: Final = {segment: sort for segment, (sort, _) in _LAID_OUT.items()}
"""What has to be laid out for a segment; the others are read from an index that has all that is shown."""


@dataclass(slots=True)
class OrderChanges:
    """Keys that left and entered the segments of one session."""

    net: dict[Segment, dict[Key, int]] = field(default_factory=dict)
    """How often a key came, less how often it went: a batch of several chunks may move one more than once."""

    def note(self, old: PersonRow | None, new: PersonRow | None) -> None:
        """A person's row became another; None where there is none."""
        before, after = memberships(old), memberships(new)
        if before == after:
            return
        for segment, key in before.items():
            if after.get(segment) != key:
                self._count(segment, key, -1)
        for segment, key in after.items():
            if before.get(segment) != key:
                self._count(segment, key, 1)

    def _count(self, segment: Segment, key: Key, step: int) -> None:
        keys = self.net.setdefault(segment, {})
        keys[key] = keys.get(key, 0) + step


def memberships(row: PersonRow | None) -> dict[Segment, Key]:
    """In which segments a row stands, under which key."""
    found: dict[Segment, Key] = {}
    if row is None:
        return found
    if row.listed:
        found[Segment.IDS] = (row.id,)
        if row.sort_name == NAMELESS:
            found[Segment.NAMELESS] = (row.id,)
        else:
            found[Segment.NAMED] = (row.sort_name, row.id)
    if row.lid is not None:
        found[Segment.LIDS if row.mapped else Segment.UNRESOLVED] = (row.lid,)
    return found


Orders = dict[Segment, OrderIndex[Key]]
"""The orders of one session that have been asked for; the others cost nothing."""


def follow(orders: Orders, changes: OrderChanges) -> None:
    """Move the counts along with what was committed."""
    for segment, order in orders.items():
        net = changes.net.get(segment)
        if net:
            order.change([key for key, n in net.items() if n < 0], [key for key, n in net.items() if n > 0])


def load_order(
    connection: sqlite3.Connection, session: int, segment: Segment, *, laid_out: bool = False
) -> OrderIndex[Key]:
    """Count a segment once. `connection` is the writer's, and stays in use to split blocks. `laid_out` has its pages
    read from where `listing.lay_out` has put them."""
    shape = _SHAPES[segment]
    columns = ", ".join(shape.columns)
    rows = connection.execute(
        f"SELECT {columns} FROM person INDEXED BY {shape.index} WHERE session = ? AND {shape.where} ORDER BY {columns}",
        (session,),
    )

    def middle(start: Key, skip: int) -> Key | None:
        found: Key | None = connection.execute(
            f"SELECT {columns} FROM person INDEXED BY {shape.index} WHERE session = ? AND {shape.where} "
            f"AND {_at_least(shape, '>=')} ORDER BY {columns} LIMIT 1 OFFSET ?",
            (session, *start, skip),
        ).fetchone()
        return found

    return OrderIndex(_blocks(rows), middle, laid_out=laid_out and segment in _LAID_OUT)


def page(
    connection: sqlite3.Connection,
    session: int,
    segments: Iterable[tuple[Segment, OrderIndex[Key]]],
    *,
    descending: bool,
    limit: int,
    offset: int,
) -> list[bytes]:
    """The documents from `offset` on, at most `limit`."""
    documents: list[bytes] = []
    for segment, order in segments:
        total = order.total
        if offset >= total:
            offset -= total
            continue
        count = min(limit - len(documents), total - offset)
        if count <= 0:
            break
        forward = total - offset - count if descending else offset
        found = _run(connection, session, segment, order, forward, count)
        documents.extend(reversed(found) if descending else found)
        offset = 0
    return documents


def _run(
    connection: sqlite3.Connection, session: int, segment: Segment, order: OrderIndex[Key], position: int, count: int
) -> list[bytes]:
    place = order.locate(position)
    if place is None:
        return []
    start, skip = place
    if order.laid_out:
        sort, before = _LAID_OUT[segment]
        rows = connection.execute(
            "SELECT doc FROM listing WHERE session = ? AND sort = ? AND place >= ? ORDER BY place LIMIT ? OFFSET ?",
            (session, int(sort), place_of(before + start), count, skip),
        )
        return [row[0] for row in rows]
    shape = _SHAPES[segment]
    rows = connection.execute(
        f"SELECT {shape.value} FROM person INDEXED BY {shape.index} WHERE session = ? AND {shape.where} "
        f"AND {_at_least(shape, '>=')} ORDER BY {', '.join(shape.columns)} LIMIT ? OFFSET ?",
        (session, *start, count, skip),
    )
    return [row[0] for row in rows]


def walk(
    connection: sqlite3.Connection,
    session: int,
    segment: Segment,
    after: Key | None,
    *,
    descending: bool,
    limit: int,
    skip: int = 0,
) -> tuple[list[bytes], Key | None]:
    """The documents that follow the key `after`, and the key to go on from; None at the end."""
    shape = _SHAPES[segment]
    order = ", ".join(f"{column} DESC" if descending else column for column in shape.columns)
    beyond = f"AND {_at_least(shape, '<' if descending else '>')} " if after is not None else ""
    rows = connection.execute(
        f"SELECT {shape.value}, {', '.join(shape.columns)} FROM person INDEXED BY {shape.index} "
        f"WHERE session = ? AND {shape.where} {beyond}ORDER BY {order} LIMIT ? OFFSET ?",
        (session, *(after or ()), limit, skip),
    ).fetchall()
    return [row[0] for row in rows], (rows[-1][1:] if len(rows) == limit else None)


def _at_least(shape: _Shape, comparison: str) -> str:
    if len(shape.columns) == 1:
        return f"{shape.columns[0]} {comparison} ?"
    return f"({', '.join(shape.columns)}) {comparison} ({', '.join('?' * len(shape.columns))})"


def _blocks(keys: Iterable[Key]) -> Iterator[tuple[Key, int]]:
    start: Key | None = None
    count = 0
    for key in keys:
        if start is None:
            start = key
        count += 1
        if count == BLOCK:
            yield start, count
            start, count = None, 0
    if start is not None:
        yield start, count
