"""An engine whose host misbehaves, and what stands in for the core: it keeps all it is told, and can be waited for."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from core.hosts import misbehaving
from lidbook.capabilities import Capability, Claim, Feed, absent
from lidbook.engine import API_VERSION, ClientConfig, EngineSettings, Log, Network, Vault
from lidbook.facts import Fact, Facts
from lidbook.hosts import HostedEngine, HostedSession, HostedSettings, HostProgram, Timings
from lidbook.passkey import PasskeyChallenge
from lidbook.values import Account, SessionStatus, StatusReason

WAIT = 20.0
"""Seconds after which a test gives up on something that should have happened."""
QUICK = Timings(ping=0.2, stop=1.0, exit=1.0, idle=30.0, first=0.01, longest=0.05, apart=0.0)
PROGRAM = (sys.executable, "-I", "-S", misbehaving.__file__)


class MisbehavingSettings(HostedSettings):
    """What the host does: see `misbehaving`."""

    number: int = 0
    do: tuple[str, ...] = ("work",)
    answers: dict[str, str] = Field(default_factory=dict)


class MisbehavingSession(HostedSession):
    """Every call of the protocol."""


class MisbehavingEngine(HostedEngine):
    """Has a host of which a test says what is wrong with it."""

    name = "misbehaving"
    title = "A host that misbehaves"
    api_version = API_VERSION
    feeds = frozenset(Feed)
    claims: ClassVar[Mapping[Capability, Claim]] = {Capability.SESSION_SCREENSHOT: absent("no browser")}
    settings: ClassVar[type[EngineSettings]] = MisbehavingSettings
    session: ClassVar[type[HostedSession]] = MisbehavingSession
    timings: ClassVar[Timings] = QUICK
    environment: ClassVar[Mapping[str, str]] = {}
    argv: ClassVar[tuple[str, ...]] = PROGRAM

    def program(self) -> HostProgram:
        """The program of the tests."""
        return HostProgram(self.argv, self.environment)


class Kept:
    """A vault and a log in memory, which keep everything."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.events: list[tuple[str, str, Mapping[str, object]]] = []
        self.gate: asyncio.Event | None = None

    async def get(self, name: str) -> bytes | None:
        if self.gate is not None:
            await self.gate.wait()
        return self.blobs.get(name)

    async def put(self, blobs: Mapping[str, bytes | None]) -> None:
        for name, blob in blobs.items():
            if blob is None:
                self.blobs.pop(name, None)
            else:
                self.blobs[name] = blob

    def debug(self, event: str, **values: object) -> None:
        self.events.append(("debug", event, values))

    def info(self, event: str, **values: object) -> None:
        self.events.append(("info", event, values))

    def warning(self, event: str, **values: object) -> None:
        self.events.append(("warning", event, values))

    def error(self, event: str, **values: object) -> None:
        self.events.append(("error", event, values))

    def exception(self, event: str, **values: object) -> None:
        self.events.append(("exception", event, values))

    def said(self, event: str) -> list[Mapping[str, object]]:
        """The values of every such event."""
        return [values for _, found, values in self.events if found == event]


class StandIn:
    """The context of one session."""

    def __init__(self, folder: Path, name: str, settings: EngineSettings, changed: Callable[[], None]) -> None:
        self.session = name
        self.settings = settings
        self.config = ClientConfig()
        self.network: Network | None = None
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.kept = Kept()
        self.vault: Vault = self.kept
        self.log: Log = self.kept
        self.batches: list[list[Fact]] = []
        self.refusal: Exception | None = None
        self.synced: set[Feed] = {Feed.LIDS}
        self.statuses: list[tuple[SessionStatus, StatusReason | None]] = []
        self.details: list[str | None] = []
        self.accounts: list[Account] = []
        self.qrs: list[str] = []
        self.challenges: list[PasskeyChallenge] = []
        self.codes: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._changed = changed

    @property
    def status_now(self) -> tuple[SessionStatus, StatusReason | None] | None:
        return self.statuses[-1] if self.statuses else None

    @property
    def is_working(self) -> bool:
        return self.status_now == (SessionStatus.WORKING, None)

    async def facts(self, facts: Facts) -> None:
        await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal
        self.batches.append(list(facts))
        self._changed()

    async def sync(
        self, feed: Feed, *, expected: int | None = None, received: int | None = None, complete: bool = False
    ) -> None:
        if complete:
            self.synced.add(feed)

    async def is_synced(self, feed: Feed) -> bool:
        return feed in self.synced

    def status(
        self,
        status: SessionStatus,
        reason: StatusReason | None = None,
        *,
        account: Account | None = None,
        detail: str | None = None,
    ) -> None:
        self.statuses.append((status, reason))
        self.details.append(detail)
        if account is not None:
            self.accounts.append(account)
        self._changed()

    def qr(self, value: str) -> None:
        self.qrs.append(value)
        self._changed()

    def passkey_challenge(self, challenge: PasskeyChallenge) -> None:
        self.challenges.append(challenge)
        self._changed()

    def passkey_confirmation(self, code: str) -> None:
        self.codes.append(code)
        self._changed()


class Opened:
    """A session of the engine, and its context."""

    def __init__(self, session: HostedSession, context: StandIn) -> None:
        self.session = session
        self.context = context

    def written(self, name: str) -> list[Any]:
        """What its host noted in its folder: one JSON a line."""
        path = self.context.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Studio:
    """An engine, its sessions, and an end to all of them."""

    def __init__(self, folder: Path, engine: MisbehavingEngine) -> None:
        self.engine = engine
        self.opened: list[Opened] = []
        self._folder = folder
        self._changed = asyncio.Condition()
        self._pulse = asyncio.Event()

    def open(self, number: int = 0, *do: str, answers: Mapping[str, str] | None = None, **more: float) -> Opened:
        """A session, not yet started."""
        settings = MisbehavingSettings(number=number, do=do or ("work",), answers=dict(answers or {}), **more)
        context = StandIn(self._folder / f"s{number}", f"s{number}", settings, self._pulse.set)
        session = self.engine.open(context)
        assert isinstance(session, HostedSession)
        self.opened.append(Opened(session, context))
        return self.opened[-1]

    async def start(self, number: int = 0, *do: str, answers: Mapping[str, str] | None = None, **more: float) -> Opened:
        """A session that was started."""
        opened = self.open(number, *do, answers=answers, **more)
        await opened.session.start()
        return opened

    async def working(self, number: int = 0, *do: str, answers: Mapping[str, str] | None = None) -> Opened:
        """A session that works."""
        opened = await self.start(number, *do, answers=answers)
        await self.until(lambda: opened.context.is_working)
        return opened

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds; looked at whenever a session is told something, and now and then."""
        async with asyncio.timeout(WAIT):
            while not holds():
                self._pulse.clear()
                try:
                    async with asyncio.timeout(0.02):
                        await self._pulse.wait()
                except TimeoutError:
                    continue

    def host_of(self, opened: Opened) -> int:
        """Process id of the host in which it was started last."""
        return int((opened.context.folder / "starts").read_text().split()[-1])
