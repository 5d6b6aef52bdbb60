"""A lane: one session's log on its way to one URL, in order, one event after another."""

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog

from lidbook.changelog import cursors, dead_letters
from lidbook.directory.database import Database
from lidbook.hookspecs import Change
from lidbook.session_config import WebhookConfig
from lidbook.sessions.session import Session
from lidbook_api.events import Event, EventWriter, is_wanted
from lidbook_api.webhooks.progress import Progress
from lidbook_api.webhooks.receivers import Receiver
from lidbook_api.webhooks.retries import Retries
from lidbook_api.webhooks.sender import Outcome, Result, Sender
from lidbook_api.webhooks.signing import headers
from lidbook_api.webhooks.timing import Timing

BATCH: Final = 100
"""Entries read at once."""
AFTER_A_FAULT: Final = 5.0
"""Seconds until a lane that failed by a fault of ours goes on."""
SLOW_AFTER: Final = 2
"""Slow answers one after another; a single one is an accident, and costs others no more than the first one did."""
BROKEN_AFTER: Final = 20
"""Events given up one after another with a 5xx: then it is the receiver that is broken, which is waited for."""
ATTEMPTS_AT_ONE: Final = 120
"""Attempts at one event, about an hour of them, of a receiver that is broken: then it may be the event after all."""


class LaneState(StrEnum):
    """What a lane is doing."""

    IDLE = "idle"
    """There is nothing to send."""
    SENDING = "sending"
    """It sends, or is about to."""
    WAITING = "waiting"
    """The receiver refused an event, which is sent again in a while."""
    DOWN = "down"
    """The receiver does not answer; everything is kept until it does."""


@dataclass(frozen=True, slots=True)
class Outlets:
    """What all lanes share."""

    database: Database
    events: EventWriter
    sender: Sender
    progress: Progress
    timing: Timing


