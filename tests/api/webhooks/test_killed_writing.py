"""`kill -9` while clients write over HTTP and webhooks tell of it: what was acknowledged is heard of, in order."""

import asyncio
import random
import signal
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx

from api.access.processes import Running, serving
from lidbook.changelog import cursors, dead_letters
from lidbook.changelog.log import head
from lidbook.directory.database import open_reader

from .receivers import Received, Receiver, answer, receiver

SESSIONS = ("a", "b", "c")
ROUNDS = 4
WRITES_A_ROUND = (15, 50)
"""Acknowledged ones, from and to, before the server is killed."""


@dataclass
class Writing:
    """Clients that rename one contact after another, and what was acknowledged to them."""

    left: dict[str, Iterator[str]] = field(default_factory=dict)
    """By session: contacts that have not been renamed."""
    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    """Session and name."""
    news: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    answers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    """How often the late receiver may answer: once for two writes, so that every kill finds something unsent."""
    is_over: bool = False
    _asked: int = 0

    async def lagging(self, received: Received) -> bytes:
        """Answer late, and every third time as one that is down."""
        if not self.is_over:
            await self.answers.acquire()
        self._asked += 1
        return answer(503 if self._asked % 3 == 0 else 200)

    async def until_killed(self, client: httpx.AsyncClient, session: str) -> None:
        """Write, one request after another."""
        for contact in self.left[session]:
            name = f"Renamed {contact}"
            try:
                response = await client.put(f"/api/{session}/contacts/{contact}", json={"firstName": name})
            except httpx.TransportError:
                return
            assert response.status_code == 200, response.text
            self.acknowledged.add((session, name))
            self.news.release()
            if len(self.acknowledged) % 2:
                self.answers.release()

    async def during(self, url: str, count: int, server: Running) -> None:
        """Write in all sessions at once, and kill the server in the midst of it."""
        async with httpx.AsyncClient(base_url=url, timeout=20) as client, asyncio.timeout(30):
            writers = [asyncio.create_task(self.until_killed(client, name)) for name in SESSIONS]
            for _ in range(count):
                await self.news.acquire()
            server.process.send_signal(signal.SIGKILL)
            await asyncio.gather(*writers)


@asynccontextmanager
async def server(home: Path) -> AsyncIterator[Running]:
    """A server in a process of its own, whose sessions work."""
    process = serving(home, "--data-dir", str(home / "data"))
    running = await asyncio.to_thread(process.__enter__)
    try:
        yield running
    finally:
        await asyncio.to_thread(process.__exit__, None, None, None)


async def begin(url: str, receivers: list[Receiver], writing: Writing) -> None:
    """Sessions that hear of their contacts at two URLs each."""
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        for number, name in enumerate(SESSIONS):
            hooks = [
                {"url": f"{there.url}/{name}", "events": ["contact.*"], "retries": {"delaySeconds": 0}}
                for there in receivers
            ]
            settings = {"people": 300, "seed": number}
            config = {"engine": "sandbox", "settings": settings, "webhooks": hooks}
            made = await client.post("/api/sessions", json={"name": name, "config": config})
            assert made.status_code == 201, made.text
        for name in SESSIONS:
            await synced(client, name)
            listed = await client.get("/api/contacts/all", params={"session": name})
            mine = [contact["id"] for contact in listed.json() if contact["isMyContact"] and not contact["isMe"]]
            writing.left[name] = iter([contact for contact in mine if contact.endswith("@c.us")])


async def working(url: str) -> None:
    """Wait until every session has what its account has."""
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        for name in SESSIONS:
            await synced(client, name)


async def synced(client: httpx.AsyncClient, session: str) -> None:
    """Wait for the end of a session's first sync."""
    async with asyncio.timeout(20):
        while True:
            listed = await client.get("/api/contacts/all", params={"session": session, "limit": 1})
            if listed.status_code == 200 and "lidbook-sync" not in listed.headers:
                return
            await asyncio.sleep(0.05)  # another process, which tells nothing


def logged(reader: sqlite3.Connection, session: int) -> list[int]:
    """The numbers of the events that a session's webhooks want."""
    rows = reader.execute(
        "SELECT seq FROM log WHERE session = ? AND quiet = 0 AND kind LIKE 'contact.%' ORDER BY seq", (session,)
    )
    return [row[0] for row in rows]


async def test_what_was_acknowledged_before_a_kill_is_heard_by_every_webhook_in_order(tmp_path: Path) -> None:
    chance = random.Random()
    writing = Writing()
    async with receiver() as steady, receiver(writing.lagging) as late:
        both = [steady, late]
        async with server(tmp_path) as running:
            await begin(running.url, both, writing)
            await writing.during(running.url, chance.randint(*WRITES_A_ROUND), running)
        for _ in range(ROUNDS - 1):
            async with server(tmp_path) as running:
                await working(running.url)
                await writing.during(running.url, chance.randint(*WRITES_A_ROUND), running)
        writing.is_over = True
        async with server(tmp_path) as running:
            await working(running.url)
            reader = open_reader(tmp_path / "data" / "lidbook.sqlite3")
            ids = dict(reader.execute("SELECT name, id FROM session").fetchall())
            lanes = {(name, f"{there.url}/{name}"): there for there in both for name in SESSIONS}
            async with asyncio.timeout(60):
                for name, url in lanes:
                    while cursors.position(reader, ids[name], url) != head(reader, ids[name]):  # noqa: ASYNC110 - another process
                        await asyncio.sleep(0.02)

    assert len(writing.acknowledged) >= ROUNDS * WRITES_A_ROUND[0]
    identities: dict[tuple[str, int], set[str]] = defaultdict(set)
    for (name, _), there in lanes.items():
        events = [received.event for received in there.received if received.event["session"] == name]
        seqs = [event["payload"]["seq"] for event in events]
        assert list(dict.fromkeys(seqs)) == logged(reader, ids[name]), "an event was lost, or overtaken"
        back = sum(later < earlier for earlier, later in pairwise(seqs))
        assert back <= ROUNDS, "events were repeated though the server had not been killed"
        heard = {event["payload"]["contact"]["name"] for event in events}
        assert {full for session, full in writing.acknowledged if session == name} <= heard, "a write was not heard of"
        for event in events:
            identities[name, event["payload"]["seq"]].add(event["id"])
        assert dead_letters.counts(reader, ids[name]) == {}
    assert {len(each) for each in identities.values()} == {1}, "a repetition had another id"
    reader.close()
