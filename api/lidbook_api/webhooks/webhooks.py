"""All webhooks of a server: a lane for each URL of each session, kept as the sessions are configured."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import orjson

from lidbook.app import Lidbook
from lidbook.changelog import cursors, dead_letters
from lidbook.hookspecs import hookimpl
from lidbook.session_config import WebhookConfig
from lidbook.sessions.session import Session
from lidbook_api.events import EventWriter
from lidbook_api.webhooks.lane import Lane, LaneState, Outlets, wanting
from lidbook_api.webhooks.progress import Progress
from lidbook_api.webhooks.receivers import Receiver
from lidbook_api.webhooks.sender import Outcome, Result, Sender
from lidbook_api.webhooks.signing import headers
from lidbook_api.webhooks.timing import Timing

DRAIN: Final = 5.0
"""Seconds that sends under way may take after the server was asked to stop."""


@dataclass(frozen=True, slots=True)
class LaneReport:
    """One lane as it is now."""

    session: str
    url: str
    host: str
    events: tuple[str, ...]
    is_own: bool
    """Whether it is one of the server's own webhooks, and none of the session's."""
    seq: int
    head: int
    waiting: int
    """Entries of the log that it has not read, whether or not they are wanted."""
    state: LaneState
    last_error: str | None
    last_error_at: int | None
    last_delivered_at: int | None
    sent: int
    failed: int
    """Attempts that failed since the server started."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One send outside the order."""

    outcome: Outcome
    milliseconds: int


