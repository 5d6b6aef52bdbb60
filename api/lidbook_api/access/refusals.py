"""Refusals of one key again and again: a few have a row in the audit log, the rest are counted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

EACH_MINUTE: Final = 10
"""Refusals of one key that have a row."""
MINUTE: Final = 60_000
"""Milliseconds."""
_MOST_KEYS: Final = 1_000


@dataclass(slots=True)
class _Count:
    since: int
    refusals: int = 0


class Refusals:
    """Who was refused lately, and how often."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._counts: dict[str, _Count] = {}
        self._log = structlog.stdlib.get_logger("lidbook.audit")

    def has_a_row(self, key_id: str) -> bool:
        """Count one more; whether it is among the few of its minute that are written down."""
        now = self._clock()
        count = self._counts.get(key_id)
        if count is None or not 0 <= now - count.since < MINUTE:
            self._tell(key_id)
            self._forget_old(now)
            count = self._counts[key_id] = _Count(now)
        count.refusals += 1
        if count.refusals == EACH_MINUTE + 1:
            self._log.warning("this key is refused again and again; the rest of a minute is counted", key_id=key_id)
        return count.refusals <= EACH_MINUTE

    def close(self) -> None:
        """Tell what was not told yet."""
        for key_id in list(self._counts):
            self._tell(key_id)

    def _tell(self, key_id: str) -> None:
        count = self._counts.pop(key_id, None)
        if count is not None and count.refusals > EACH_MINUTE:
            self._log.warning("refused without a row", key_id=key_id, requests=count.refusals - EACH_MINUTE)

    def _forget_old(self, now: int) -> None:
        if len(self._counts) < _MOST_KEYS:
            return
        for key_id in [key_id for key_id, count in self._counts.items() if now - count.since >= MINUTE]:
            self._tell(key_id)
