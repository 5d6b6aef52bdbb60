"""One change of a session at a time, whether or not there is a session of that name yet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    hasty: int = 0


class Turns:
    """A lock a name, there only while somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}

    def is_idle(self) -> bool:
        """Whether nobody holds anything or waits."""
        return not self._turns

    def is_wanted_soon(self, name: str) -> bool:
        """Whether somebody waits who wants nothing long to be begun before."""
        turn = self._turns.get(name)
        return turn is not None and turn.hasty > 0

    @asynccontextmanager
    async def of(self, name: str, *, hasty: bool = False) -> AsyncIterator[None]:
        """Wait for this name's turn, and hold it."""
        turn = self._turns.setdefault(name, _Turn())
        turn.users += 1
        turn.hasty += hasty
        try:
            try:
                await turn.lock.acquire()
            finally:
                turn.hasty -= hasty
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[name]