class Webhooks:
    """Starts and ends lanes. Registered with the core's hooks, which only wake what the log has anyway."""

    def __init__(
        self,
        lidbook: Lidbook,
        events: EventWriter,
        sender: Sender,
        timing: Timing | None = None,
        *,
        drain: float = DRAIN,
    ) -> None:
        self._lidbook = lidbook
        self._own: Sequence[WebhookConfig] = lidbook.settings.webhooks
        self._timing = timing or Timing()
        self._sender = sender
        self._events = events
        self._progress = Progress(lidbook.database)
        self._outlets = Outlets(lidbook.database, events, sender, self._progress, self._timing)
        self._lanes: dict[str, dict[str, Lane]] = {}
        """By session, by URL."""
        self._tasks: dict[Lane, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._drain = drain
        self._ending: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver, from where each cursor is; at the end finish what is being sent."""
        self._loop = asyncio.get_running_loop()
        self._lidbook.hooks.register(self, "lidbook_api.webhooks")
        for session in self._lidbook.sessions.all():
            self._configure(session.name)
        try:
            yield
        finally:
            await self._finished()

    def finish(self) -> None:
        """Begin to end, while requests may still be under way: what is being sent may come to its end, nothing else is
        begun. What they still change is in the log, and is sent after the next start."""
        if self._loop is not None:
            self._finished()

    def _finished(self) -> asyncio.Task[None]:
        if self._ending is None:
            self._lidbook.hooks.unregister(self)
            self._loop = None
            self._ending = asyncio.create_task(self._stop())
        return self._ending

    # what the core tells, on whatever thread

    @hookimpl
    def lidbook_changes_committed(self, session: str) -> None:
        """There is something to read."""
        if session in self._lanes:
            self._soon(self._wake, session)

    @hookimpl
    def lidbook_session_configured(self, session: str) -> None:
        """There may be other webhooks."""
        self._soon(self._configure, session)

    @hookimpl
    def lidbook_session_deleted(self, session: str) -> None:
        """There is nothing to read any more."""
        self._soon(self._configure, session)

    # what others ask

    def lanes(self) -> list[LaneReport]:
        """Every lane as it is now."""
        return [_report(lane) for lanes in self._lanes.values() for lane in lanes.values()]

    def of(self, session: Session) -> list[LaneReport]:
        """The lanes of one session, its own before the server's."""
        lanes = self._lanes.get(session.name, {}).values()
        return sorted((_report(lane) for lane in lanes if lane.session is session), key=lambda report: report.is_own)

    def entries(self, session: Session, *, with_own: bool = True) -> list[WebhookConfig]:
        """The webhooks that hear of a session: the server's own, which no session gets in the way of, then its own."""
        return [*(self._own if with_own else ()), *(session.config.webhooks or ())]

    async def test(self, session: Session, url: str) -> Attempt:
        """Send `webhook.test` to one of the session's URLs, once. One that answers is tried again at once."""
        webhook = next(entry for entry in self.entries(session) if entry.url == url)
        event = self._events.test(session, self._timing.clock())
        return await self._once(session, webhook, event.id, event.timestamp, event.body)

    async def resend(self, session: Session, letter: dead_letters.DeadLetter, body: bytes) -> Attempt | None:
        """Send a dead letter, once, and forget it when it is taken; None when the session has no such URL any more."""
        entries = [entry for entry in self.entries(session) if entry.url == letter.url]
        if not entries:
            return None
        webhook = wanting(entries, letter.event) or entries[0]
        timestamp = int(orjson.loads(body)["timestamp"])
        attempt = await self._once(session, webhook, letter.event_id, timestamp, body)
        if attempt.outcome.result is Result.TAKEN:
            await self._lidbook.database.write(
                lambda connection: dead_letters.delete(connection, session.id, letter.id)
            )
        return attempt

    # within

    async def _once(
        self, session: Session, webhook: WebhookConfig, event_id: str, timestamp: int, body: bytes
    ) -> Attempt:
        began = time.monotonic()
        lane = self._lanes.get(session.name, {}).get(webhook.url)
        outcome = await self._sender.send(
            Receiver.of(webhook.url),
            headers(webhook, event_id, timestamp, body),
            body,
            session=session.name,
            trusted=self._is_trusted(session, webhook.url),
            slow=lane is not None and lane.is_slow,
        )
        if outcome.result is Result.TAKEN:
            lane = self._lanes.get(session.name, {}).get(webhook.url)
            if lane is not None:
                lane.stir()
        return Attempt(outcome, round((time.monotonic() - began) * 1000))

    def _is_trusted(self, session: Session, url: str) -> bool:
        if any(webhook.url == url for webhook in self._own):
            return True
        return cursors.is_trusted(self._lidbook.database.reader, session.id, url)

    def _soon(self, act: Callable[[str], None], session: str) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(act, session)

    def _wake(self, session: str) -> None:
        for lane in self._lanes.get(session, {}).values():
            lane.wake()

    def _configure(self, name: str) -> None:
        """Have a lane for each URL of a session, and no other."""
        if self._loop is None:
            return
        session = self._lidbook.sessions.find(name)
        wanted: dict[str, list[WebhookConfig]] = {}
        for webhook in () if session is None else self.entries(session):
            wanted.setdefault(webhook.url, []).append(webhook)
        lanes = self._lanes.pop(name, {})
        for url, lane in list(lanes.items()):
            if url not in wanted or lane.session is not session:
                del lanes[url]
                self._tasks[lane].cancel()
        for url, webhooks in wanted.items():
            if session is None:
                break
            trusted = self._is_trusted(session, url)
            if url in lanes:
                lanes[url].configure(webhooks, trusted=trusted)
            else:
                lanes[url] = self._begin(Lane(session, url, webhooks, trusted=trusted, outlets=self._outlets))
        if lanes:
            self._lanes[name] = lanes

    def _begin(self, lane: Lane) -> Lane:
        task = self._tasks[lane] = asyncio.create_task(lane.run())
        task.add_done_callback(lambda _: self._tasks.pop(lane, None))
        return lane

    async def _stop(self) -> None:
        for lane in self._tasks:
            lane.close()
        if self._tasks:
            _, late = await asyncio.wait(list(self._tasks.values()), timeout=self._drain)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._lanes.clear()
        await self._progress.close()
        self._sender.close()


def _report(lane: Lane) -> LaneReport:
    changes = lane.session.changes
    head = changes.head()
    return LaneReport(
        session=lane.session.name,
        url=lane.url,
        host=lane.receiver.authority,
        events=tuple(dict.fromkeys(event for webhook in lane.webhooks for event in webhook.events)),
        is_own=not any(webhook.url == lane.url for webhook in lane.session.config.webhooks or ()),
        seq=lane.seq,
        head=head,
        waiting=0 if head == lane.seq else changes.count_after(lane.seq),
        state=lane.state,
        last_error=lane.last_error,
        last_error_at=lane.last_error_at,
        last_delivered_at=lane.last_delivered_at,
        sent=lane.sent,
        failed=lane.failed,
    )
