"""One session's directory, as the rest of the program uses it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Final, Literal

import orjson

from lidbook.capabilities import Feed
from lidbook.directory import groups, listing, syncs, watch
from lidbook.directory.batch import Applied
from lidbook.directory.database import Database
from lidbook.directory.ingest import apply
from lidbook.directory.listing import lay_out
from lidbook.directory.lists import SORTS, Orders, Segment, follow, load_order, page, walk
from lidbook.directory.lookups import Lookups
from lidbook.directory.order import OrderIndex
from lidbook.directory.projection import Lists
from lidbook.errors import GroupNotFound
from lidbook.facts import Facts
from lidbook.hookspecs import Change, ChangeKind
from lidbook.identifiers import GroupId, Lid
from lidbook.values import LidAnswer

SortBy = Literal["id", "name"]
_DUMP_ROWS: Final = 400
_INLINE_ROWS: Final = 500
"""Longest page that is read on the event loop; a longer one would hold everybody up."""
_CONTACTS: Final = {"id": (Segment.IDS,), "name": (Segment.NAMED, Segment.NAMELESS)}


class Directory(Lookups):
    """Persons, pairs, groups and blocklist of one session.

    Point reads are plain calls of a few microseconds on the event loop; lists and dumps are awaited. Every document is
    UTF-8 JSON as clients get it.
    """

    def __init__(
        self, database: Database, session: int, clock: Callable[[], int], told: Callable[[Sequence[Change]], None]
    ) -> None:
        super().__init__(database, session)
        self._clock = clock
        self._told = told
        self._orders: Orders = {}
        self._followed = False
        """Whether any order was ever loaded; read and written in the writer thread only."""
        self._loading: dict[Segment, asyncio.Future[OrderIndex[tuple[str, ...]]]] = {}
        self._waiting: dict[str, set[asyncio.Future[str]]] = {}
        self._watch = watch.WatchList(database, session, clock)
        self.is_whole = syncs.was_completed(database.reader, session)
        """Whether a sync of the contacts was ever completed; lists are not whole before."""

    # writing

    async def apply(self, facts: Facts) -> None:
        """Take facts in one transaction; returns after COMMIT, and after listeners were told."""
        session, now = self._session, self._clock()

        def work(connection: sqlite3.Connection) -> Applied:
            quiet = syncs.is_first(connection, session)
            return apply(connection, session, facts, now=now, quiet=quiet, followed=self._followed)

        task = asyncio.ensure_future(self._write_and_announce(work))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(task)

    async def sync(self, feed: Feed, *, expected: int | None, received: int | None, complete: bool) -> None:
        """Note the progress of a sync; the first complete one of the contacts is announced."""
        session, now = self._session, self._clock()

        def work(connection: sqlite3.Connection) -> list[Change]:
            return syncs.note(connection, session, feed, now, expected=expected, received=received, complete=complete)

        def committed(changes: list[Change]) -> None:
            if changes:
                self._orders.clear()  # from now on the lists may be laid out

        changes = await self._database.write(work, committed)
        self.is_whole = syncs.was_completed(self._database.reader, session)
        if changes:
            self._told(changes)

    def syncs(self) -> list[syncs.SyncReport]:
        """What of each feed was expected, has arrived, is complete."""
        return syncs.reports(self._database.reader, self._session)

    async def erase(self) -> None:
        """Forget everything: persons, pairs, groups, watch-list, sync markers, and what the log says of them. Other
        sessions keep theirs."""
        session = self._session

        def work(connection: sqlite3.Connection) -> None:
            for table in ("identifier", "person", "chat_group", "participant", "watch", "sync"):
                connection.execute(f"DELETE FROM {table} WHERE session = ?", (session,))
            connection.execute(
                "DELETE FROM log WHERE session = ? AND kind <> ?", (session, ChangeKind.SESSION_STATUS.value)
            )
            listing.clear(connection, session)
            connection.execute(
                "UPDATE directory SET blocklist_at = 0, groups_at = 0, contacts_at = 0, account_lid = NULL "
                "WHERE session = ?",
                (session,),
            )

        await self._database.write(work, lambda _: self._orders.clear())
        self._watch.clear()
        self.is_whole = False

    # LIDs

    def lid_pair(self, lid: Lid) -> LidAnswer:
        """The phone number behind a LID. A miss goes on the watch-list."""
        answer = self.known_pair(lid)
        if answer.phone is None:
            self._watch.add(str(lid))
        return answer

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

        Read key by key, not in one transaction, which would keep the log of the database from being folded in: a
        person whose place in the order changes meanwhile may be met twice or not at all.
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

    def lists(self) -> Lists:
        """As of when the newest whole lists are."""
        row = self._database.reader.execute(
            "SELECT blocklist_at, contacts_at FROM directory WHERE session = ?", (self._session,)
        )
        return Lists(*row.fetchone())

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
            loading = asyncio.ensure_future(self._load(segment))
            self._loading[segment] = loading
            loading.add_done_callback(lambda _: self._loading.pop(segment, None))
        return await asyncio.shield(loading)

    async def _load(self, segment: Segment) -> OrderIndex[tuple[str, ...]]:
        session, sort = self._session, SORTS.get(segment)
        laid_out = False
        if sort is not None and self.is_whole:
            with suppress(sqlite3.Error):  # the disk is full: pages are dearer then, and there all the same
                await self._database.write(lambda connection: lay_out(connection, session, sort))
                laid_out = True

        def load(connection: sqlite3.Connection) -> OrderIndex[tuple[str, ...]]:
            self._followed = True  # from here on, in the writer's own order of jobs, no change may go unnoted
            return load_order(connection, session, segment, laid_out=laid_out)

        def install(order: OrderIndex[tuple[str, ...]]) -> None:
            self._orders[segment] = order

        return await self._database.write(load, install)

    async def _group(self, group: GroupId) -> dict[str, object]:
        session = self._session
        found = await self._database.read(lambda connection: groups.one(connection, session, str(group)))
        if found is None:
            raise GroupNotFound(str(group))
        return found

    async def _write_and_announce(self, work: Callable[[sqlite3.Connection], Applied]) -> None:
        """In a task of its own: what was committed is announced, though nobody waits for it any more."""
        self._announce(await self._database.write(work, self._follow, self._split))

    def _follow(self, applied: Applied) -> None:
        follow(self._orders, applied.orders)

    def _split(self) -> None:
        for order in self._orders.values():
            order.split()

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
