"""QR codes on the operator's terminal."""

from collections.abc import Callable, Sequence
from typing import TextIO

from lidbook.hookspecs import Change, ChangeKind, hookimpl
from lidbook.redaction import printable
from lidbook.sessions.session import Session
from lidbook.values import SessionStatus
from lidbook_api.qr_code import drawn


class ShownCodes:
    """A plugin that draws each QR code that a session shows."""

    def __init__(self, session: Callable[[str], Session | None], out: TextIO) -> None:
        """`session` finds a session by its name."""
        self._session = session
        self._out = out

    @hookimpl
    def lidbook_changes_committed(self, session: str, changes: Sequence[Change]) -> None:
        """One batch of changes, of which the session's own status matters."""
        if not any(change.kind is ChangeKind.SESSION_STATUS for change in changes):
            return
        found = self._session(session)
        if found is not None and found.status is SessionStatus.SCAN_QR_CODE and found.qr is not None:
            self._out.write(f"\nSession {printable(session)}: scan this with WhatsApp\n\n{drawn(found.qr)}\n")
            self._out.flush()
