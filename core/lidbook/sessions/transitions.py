"""From which status a session goes to which other, who makes it, and why: the whole of it, in one table."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lidbook.values import SessionStatus


class Mover(StrEnum):
    """Who moves a session."""

    OPERATOR = "operator"
    """A request, or the command line."""
    ENGINE = "engine"
    """A report of the engine."""
    SUPERVISOR = "supervisor"
    """Lidbook itself: at start-up, when an engine fails, and when it is time for another attempt."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of the table."""

    before: SessionStatus
    after: SessionStatus
    mover: Mover
    when: str


_S = SessionStatus
LINKING: Final = (_S.SCAN_QR_CODE, _S.PASSKEY_REQUIRED, _S.PASSKEY_CONFIRMATION_REQUIRED)
"""In which the device is not linked, and the account's owner has to do something about it."""
_UP: Final = (_S.STARTING, *LINKING, _S.WORKING)

TRANSITIONS: Final = (
    Transition(
        _S.STOPPED, _S.STARTING, Mover.OPERATOR, "create, start; restart, new config, logout, reset once stopped"
    ),
    Transition(_S.STOPPED, _S.STARTING, Mover.SUPERVISOR, "the server starts and the session is wanted running"),
    Transition(_S.FAILED, _S.STARTING, Mover.OPERATOR, "start"),
    *(
        Transition(any_, _S.STOPPED, Mover.OPERATOR, "stop, delete; restart, new config, logout, reset on their way")
        for any_ in (*_UP, _S.FAILED)
    ),
    *(Transition(any_, _S.STOPPED, Mover.SUPERVISOR, "the server stops") for any_ in (*_UP, _S.FAILED)),
    Transition(_S.STARTING, _S.FAILED, Mover.SUPERVISOR, "the engine cannot work here, or its settings do not fit"),
    *(
        Transition(up, _S.FAILED, Mover.SUPERVISOR, "another account was linked, or what the engine reports cannot be")
        for up in _UP
    ),
    *(Transition(up, _S.FAILED, Mover.SUPERVISOR, "the engine failed too often in a row") for up in _UP),
    *(
        Transition(up, _S.STARTING, Mover.SUPERVISOR, "the engine failed; another attempt follows, later each time")
        for up in _UP
    ),
    *(Transition(up, _S.STARTING, Mover.ENGINE, "the network is away, or the engine connects anew") for up in _UP),
    *(Transition(up, _S.SCAN_QR_CODE, Mover.ENGINE, "not linked: a QR code, and each new one") for up in _UP),
    *(
        Transition(up, passkey, Mover.ENGINE, "WhatsApp asks for a passkey, or for its confirmation")
        for up in (_S.STARTING, *LINKING)
        for passkey in LINKING[1:]
    ),
    *(Transition(up, _S.WORKING, Mover.ENGINE, "linked and connected") for up in _UP),
    *(
        Transition(up, _S.FAILED, Mover.ENGINE, "logged out, banned, replaced, outdated, nobody scanned the QR code")
        for up in _UP
    ),
)
"""Every move there is. STOPPED and FAILED end what the engine says; only an operator or a new start goes on."""

_ALL: Final = frozenset((t.before, t.after) for t in TRANSITIONS)
_REPORTED: Final = frozenset((t.before, t.after) for t in TRANSITIONS if t.mover is Mover.ENGINE)


def may_report(before: SessionStatus, after: SessionStatus) -> bool:
    """Whether an engine may report `after` while its session is in `before`."""
    return (before, after) in _REPORTED


def is_known(before: SessionStatus, after: SessionStatus) -> bool:
    """Whether anybody may move a session from `before` to `after`."""
    return (before, after) in _ALL


def to_markdown() -> str:
    """The table, one line for each status, target and mover, for the documentation."""
    lines = ["| from | to | moved by | when |", "| --- | --- | --- | --- |"]
    merged: dict[tuple[str, SessionStatus, Mover], list[str]] = {}
    for t in TRANSITIONS:
        merged.setdefault((t.when, t.after, t.mover), []).append(t.before.value)
    lines += [
        f"| {', '.join(befores)} | {after} | {mover} | {when} |" for (when, after, mover), befores in merged.items()
    ]
    return "\n".join(lines) + "\n"
