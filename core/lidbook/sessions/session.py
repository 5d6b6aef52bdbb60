"""One session: its stored config, its observed status, and the engine session while it runs."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from lidbook.capabilities import Capability
from lidbook.changelog.log import ChangeLog
from lidbook.directory.directory import Directory
from lidbook.engine import Engine, EngineSession, EngineSettings
from lidbook.errors import LidbookError, NotSupported, SessionNotReady
from lidbook.hookspecs import Change
from lidbook.reasons import ADVICE, CANNOT_BE, reason_of, said_by, start_failed
from lidbook.session_config import SessionConfig
from lidbook.sessions import links, rows
from lidbook.sessions.binding import bind
from lidbook.sessions.budget import Budget
from lidbook.sessions.context import Context, OwnVault, Report, Reports
from lidbook.sessions.engine_run import EngineRun
from lidbook.sessions.folders import engine_folder, forget_folder
from lidbook.sessions.journal import StatusJournal
from lidbook.sessions.linking import Linking
from lidbook.sessions.live import LiveCalls
from lidbook.sessions.patience import is_cancelled
from lidbook.sessions.supervisor import Supervisor
from lidbook.sessions.surroundings import Surroundings
from lidbook.sessions.transitions import LINKING, may_report
from lidbook.sessions.vault import DatabaseVault, forget_vaults
from lidbook.sessions.waiting import Waiting
from lidbook.storage import storage_failure
from lidbook.values import SessionStatus, StatusReason

WATCH_INTERVAL: Final = 6 * 3600.0
"""Seconds between two attempts to resolve what is on the watch-list by asking for the groups again."""


class Session:
    """One linked account: a name, an engine, a config, a status."""

    def __init__(
        self,
        row: rows.SessionRow,
        engine: type[Engine],
        engine_settings: EngineSettings,
        config: SessionConfig,
        around: Surroundings,
        supervisor: Supervisor,
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
        self.was_left_running: Final = row.status is not SessionStatus.STOPPED
        """Whether the process that had this session before ended without stopping it."""
        self.created_at: Final = row.created_at
        self.activity_at = row.activity_at
        self.network: Final = around.network
        self.linking: Final = Linking()
        self.changes: Final = ChangeLog(around.database, row.id)
        self.directory: Final = Directory(around.database, row.id, around.clock, self._tell_changes)
        self.live: Final = LiveCalls(
            self,
            self.directory,
            Budget(around.monotonic, around.budget_factor),
            around.clock,
            around.deadline,
            self._tell_call,
        )
        self.log: Final = structlog.stdlib.get_logger("lidbook.session").bind(session=row.name)
        self._around = around
        self._supervisor = supervisor
        self._journal = StatusJournal(around.database, row.id, row.name, around.clock, self._tell_changes)
        self._trouble: str | None = None
        """What went wrong last, for as long as it is tried again."""
        self._run: EngineRun | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: asyncio.Task[None] | None = None
        self._closing = asyncio.Lock()
        self._waiting = Waiting()

    @property
    def engine_session(self) -> EngineSession:
        """The running engine session. Raises `SessionNotReady` when the session is not WORKING."""
        running = self._engine_session
        if running is None or self.status is not SessionStatus.WORKING:
            raise self.not_ready()
        return running

    @property
    def opened(self) -> EngineSession:
        """The engine session in whatever status, for linking it. Raises `SessionNotReady` when none is open."""
        running = self._engine_session
        if running is None:
            raise self.not_ready((SessionStatus.SCAN_QR_CODE,))
        return running

    def require(self, capability: Capability) -> None:
        """Raise `NotSupported` unless the session's engine provides this."""
        claim = self.engine.claim(capability)
        if not claim.provided:
            raise NotSupported(self.engine.name, capability.value, claim.note)

    def not_ready(self, expected: Sequence[SessionStatus] = (SessionStatus.WORKING,)) -> SessionNotReady:
        """The error that says in what status the session is, and which one is needed."""
        return SessionNotReady(self.name, self.status.value, [status.value for status in expected], self.reason)

    @property
    def qr(self) -> str | None:
        """The QR code to scan now."""
        return self.linking.qr

    @property
    def is_running(self) -> bool:
        """Whether an engine session is open, in whatever status."""
        return self._engine_session is not None

    def has_open(self, engine_session: EngineSession) -> bool:
        """Whether this engine session is still this session's: what another one answers belongs to nobody."""
        return self._engine_session is engine_session

    @property
    def vault(self) -> DatabaseVault:
        """What its engine keeps for it."""
        return DatabaseVault(self._around.database, self.id, self.engine.name)

    def touch(self) -> None:
        """Note that the session was used."""
        self.activity_at = self._around.clock()

    async def settled(self, seconds: float) -> None:
        """Wait until the session is no longer STARTING, or for so long."""
        await self.until(lambda status: status is not SessionStatus.STARTING, seconds)

    async def until(self, wanted: Callable[[SessionStatus], bool], seconds: float) -> bool:
        """Wait until the status is as wanted, or for so long; says whether it is."""
        return await self._waiting.until(lambda: wanted(self.status), seconds)

    # running

    def announce_start(self) -> None:
        """Show STARTING at once, so that a request that comes now waits instead of being refused."""
        if not self._is_another_attempt:
            self._show(SessionStatus.STARTING, None)

    async def start(self, engine_of: Callable[[type[Engine]], Engine]) -> None:
        """Open a session of its engine and let it begin to connect. What goes wrong is a status, not an exception."""
        async with self._closing:
            if self._run is not None:
                return
            self._supervisor.begun(self.name)
            if self._is_another_attempt:
                detail = f"{self._trouble}; attempt {self._supervisor.attempts(self.name)} is under way"
                await self._move(SessionStatus.STARTING, self.reason, detail)
            else:
                await self._move(SessionStatus.STARTING, None)
            run = self._run = EngineRun(self.log.bind(engine=self.engine.name))
        try:
            await run.start(engine_of(self.engine), self._context(run.reports), lambda: self._attend(run))
        except (Exception, asyncio.CancelledError) as error:
            cut_short = is_cancelled()
            self._ending = asyncio.create_task(self._end_start(run, None if cut_short else error))
            await asyncio.shield(self._ending)  # whoever cuts it short twice leaves nothing half closed
            if cut_short:
                raise

    async def _end_start(self, run: EngineRun, error: BaseException | None) -> None:
        """Close what a start has opened; without an error, somebody else says what becomes of the session."""
        async with self._closing:
            if self._run is not run:
                return  # it was refused meanwhile, and shows why
            await self._close()
            if error is None:
                return
            error = storage_failure(error) or error
            unforeseen = None if isinstance(error, LidbookError) else error
            say = self.log.warning if unforeseen is None else self.log.error
            say("session failed to start", error=said_by(error), exc_info=unforeseen)
            await self._go_down(reason_of(error), start_failed(self.engine.name, error))

    async def stop(self, *, unlink: bool = False) -> None:
        """Close the engine session and keep its credentials; with `unlink`, take the device off the account first."""
        async with self._closing:
            await self._end(unlink=unlink)
            await self._move(SessionStatus.STOPPED, None)

    async def logout(self, *, erase: bool = False) -> None:
        """Unlink the device where the engine can, and forget the credentials either way. The directory stays, unless it
        is to be erased too, and with it to which account it belonged."""
        async with self._closing:
            await self._end(unlink=True)
            try:
                await self._forget_credentials()
                if erase:
                    await self.directory.erase()
                    await self._around.database.write(lambda connection: rows.forget_dead_letters(connection, self.id))
            finally:
                await self._move(SessionStatus.STOPPED, None)

    async def fail(self, reason: StatusReason, detail: str) -> None:
        """Show that the session cannot be started, why, and what can be done about it."""
        async with self._closing:
            self._supervisor.forget(self.name)
            await self._move(SessionStatus.FAILED, reason, detail)

    def _context(self, reports: Reports) -> Context:
        return Context(
            session=self.name,
            settings=self.engine_settings,
            config=self.config.client_config(self._around.client),
            network=self._around.network,
            folder=engine_folder(self._around.data_dir, self.name, self.engine.name),
            vault=OwnVault(self.vault, reports),
            log=self.log.bind(engine=self.engine.name),
            directory=self.directory,
            reports=reports,
            told=self._tell_facts,
        )

    def _attend(self, run: EngineRun) -> None:
        self._tasks = [asyncio.create_task(self._listen(run)), asyncio.create_task(self._retry_watched())]

    async def _end(self, *, unlink: bool) -> None:
        self._supervisor.forget(self.name)
        if unlink and self._run is not None and self.engine.claim(Capability.SESSION_LOGOUT).provided:
            try:
                await self._run.logout()
            except (Exception, asyncio.CancelledError):
                if is_cancelled():
                    raise
                self.log.exception("the engine did not log out; its credentials are forgotten here")
        await self._close()

    async def _close(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.reports.drain()
            self.live.hang_up(run.session)
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        self._tasks = []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if run is not None:
            await run.close()
        try:
            await self.directory.flush()
        except sqlite3.Error:
            self.log.exception("the watch-list could not be stored")

    async def _forget_credentials(self) -> None:
        self.account = None
        await forget_vaults(self._around.database, self.id)
        await asyncio.to_thread(forget_folder, self._around.data_dir, self.name)

    async def _go_down(self, reason: StatusReason, what: str | None) -> None:
        """The engine session is closed: have it tried again, or show that somebody has to do something."""
        if reason is StatusReason.LOGGED_OUT:
            self.account = None
        attempts = self._supervisor.attempts(self.name)
        delay = self._supervisor.failed(self.name, reason)
        if delay is not None:
            self._trouble = what or f"{self.engine.name} reported that it cannot go on"
            attempt = self._supervisor.attempts(self.name)
            detail = f"{self._trouble}; attempt {attempt} follows in {max(1.0, delay):.0f} s"
            await self._move(SessionStatus.STARTING, reason, detail)
            self._supervisor.try_again(self.name, delay)  # not before it shows: only what is STARTING is started
        elif what is not None:
            given_up = f"; {ADVICE[reason]}" if attempts else ""
            await self._move(SessionStatus.FAILED, reason, what + given_up)
        else:
            await self._move(SessionStatus.FAILED, reason, ADVICE[reason])

    @property
    def _is_another_attempt(self) -> bool:
        return self.status is SessionStatus.STARTING and self._supervisor.attempts(self.name) > 0

    @property
    def _engine_session(self) -> EngineSession | None:
        return None if self._run is None else self._run.session

    # what the engine reports

    async def _listen(self, run: EngineRun) -> None:
        """Take the engine's reports one after another: what WORKING needs is done before WORKING shows."""
        reports = run.reports
        while True:
            report = await reports.queue.get()
            over = report.status is SessionStatus.FAILED
            refusal: StatusReason | None = None
            try:
                if not over:
                    refusal = await self._take(report, reports)
            except Exception as error:  # noqa: BLE001 - it is logged, and ends the engine session
                reports.storage = storage_failure(error)
                self._complain("a report of the engine could not be taken", error, report.status)
                over = reports.storage is not None
                refusal = None if over else StatusReason.CRASHED
            finally:
                reports.refused = reports.refused or refusal is not None
                reports.closed = reports.closed or over
                reports.queue.task_done()
            if not over and refusal is None:
                continue
            async with self._closing:
                if self._run is run:
                    await self._close()
                    if refusal is not None:
                        self._supervisor.forget(self.name)
                        detail = CANNOT_BE if refusal is StatusReason.CRASHED else ADVICE[refusal]
                        await self._move(SessionStatus.FAILED, refusal, detail)
                    else:
                        await self._go_down(*reports.end(report))
            return

    async def _take(self, report: Report, reports: Reports) -> StatusReason | None:
        """Show what the engine reports; returns why the session cannot go on with it, None when it can."""
        if not may_report(self.status, report.status):
            self.log.error("the engine reported a status that cannot follow", status=report.status.value)
            return StatusReason.CRASHED
        if report.status is SessionStatus.STARTING is self.status and report.reason is None:
            return None  # why it is STARTING still holds
        if report.status is SessionStatus.WORKING:
            if report.account is None:
                self.log.error("the engine reported WORKING without the account", engine=self.engine.name)
                return StatusReason.CRASHED
            if not await bind(self._around.database, self.id, self.directory, report.account, self._around.clock):
                self.log.error("another account was linked than the one this directory belongs to")
                return StatusReason.ACCOUNT_CHANGED
            self.account = report.account
            reports.bound = True  # before it shows: whoever sees it WORKING may have facts fed
            self._supervisor.works(self.name)
        detail = report.detail
        if report.status in LINKING:
            self.account = None
            detail = detail or links.explain(self._around.database.reader, self.id, self.engine.name, self.directory)
        await self._move(report.status, report.reason, detail, another=self.linking.take(report))
        return None

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
        self.linking.keep_for(status)
        self._waiting.look_again()
        if changed:
            self.log.info("session status", status=status.value, reason=reason.value if reason else None)
            self._around.hooks.tell_session_changed(self.name, status, reason)

    async def _move(
        self, status: SessionStatus, reason: StatusReason | None, detail: str | None = None, *, another: bool = False
    ) -> None:
        """Store the status and log it, then show it; on a disk that takes nothing it is shown all the same."""

        def shown() -> None:
            self._show(status, reason, detail)

        try:
            await self._journal.write(
                self.engine.name, status, reason, self.account, self.activity_at, another=another, shown=shown
            )
        except sqlite3.Error as error:
            self._complain("the status could not be stored", error, status)
            shown()

    def _complain(self, event: str, error: Exception, status: SessionStatus) -> None:
        """Log it; what is wrong with a disk needs no traceback."""
        failed = storage_failure(error)
        self.log.error(event, status=status.value, error=str(failed or error), exc_info=None if failed else error)

    def _tell_facts(self, facts: int) -> None:
        self._around.hooks.tell_facts_taken(self.name, self.engine.name, facts)

    def _tell_call(self, capability: Capability, seconds: float, error: str | None) -> None:
        self._around.hooks.tell_live_call_ended(self.name, self.engine.name, capability, seconds, error)

    def _tell_changes(self, changes: Sequence[Change]) -> None:
        self._around.hooks.tell_changes_committed(self.name, changes)
