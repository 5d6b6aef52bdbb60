"""Many sessions of go-bridge in one core, each of an account of its own on one sandbox network."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from lidbook.app import CoreSettings, Lidbook
from lidbook.capabilities import Feed
from lidbook.engine import EngineSession, SessionContext
from lidbook.hooks import Hooks
from lidbook.hookspecs import hookimpl
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.network_descriptor import write_descriptor
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig
from lidbook.sessions.session import Session
from lidbook.sessions.supervisor import Delays
from lidbook.testing.record import Record, WatchedContext
from lidbook.testing.reference import Bodies, bodies_of, reference_bodies
from lidbook.values import SessionStatus, StatusReason
from lidbook.world.conditions import ConditionFolder
from lidbook.world.live import LiveWorld
from lidbook.world.model import World
from lidbook.world.service import WorldService
from lidbook_sandbox.network.server import SandboxNetwork

from .built import BuiltGoBridge

SESSIONS: Final = int(os.environ.get("LIDBOOK_CROWD", "10"))
"""How many there are; more than ten take minutes and are for a person who wants figures."""
PATIENCE: Final = 20.0 + SESSIONS
"""Seconds after which a test gives up."""


class Crowd:
    """A core, a network and the phones of its accounts; session `s000` is of the first account, and so on."""

    def __init__(self, world: World, folder: Path) -> None:
        self.live: Final = LiveWorld(world)
        self.network: Final = SandboxNetwork(self.live, ConditionFolder(), folder / "network")
        self.accounts: Final = tuple(_phone(self.live, account.lid) for account in world.accounts)
        self.scans: Final[list[str]] = []
        """Names of the sessions whose code was scanned, once each time."""
        self.statuses: Final[list[tuple[str, SessionStatus]]] = []
        """Every status that a session went into, with its name."""
        self.folder: Final = folder
        self._descriptor = folder / "network.json"
        self._lidbook: Lidbook | None = None
        self._changed = asyncio.Event()
        self._scanning: set[asyncio.Task[None]] = set()

    @property
    def lidbook(self) -> Lidbook:
        """The core. Raises `RuntimeError` while it is closed."""
        if self._lidbook is None:
            raise RuntimeError("the core is closed")
        return self._lidbook

    async def open(self) -> None:
        """Open the core; the network runs already."""
        hooks = Hooks()
        hooks.register(_Listener(self._pulse, self.statuses), "crowd")
        settings = CoreSettings(
            self.folder / "data",
            network=str(self._descriptor),
            budget_factor=0.0,
            ready_timeout=PATIENCE,
            delays=Delays(first=0.1, longest=1.0),
        )
        self._lidbook = await Lidbook.open(settings, engines=EngineRegistry.of(_watched(self)), hooks=hooks)

    async def close(self) -> None:
        """Close the core."""
        lidbook, self._lidbook = self._lidbook, None
        if lidbook is not None:
            await lidbook.close()

    async def begin(self, sessions: Sequence[int]) -> None:
        """Make and start these sessions, all at once."""
        config = SessionConfig(engine=BuiltGoBridge.name, settings={"query_timeout": 4}, webhooks=None)
        await asyncio.gather(*(self.lidbook.sessions.create(name_of(number), config) for number in sessions))

    def session(self, number: int) -> Session:
        """One session."""
        return self.lidbook.sessions.get(name_of(number))

    def hosts(self) -> dict[str, int]:
        """Name -> process id of the hosts that run now."""
        return dict(self.lidbook.sessions.engine(self.session(0).engine).processes())

    def kill_host(self, name: str | None = None) -> int:
        """End a host without warning, the only one unless told which; returns its process id."""
        hosts = self.hosts()
        pid = hosts[name] if name is not None else next(iter(hosts.values()))
        os.kill(pid, signal.SIGKILL)
        return pid

    async def until(self, holds: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        """Wait until something holds that a change of a session or of a directory brings about."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while not holds():
                    changed = self._changed
                    if holds():
                        return
                    await changed.wait()
                return
        raise AssertionError(f"waited {patience:g} s for {what}; {self._standing()}")

    async def working(self, sessions: Sequence[int]) -> None:
        """Wait until all of these are WORKING."""
        await self.until(
            lambda: all(self.session(number).status is SessionStatus.WORKING for number in sessions),
            f"{len(sessions)} sessions to be WORKING",
        )

    async def synced(self, sessions: Sequence[int]) -> None:
        """Wait until everything that these feed was told once, whole."""
        feeds = BuiltGoBridge.feeds - {Feed.QR}

        def is_whole(number: int) -> bool:
            return {sync.feed for sync in self.session(number).directory.syncs() if sync.complete} >= feeds

        await self.until(lambda: all(is_whole(number) for number in sessions), "every feed to be complete")

    async def status(self, number: int, status: SessionStatus, reason: StatusReason | None) -> None:
        """Wait until a session is in this status for this reason."""
        session = self.session(number)
        await self.until(
            lambda: (session.status, session.reason) == (status, reason), f"{session.name} to be {status} ({reason})"
        )

    async def bodies(self, number: int) -> Bodies:
        """What clients of a session are answered now."""
        return await bodies_of(self.session(number).directory)

    async def differences(self, number: int) -> list[str]:
        """What of that is not as the world has it, a line each."""
        service = WorldService(self.live, self.accounts[number])
        folder = self.folder / f"reference-{number}-{len(list(self.folder.iterdir()))}"
        expected = await reference_bodies(service, BuiltGoBridge.feeds, folder)
        return (await self.bodies(number)).differences(expected)

    # within

    async def start_network(self) -> None:
        """Let the network listen, and describe it."""
        await self.network.start()
        write_descriptor(self._descriptor, self.network.network)

    def watch(self, context: SessionContext) -> SessionContext:
        """The context of a session, whose account's phone scans what it shows."""
        name = context.session
        record = Record(lambda: False)
        return WatchedContext(context, record, self._pulse, lambda code: self._show(name, code))

    def _show(self, name: str, code: str) -> None:
        task = asyncio.ensure_future(self._scan(name, code))
        self._scanning.add(task)
        task.add_done_callback(self._scanning.discard)

    async def _scan(self, name: str, code: str) -> None:
        await self.network.phone(self.accounts[int(name[1:])]).scan(code)
        self.scans.append(name)

    def _pulse(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _standing(self) -> str:
        now = [(each.name, each.status.value, each.reason, each.detail) for each in self.lidbook.sessions.all()]
        others = [each for each in now if each[1] != SessionStatus.WORKING.value]
        return f"{len(now) - len(others)} of {len(now)} are WORKING, the others: {others[:5]}"


class _Listener:
    """Hears of whatever may be what somebody waits for."""

    def __init__(self, pulse: Callable[[], None], statuses: list[tuple[str, SessionStatus]]) -> None:
        self._pulse = pulse
        self._statuses = statuses

    @hookimpl
    def lidbook_session_changed(self, session: str, status: SessionStatus) -> None:
        self._statuses.append((session, status))
        self._pulse()

    @hookimpl
    def lidbook_changes_committed(self) -> None:
        self._pulse()


def _watched(crowd: Crowd) -> type[BuiltGoBridge]:
    """The engine, with a crowd that watches what its sessions tell."""

    class Watched(BuiltGoBridge):
        """Nothing but that."""

        def open(self, context: SessionContext) -> EngineSession:
            """A session whose context is watched."""
            return super().open(crowd.watch(context))

    return Watched


@asynccontextmanager
async def crowd_of(world: World, folder: Path) -> AsyncIterator[Crowd]:
    """A crowd on a network of its own, both open."""
    crowd = Crowd(world, folder)
    await crowd.start_network()
    try:
        await crowd.open()
        yield crowd
    finally:
        await crowd.close()
        await crowd.network.close()


def name_of(number: int) -> str:
    """The name of the session of an account."""
    return f"s{number:03}"


def _phone(live: LiveWorld, lid: Lid) -> PhoneNumber:
    phone = live.person(lid).phone
    if phone is None:
        raise ValueError("an account has a phone number")
    return phone
