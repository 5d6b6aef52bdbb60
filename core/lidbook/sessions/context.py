"""What an engine session gets of the core, for as long as it runs: see `lidbook.engine.SessionContext`."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lidbook.capabilities import Feed
from lidbook.directory.directory import Directory
from lidbook.engine import ClientConfig, EngineSettings, Log, Network, Vault
from lidbook.errors import EngineDisconnected, LoggedOut, StorageFailed
from lidbook.facts import Facts
from lidbook.passkey import PasskeyChallenge
from lidbook.sessions.fact_check import checking
from lidbook.storage import storing
from lidbook.values import Account, SessionStatus, StatusReason

_ENDED: Final = "this engine session is over: the session was stopped or started anew"
_NO_FAULT_OF_ITS_OWN: Final = (None, StatusReason.CRASHED, StatusReason.RUNTIME, StatusReason.STORAGE)
"""Reasons that an engine gives which could not go on because of what it was told."""


@dataclass(frozen=True, slots=True)
class Report:
    """A change of status, as the engine reported it."""

    status: SessionStatus
    reason: StatusReason | None = None
    account: Account | None = None
    qr: str | None = None
    challenge: PasskeyChallenge | None = None
    code: str | None = None
    detail: str | None = None


@dataclass(slots=True)
class Reports:
    """What an engine session reported and nobody has looked at yet."""

    queue: asyncio.Queue[Report]
    refused: bool = False
    """Whether a report was such that the session must not go on."""
    bound: bool = False
    """Whether the account was reported and is the one that the directory belongs to."""
    closed: bool = False
    """Whether the engine session came to its end: what it still says is nobody's."""
    deaf: bool = False
    """Whether nobody listens any more."""
    storage: StorageFailed | None = None
    """Why what the engine session gave last could not be stored; None when it was."""

    def put(self, report: Report) -> None:
        """One more report."""
        if not self.deaf:
            self.queue.put_nowait(report)

    def drain(self) -> None:
        """Nobody listens any more: let go whoever waits for the reports to be taken."""
        self.deaf = True
        while not self.queue.empty():
            self.queue.get_nowait()
            self.queue.task_done()

    def check(self) -> None:
        """Raise `LoggedOut` when the session must not go on, `EngineDisconnected` when the engine session is over."""
        if self.refused:
            raise LoggedOut("this session is closed: what its engine reported cannot be, see the log")
        if self.closed:
            raise EngineDisconnected(_ENDED)

    def check_facts(self) -> None:
        """The same, and that it is known whose facts they are. Raises `ValueError` before WORKING was reported."""
        self.check()
        if not self.bound and self.deaf:
            raise EngineDisconnected(_ENDED)
        if not self.bound:
            raise ValueError("report WORKING with the account before feeding facts: nobody knows yet whose they are")

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Note whether what is stored within was. Raises `StorageFailed` for what is the disk's fault."""
        try:
            with storing():
                yield
        except StorageFailed as error:
            self.storage = error
            raise
        self.storage = None

    def end(self, report: Report) -> tuple[StatusReason, str | None]:
        """Why the engine session ended with this report, and what more is known of it: an engine that gives up because
        nothing could be stored has not failed."""
        if self.storage is not None and report.reason in _NO_FAULT_OF_ITS_OWN:
            return StatusReason.STORAGE, self.storage.message
        return report.reason or StatusReason.CRASHED, report.detail


class OwnVault:
    """The vault, for as long as the engine session runs."""

    def __init__(self, vault: Vault, reports: Reports) -> None:
        self._vault = vault
        self._reports = reports

    async def get(self, name: str) -> bytes | None:
        """The blob, or None."""
        return await self._vault.get(name)

    async def put(self, blobs: Mapping[str, bytes | None]) -> None:
        """Write all of these or none."""
        self._reports.check()
        with self._reports.storing():
            await self._vault.put(blobs)


@dataclass(slots=True)
class Context:
    """The context of one engine session."""

    session: str
    settings: EngineSettings
    config: ClientConfig
    network: Network | None
    folder: Path
    vault: Vault
    log: Log
    directory: Directory
    reports: Reports
    told: Callable[[int], None]

    async def facts(self, facts: Facts) -> None:
        """Feed the directory; returns after COMMIT. What was reported before is taken first: whose facts are these?"""
        for _ in checking(facts):
            await asyncio.sleep(0)
        await self.reports.queue.join()
        self.reports.check_facts()
        with self.reports.storing():
            await self.directory.apply(facts)
        self.told(len(facts))

    async def sync(
        self, feed: Feed, *, expected: int | None = None, received: int | None = None, complete: bool = False
    ) -> None:
        """Report progress of a sync."""
        await self.reports.queue.join()
        self.reports.check()
        with self.reports.storing():
            await self.directory.sync(feed, expected=expected, received=received, complete=complete)
        if complete:
            self.log.info("sync complete", feed=feed.value, expected=expected, received=received)

    async def is_synced(self, feed: Feed) -> bool:
        """Whether the last sync of this feed that was begun is complete."""
        return await self.directory.is_synced(feed)

    def status(
        self,
        status: SessionStatus,
        reason: StatusReason | None = None,
        *,
        account: Account | None = None,
        detail: str | None = None,
    ) -> None:
        """Report a change of status."""
        self.reports.put(Report(status, reason, account, detail=detail))

    def qr(self, value: str) -> None:
        """Show a QR code."""
        self.reports.put(Report(SessionStatus.SCAN_QR_CODE, qr=value))

    def passkey_challenge(self, challenge: PasskeyChallenge) -> None:
        """Show what the account's passkey has to sign."""
        self.reports.put(Report(SessionStatus.PASSKEY_REQUIRED, challenge=challenge))

    def passkey_confirmation(self, code: str) -> None:
        """Show the code that has to be the one on the phone."""
        self.reports.put(Report(SessionStatus.PASSKEY_CONFIRMATION_REQUIRED, code=code))
