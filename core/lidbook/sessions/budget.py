"""Budgets: how often a session may ask WhatsApp what, so that WhatsApp does not have to say it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lidbook.capabilities import Capability
from lidbook.errors import RateLimited


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and after that so many a second."""

    burst: float
    per_second: float


RATES: Final = {
    Capability.CONTACTS_CHECK: Rate(100, 5),
    Capability.LIDS_QUERY: Rate(100, 5),
    Capability.CONTACTS_ABOUT: Rate(60, 2),
    Capability.CONTACTS_PICTURE: Rate(60, 2),
    Capability.CONTACTS_UPDATE: Rate(60, 1),
    Capability.CONTACTS_DELETE: Rate(60, 1),
    Capability.CONTACTS_BLOCK: Rate(30, 1),
    Capability.CONTACTS_UNBLOCK: Rate(30, 1),
    Capability.GROUPS_REFRESH: Rate(5, 1 / 60),
    Capability.SESSION_PAIRING_CODE: Rate(5, 1 / 60),
    Capability.SESSION_PASSKEY: Rate(20, 1 / 15),
}
"""By kind of query. What is answered from the directory costs nothing."""


class Budget:
    """One session's budgets. After WhatsApp itself said "too many", nothing of that kind is asked until it may be."""

    def __init__(self, clock: Callable[[], float], factor: float = 1.0) -> None:
        self._clock = clock
        self._factor = factor
        self._left: dict[Capability, tuple[float, float]] = {}
        self._closed_until: dict[Capability, float] = {}

    @property
    def left(self) -> dict[Capability, float]:
        """What is left of each budget that was ever touched: 1 is all of it, 0 means that nothing may be asked now."""
        now = self._clock()
        left: dict[Capability, float] = {}
        for kind, (amount, since) in self._left.items():
            rate = RATES[kind]
            burst, per_second = rate.burst * self._factor, rate.per_second * self._factor
            left[kind] = min(burst, amount + (now - since) * per_second) / burst
        return left | {kind: 0.0 for kind, until in self._closed_until.items() if until > now}

    def spend(self, kind: Capability, amount: int = 1) -> None:
        """Take `amount` queries of this kind out of the budget. Raises `RateLimited`, and then takes nothing."""
        now = self._clock()
        wait = self._closed_until.get(kind, now) - now
        if wait > 0:
            raise RateLimited(f"WhatsApp limits {kind.value} for this account: wait {math.ceil(wait)} s", wait)
        rate = RATES.get(kind)
        if rate is None or not self._factor:
            return
        burst, per_second = rate.burst * self._factor, rate.per_second * self._factor
        left, since = self._left.get(kind, (burst, now))
        left = min(burst, left + (now - since) * per_second)
        if left < min(amount, burst):
            wait = (min(amount, burst) - left) / per_second
            raise RateLimited(
                f"the budget for {kind.value} of this session is spent, which keeps the account from being limited "
                f"by WhatsApp: wait {math.ceil(wait)} s",
                wait,
            )
        self._left[kind] = (left - amount, now)

    def close(self, kind: Capability, seconds: float) -> None:
        """WhatsApp said "too many": ask nothing of this kind for so long."""
        self._closed_until[kind] = max(self._clock() + seconds, self._closed_until.get(kind, 0.0))
