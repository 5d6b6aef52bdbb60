"""One session's directory, as the rest of the program uses it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Literal

import orjson

from lidbook.capabilities import Feed
from lidbook.directory import groups, syncs, watch
from lidbook.directory.database import Database
from lidbook.directory.ingest import Applied, apply
from lidbook.directory.lists import Orders, Segment, follow, load_order, page, walk
from lidbook.directory.order import OrderIndex
from lidbook.directory.projection import unknown_person
from lidbook.directory.state import Entry, State, decode, field_value, new_state, outranks
from lidbook.errors import GroupNotFound
from lidbook.facts import Facts, Field, FieldValue
from lidbook.hookspecs import Change
from lidbook.identifiers import GroupId, Lid, PhoneNumber, UserId, parse_wire, spellings
from lidbook.values import LidAnswer, LidState, Person

SortBy = Literal["id", "name"]
_DUMP_ROWS: Final = 400
_INLINE_ROWS: Final = 500
"""Longest page that is read on the event loop; a longer one would hold everybody up."""
_CONTACTS: Final = {"id": (Segment.IDS,), "name": (Segment.NAMED, Segment.NAMELESS)}
_BY_ID: Final = "SELECT doc FROM person WHERE session = ? AND id = ?"
_BY_LID: Final = "SELECT doc FROM person INDEXED BY person_by_lid WHERE session = ? AND mapped = 1 AND lid = ?"
_PHONE_OF_LID: Final = "SELECT id FROM person INDEXED BY person_by_lid WHERE session = ? AND mapped = 1 AND lid = ?"
_LID_OF_PHONE: Final = "SELECT lid FROM person WHERE session = ? AND id = ?"
_STATE: Final = "SELECT peer, state FROM identifier WHERE session = ? AND id = ?"


class Directory:
    """Persons, pairs, groups and blocklist of one session.

    Point reads are plain calls of a few microseconds on the event loop; lists and dumps are awaited. Every document is
    UTF-8 JSON as clients get it.
    """

    def __init__(
        self, database: Database, session: int, clock: Callable[[], int], told: Callable[[Sequence[Change]], None]
    ) -> None:
        self._database = database
        self._session = session
        self._clock = clock
        self._told = told
        self._orders: Orders = {}
        self._loading: dict[Segment, asyncio.Future[OrderIndex[tuple[str, ...]]]] = {}
        self._waiting: dict[str, set[asyncio.Future[str]]] = {}
        self._watch = watch.WatchList(database, session, clock)
        self.is_syncing = syncs.is_first(database.reader, session)
        """Whether the first sync of the contacts is under way, so that lists are not whole yet."""

    # writing

    async def apply(self, facts: Facts) -> None:
        """Take facts in one transaction; returns after COMMIT, and after listeners were told."""
        session, now = self._session, self._clock()

        def work(connection: sqlite3.Connection) -> Applied:
            return apply(connection, session, facts, now=now, quiet=syncs.is_first(connection, session))

        self._announce(await self._database.write(work, self._follow))

    async def sync(self, feed: Feed, *, expected: int | None, received: int | None, complete: bool) -> None:
        """Note the progress of a sync; the first complete one of the contacts is announced."""
        session, now = self._session, self._clock()
        changes = await self._database.write(
            lambda connection: syncs.note(
                connection, session, feed, now, expected=expected, received=received, complete=complete
            )
        )
        self.is_syncing = syncs.is_first(self._database.reader, session)
        if changes:
            self._told(changes)

    def syncs(self) -> list[syncs.SyncReport]:
        """What of each feed was expected, has arrived, is complete."""
        return syncs.reports(self._database.reader, self._session)

    async def erase(self) -> None:
        """Forget everything: persons, pairs, groups, watch-list, log and sync markers. Other sessions keep theirs."""
        session = self._session

        def work(connection: sqlite3.Connection) -> None:
            for table in ("identifier", "person", "chat_group", "participant", "log", "watch", "sync"):
                connection.execute(f"DELETE FROM {table} WHERE session = ?", (session,))
            connection.execute(
                "UPDATE directory SET seq = 0, blocklist_at = 0, groups_at = 0, account_lid = NULL WHERE session = ?",
                (session,),
            )

        await self._database.write(work, lambda _: self._orders.clear())
        self.is_syncing = False

    # persons

    def contact(self, user: UserId) -> bytes:
        """The contact object of a person; of somebody unknown, the object with nulls."""
        document = self._document(str(user))
        if document is None:
            canonical = self._canonical(user)
            document = self._document(str(canonical)) if canonical != user else None
        return document if document is not None else unknown_person(str(user))

    def is_known(self, user: UserId) -> bool:
        """Whether anything was ever said of this identifier."""
        return self._database.reader.execute(_STATE, (self._session, str(user))).fetchone() is not None

    def person(self, user: UserId) -> Person:
        """Everything a person is known by, from one of their identifiers."""
        user = self._canonical(user)
        phone, phone_state, lid, lid_state = self._states(user)
        username = _newest(Field.USERNAME, phone_state, lid_state)
        held = username[0] if username is not None else None
        return Person(
            PhoneNumber(phone[:-5]) if phone else None,
            Lid(lid[:-4]) if lid else None,
            held if isinstance(held, str) else None,
        )

    def known(self, user: UserId, field: Field) -> tuple[FieldValue, int] | None:
        """What is known of one field of a person, and since when (ms); None when nothing was ever said."""
        _, phone_state, _, lid_state = self._states(self._canonical(user))
        entry = _newest(field, phone_state, lid_state)
        return None if entry is None else (field_value(entry), entry[2])

    def said(self, user: UserId, field: Field) -> tuple[FieldValue, int] | None:
        """The same of this identifier alone, its other half and its canonical spelling left aside."""
        row = self._database.reader.execute(_STATE, (self._session, str(user))).fetchone()
        entry = decode(row[1]).fields.get(field.value) if row is not None else None
        return None if entry is None else (field_value(entry), entry[2])

    # LIDs

    def lid_pair(self, lid: Lid) -> LidAnswer:
        """The phone number behind a LID. A miss goes on the watch-list."""
        reader, key = self._database.reader, (self._session, str(lid))
        row = reader.execute(_PHONE_OF_LID, key).fetchone()
        if row is not None:
            return LidAnswer(lid, PhoneNumber(row[0][:-5]), LidState.MAPPED)
        self._watch.add(str(lid))
        row = reader.execute(_STATE, key).fetchone()
        if row is None:
            return LidAnswer(lid, None, LidState.UNKNOWN)
        hidden = decode(row[1]).fields.get(Field.HIDDEN.value)
        state = LidState.HIDDEN if hidden is not None and hidden[0] is True else LidState.PENDING
        return LidAnswer(lid, None, state)

    def phone_pair(self, phone: PhoneNumber) -> LidAnswer:
        """The LID of a phone number, as far as the directory knows; `phone` is answered in the server's spelling."""
        row = self._database.reader.execute(_LID_OF_PHONE, (self._session, str(phone))).fetchone()
        if row is None:
            canonical = self._canonical(phone)
            if canonical != phone and isinstance(canonical, PhoneNumber):
                row = self._database.reader.execute(_LID_OF_PHONE, (self._session, str(canonical))).fetchone()
                phone = canonical
        if row is not None and row[0] is not None:
            return LidAnswer(Lid(row[0][:-4]), phone, LidState.MAPPED)
        registered = self.said(phone, Field.REGISTERED)
        nobody = row is None or (registered is not None and registered[0] is False)
        return LidAnswer(None, phone, LidState.UNKNOWN if nobody else LidState.PENDING)

    async def wait_for_phone(self, lid: Lid, seconds: float) -> LidAnswer:
        """The pair, waited for up to `seconds` if it is not known yet."""
        answer = self.lid_pair(lid)
        if answer.phone is not None or seconds <= 0:
            return answer
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(str(lid), set())
        waiting.add(future)
        try:
            answer = self.lid_pair(lid)
            if answer.phone is None:
                await asyncio.wait({future}, timeout=seconds)
        finally:
            waiting.discard(future)
            if not waiting:
                self._waiting.pop(str(lid), None)
        return self.lid_pair(lid)

    async def lids_page(self, *, limit: int, offset: int = 0, unresolved: bool = False) -> bytes:
        """Pairs `{lid, pn}` ordered by LID; with `unresolved`, after them the LIDs whose phone number is not known."""
        return await self._page(_lid_segments(unresolved), descending=False, limit=limit, offset=offset)

    async def lids_count(self, *, unresolved: bool = False) -> int:
        """How many pairs are known, with `unresolved` how many LIDs."""
        return sum([(await self._order(segment)).total for segment in _lid_segments(unresolved)])

    # lists

    async def contacts_page(
        self, *, sort_by: SortBy = "id", descending: bool = False, limit: int, offset: int = 0
    ) -> bytes:
        """A JSON array of contact objects. Nameless persons come last when sorted by name, in both directions."""
        return await self._page(_CONTACTS[sort_by], descending=descending, limit=limit, offset=offset)

    async def contacts_count(self) -> int:
        """How many persons are contacts."""
        return (await self._order(Segment.IDS)).total

    async def contacts_dump(
        self, *, sort_by: SortBy = "id", descending: bool = False, offset: int = 0
    ) -> AsyncIterator[bytes]:
        """All contacts from `offset` on, in pieces that concatenate to one JSON array; constant in memory.

        Read key by key, not in one transaction: a person who changes meanwhile is shown as before or as after.
        """
        opening = b"["
        for segment in _CONTACTS[sort_by]:
            skip = 0
            if offset:
                total = (await self._order(segment)).total
                skip = min(offset, total)
                offset -= skip
                if skip == total:
                    continue
            async for documents in self._walk(segment, descending=descending, skip=skip):
                yield opening + b",".join(documents)
                opening = b","
        yield b"]" if opening == b"," else b"[]"

    async def blocklist(self) -> bytes:
        """A JSON array of everybody who is blocked, ordered by id."""
        session = self._session
        rows = await self._database.read(
            lambda connection: connection.execute(
                "SELECT doc FROM person INDEXED BY person_by_block WHERE session = ? AND blocked = 1 ORDER BY id",
                (session,),
            ).fetchall()
        )
        return b"[" + b",".join(row[0] for row in rows) + b"]"

    # groups

    async def groups(
        self,
        *,
        sort_by: Literal["id", "subject"] = "id",
        descending: bool = False,
        limit: int | None = None,
        offset: int = 0,
        participants: bool = True,
    ) -> bytes:
        """A JSON array of the groups the account is in."""
        session = self._session

        def work(connection: sqlite3.Connection) -> bytes:
            return orjson.dumps(
                groups.listed(
                    connection,
                    session,
                    sort_by=sort_by,
                    descending=descending,
                    limit=limit,
                    offset=offset,
                    participants=participants,
                )
            )

        return await self._database.read(work)

    async def groups_count(self) -> int:
        """How many groups the account is in."""
        session = self._session
        return await self._database.read(lambda connection: groups.count(connection, session))

    async def group(self, group: GroupId) -> bytes:
        """One group with its participants. Raises `GroupNotFound`."""
        return orjson.dumps(await self._group(group))

    async def group_participants(self, group: GroupId) -> bytes:
        """A JSON array `[{id, lid, pn, role}]`, ordered by id. Raises `GroupNotFound`."""
        return orjson.dumps((await self._group(group))["participants"])

    # state of the whole

    async def is_synced(self, feed: Feed) -> bool:
        """Whether the last sync of `feed` that was begun is complete."""
        session = self._session
        return await self._database.read(lambda connection: syncs.is_complete(connection, session, feed))

    async def is_watching(self) -> bool:
        """Whether anybody waits for the phone number of a LID."""
        return not await self._watch.is_empty()

    async def flush(self) -> None:
        """Wait until everything noted on the side, the watch-list, is on disk."""
        await self._watch.flush()

    # within

    def _document(self, key: str) -> bytes | None:
        reader = self._database.reader
        row = None
        if key.endswith("@lid"):
            row = reader.execute(_BY_LID, (self._session, key)).fetchone()
        if row is None:
            row = reader.execute(_BY_ID, (self._session, key)).fetchone()
        return None if row is None else row[0]

    def _canonical(self, user: UserId) -> UserId:
        """The spelling under which the server knows a phone number, where it is known to differ.

        A number of which nothing is known is taken for its other spelling if somebody is known under that: in the
        countries concerned both are one subscriber.
        """
        if isinstance(user, Lid):
            return user
        key = str(user)
        row = self._database.reader.execute(_STATE, (self._session, key)).fetchone()
        if row is not None:
            alias = decode(row[1]).fields.get(Field.ALIAS.value)
            return parse_wire(alias[0]) if alias is not None and isinstance(alias[0], str) and alias[0] else user
        for other in spellings(user)[1:]:
            if self._database.reader.execute(_LID_OF_PHONE, (self._session, str(other))).fetchone() is not None:
                return other
        return user

    def _states(self, user: UserId) -> tuple[str | None, State, str | None, State]:
        key = str(user)
        reader = self._database.reader
        row = reader.execute(_STATE, (self._session, key)).fetchone()
        own = decode(row[1]) if row is not None else new_state()
        peer: str | None = row[0] if row is not None else None
        other = new_state()
        if peer is not None:
            stored = reader.execute(_STATE, (self._session, peer)).fetchone()
            other = decode(stored[1])
        if isinstance(user, Lid):
            return peer, other, key, own
        return key, own, peer, other

    async def _page(self, segments: Sequence[Segment], *, descending: bool, limit: int, offset: int) -> bytes:
        orders = [(segment, self._orders.get(segment) or await self._order(segment)) for segment in segments]
        session = self._session

        def work(connection: sqlite3.Connection) -> bytes:
            found = page(connection, session, orders, descending=descending, limit=limit, offset=offset)
            return b"[" + b",".join(found) + b"]"

        return work(self._database.reader) if limit <= _INLINE_ROWS else await self._database.read(work)

    async def _walk(self, segment: Segment, *, descending: bool, skip: int) -> AsyncIterator[list[bytes]]:
        session = self._session
        after: tuple[str, ...] | None = None
        while True:
            documents, after = await self._database.read(
                lambda connection, after=after, skip=skip: walk(  # type: ignore[misc]
                    connection, session, segment, after, descending=descending, limit=_DUMP_ROWS, skip=skip
                )
            )
            skip = 0
            if documents:
                yield documents
            if after is None:
                return

    async def _order(self, segment: Segment) -> OrderIndex[tuple[str, ...]]:
        order = self._orders.get(segment)
        if order is not None:
            return order
        loading = self._loading.get(segment)
        if loading is None:
            session = self._session

            def install(order: OrderIndex[tuple[str, ...]]) -> None:
                self._orders[segment] = order

            loading = asyncio.ensure_future(
                self._database.write(lambda connection: load_order(connection, session, segment), install)
            )
            self._loading[segment] = loading
            loading.add_done_callback(lambda _: self._loading.pop(segment, None))
        return await asyncio.shield(loading)

    async def _group(self, group: GroupId) -> dict[str, object]:
        session = self._session
        found = await self._database.read(lambda connection: groups.one(connection, session, str(group)))
        if found is None:
            raise GroupNotFound(str(group))
        return found

    def _follow(self, applied: Applied) -> None:
        follow(self._orders, applied.orders)

    def _announce(self, applied: Applied) -> None:
        self._watch.forget(applied.mapped)
        for lid, phone in applied.mapped.items():
            for future in self._waiting.get(lid, ()):
                if not future.done():
                    future.set_result(phone)
        if applied.changes:
            self._told(applied.changes)


def _lid_segments(unresolved: bool) -> tuple[Segment, ...]:
    return (Segment.LIDS, Segment.UNRESOLVED) if unresolved else (Segment.LIDS,)


def _newest(field: Field, *states: State) -> Entry | None:
    found: Entry | None = None
    for state in states:
        entry = state.fields.get(field.value)
        if entry is not None and (found is None or outranks(entry, found)):
            found = entry
    return found
