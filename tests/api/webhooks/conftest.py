"""A core with sessions whose logs a test writes, and webhooks whose time a test makes pass."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from api.served import PoorEngine
from lidbook.app import CoreSettings, Lidbook
from lidbook.changelog import cursors, dead_letters
from lidbook.changelog.dead_letters import DeadLetter
from lidbook.hooks import Hooks
from lidbook.hookspecs import Change, ChangeKind
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig, WebhookConfig
from lidbook.sessions.session import Session
from lidbook_api.errors import environment
from lidbook_api.events import EventWriter
from lidbook_api.webhooks.destinations import Destinations
from lidbook_api.webhooks.lane import LaneState
from lidbook_api.webhooks.sender import Sender
from lidbook_api.webhooks.timing import Timing
from lidbook_api.webhooks.webhooks import LaneReport, Webhooks

from .receivers import Answering, Receiver, receiver

NOW = 1_767_225_600_000


class Pauses:
    """Stands in for time: every pause is noted, and over at once unless it is held."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.held: asyncio.Event | None = None
        self._news = asyncio.Condition()

    async def __call__(self, seconds: float, early: asyncio.Event) -> None:
        """Let no time pass."""
        self.asked.append(seconds)
        async with self._news:
            self._news.notify_all()
        await asyncio.sleep(0)
        if self.held is not None:
            waits = [asyncio.ensure_future(event.wait()) for event in (self.held, early)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)

    def hold(self) -> None:
        """From now on, pauses last until they are released."""
        self.held = asyncio.Event()

    def release(self) -> None:
        """End every pause."""
        assert self.held is not None
        self.held.set()
        self.held = None

    async def until(self, count: int) -> list[float]:
        """The pauses, once they are so many."""
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(lambda: len(self.asked) >= count)
        return self.asked


@dataclass
class Desk:
    """What a test of delivery works with."""

    lidbook: Lidbook
    webhooks: Webhooks
    pauses: Pauses
    stack: AsyncExitStack
    counter: int = 0
    times: list[int] = field(default_factory=list)

    async def receiver(self, answering: Answering | None = None) -> Receiver:
        """A receiver, gone at the end of the test."""
        return await self.stack.enter_async_context(receiver(answering))

    async def session(self, name: str, *webhooks: dict[str, object], **config: object) -> Session:
        """A stopped session with these webhooks, which want everything unless they say otherwise."""
        return await self.lidbook.sessions.create(name, configured(*webhooks, **config), start=False)

    async def log(self, session: Session, count: int, kind: ChangeKind = ChangeKind.CONTACT_CREATED) -> list[int]:
        """So many entries in a session's log; returns their numbers."""
        changes = await self.lidbook.database.write(lambda connection: written(connection, session.id, count, kind))
        self.lidbook.hooks.tell_changes_committed(session.name, changes)
        return [change.seq for change in changes]

    def letters(self, session: Session) -> list[DeadLetter]:
        """The dead letters, the oldest first."""
        return dead_letters.page(self.lidbook.database.reader, session.id, 1000)[::-1]

    def position(self, session: Session, url: str) -> int | None:
        """The cursor on disk."""
        return cursors.position(self.lidbook.database.reader, session.id, url)

    def lane(self, session: Session, url: str) -> LaneReport:
        """One lane as it is now."""
        return next(lane for lane in self.webhooks.of(session) if lane.url == url)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - there is nothing that tells
                await asyncio.sleep(0.002)

    async def idle(self, session: Session, url: str) -> LaneReport:
        """A lane that has got to the end of the log, on disk as well."""

        def is_idle() -> bool:
            lane = self.lane(session, url)
            at_end = lane.seq == lane.head == self.position(session, url)
            return lane.state is LaneState.IDLE and at_end

        await self.until(is_idle)
        return self.lane(session, url)


def written(
    connection: sqlite3.Connection, session: int, count: int, kind: ChangeKind, since: int = NOW
) -> list[Change]:
    """So many entries, each about another number."""
    first = connection.execute(
        "UPDATE directory SET seq = seq + ? WHERE session = ? RETURNING seq", (count, session)
    ).fetchone()[0]
    changes = [
        Change(seq=seq, at=since + seq, kind=kind, subject=f"{15550000000 + seq}@c.us", fields=("name",))
        for seq in range(first - count + 1, first + 1)
    ]
    connection.executemany(
        "INSERT INTO log (session, seq, at, kind, subject, other, fields, quiet) VALUES (?, ?, ?, ?, ?, NULL, ?, 0)",
        [(session, change.seq, change.at, kind.value, change.subject, "name") for change in changes],
    )
    return changes


def configured(*webhooks: dict[str, object], **config: object) -> SessionConfig:
    """A config with these webhooks."""
    entries = [{"events": ["*", "contact.*", "lid.*"], **webhook} for webhook in webhooks]
    return SessionConfig.parse({"engine": "poor", **config, "webhooks": entries})


def webhook(**fields: object) -> WebhookConfig:
    """One webhook."""
    webhooks = configured(fields).webhooks
    assert webhooks is not None
    return webhooks[0]


def webhooks_of(lidbook: Lidbook, pauses: Pauses, sender: Sender | None = None, *, drain: float = 10) -> Webhooks:
    """The webhooks of a core, with a sender that goes where it is told."""
    return Webhooks(
        lidbook,
        EventWriter(lidbook.instance(), environment("poor")),
        sender or Sender(Destinations()),
        Timing(clock=lambda: NOW, pause=pauses, random=lambda: 0.5),
        drain=drain,
    )


@pytest.fixture
async def lidbook(tmp_path: Path) -> AsyncIterator[Lidbook]:
    """A core without sessions."""
    settings = CoreSettings(tmp_path / "data")
    lidbook = await Lidbook.open(settings, engines=EngineRegistry.of(PoorEngine), hooks=Hooks())
    yield lidbook
    await lidbook.close()


@pytest.fixture
async def desk(lidbook: Lidbook) -> AsyncIterator[Desk]:
    """With webhooks that run."""
    pauses = Pauses()
    async with AsyncExitStack() as stack:
        webhooks = webhooks_of(lidbook, pauses)
        await stack.enter_async_context(webhooks.running())
        yield Desk(lidbook, webhooks, pauses, stack)
