"""When to try again: WAHA's policies for a receiver that refuses, and patience with one that is not there."""

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final, Literal, Self

from lidbook.session_config import RetriesConfiguration

Random = Callable[[], float]
"""A number from 0 to below 1."""

LONGEST: Final = 3600.0
"""Seconds; no policy and no Retry-After makes a lane wait longer."""
LONGEST_SILENT: Final = 30.0
"""Seconds between two attempts to reach a receiver that does not answer, at most."""
ATTEMPTS: Final = 15
DELAY: Final = 2.0
_JITTER: Final = 0.2
_DOUBLINGS: Final = 40


@dataclass(frozen=True, slots=True)
class Retries:
    """How a webhook's events are sent again."""

    policy: Literal["linear", "exponential", "constant"] = "constant"
    delay: float = DELAY
    attempts: int = ATTEMPTS
    """After the first one."""

    @classmethod
    def of(cls, given: RetriesConfiguration | None) -> Self:
        """As configured, with WAHA's defaults for the rest."""
        return cls(
            policy=(given and given.policy) or "constant",
            delay=DELAY if given is None or given.delay_seconds is None else given.delay_seconds,
            attempts=ATTEMPTS if given is None or given.attempts is None else given.attempts,
        )

    def seconds(self, attempt: int, random: Random) -> float:
        """How long to wait before attempt number `attempt` after the first one."""
        match self.policy:
            case "linear":
                wait = self.delay * attempt
            case "exponential":
                wait = self.delay * 2.0 ** min(attempt, _DOUBLINGS) * (1 + _JITTER * random())
            case _:
                wait = self.delay
        return min(wait, LONGEST)

    def seconds_while_silent(self, attempt: int, random: Random) -> float:
        """The same for a receiver that does not answer: as the policy says, and from then on ever more rarely."""
        if attempt <= self.attempts:
            return min(self.seconds(attempt, random), LONGEST_SILENT)
        doubled = max(self.delay, 1.0) * 2.0 ** min(attempt - self.attempts, _DOUBLINGS)
        return min(doubled, LONGEST_SILENT) * (1 - _JITTER * random())


def retry_after(value: str | None, now: float) -> float:
    """The seconds that a header Retry-After asks for, an hour at most; 0 when it is not there or makes no sense."""
    if value is None:
        return 0.0
    try:
        seconds = float(value) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST)
