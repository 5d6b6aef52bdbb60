"""Places that sessions share: nobody takes all of them, and whoever waits has a turn."""

import asyncio
from collections import Counter
from typing import Final


class Pool:
    """So many places, of which one session, and one host, hold a part at most.

    Sessions that wait get a place one after another, however many sends of theirs wait.
    """

    def __init__(self, places: int, *, share: int, per_host: int | None = None) -> None:
        """`share` is a session's part; without `per_host` hosts are not counted."""
        self._free = places
        self._share: Final = share
        self._per_host: Final = per_host
        self._sessions: Counter[str] = Counter()
        self._hosts: Counter[str] = Counter()
        self._waiting: dict[str, dict[asyncio.Future[None], str]] = {}
        """By session, whose turn it is first: those who wait, the first first, with their hosts."""

    async def enter(self, session: str, host: str) -> None:
        """Take a place, now or when there is one."""
        if self._fits(session, host):
            self._take(session, host)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(session, {})[turn] = host
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget(session, turn)
            else:
                self.leave(session, host)
            raise

    def leave(self, session: str, host: str) -> None:
        """Give a place back, to whoever waits."""
        self._free += 1
        _subtract(self._sessions, session)
        if self._per_host is not None:
            _subtract(self._hosts, host)
        for waiting in list(self._waiting):
            if not self._free:
                return
            turns = self._waiting[waiting]
            fitting = (turn for turn, to in turns.items() if not turn.done() and self._fits(waiting, to))
            if self._sessions[waiting] < self._share and (turn := next(fitting, None)) is not None:
                self._take(waiting, turns[turn])
                self._forget(waiting, turn)
                turn.set_result(None)

    def _fits(self, session: str, host: str) -> bool:
        """Whether there is a place for this one. Nobody for whom there is one waits, so it overtakes nobody."""
        return (
            self._free > 0
            and self._sessions[session] < self._share
            and (self._per_host is None or self._hosts[host] < self._per_host)
        )

    def _take(self, session: str, host: str) -> None:
        self._free -= 1
        self._sessions[session] += 1
        if self._per_host is not None:
            self._hosts[host] += 1

    def _forget(self, session: str, turn: "asyncio.Future[None]") -> None:
        """This one waits no longer, and its session has had its turn."""
        turns = self._waiting.pop(session, {})
        turns.pop(turn, None)
        if turns:
            self._waiting[session] = turns


def _subtract(counts: "Counter[str]", key: str) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
