"""One open websocket: how far it has read each session's log, and what is still to be sent."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from lidbook.hookspecs import ChangeKind
from lidbook.sessions.session import Session
from lidbook.sessions.sessions import Sessions
from lidbook_api.access.scopes import Access
from lidbook_api.events import EventWriter
from lidbook_api.websocket.asked import POLICY, TRY_AGAIN, UNAUTHORIZED, Asked, Refused
from lidbook_api.websocket.shared_log import BATCH, SharedLog

Send = Callable[[str], Awaitable[None]]

_FRESH: Final = 0.1
"""Seconds for which what was read is sent without looking again: it may have been erased, and the key deleted."""


class Connection:
    """Sends what its client asked for by reading the logs, so that nothing is dropped and nothing piles up.

    Told of a commit, it only notes the session; a client that reads slowly lags, and holds nobody else up.
    """

    def __init__(self, asked: Asked, sessions: Sessions, shared: SharedLog, events: EventWriter) -> None:
        """Take up position in the logs. Raises `Refused` where `since` cannot be continued from."""
        self._asked = asked
        self._sessions = sessions
        self._shared = shared
        self._events = events
        self._cursors = self._positions()
        """By the session's name: its id, and the number up to which its log was read."""
        self._behind: dict[str, None] = {}
        """Names of the sessions with something to read, in the order of turns."""
        self._turn_of: str | None = None
        """Name of the session whose events are being sent."""
        self._woken = asyncio.Event()
        if asked.session is not None and asked.since is not None:
            self._note(asked.session)

    def told(self, session: Session, first: int, last: int, kinds: frozenset[ChangeKind]) -> None:
        """Entries `first` to `last` of a session's log, of these kinds, were committed."""
        if not self._follows(session):
            return
        caught_up = session.name not in self._behind and self._cursor(session) == first - 1
        if caught_up and kinds.isdisjoint(self._asked.kinds):
            self._cursors[session.name] = (session.id, last)
        else:
            self._note(session.name)

    def forget(self, session: str) -> None:
        """The session was deleted, and with it perhaps the key."""
        self._cursors.pop(session, None)
        self._behind.pop(session, None)
        self._woken.set()

    def lag(self) -> int:
        """How many entries of the logs it has yet to look at."""
        names = {*self._behind, *(() if self._turn_of is None else (self._turn_of,))}
        sessions = [session for name in names if (session := self._sessions.find(name)) is not None]
        return sum(max(0, session.changes.head() - self._cursor(session)) for session in sessions)

    async def deliver(self, send: Send, holds: Callable[[Access], bool], look_every: float) -> None:
        """Send events for as long as the connection lasts; asks at every turn, and at least so often (in seconds),
        whether the key still holds. Raises `Refused` when that must end."""
        while True:
            if not self._behind:
                self._woken.clear()
                try:
                    async with asyncio.timeout(look_every):
                        await self._woken.wait()
                except TimeoutError:
                    pass  # nothing happened, and the key is looked at
            if not holds(self._asked.access):
                raise Refused(UNAUTHORIZED)
            if self._behind:
                self._turn_of = next(iter(self._behind))
                del self._behind[self._turn_of]  # what is committed from here on is noted anew
                await self._turn(self._turn_of, send)
                self._turn_of = None
                await asyncio.sleep(0)  # sending waits for nothing while the client keeps up

    async def _turn(self, name: str, send: Send) -> None:
        """The next few events of one session; the sessions take turns, so that none of them starves another."""
        session = self._sessions.find(name)
        if session is None or not self._follows(session):
            return
        cursor = self._cursor(session)
        batch = self._shared.after(session, cursor)
        if session.changes.pruned() > cursor:
            raise Refused("too slow: the log was pruned before it was sent, read the contacts anew", TRY_AGAIN)
        now = asyncio.get_running_loop().time
        read_at = now()
        for entry in batch:
            if now() - read_at > _FRESH:
                self._note(name)
                return
            if entry.kind in self._asked.kinds:
                await send(entry.frame(session, self._events))
            self._cursors[name] = (session.id, entry.seq)
        if len(batch) >= BATCH:
            self._note(name)

    def _note(self, name: str) -> None:
        self._behind[name] = None
        self._woken.set()

    def _cursor(self, session: Session) -> int:
        """How far the session's log was read; 0 for a session that was made later."""
        known, seq = self._cursors.get(session.name, (session.id, 0))
        return seq if known == session.id else 0

    def _follows(self, session: Session) -> bool:
        """Whether its events are for this client. A session's key is not for a later session of the same name."""
        access = self._asked.access
        if not access.is_admin and access.session_id != session.id:
            return False
        return self._asked.session is None or session.name == self._asked.session

    def _positions(self) -> dict[str, tuple[int, int]]:
        name, since = self._asked.session, self._asked.since
        if name is None:
            return {session.name: (session.id, session.changes.head()) for session in self._sessions.all()}
        session = self._sessions.find(name)
        head = 0 if session is None else session.changes.head()
        if since is not None and since > head:
            raise Refused(f"since is ahead of the log, whose newest is {head}: read the contacts anew", POLICY)
        if session is None:
            return {}
        if since is not None and (pruned := session.changes.pruned()) > since:
            raise Refused(f"since is pruned, oldest is {pruned + 1}: read the contacts anew", POLICY)
        return {name: (session.id, head if since is None else since)}
