"""What the gateway knows, told to the directory: all of it once, then what happened since, deletions included."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final

from lidbook.capabilities import Feed as Fed
from lidbook.engine import SessionContext
from lidbook.errors import EngineDisconnected
from lidbook.facts import BATCH, ContactListFact, Fact, Source, in_batches
from lidbook.identifiers import UserId
from lidbook_stranger.client import POLL, Client, Refused
from lidbook_stranger.reading import event_facts, group_facts, groups_fact, person_in, snapshot_facts

CURSOR: Final = "cursor"
"""Name of the blob that says up to where the gateway's news were told."""
FED: Final = (Fed.CONTACTS, Fed.PUSHNAMES, Fed.LIDS, Fed.BLOCKLIST, Fed.GROUPS)
KINDS: Final = {
    "contact": Fed.CONTACTS,
    "met": Fed.PUSHNAMES,
    "pair": Fed.LIDS,
    "blocklist": Fed.BLOCKLIST,
    "group": Fed.GROUPS,
}
"""Which line of a snapshot counts for what."""


class Feed:
    """Feeds one session. One batch at a time, whoever asks for it."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._telling = asyncio.Lock()
        self._cursor: str | None = None

    async def begin(self, client: Client) -> None:
        """Tell what changed since the last time; all, if there was none or the gateway does not remember it."""
        cursor = await self._context.vault.get(CURSOR)
        self._cursor = None if cursor is None else cursor.decode()
        if self._cursor is None or not all([await self._context.is_synced(feed) for feed in FED]):
            await self._tell_everything(client)
        await self.catch_up(client)

    async def follow(self, client: Client) -> None:
        """Tell whatever happens, for as long as there is a connection."""
        while True:
            await self._hear(client, POLL)

    async def catch_up(self, client: Client) -> None:
        """Tell everything that has happened up to now."""
        while await self._hear(client, 0):
            pass

    async def refresh_groups(self, client: Client) -> None:
        """Tell all groups anew, as the gateway shows them now."""
        async with self._telling:
            answer = await client.ask("GET", "/v1/groups")
            as_of, groups = answer["as_of"], answer["groups"]
            facts = [fact for group in groups for fact in group_facts(group, as_of)]
            await self._tell([*facts, groups_fact([group["id"] for group in groups], as_of)])

    async def _hear(self, client: Client, wait: float) -> bool:
        """Ask once for news and tell them; says whether there were any."""
        cursor = self._cursor
        try:
            page = await client.ask("GET", f"/v1/events?after={cursor}&wait={wait:g}", wait=wait)
        except Refused as refused:
            if refused.reason != "cursor_lost":
                raise
            await self._tell_everything(client)
            return True
        events: list[dict[str, Any]] = page["events"]
        async with self._telling:
            if cursor != self._cursor:
                return True  # somebody else told them meanwhile
            await self._tell([fact for event in events for fact in event_facts(event)])
            if cursor != page["cursor"]:
                await self._keep(page["cursor"])
        if any(event["type"] == "my_groups" for event in events):
            await self.refresh_groups(client)
        return bool(events)

    async def _keep(self, cursor: str) -> None:
        """Note up to where everything was told."""
        await self._context.vault.put({CURSOR: cursor.encode()})
        self._cursor = cursor

    async def _tell_everything(self, client: Client) -> None:
        """Tell a whole snapshot. It says nothing of who left the address book: a list of those who are in it does."""
        async with self._telling, client.lines("/v1/snapshot") as lines:
            beginning = await anext(lines, None)
            if beginning is None:
                raise EngineDisconnected("the gateway broke off before its snapshot began")
            for feed in FED:
                await self._context.sync(feed, expected=beginning["counts"].get(feed.value), received=0)
            received = await self._tell_lines(lines, beginning["as_of"])
            for feed in FED:
                await self._context.sync(feed, received=received[feed], complete=True)
            await self._keep(beginning["cursor"])

    async def _tell_lines(self, lines: AsyncIterator[Any], as_of: int) -> Counter[Fed]:
        """Tell the lines of a snapshot; returns how many of what there were."""
        saved: set[UserId] = set()
        received: Counter[Fed] = Counter()
        batch: list[Fact] = []
        async for row in lines:
            if row["type"] == "end":
                await self._tell([*batch, ContactListFact(frozenset(saved), Source.ADDRESS_BOOK, as_of)])
                return received
            if row["type"] in KINDS:
                received[KINDS[row["type"]]] += len(row["users"]) if row["type"] == "blocklist" else 1
            if row["type"] == "contact":
                saved.add(person_in(row).id)
            batch.extend(snapshot_facts(row, as_of))
            if len(batch) >= BATCH:
                await self._tell(batch)
                batch = []
        raise EngineDisconnected("the gateway broke off in the midst of its snapshot")

    async def _tell(self, facts: list[Fact]) -> None:
        for batch in in_batches(facts):
            await self._context.facts(batch)
