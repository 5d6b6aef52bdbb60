"""The phone that scans: `lidbook sandbox scan`."""

import time
from pathlib import Path
from typing import Final

from lidbook.values import SessionStatus
from lidbook.world.conditions import Condition, Conditions, Kind
from lidbook_sandbox.accounts import account_meant, conditions_file, known_sessions, statuses

PATIENCE: Final = 5.0
"""Seconds that a session on its way gets to show its code, and to take the scan."""
_STEP: Final = 0.05


class NoCodeShown(Exception):
    """No session of the account shows a code; the message is for whoever holds the phone."""


def scan(data_dir: Path, account: str | None, patience: float = PATIENCE) -> None:
    """Scan the code that a session of the account shows; returns once it was taken.

    Raises `InvalidRequest` where the account is nobody's, and `NoCodeShown` where nobody took the scan; it is taken
    back then, so that no later session finds it.
    """
    known = known_sessions(data_dir)
    phone = account_meant(data_dir, account, known)
    names = [session.name for session in known if session.account == phone]
    until = time.monotonic() + patience
    if _shown(data_dir, names, until) and _taken(Conditions(conditions_file(data_dir, phone)), until):
        return
    raise NoCodeShown(
        f"no session of {phone.digits} shows a code, so nothing was scanned: start one that is not linked, with "
        "settings.require_scan in its config, while the server runs"
    )


def _shown(data_dir: Path, names: list[str], until: float) -> bool:
    """Whether one of these sessions shows a code; those that are STARTING are waited for."""
    while True:
        now = statuses(data_dir)
        found = {now[name] for name in names if name in now}
        if SessionStatus.SCAN_QR_CODE in found:
            return True
        if SessionStatus.STARTING not in found or time.monotonic() >= until:
            return False
        time.sleep(_STEP)


def _taken(conditions: Conditions, until: float) -> bool:
    """Whether a scan made now is taken in time; it is taken back if not."""
    conditions.set(Condition(Kind.SCAN))
    while time.monotonic() < until:
        time.sleep(_STEP)
        conditions.refresh()
        if conditions.active(Kind.SCAN) is None:
            return True
    return not conditions.take(Kind.SCAN)
