"""What can go wrong on the wire itself, below anything that `lidbook.world.conditions` can say.

Everything is for one account and holds until it is cleared, unless it says how often it happens.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, Protocol

from lidbook.identifiers import Lid, PhoneNumber, UserId

When = Literal["login", "now", "pairing"]


class Malformation(StrEnum):
    """One way in which a server's bytes are wrong."""

    CRASH = "crash"
    """What kills a process with whatsmeow in it: an empty frame, and at pairing a `pair-success` without an id."""
    GARBAGE = "garbage"
    """A frame that decrypts to something that is no stanza."""
    BAD_TAG = "bad-tag"
    """A frame that does not decrypt."""


class Reached(Protocol):
    """A linked device that is connected now."""

    def fail(self, code: str | None, conflict: str | None) -> None:
        """Send a stream error and close."""

    def malform(self, kind: Malformation) -> None:
        """Send wrong bytes."""


@dataclass(slots=True)
class _Counted:
    """Something that happens `left` more times; None: until it is cleared."""

    left: int | None

    def take(self) -> bool:
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0


@dataclass(slots=True)
class _Account:
    refusal: tuple[int, _Counted] | None = None
    malformations: dict[When, tuple[Malformation, _Counted]] = field(default_factory=dict)
    holds_pairing: bool = False
    closes_early: bool = False
    drops_notifications: bool = False


class Faults:
    """Switches; the servers look at them, and `reach` gives the connected devices of an account.

    An account is named by its LID or any number that `account_of` finds it by now; what holds for it moves along.
    """

    def __init__(self, reach: Callable[[Lid], Sequence[Reached]], account_of: Callable[[PhoneNumber], Lid]) -> None:
        self._reach: Final = reach
        self._account_of: Final = account_of
        self._accounts: dict[Lid, _Account] = {}
        self._forged: _Counted | None = None
        self._changed = asyncio.Event()

    # Switches

    def replace(self, account: UserId) -> int:
        """Tell every connected device that its connection was replaced by another; returns how many there were."""
        return self._fail(account, None, "replaced")

    def stream_error(self, account: UserId, code: int) -> int:
        """End every connection with this code, as 503; returns how many there were."""
        return self._fail(account, str(code), None)

    def refuse_login(self, account: UserId, reason: int, times: int | None = None) -> None:
        """Answer logins with `<failure reason=…>`: 401 logged out, 402 banned for now, 405 outdated, 406 banned."""
        self._of(account).refusal = (reason, _Counted(times))

    def malform(self, account: UserId, kind: Malformation, when: When, times: int | None = None) -> None:
        """Send wrong bytes: now to whoever is connected, or at every login or pairing to come."""
        if when == "now":
            for device in self._reach(self._lid(account)):
                device.malform(kind)
        else:
            self._of(account).malformations[when] = (kind, _Counted(times))

    def forge_certificate(self, times: int | None = None) -> None:
        """Prove identity with a key that the root never signed. Meets every account: nobody has said yet who calls."""
        self._forged = _Counted(times)

    def hold_pairing(self, account: UserId) -> None:
        """Once the code is scanned, leave the device without an answer."""
        self._of(account).holds_pairing = True

    def early_close_515(self, account: UserId) -> None:
        """After pairing, close together with the 515 instead of letting the client close."""
        self._of(account).closes_early = True

    def drop_notifications(self, account: UserId) -> None:
        """Announce nothing, and keep nothing for later."""
        self._of(account).drops_notifications = True

    def clear(self, account: UserId | None = None) -> None:
        """Switch everything off, for one account or for all."""
        if account is None:
            self._accounts.clear()
            self._forged = None
        else:
            self._accounts.pop(self._lid(account), None)
        self._pulse()

    # What the servers ask

    def take_refusal(self, account: Lid) -> int | None:
        """With what this login is refused."""
        refusal = self._of(account).refusal
        return refusal[0] if refusal is not None and refusal[1].take() else None

    def take_malformation(self, account: Lid, when: When) -> Malformation | None:
        """What is sent wrong this time."""
        found = self._of(account).malformations.get(when)
        return found[0] if found is not None and found[1].take() else None

    def take_forgery(self) -> bool:
        """Whether this handshake is answered with a forged certificate."""
        return self._forged is not None and self._forged.take()

    async def pairing_released(self, account: Lid) -> None:
        """Return as soon as pairing is not held."""
        while self._of(account).holds_pairing:
            await self._changed.wait()

    def closes_early(self, account: Lid) -> bool:
        """Whether the server closes together with the 515."""
        return self._of(account).closes_early

    def drops_notifications(self, account: Lid) -> bool:
        """Whether nothing is announced."""
        return self._of(account).drops_notifications

    def _lid(self, account: UserId) -> Lid:
        return account if isinstance(account, Lid) else self._account_of(account)

    def _of(self, account: UserId) -> _Account:
        return self._accounts.setdefault(self._lid(account), _Account())

    def _fail(self, account: UserId, code: str | None, conflict: str | None) -> int:
        devices = tuple(self._reach(self._lid(account)))
        for device in devices:
            device.fail(code, conflict)
        return len(devices)

    def _pulse(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