class Lane:
    """Reads the log from its cursor, and goes on to the next event when this one was taken or given up."""

    def __init__(
        self, session: Session, url: str, webhooks: Sequence[WebhookConfig], *, trusted: bool, outlets: Outlets
    ) -> None:
        """`webhooks` are the entries of this URL, the first that wants an event counts."""
        self.session: Final = session
        self.url: Final = url
        self.receiver: Final = Receiver.of(url)
        self.webhooks = webhooks
        self.trusted = trusted
        self.state = LaneState.IDLE
        self._slow_in_a_row = 0
        position = cursors.position(outlets.database.reader, session.id, url)
        self.seq = session.changes.head() if position is None else position
        """Everything up to this entry is done."""
        self.sent = 0
        self.failed = 0
        """Attempts since the start of the server."""
        self._failures = 0
        """Events that the receiver failed with, one after another, until they were given up."""
        self.last_error: str | None = None
        self.last_error_at: int | None = None
        self.last_delivered_at: int | None = None
        self._outlets = outlets
        self._news = asyncio.Event()
        self._stirred = asyncio.Event()
        self._closing = False
        self._log = structlog.stdlib.get_logger("lidbook.webhooks").bind(
            session=session.name, receiver=self.receiver.shown
        )

    # from outside

    @property
    def is_slow(self) -> bool:
        """Whether the receiver was slow the last two times, so that the next event waits for a place among the slow."""
        return self._slow_in_a_row >= SLOW_AFTER

    def wake(self) -> None:
        """There may be something new in the log."""
        self._news.set()

    def stir(self) -> None:
        """There is a reason to try again now, and to take the receiver for one that works."""
        self._failures = 0
        self._stirred.set()

    def configure(self, webhooks: Sequence[WebhookConfig], *, trusted: bool) -> None:
        """Send the next event, and the next attempt at this one, with these entries."""
        if (self.webhooks, self.trusted) != (webhooks, trusted):
            self.webhooks, self.trusted = webhooks, trusted
            self.stir()

    def close(self) -> None:
        """Finish the send under way, begin no other."""
        self._closing = True
        self._news.set()
        self._stirred.set()

    async def run(self) -> None:
        """Deliver until closed or cancelled. A fault of ours is logged, and tried again from the cursor."""
        while not self._closing:
            try:
                await self._deliver()
            except Exception as error:  # noqa: BLE001 - a lane must outlive any fault
                self._log.exception("webhook failed here")
                self._remember(f"fault of the server: {type(error).__name__}, see its log")
                await self._outlets.timing.pause(AFTER_A_FAULT, self._stirred)

    async def _deliver(self) -> None:
        changes = self.session.changes
        while not self._closing:
            self._news.clear()
            head, batch, pruned = changes.head(), changes.after(self.seq, BATCH), changes.pruned()
            if pruned > self.seq:
                # read before `pruned`, this batch may be torn
                await self._skip_lost(pruned)
            elif batch:
                self.state = LaneState.SENDING
                for change in batch:
                    if not await self._pass_on(change):
                        return
                await asyncio.sleep(0)
            else:
                if head > self.seq:
                    self._done(head)  # what is between is not told
                self.state = LaneState.IDLE
                await self._news.wait()

    async def _pass_on(self, change: Change) -> bool:
        """Have one entry taken or given up; False when the lane was closed before."""
        if self._closing:
            return False
        if self._entry(change.kind.value) is not None:
            event = self._outlets.events.write(self.session, change)
            if not await self._send(change, event):
                return False
        if self.seq < change.seq:
            self._done(change.seq)
        return True

    async def _send(self, change: Change, event: Event) -> bool:
        refused = silent = broken = 0
        while (webhook := self._entry(event.name)) is not None and self._is_there(change):
            self._stirred.clear()
            self.state = LaneState.DOWN if silent else LaneState.SENDING
            outcome = await self._attempt(webhook, event)
            if outcome.result is Result.TAKEN:
                self._was_taken(after=silent)
                return True
            self._was_not_taken(outcome, first=silent == 0)
            retries, random = Retries.of(webhook.retries), self._outlets.timing.random
            failed = outcome.result is Result.REFUSED and (outcome.status or 0) >= 500
            broken = broken + 1 if failed and self._failures >= BROKEN_AFTER else 0
            if outcome.result is Result.DOWN or 0 < broken < ATTEMPTS_AT_ONE:
                silent += 1
                self.state = LaneState.DOWN
                seconds = retries.seconds_while_silent(silent, random)
            else:
                refused += max(broken, 1)
                self._failures *= failed
                if outcome.result is Result.BLOCKED or refused > retries.attempts or broken:
                    self._failures += failed
                    kept = self._outlets.events.kept(self.session, change, event)
                    await self._give_up(kept, refused, outcome.reason or "")
                    return True
                silent = 0
                self.state = LaneState.WAITING
                seconds = retries.seconds(refused, random)
            if not self._closing:
                await self._outlets.timing.pause(max(seconds, outcome.retry_after), self._stirred)
            if self._closing:
                return False
        return True  # nobody wants it any more, or it was erased

    async def _attempt(self, webhook: WebhookConfig, event: Event) -> Outcome:
        outcome = await self._outlets.sender.send(
            self.receiver,
            headers(webhook, event.id, event.timestamp, event.body),
            event.body,
            session=self.session.name,
            trusted=self.trusted,
            slow=self.is_slow,
        )
        self._slow_in_a_row = self._slow_in_a_row + 1 if outcome.was_slow else 0
        return outcome

    async def _skip_lost(self, pruned: int) -> None:
        """The log forgot what was never sent: say so with one dead letter, and go on behind it."""
        first = self.seq + 1
        event = self._outlets.events.pruned(self.session, first, pruned, self._outlets.timing.clock())
        await self._give_up(event, 0, f"events {first} to {pruned} were pruned from the log before they could be sent")
        self.seq = max(self.seq, pruned)

    async def _give_up(self, event: Event, attempts: int, reason: str) -> None:
        letter = dead_letters.GivenUp(self.url, event.seq, event.name, event.id, event.body, attempts, reason)
        session, now = self.session.id, self._outlets.timing.clock()

        def work(connection: sqlite3.Connection) -> int | None:
            return dead_letters.give_up(connection, session, letter, now)

        dropped = await self._outlets.database.write(work)
        self.seq = max(self.seq, event.seq)
        self._log.warning("webhook event became a dead letter", event_name=event.name, seq=event.seq, reason=reason)
        if dropped:
            self._log.warning("too many dead letters: the oldest were dropped", dropped=dropped)

    def _is_there(self, change: Change) -> bool:
        """Whether it was not erased with its account since it was read; pruned is not erased."""
        changes = self.session.changes
        return change.seq <= changes.pruned() or any(
            each.seq == change.seq for each in changes.after(change.seq - 1, 1)
        )

    def _entry(self, event: str) -> WebhookConfig | None:
        return wanting(self.webhooks, event)

    def _done(self, seq: int) -> None:
        self.seq = seq
        self._outlets.progress.note(self.session.id, self.url, seq)

    def _was_taken(self, *, after: int) -> None:
        self.sent += 1
        self._failures = 0
        self.last_delivered_at = self._outlets.timing.clock()
        if after:
            self._log.info("webhook receiver answers again", attempts=after + 1)

    def _was_not_taken(self, outcome: Outcome, *, first: bool) -> None:
        self.failed += 1
        self._remember(outcome.reason)
        if outcome.result is Result.DOWN and first:
            self._log.warning("webhook receiver does not answer", reason=outcome.reason, seq=self.seq + 1)

    def _remember(self, error: str | None) -> None:
        self.last_error, self.last_error_at = error, self._outlets.timing.clock()


def wanting(webhooks: Iterable[WebhookConfig], event: str) -> WebhookConfig | None:
    """The first entry that wants an event of this name."""
    return next((webhook for webhook in webhooks if is_wanted(event, webhook.events)), None)
