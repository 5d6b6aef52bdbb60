"""What a host prints: logged line by line, within bounds, and the end of it kept for when the host falls."""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from lidbook.engine import Log
from lidbook.redaction import masked, printable, shortened

KEPT: Final = 200
"""Last lines of standard error that are kept for the report of a crash."""
BEGUN: Final = 60
"""Lines kept from the one on that says what happened: Go prints every goroutine after it, thousands of lines."""
_FRESH: Final = 10.0
"""Seconds for which such a line, once others have taken its place, may be why a host fell."""
LONGEST: Final = 2000
"""Bytes of a line that are looked at."""
PER_SECOND: Final = 50
"""Lines of a host that are logged in a second; the others are counted."""
SHOWN: Final = 300
"""Characters of what is shown beside a status."""

_TELLING: Final = re.compile(
    r"^(?:panic: |fatal error: |SIG[A-Z]+: |Fatal |FATAL |(?:Uncaught )?[\w.]*(?:Error|Exception)\b)"
)
"""How runtimes begin the line that says what happened: Go, Node and Python each print others after it, or before."""


def presentable(text: str, most: int = SHOWN) -> str:
    """What a host said, as it may be shown to people: one line, without numbers and secrets, of `most` characters."""
    return shortened(masked(printable(text[: LONGEST + most].strip())))[:most]


class Output:
    """Both streams of one host."""

    def __init__(self, log: Log, monotonic: Callable[[], float]) -> None:
        self._log = log
        self._monotonic = monotonic
        self._kept: deque[str] = deque(maxlen=KEPT)
        self._begun: list[str] = []
        self._begun_at = 0.0
        self._heard_since = 0
        self._since = monotonic()
        self._logged = 0
        self._dropped = 0

    def stream(self, name: str) -> asyncio.Protocol:
        """Takes what comes out of one of them."""
        return _Lines(lambda line: self._heard(name, line))

    @property
    def report(self) -> Sequence[str]:
        """The last lines of standard error, and before them the beginning of a crash whose end they are."""
        if self._heard_since < KEPT or not self._is_fresh:
            return tuple(self._kept)
        left_out = 1 + self._heard_since - len(self._begun) - KEPT
        between = [f"… {left_out} lines …"] if left_out > 0 else []
        return (*self._begun, *between, *list(self._kept)[max(0, -left_out) :])

    @property
    def telling(self) -> str | None:
        """The line of standard error that says what happened: the last that looks like it, else the last one."""
        if self._begun and (self._heard_since < KEPT or self._is_fresh):
            return presentable(self._begun[0])
        line = next((line for line in reversed(self._kept) if line.strip()), None)
        return None if line is None else presentable(line)

    @property
    def _is_fresh(self) -> bool:
        return bool(self._begun) and self._monotonic() - self._begun_at <= _FRESH

    def admits(self) -> bool:
        """Whether one more line may be logged now."""
        now = self._monotonic()
        if now - self._since >= 1.0:
            self.settle()
            self._since, self._logged = now, 0
        if self._logged >= PER_SECOND:
            self._dropped += 1
            return False
        self._logged += 1
        return True

    def settle(self) -> None:
        """Say how many lines were not logged."""
        dropped, self._dropped = self._dropped, 0
        if dropped:
            self._log.warning("the host said more than is logged", dropped=dropped)

    def _heard(self, stream: str, line: str) -> None:
        if stream == "stderr":
            self._keep(line)
        if line.strip() and self.admits():
            self._log.info("the host printed", stream=stream, line=line)

    def _keep(self, line: str) -> None:
        self._kept.append(line)
        if _TELLING.match(line):
            self._begun, self._begun_at, self._heard_since = [line], self._monotonic(), 0
        elif self._begun:
            self._heard_since += 1
            if len(self._begun) < BEGUN:
                self._begun.append(line)


class _Lines(asyncio.Protocol):
    """Cuts a stream into lines; of one that is too long, the start is taken."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._line = bytearray()
        self._left_out = 0

    def data_received(self, data: bytes) -> None:
        """Some more of it."""
        *whole, rest = data.split(b"\n")
        for part in whole:
            self._more(part)
            self._tell()
        self._more(rest)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the interface is asyncio's
        """The last line may lack its end."""
        if self._line:
            self._tell()

    def _more(self, part: bytes) -> None:
        room = LONGEST - len(self._line)
        self._line += part[:room]
        self._left_out += max(0, len(part) - room)

    def _tell(self) -> None:
        line = self._line.decode("utf-8", "backslashreplace").rstrip("\r")
        if self._left_out:
            line += f" … and {self._left_out} bytes more"
        self._line, self._left_out = bytearray(), 0
        self._heard(line)
