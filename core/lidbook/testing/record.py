"""What an engine told the core during a test, and where that broke the contract."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lidbook.capabilities import Feed
from lidbook.engine import ClientConfig, EngineSettings, Log, Network, SessionContext, Vault
from lidbook.facts import Fact, Facts
from lidbook.passkey import PasskeyChallenge
from lidbook.values import Account, SessionStatus, StatusReason


class Record:
    """Everything that one session of an engine reported, in order."""

    def __init__(self, is_away: Callable[[], bool]) -> None:
        self.facts: Final[list[Fact]] = []
        self.statuses: Final[list[tuple[SessionStatus, StatusReason | None]]] = []
        self.accounts: Final[list[Account]] = []
        self.codes: Final[list[str]] = []
        self.overlaps = 0
        """How often facts were handed over before the call before had returned."""
        self.early = 0
        """How often WORKING was reported while there was no connection."""
        self.complete: Final[dict[Feed, int]] = {}
        """Feed -> how many facts had been taken when its sync was reported complete for the first time."""
        self.under_way = 0
        self.refused: Final[list[str]] = []
        """What the core did not take."""
        self.largest = 0
        """Facts in the largest batch."""
        self.gate: Final = asyncio.Event()
        """While it is not set, the directory takes no facts: a slow disk."""
        self.gate.set()
        self._is_away = is_away

    def status(self, status: SessionStatus, reason: StatusReason | None, account: Account | None) -> None:
        """A report of a status."""
        self.statuses.append((status, reason))
        if account is not None:
            self.accounts.append(account)
        if status is SessionStatus.WORKING and self._is_away():
            self.early += 1


class WatchedContext:
    """The core's own context, with a `Record` of what passes through it."""

    def __init__(
        self, context: SessionContext, record: Record, pulse: Callable[[], None], shown: Callable[[str], None]
    ) -> None:
        self._context = context
        self._record = record
        self._pulse = pulse
        self._shown = shown
        self.session: str = context.session
        self.settings: EngineSettings = context.settings
        self.config: ClientConfig = context.config
        self.network: Network | None = context.network
        self.folder: Path = context.folder
        self.vault: Vault = context.vault
        self.log: Log = context.log

    async def facts(self, facts: Facts) -> None:
        """Hand facts over."""
        record = self._record
        if record.under_way:
            record.overlaps += 1
        record.under_way += 1
        self._pulse()
        try:
            await record.gate.wait()
            record.largest = max(record.largest, len(facts))
            await self._context.facts(facts)
            record.facts.extend(facts)
        except (TypeError, ValueError) as error:
            record.refused.append(f"{type(error).__name__}: {error}")
            raise
        finally:
            record.under_way -= 1
            self._pulse()

    async def sync(
        self, feed: Feed, *, expected: int | None = None, received: int | None = None, complete: bool = False
    ) -> None:
        """Report progress of a sync."""
        if complete:
            self._record.complete.setdefault(feed, len(self._record.facts))
        await self._context.sync(feed, expected=expected, received=received, complete=complete)
        self._pulse()

    async def is_synced(self, feed: Feed) -> bool:
        """Whether a sync of this feed was completed before."""
        return await self._context.is_synced(feed)

    def status(
        self,
        status: SessionStatus,
        reason: StatusReason | None = None,
        *,
        account: Account | None = None,
        detail: str | None = None,
    ) -> None:
        """Report a change of status."""
        self._record.status(status, reason, account)
        self._context.status(status, reason, account=account, detail=detail)
        self._pulse()

    def qr(self, value: str) -> None:
        """Show a QR code."""
        self._record.codes.append(value)
        self._context.qr(value)
        self._shown(value)
        self._pulse()

    def passkey_challenge(self, challenge: PasskeyChallenge) -> None:
        """Show what the account's passkey has to sign."""
        self._context.passkey_challenge(challenge)
        self._pulse()

    def passkey_confirmation(self, code: str) -> None:
        """Show the code that has to be the one on the phone."""
        self._context.passkey_confirmation(code)
        self._pulse()
