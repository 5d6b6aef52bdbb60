"""The engine under test in a core of its own, with a session for each account that it is linked to."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
import structlog
from structlog.dev import plain_traceback

from lidbook.app import CoreSettings, Lidbook
from lidbook.capabilities import Feed
from lidbook.engine import Engine, EngineSession, SessionContext
from lidbook.hooks import Hooks
from lidbook.hookspecs import hookimpl
from lidbook.identifiers import PhoneNumber, UserId
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig
from lidbook.sessions.session import Session
from lidbook.sessions.supervisor import Delays
from lidbook.testing.opening import Opening
from lidbook.testing.record import Record, WatchedContext
from lidbook.testing.simulation import Simulation
from lidbook.values import SessionStatus, StatusReason
from lidbook.world.conditions import Kind

MAIN: Final = "main"
OTHER: Final = "other"
Document = dict[str, Any]


class Stage:
    """One core, the engine under test, and at most one session of each of the simulation's accounts."""

    def __init__(self, opening: Opening, simulation: Simulation, folder: Path) -> None:
        self.opening: Final = opening
        self.simulation: Final = simulation
        self.records: Final[dict[str, Record]] = {}
        self.scans = True
        """Whether the owner of the phone scans what is shown."""
        self._folder = folder
        self._lidbook: Lidbook | None = None
        self._changed = asyncio.Event()
        self._scanning: set[asyncio.Task[None]] = set()

    # the session under test

    @property
    def lidbook(self) -> Lidbook:
        """The core. Raises `RuntimeError` while it is closed."""
        if self._lidbook is None:
            raise RuntimeError("the stage's core is closed")
        return self._lidbook

    @property
    def session(self) -> Session:
        """The core's session for the simulation's account."""
        return self.lidbook.sessions.get(MAIN)

    @property
    def engine_session(self) -> EngineSession:
        """The engine's, as the core calls it."""
        return self.session.engine_session

    @property
    def record(self) -> Record:
        """What it told so far."""
        return self.records[MAIN]

    @property
    def feeds(self) -> frozenset[Feed]:
        """What it says that it feeds, and can be synced."""
        return self.opening.engine.feeds - {Feed.QR}

    # what a test does

    async def open(self) -> None:
        """Open the core; after `close`, another one on the same data dir, as when a server is started again."""
        if not structlog.is_configured():  # its own way to show a traceback takes longer than the tests
            structlog.configure(
                [structlog.stdlib.add_log_level, structlog.dev.ConsoleRenderer(exception_formatter=plain_traceback)]
            )
        hooks = Hooks()
        hooks.register(_Listener(self._pulse), "stage")
        network = self.opening.network
        settings = CoreSettings(
            self._folder,
            network=None if network is None else str(network),
            budget_factor=0.0,
            ready_timeout=self.opening.patience,
            deadline=self.opening.patience,
            delays=Delays(first=0.05, longest=0.5),
        )
        self._lidbook = await Lidbook.open(settings, engines=EngineRegistry.of(self._watched()), hooks=hooks)

    async def close(self) -> None:
        """Close the core, and with it every session; one that is closed already is left alone."""
        lidbook, self._lidbook = self._lidbook, None
        for task in self._scanning:
            task.cancel()
        if lidbook is not None:
            await lidbook.close()

    async def begin(self, name: str = MAIN) -> Session:
        """Make a session of an account, and start it; returns as soon as that has begun."""
        config = SessionConfig(
            engine=self.opening.engine.name, settings=dict(self.opening.settings(self._phone(name))), webhooks=None
        )
        return await self.lidbook.sessions.create(name, config)

    async def link(self, name: str = MAIN) -> Session:
        """The same, and wait until it is WORKING."""
        session = await self.begin(name)
        await self.working(name)
        return session

    async def synced(self, name: str = MAIN) -> None:
        """Wait until everything that the engine feeds was told once, whole."""
        session = self.lidbook.sessions.get(name)

        def is_whole() -> bool:
            complete = {report.feed for report in session.directory.syncs() if report.complete}
            return complete >= self.feeds

        await self.until(is_whole, f"sync(feed, complete=True) for each of {', '.join(sorted(self.feeds))}")

    async def working(self, name: str = MAIN) -> None:
        """Wait until it is WORKING."""
        await self.status(SessionStatus.WORKING, name=name)

    async def status(self, status: SessionStatus, reason: StatusReason | None = None, *, name: str = MAIN) -> None:
        """Wait until this is its status, and with a reason given that reason."""
        session = self.lidbook.sessions.get(name)
        wanted = status.value if reason is None else f"{status.value} ({reason.value})"
        await self.until(
            lambda: session.status is status and reason in (None, session.reason), f"the status {wanted}", name
        )

    async def until(self, holds: Callable[[], bool], what: str, name: str = MAIN) -> None:
        """Wait for something that the engine should bring about; fail, saying `what`, when it does not."""

        async def probe() -> bool:
            return holds()

        await self.eventually(probe, expected=True, what=what, name=name)

    async def eventually(
        self, probe: Callable[[], Awaitable[object]], expected: object, what: str, name: str = MAIN
    ) -> None:
        """The same for what has to be asked for: wait until `probe` gives what is expected."""
        found: object = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.opening.patience):
                while True:
                    changed = self._changed
                    found = await probe()
                    if found == expected:
                        return
                    await changed.wait()
        last = "" if expected is True else f"; at last there was {found!r}"
        pytest.fail(f"waited {self.opening.patience:g} s for {what}{last}; {self._standing(name)}")

    async def scan_now(self) -> None:
        """The owner scans what is shown now, and whatever is shown from here on."""
        self.scans = True
        if self.session.qr is not None and self.opening.scan is not None:
            await self.opening.scan(self.simulation.phone, self.session.qr)

    async def finished(self, work: "asyncio.Task[Any]", what: str) -> None:
        """Wait until something that was begun is over, well or not; fail, saying `what`, when it never is."""
        done, _ = await asyncio.wait({work}, timeout=self.opening.patience)
        if not done:
            work.cancel()
            pytest.fail(f"waited {self.opening.patience:g} s for {what}; {self._standing(MAIN)}")

    # what clients are answered

    def contact(self, user: UserId, name: str = MAIN) -> Document:
        """The contact object of somebody."""
        document: Document = orjson.loads(self.lidbook.sessions.get(name).directory.contact(user))
        return document

    async def contacts(self, name: str = MAIN) -> list[Document]:
        """All contacts, by id."""
        pieces = [piece async for piece in self.lidbook.sessions.get(name).directory.contacts_dump()]
        return _list(b"".join(pieces))

    async def lids(self, name: str = MAIN) -> list[Document]:
        """All known pairs, by LID."""
        return _list(await self.lidbook.sessions.get(name).directory.lids_page(limit=100_000))

    async def groups(self, name: str = MAIN) -> list[Document]:
        """All groups, by id."""
        return _list(await self.lidbook.sessions.get(name).directory.groups())

    async def blocklist(self, name: str = MAIN) -> list[Document]:
        """Everybody who is blocked, by id."""
        return _list(await self.lidbook.sessions.get(name).directory.blocklist())

    # within

    def _phone(self, name: str) -> PhoneNumber:
        service = self.simulation.service if name == MAIN else self.simulation.other
        return service.account().phone

    def _watched(self) -> type[Engine]:
        """The engine under test, made as its author says, with its sessions' contexts watched."""
        stage, engine, arguments = self, self.opening.engine, self.opening.arguments

        def make(self: Engine, data_dir: Path) -> None:
            engine.__init__(self, data_dir, **arguments)

        def open_watched(self: Engine, context: SessionContext) -> EngineSession:
            return engine.open(self, stage._watch(context))

        return type(engine.__name__, (engine,), {"__init__": make, "open": open_watched, "__module__": __name__})

    def _watch(self, context: SessionContext) -> SessionContext:
        phone = self._phone(context.session)
        conditions = self.simulation.conditions_of.of(phone)
        record = self.records.setdefault(
            context.session, Record(lambda: conditions.active(Kind.DISCONNECT) is not None)
        )
        return WatchedContext(context, record, self._pulse, lambda code: self._scan(phone, code))

    def _scan(self, phone: PhoneNumber, code: str) -> None:
        scan = self.opening.scan
        if self.scans and scan is not None:
            task = asyncio.ensure_future(_waited(scan(phone, code)))
            self._scanning.add(task)
            task.add_done_callback(self._scanning.discard)

    def _pulse(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _standing(self, name: str) -> str:
        """Where things stand, for whoever reads that a wait was in vain."""
        session = self.lidbook.sessions.find(name)
        if session is None:
            return "there is no session"
        record = self.records.get(name)
        told = 0 if record is None else len(record.facts)
        why = f" ({session.reason.value})" if session.reason is not None else ""
        detail = f": {session.detail}" if session.detail else ""
        refused = "" if record is None or not record.refused else f"; the core refused some: {record.refused[0]}"
        return f"the session is {session.status.value}{why}{detail}, and {told} facts were told{refused}"


class _Listener:
    """Hears of whatever may be what somebody waits for."""

    def __init__(self, pulse: Callable[[], None]) -> None:
        self._pulse = pulse

    @hookimpl
    def lidbook_session_changed(self) -> None:
        self._pulse()

    @hookimpl
    def lidbook_changes_committed(self) -> None:
        self._pulse()


async def _waited(work: Any) -> None:
    await work


def _list(document: bytes) -> list[Document]:
    found: list[Document] = orjson.loads(document)
    return found
