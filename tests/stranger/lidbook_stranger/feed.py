"""What the gateway knows, told to the directory: all of it once, then what happened since, deletions included."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final

from lidbook.capabilities import Feed as Fed
from lidbook.engine import SessionContext
from lidbook.errors import EngineDisconnected
from lidbook.facts import BATCH, Fact, in_batches
from lidbook.identifiers import UserId
from lidbook_stranger.client import POLL, Client, Refused
from lidbook_stranger.reading import (
    event_facts,
    group_facts,
    groups_fact,
    person_in,
    snapshot_facts,
    unsaved_facts,
    user_of,
    written,
)

CURSOR: Final = "cursor"
"""Name of the blob that says up to where the gateway's news were told."""
BOOK: Final = "book"
"""Name of the blob with everybody who was told to be in the address book: a new snapshot says nothing of who left."""
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
        self._book: set[UserId] = set()

    async def begin(self, client: Client) -> None:
        """Tell what changed since the last time; all, if there was none or the gateway does not remember it."""
        vault = self._context.vault
        cursor, book = await vault.get(CURSOR), await vault.get(BOOK)
        self._book = {user_of(text) for text in json.loads(book or "[]")}
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
            await self._keep(page["cursor"], events)
        if any(event["type"] == "my_groups" for event in events):
            await self.refresh_groups(client)
        return bool(events)

    async def _keep(self, cursor: str, events: list[dict[str, Any]]) -> None:
        """Note up to where everything was told."""
        blobs: dict[str, bytes | None] = {CURSOR: cursor.encode()}
        for event in events:
            if event["type"] in ("contact", "contact_removed"):
                note = self._book.add if event["type"] == "contact" else self._book.discard
                note(person_in(event).id)
                blobs[BOOK] = self._book_blob()
        if events or cursor != self._cursor:
            await self._context.vault.put(blobs)
        self._cursor = cursor

    async def _tell_everything(self, client: Client) -> None:
        """Tell a whole snapshot, and of everybody who was saved before and is not in it that they are not saved."""
        async with self._telling, client.lines("/v1/snapshot") as lines:
            beginning = await anext(lines, None)
            if beginning is None:
                raise EngineDisconnected("the gateway broke off before its snapshot began")
            as_of = beginning["as_of"]
            for feed in FED:
                await self._context.sync(feed, expected=beginning["counts"].get(feed.value), received=0)
            saved, received = await self._tell_lines(lines, as_of)
            left = self._book - saved
            await self._tell([fact for user in left for fact in unsaved_facts(user, as_of)])
            self._book, self._cursor = saved, beginning["cursor"]
            for feed in FED:
                await self._context.sync(feed, received=received[feed], complete=True)
            await self._context.vault.put({CURSOR: self._cursor.encode(), BOOK: self._book_blob()})

    async def _tell_lines(self, lines: AsyncIterator[Any], as_of: int) -> tuple[set[UserId], Counter[Fed]]:
        """Tell the lines of a snapshot; returns who is in the address book, and how many of what there were."""
        saved: set[UserId] = set()
        received: Counter[Fed] = Counter()
        batch: list[Fact] = []
        async for row in lines:
            if row["type"] == "end":
                await self._tell(batch)
                return saved, received
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

    def _book_blob(self) -> bytes:
        return json.dumps(sorted(written(user) for user in self._book)).encode()
