"""Reading the logs for all connections together: those that are up to date ask for the same entries."""

from collections.abc import Sequence
from typing import Final

from lidbook.directory.database import Database
from lidbook.hookspecs import Change, ChangeKind
from lidbook.sessions.session import Session
from lidbook_api.events import EventWriter

BATCH: Final = 50
"""Entries read at once; the event loop is not let go until they are."""
_BATCHES_KEPT: Final = 64


class Entry:
    """One entry of a log, and its event once somebody wanted it."""

    __slots__ = ("_change", "_frame", "kind", "seq")

    def __init__(self, change: Change) -> None:
        self.seq: Final = change.seq
        self.kind: Final[ChangeKind] = change.kind
        self._change = change
        self._frame: str | None = None

    def frame(self, session: Session, events: EventWriter) -> str:
        """The event as it is sent: what a webhook gets, byte for byte."""
        if self._frame is None:
            self._frame = events.write(session, self._change).body.decode()
        return self._frame


class SharedLog:
    """Reads logs, and keeps what it read for as long as nothing at all was written to the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version = -1
        self._batches: dict[tuple[int, int], Sequence[Entry]] = {}

    def after(self, session: Session, seq: int) -> Sequence[Entry]:
        """The next entries with a number above `seq`; fewer than `BATCH` when there are no more."""
        version = self._database.reader.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._version = version
            self._batches.clear()
        key = (session.id, seq)
        batch = self._batches.get(key)
        if batch is None:
            if len(self._batches) >= _BATCHES_KEPT:
                del self._batches[next(iter(self._batches))]
            batch = self._batches[key] = [Entry(change) for change in session.changes.after(seq, BATCH)]
        return batch
