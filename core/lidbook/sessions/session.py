"""One session: its stored config, its observed status, and the engine session while it runs."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from lidbook.capabilities import Capability
from lidbook.directory.database import Database
from lidbook.directory.directory import Directory
from lidbook.engine import Engine, EngineSession, EngineSettings, Log, Network
from lidbook.errors import EngineUnavailable, LidbookError, NotSupported, SessionNotReady
from lidbook.facts import Field, FieldFact, LinkFact, Source
from lidbook.hooks import Hooks
from lidbook.hookspecs import Change
from lidbook.session_config import SessionConfig
from lidbook.sessions import rows
from lidbook.sessions.budget import Budget
from lidbook.sessions.context import Context, OwnVault, Report, Reports
from lidbook.sessions.live import LiveCalls
from lidbook.sessions.vault import DatabaseVault
from lidbook.values import Account, SessionStatus, StatusReason

START_TIMEOUT: Final = 15.0
"""Seconds in which an engine has to begin to connect; others wait for the slot."""
STOP_TIMEOUT: Final = 15.0
WATCH_INTERVAL: Final = 6 * 3600.0
"""Seconds between two attempts to resolve what is on the watch-list by asking for the groups again."""


_ADVICE: Final = {
    StatusReason.ACCOUNT_CHANGED: (
        "another account was linked than the one this session's directory belongs to: link that one again, or reset "
        "the session, which forgets the old account's contacts"
    ),
    StatusReason.CRASHED: "the engine reported something that cannot be; see the server's log",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all sessions of a server share."""

    database: Database
    hooks: Hooks
    data_dir: Path
    network: Network | None
    clock: Callable[[], int]
    monotonic: Callable[[], float]
    budget_factor: float
    deadline: float
    log: Log


