"""What stands in for the core in these tests: it keeps everything an engine tells it, and can be waited for."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from lidbook.capabilities import Feed
from lidbook.engine import ClientConfig, EngineSettings, Log, Network, Vault
from lidbook.facts import Fact, Facts, Field, FieldFact, LinkFact
from lidbook.identifiers import UserId
from lidbook.passkey import PasskeyChallenge
from lidbook.values import Account, SessionStatus, StatusReason
from lidbook_sandbox.settings import SandboxSettings

WAIT = 10.0
"""Seconds after which a test gives up on something that should have happened."""


class RecordingVault:
    """Blobs in memory, of the kind that outlives a session."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    async def get(self, name: str) -> bytes | None:
        return self.blobs.get(name)

    async def put(self, blobs: Mapping[str, bytes | None]) -> None:
        for name, blob in blobs.items():
            if blob is None:
                self.blobs.pop(name, None)
            else:
                self.blobs[name] = blob


class RecordingLog:
    """Every event with its values."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, Mapping[str, object]]] = []

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


class RecordingContext:
    """A session context that remembers; `synced` and the vault outlive a session when handed to the next context."""

    def __init__(
        self,
        folder: Path,
        settings: SandboxSettings | None = None,
        *,
        vault: RecordingVault | None = None,
        synced: set[Feed] | None = None,
    ) -> None:
        self.session = "default"
        self.sandbox = SandboxSettings() if settings is None else settings
        self.settings: EngineSettings = self.sandbox
        self.config = ClientConfig()
        self.network: Network | None = None
        self.folder = folder
        self.kept = RecordingVault() if vault is None else vault
        self.vault: Vault = self.kept
        self.logged = RecordingLog()
        self.log: Log = self.logged
        self.synced: set[Feed] = set() if synced is None else synced
        self.batches: list[list[Fact]] = []
        self.syncs: list[tuple[Feed, int | None, int | None, bool]] = []
        self.statuses: list[tuple[SessionStatus, StatusReason | None]] = []
        self.accounts: list[Account] = []
        self.qrs: list[str] = []
        self.challenges: list[PasskeyChallenge] = []
        self.codes: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._feeding = False
        self._changed = asyncio.Event()

    async def facts(self, facts: Facts) -> None:
        assert not self._feeding, "one call at a time"
        self._feeding = True
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
            self.batches.append(list(facts))
        finally:
            self._feeding = False
        self._pulse()

    async def sync(
        self, feed: Feed, *, expected: int | None = None, received: int | None = None, complete: bool = False
    ) -> None:
        self.syncs.append((feed, expected, received, complete))
        if complete:
            self.synced.add(feed)
        else:
            self.synced.discard(feed)
        self._pulse()

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
        if account is not None:
            self.accounts.append(account)
        self._pulse()

    def qr(self, value: str) -> None:
        self.qrs.append(value)
        self._pulse()

    def passkey_challenge(self, challenge: PasskeyChallenge) -> None:
        self.challenges.append(challenge)
        self._pulse()

    def passkey_confirmation(self, code: str) -> None:
        self.codes.append(code)
        self._pulse()

    @property
    def told(self) -> list[Fact]:
        """All facts so far, in order."""
        return [fact for batch in self.batches for fact in batch]

    def fields(self, user: UserId, field: Field) -> list[FieldFact]:
        """The facts told of one field of one identifier, in order."""
        return [f for f in self.told if isinstance(f, FieldFact) and f.user == user and f.field is field]

    def links(self) -> set[tuple[str, str]]:
        """The pairs told so far, by digits."""
        return {(f.phone.digits, f.lid.digits) for f in self.told if isinstance(f, LinkFact)}

    @property
    def is_fully_synced(self) -> bool:
        """Whether every feed but the QR code's is complete."""
        return self.synced >= set(Feed) - {Feed.QR}

    @property
    def has_told_everything(self) -> bool:
        """Whether a whole sync was told to this very context."""
        return any(feed is Feed.GROUPS and complete for feed, _, _, complete in self.syncs)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the engine told enough for `condition` to hold."""
        async with asyncio.timeout(WAIT):
            while not condition():
                await self._changed.wait()

    async def until_status(self, status: SessionStatus, reason: StatusReason | None = None) -> None:
        """Wait until this is the last status reported."""
        await self.until(lambda: bool(self.statuses) and self.statuses[-1] == (status, reason))

    def _pulse(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
