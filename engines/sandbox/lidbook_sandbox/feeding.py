"""Telling the directory of a world: all of it at first, only what changed afterwards."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import Final, TypeVar

from lidbook.capabilities import Feed
from lidbook.engine import SessionContext
from lidbook.facts import BATCH, ContactListFact, Fact, GroupFact, Source, in_batches
from lidbook.identifiers import UserId
from lidbook.world.facts import blocklist_fact, change_facts, group_facts, group_list_fact, introduction_facts
from lidbook.world.model import EPOCH
from lidbook.world.service import WorldService
from lidbook_sandbox.line import Line
from lidbook_sandbox.progress import (
    Progress,
    Told,
    add_chunk,
    forget_before,
    progress_blob,
    read_progress,
    retractions,
    told_before,
    told_in,
)

T = TypeVar("T")

BREATH: Final = 200
"""How many persons, or facts of groups, are prepared before others get a turn."""
REPORT_EVERY: Final = 5
"""Batches between two reports of progress; a report costs a COMMIT as well."""
PERSON_FEEDS: Final = (Feed.CONTACTS, Feed.PUSHNAMES, Feed.LIDS)
FEEDS: Final = (*PERSON_FEEDS, Feed.BLOCKLIST, Feed.GROUPS)


class Feeder:
    """Feeds one session from one world; whatever is awaited here has been committed by the directory."""

    def __init__(self, context: SessionContext, service: WorldService, fingerprint: str, line: Line) -> None:
        self._context = context
        self._service = service
        self._fingerprint = fingerprint
        self._line = line
        self._progress = Progress(str(service.lid), fingerprint)
        self._feeding = asyncio.Lock()

    async def begin(self) -> None:
        """Tell what changed since this session was last fed; everything, unless it was told this very world."""
        synced = all([await self._context.is_synced(feed) for feed in FEEDS])
        if await self._resume(synced):
            await self.catch_up()
            return
        await self._tell_people()
        await self._tell_blocklist()
        await self._tell_all_groups()
        async with self._feeding:
            self._progress = await forget_before(self._context.vault, self._progress)
        await self.catch_up()

    async def catch_up(self) -> None:
        """Tell every change made since the last time."""
        live = self._service.live
        while self._progress.sequence < live.sequence:
            await self._line.hearing()
            async with self._feeding:
                changes = live.since(self._progress.sequence)[: BATCH // 4]
                if not changes:
                    return  # somebody else told them while this waited
                facts = [fact for change in changes for fact in change_facts(self._service, change)]
                if facts:
                    await self._context.facts(facts)
                self._progress = replace(
                    self._progress, sequence=self._progress.sequence + len(changes), told_at=changes[-1].at
                )
                await self._context.vault.put(progress_blob(self._progress))

    async def tell_groups(self) -> None:
        """All groups as the server shows them now, the list of them last."""
        at = self._service.live.moment()
        await self._tell_group_facts(
            fact for view in self._service.each_group() for fact in group_facts(view, Source.GROUP, at)
        )
        await self._tell([group_list_fact(self._service, Source.GROUP, at)])

    async def _resume(self, synced: bool) -> bool:
        """Whether this session was told this very world already; if not, everything is ready to tell it."""
        live = self._service.live
        before = await read_progress(self._context.vault)
        if before is None or before.account != self._progress.account:
            self._progress = replace(self._progress, floor=live.moment() if synced else 0)
            if synced:
                await self.catch_up()
            else:
                self._progress = replace(self._progress, sequence=live.sequence)
            return False
        same = before.fingerprint == self._fingerprint
        if before.sequence > live.sequence:
            same = False
            before = replace(before, sequence=0)
        self._progress = before
        await self.catch_up()
        if same and synced and before.complete:
            return True
        if not same or before.complete:
            self._progress = replace(
                self._progress,
                fingerprint=self._fingerprint,
                floor=live.moment(after=max(before.floor, before.told_at)),
                generation=before.generation + 1,
                complete=False,
            )
        return False

    async def _tell_people(self) -> None:
        state, floor = self._service.state, self._progress.floor
        received = dict.fromkeys(PERSON_FEEDS, 0)
        expected = {Feed.CONTACTS: len(state.book), Feed.PUSHNAMES: len(state.seen.keys() | state.chats.keys())}
        for feed in PERSON_FEEDS:
            await self._context.sync(feed, expected=expected.get(feed), received=0)
        gone = await told_before(self._context.vault, self._progress)
        saved: set[UserId] = set()
        as_of = max(state.book_changed, floor)
        batch: list[Fact] = []
        batches = 0
        async for introduction in _breathing(self._service.introductions()):
            if introduction.saved is not None:
                received[Feed.CONTACTS] += 1
                saved.add(introduction.saved.person.id)
            received[Feed.PUSHNAMES] += introduction.seen is not None
            received[Feed.LIDS] += introduction.mapping is not None
            batch.extend(introduction_facts(introduction, floor))
            if len(batch) >= BATCH:
                await self._tell_noted(batch, gone)
                batch = []
                batches += 1
                if batches % REPORT_EVERY == 0:
                    for feed in PERSON_FEEDS:
                        await self._context.sync(feed, expected=expected.get(feed), received=received[feed])
        if batch:
            await self._tell_noted(batch, gone)
        for batch in in_batches(fact for user, bits in gone.items() for fact in retractions(user, bits, floor)):
            await self._tell(batch)
        await self._tell([ContactListFact(frozenset(saved), Source.ADDRESS_BOOK, as_of)])
        for feed in PERSON_FEEDS:
            await self._context.sync(feed, expected=received[feed], received=received[feed], complete=True)

    async def _tell_blocklist(self) -> None:
        await self._tell([blocklist_fact(self._service, self._progress.floor)])
        count = len(self._service.state.blocked)
        await self._context.sync(Feed.BLOCKLIST, expected=count, received=count, complete=True)

    async def _tell_all_groups(self) -> None:
        floor, count = self._progress.floor, len(self._service.state.groups)
        await self._context.sync(Feed.GROUPS, expected=count, received=0)
        at = max(floor, EPOCH)
        for group in self._service.live.state.groups_of(self._service.state):
            at = max(at, group.changed)
        await self._tell_group_facts(
            fact
            for view in self._service.each_group()
            for fact in group_facts(view, Source.GROUP, max(view.changed, floor))
        )
        await self._tell([group_list_fact(self._service, Source.GROUP, at)])
        await self._context.sync(Feed.GROUPS, expected=count, received=count, complete=True)

    async def _tell_group_facts(self, facts: Iterable[Fact]) -> None:
        """In batches of about `BATCH`, a group counting as many facts as it has participants."""
        batch: list[Fact] = []
        weight = 0
        async for fact in _breathing(facts):
            batch.append(fact)
            weight += 1 + len(fact.participants or ()) if isinstance(fact, GroupFact) else 1
            if weight >= BATCH:
                await self._tell(batch)
                batch, weight = [], 0
        if batch:
            await self._tell(batch)

    async def _tell_noted(self, batch: list[Fact], gone: Told) -> None:
        """Tell people's facts, and note first what they are; what is told is not gone."""
        told = told_in(batch)
        async with self._feeding:
            self._progress = await add_chunk(self._context.vault, self._progress, told)
        for user, bits in told.items():
            if user in gone:
                gone[user] &= ~bits
        await self._tell(batch)

    async def _tell(self, facts: list[Fact]) -> None:
        await self._line.hearing()
        async with self._feeding:
            await self._context.facts(facts)


async def _breathing(items: Iterable[T]) -> AsyncIterator[T]:
    """The same items, with a pause every so often, so that large worlds hold nobody up."""
    for count, item in enumerate(items):
        if count % BREATH == 0:
            await asyncio.sleep(0)
        yield item