class Session:
    """One linked account: a name, an engine, a config, a status."""

    def __init__(
        self,
        row: rows.SessionRow,
        engine: type[Engine],
        engine_settings: EngineSettings,
        config: SessionConfig,
        around: Surroundings,
    ) -> None:
        self.id: Final = row.id
        self.name: Final = row.name
        self.engine = engine
        self.engine_assumed = row.engine_assumed
        self.engine_settings = engine_settings
        self.config = config
        self.desired: rows.Desired = row.desired
        self.status = SessionStatus.STOPPED
        self.reason: StatusReason | None = None
        self.detail: str | None = None
        """What the operator can do about the status; None when it needs no explaining."""
        self.account = row.account
        self.created_at: Final = row.created_at
        self.activity_at = row.activity_at
        self.qr: str | None = None
        self.directory: Final = Directory(around.database, row.id, around.clock, self._tell_changes)
        self.vault: Final = DatabaseVault(around.database, row.id)
        self.live: Final = LiveCalls(
            self,
            self.directory,
            Budget(around.monotonic, around.budget_factor),
            around.clock,
            around.deadline,
        )
        self.log: Final = structlog.stdlib.get_logger("lidbook.session").bind(session=row.name)
        self._around = around
        self._running: EngineSession | None = None
        self._holding: AsyncExitStack | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._reports: Reports | None = None
        self._closing = asyncio.Lock()
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def engine_session(self) -> EngineSession:
        """The running engine session. Raises `SessionNotReady` when the session is not WORKING."""
        if self._running is None or self.status is not SessionStatus.WORKING:
            raise self.not_ready()
        return self._running

    @property
    def opened(self) -> EngineSession:
        """The engine session in whatever status, for linking it. Raises `SessionNotReady` when none is open."""
        if self._running is None:
            raise self.not_ready((SessionStatus.SCAN_QR_CODE,))
        return self._running

    def require(self, capability: Capability) -> None:
        """Raise `NotSupported` unless the session's engine provides this."""
        claim = self.engine.claim(capability)
        if not claim.provided:
            raise NotSupported(self.engine.name, capability.value, claim.note)

    def not_ready(self, expected: Sequence[SessionStatus] = (SessionStatus.WORKING,)) -> SessionNotReady:
        """The error that says in what status the session is, and which one is needed."""
        reason = self.reason.value if self.reason else None
        return SessionNotReady(self.name, self.status.value, [status.value for status in expected], reason)

    @property
    def is_running(self) -> bool:
        """Whether an engine session is open, in whatever status."""
        return self._running is not None

    def touch(self) -> None:
        """Note that the session was used."""
        self.activity_at = self._around.clock()

    async def settled(self, seconds: float) -> None:
        """Wait until the session is no longer STARTING, or for so long."""
        await self.until(lambda status: status is not SessionStatus.STARTING, seconds)

    async def until(self, wanted: Callable[[SessionStatus], bool], seconds: float) -> bool:
        """Wait until the status is as wanted, or for so long; says whether it is."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not wanted(self.status) and (left := end - loop.time()) > 0:
            future: asyncio.Future[None] = loop.create_future()
            self._waiting.add(future)
            try:
                await asyncio.wait({future}, timeout=left)
            finally:
                self._waiting.discard(future)
        return wanted(self.status)

    # running

    def announce_start(self) -> None:
        """Show STARTING at once, so that a request that comes now waits instead of being refused."""
        self._show(SessionStatus.STARTING, None)

    async def start(self, engine_of: Callable[[type[Engine]], Engine]) -> None:
        """Open a session of its engine and let it begin to connect. What goes wrong is a status, not an exception."""
        async with self._closing:
            if self._running is not None:
                return
            self._show(SessionStatus.STARTING, None)
            reports = self._reports = Reports(asyncio.Queue())
        try:
            engine = engine_of(self.engine)
            runtime = await asyncio.to_thread(engine.runtime().check)
            if not runtime.ready:
                raise EngineUnavailable(" ".join(filter(None, (runtime.reason, runtime.remedy))))  # noqa: TRY301
            folder = self._around.data_dir / "sessions" / self.name / self.engine.name
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            context = Context(
                session=self.name,
                settings=self.engine_settings,
                config=self.config.client_config(),
                network=self._around.network,
                folder=folder,
                vault=OwnVault(self.vault, reports),
                log=self.log.bind(engine=self.engine.name),
                directory=self.directory,
                reports=reports,
            )
            holding = AsyncExitStack()
            await holding.enter_async_context(engine.running())
            self._holding = holding
            running = self._running = engine.open(context)
            self._tasks = [
                asyncio.create_task(self._listen(reports)),
                asyncio.create_task(self._retry_watched()),
            ]
            async with asyncio.timeout(START_TIMEOUT):
                await running.start()
        except (Exception, asyncio.CancelledError) as error:
            reason = {TimeoutError: StatusReason.TIMEOUT, EngineUnavailable: StatusReason.RUNTIME}.get(
                type(error), StatusReason.CRASHED
            )
            self.log.exception("session failed to start", engine=self.engine.name)
            said = error.message if isinstance(error, LidbookError) else f"{type(error).__name__}, see the server's log"
            async with self._closing:
                if self._reports is reports:  # else it was refused meanwhile, and shows why
                    await self._close()
                    await self.fail(reason, f"{self.engine.name} failed to start: {said}")
            if _is_cancelled():
                raise

    async def stop(self) -> None:
        """Close the engine session and keep its credentials."""
        async with self._closing:
            await self._close()
            await self._store_status(SessionStatus.STOPPED, None)
            self._show(SessionStatus.STOPPED, None)

    async def logout(self) -> None:
        """Unlink the device where the engine can, and forget the credentials either way. The directory stays."""
        if self._running is not None:
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await self._running.logout()
            except (Exception, asyncio.CancelledError):
                if _is_cancelled():
                    raise
                self.log.exception("the engine did not log out; its credentials are forgotten here")
        async with self._closing:
            await self._close()
            await self.vault.clear()
            folder = self._around.data_dir / "sessions" / self.name
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            self.account = None
            await self._store_status(SessionStatus.STOPPED, None)
            self._show(SessionStatus.STOPPED, None)

    async def _close(self) -> None:
        reports, self._reports = self._reports, None
        running, self._running = self._running, None
        tasks, self._tasks = self._tasks, []
        current = asyncio.current_task()
        for task in tasks:
            if task is not current:
                task.cancel()
        await asyncio.gather(*(task for task in tasks if task is not current), return_exceptions=True)
        if reports is not None:
            reports.drain()
        holding, self._holding = self._holding, None
        try:
            if running is not None:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await running.stop()
        except (Exception, asyncio.CancelledError):
            self.log.exception("the engine failed to stop", engine=self.engine.name)
        if reports is not None:
            reports.closed = True
        try:
            if holding is not None:
                await holding.aclose()
        except (Exception, asyncio.CancelledError):
            self.log.exception("what the sessions of an engine share failed to close", engine=self.engine.name)
        self.qr = None
        await self.directory.flush()

    async def fail(self, reason: StatusReason, detail: str) -> None:
        """Show that the session cannot go on, why, and what can be done about it."""
        await self._store_status(SessionStatus.FAILED, reason)
        self._show(SessionStatus.FAILED, reason, detail)

    # what the engine reports

    async def _listen(self, reports: Reports) -> None:
        """Take the engine's reports one after another: what WORKING needs is done before WORKING shows."""
        while True:
            report = await reports.queue.get()
            refusal: StatusReason | None = None
            try:
                refusal = await self._take(report)
                reports.bound = reports.bound or (refusal is None and report.status is SessionStatus.WORKING)
            except Exception:
                self.log.exception("a report of the engine could not be taken", status=report.status.value)
                refusal = StatusReason.CRASHED
            finally:
                reports.refused = reports.refused or refusal is not None
                reports.queue.task_done()
            if refusal is not None:
                async with self._closing:
                    if self._reports is reports:
                        await self._close()
                        await self.fail(refusal, _ADVICE[refusal])
                return

    async def _take(self, report: Report) -> StatusReason | None:
        """Show what the engine reports; returns why the session cannot go on with it, None when it can."""
        if report.status is SessionStatus.WORKING:
            if report.account is None:
                self.log.error("the engine reported WORKING without the account", engine=self.engine.name)
                return StatusReason.CRASHED
            if not await self._bind(report.account):
                return StatusReason.ACCOUNT_CHANGED
        if report.status is SessionStatus.SCAN_QR_CODE or report.reason is StatusReason.LOGGED_OUT:
            self.account = None
        if report.status is not SessionStatus.SCAN_QR_CODE:
            self.qr = None
        elif report.qr is not None:
            self.qr = report.qr
        await self._store_status(report.status, report.reason)
        self._show(report.status, report.reason)
        return None

    async def _bind(self, account: Account) -> bool:
        """Bind the directory to the account's own LID; False when it belongs to another account."""
        lid = str(account.lid)
        bound = await self._around.database.write(lambda connection: rows.bind_account(connection, self.id, lid))
        if bound != lid:
            self.log.error("another account was linked than the one this directory belongs to")
            return False
        self.account = account
        known = self.directory.known(account.lid, Field.ME)
        pair = self.directory.phone_pair(account.phone)
        name = self.directory.known(account.lid, Field.PUSHNAME)
        if (
            known is None
            or pair.lid != account.lid
            or (account.pushname and (name is None or name[0] != account.pushname))
        ):
            now = self._around.clock()
            me: list[FieldFact | LinkFact] = [
                LinkFact(account.phone, account.lid, Source.ACCOUNT, now),
                FieldFact(account.lid, Field.ME, value=True, source=Source.ACCOUNT, observed_at=now),
            ]
            if account.pushname:
                me.append(FieldFact(account.lid, Field.PUSHNAME, account.pushname, Source.ACCOUNT, now))
            await self.directory.apply(me)
        return True

    async def _retry_watched(self) -> None:
        """On a slow schedule, fetch the groups again while LIDs are being watched for."""
        while True:
            await asyncio.sleep(WATCH_INTERVAL)
            if self.status is SessionStatus.WORKING and await self.directory.is_watching():
                try:
                    await self.live.refresh_groups()
                except Exception:
                    self.log.exception("could not refresh groups for watched LIDs")

    def _show(self, status: SessionStatus, reason: StatusReason | None, detail: str | None = None) -> None:
        changed = (status, reason) != (self.status, self.reason)
        self.status, self.reason, self.detail = status, reason, detail
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        if changed:
            self.log.info("session status", status=status.value, reason=reason.value if reason else None)
            self._around.hooks.tell_session_changed(self.name, status, reason)

    async def _store_status(self, status: SessionStatus, reason: StatusReason | None) -> None:
        account, activity = self.account, self.activity_at
        await self._around.database.write(
            lambda connection: rows.set_status(connection, self.id, status, reason, account, activity)
        )

    def _tell_changes(self, changes: Sequence[Change]) -> None:
        self._around.hooks.tell_changes_committed(self.name, changes)


def _is_cancelled() -> bool:
    """Whether it is this task that was cancelled, and not something of the engine's own that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
