"""`kill -9` of a server that delivers, again and again: nothing is lost, nothing comes out of order."""

import asyncio
import signal
from pathlib import Path

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

EVENTS = 5000
KILLED_AFTER = (1, 700, 1900, 3600)
REFUSED_EVERY = 40


async def prepared(data_dir: Path, url: str) -> int:
    """A data dir with a stopped session whose webhook has all the events before it."""
    lidbook = await Lidbook.open(CoreSettings(data_dir), engines=EngineRegistry.load(), hooks=Hooks())
    webhook = {"url": url, "events": ["contact.*"], "retries": {"attempts": 1, "delaySeconds": 0}}
    config = SessionConfig.parse({"engine": "sandbox", "webhooks": [webhook]})
    session = await lidbook.sessions.create("a", config, start=False)
    await lidbook.database.write(lambda c: written(c, session.id, EVENTS, ChangeKind.CONTACT_CREATED, now_ms()))
    await lidbook.close()
    return session.id


async def test_killed_again_and_again(tmp_path: Path) -> None:
    def refuse_some(received: Received) -> bytes:
        return answer(400 if received.seq % REFUSED_EVERY == 0 else 200)

    data_dir = tmp_path / "data"
    async with receiver(refuse_some) as there:
        session = await prepared(data_dir, there.url)
        for killed_after in KILLED_AFTER:
            running = serving(tmp_path, "--data-dir", str(data_dir))
            process = (await asyncio.to_thread(running.__enter__)).process
            try:
                await there.until(killed_after)
                process.send_signal(signal.SIGKILL)
            finally:
                await asyncio.to_thread(running.__exit__, None, None, None)
        with_rest = serving(tmp_path, "--data-dir", str(data_dir))
        await asyncio.to_thread(with_rest.__enter__)
        reader = open_reader(data_dir / "lidbook.sqlite3")
        try:
            async with asyncio.timeout(60):
                while cursors.position(reader, session, there.url) != EVENTS:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
        finally:
            await asyncio.to_thread(with_rest.__exit__, None, None, None)

    assert list(dict.fromkeys(there.seqs)) == list(range(1, EVENTS + 1)), "an event was lost, or overtaken"
    steps_back = sum(later < earlier for earlier, later in zip(there.seqs, there.seqs[1:], strict=False))
    assert steps_back <= len(KILLED_AFTER), "events were repeated though the server had not been killed"
    ids = {(r.seq, r.event["id"], r.headers["x-webhook-request-id"]) for r in there.received}
    assert len(ids) == EVENTS, "a repetition had other ids"
    letters = [letter.seq for letter in dead_letters.page(reader, session, EVENTS)][::-1]
    assert letters == list(range(REFUSED_EVERY, EVENTS + 1, REFUSED_EVERY)), "each refusal is one dead letter"
    reader.close()
