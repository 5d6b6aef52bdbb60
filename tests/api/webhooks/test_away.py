"""A receiver that is away for ten thousand events, behind a proxy or not there at all, while the server is killed."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import httpx

from api.access.processes import serving
from lidbook.app import CoreSettings, Lidbook
from lidbook.changelog import cursors, dead_letters
from lidbook.clock import now_ms
from lidbook.directory.database import open_reader
from lidbook.hooks import Hooks
from lidbook.hookspecs import ChangeKind
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig

from .conftest import written
from .receivers import Received, answer, receiver

MANY = 10_000
DELAY = 0.1
FROM_A_PROXY = (502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530)


@dataclass(frozen=True, slots=True)
class Server:
    """A server in a process of its own, killed at the end."""

    client: httpx.AsyncClient

    async def webhook(self) -> dict[str, Any]:
        """How far the webhook is."""
        (webhook,) = (await self.client.get("/api/a/webhooks")).json()
        found: dict[str, Any] = webhook
        return found

    async def is_down(self, error: str) -> None:
        """Wait until the webhook says so."""
        async with asyncio.timeout(20):
            while (webhook := await self.webhook())["state"] != "down":  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        assert webhook["lastError"].startswith(error)
        assert webhook["position"] == {"seq": 0, "head": MANY, "waiting": MANY}


@asynccontextmanager
async def server(home: Path) -> AsyncIterator[Server]:
    """One that is killed with SIGKILL."""
    process = serving(home, "--data-dir", str(home / "data"))
    running = await asyncio.to_thread(process.__enter__)
    try:
        async with httpx.AsyncClient(base_url=running.url, timeout=20) as client:
            yield Server(client)
        running.process.send_signal(signal.SIGKILL)
    finally:
        await asyncio.to_thread(process.__exit__, None, None, None)


async def prepared(data_dir: Path, url: str) -> int:
    """A data dir with a stopped session whose webhook has all the events before it."""
    lidbook = await Lidbook.open(CoreSettings(data_dir), engines=EngineRegistry.load(), hooks=Hooks())
    retries = {"policy": "exponential", "delaySeconds": DELAY}
    webhook = {"url": url, "events": ["contact.*"], "retries": retries}
    config = SessionConfig.parse({"engine": "sandbox", "webhooks": [webhook]})
    session = await lidbook.sessions.create("a", config, start=False)
    await lidbook.database.write(lambda c: written(c, session.id, MANY, ChangeKind.CONTACT_CREATED, now_ms()))
    await lidbook.close()
    return session.id


async def test_ten_thousand_events_wait_through_kills_for_a_receiver_that_is_away(tmp_path: Path) -> None:
    """First nobody listens, then a proxy answers, and the server is killed after each; a test wakes the webhook."""
    statuses = cycle(FROM_A_PROXY)
    asked: list[float] = []
    headers: dict[str, Any] = {}

    def away(received: Received) -> bytes:
        asked.append(time.monotonic())
        return answer(next(statuses), **headers)

    async with receiver(away) as there:
        await there.close()
        session = await prepared(tmp_path / "data", there.url)
        async with server(tmp_path) as running:
            await running.is_down("no connection: Connection refused")
        await there.open()
        async with server(tmp_path) as running:
            await there.until(4)
            await running.is_down("answered 5")
        pauses = [later - earlier for earlier, later in pairwise(asked)]
        assert all(pause >= DELAY * 2**attempt for attempt, pause in enumerate(pauses, 1))
        headers["retry_after"], before = "3600", len(asked)
        async with server(tmp_path) as running:
            await there.until(before + 1)
            await running.is_down("answered 5")
            assert set(there.seqs) == {1}
            tries = len(there.received)
            there.answering = lambda _: answer()
            tested = await running.client.post("/api/a/webhooks/test", json={"url": there.url})
            assert tested.json()["ok"]
            await there.until(tries + 1 + MANY, 60)
            reader = open_reader(tmp_path / "data" / "lidbook.sqlite3")
            async with asyncio.timeout(20):
                while cursors.position(reader, session, there.url) != MANY:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.02)
    events = [received for received in there.received if received.event["event"] != "webhook.test"]
    assert [received.seq for received in events] == [1] * tries + list(range(1, MANY + 1))
    ids = {(r.seq, r.event["id"], r.headers["x-webhook-request-id"]) for r in events}
    assert len(ids) == MANY, "a repetition had other ids"
    assert dead_letters.counts(reader, session) == {}
    reader.close()
