"""What the reasons of a status mean: which error comes to which, and what the operator can do about each."""

from collections.abc import Mapping
from typing import Final

from lidbook.errors import (
    EngineDisconnected,
    EngineTimeout,
    EngineUnavailable,
    LidbookError,
    LoggedOut,
    StorageFailed,
)
from lidbook.values import StatusReason

ADVICE: Final[Mapping[StatusReason, str]] = {
    StatusReason.LOGGED_OUT: "this device was removed from the account: start the session to link it anew",
    StatusReason.BANNED: "WhatsApp does not let this account in: look at the phone",
    StatusReason.REPLACED: (
        "something else connected with the same credentials: stop that one, then start the session again"
    ),
    StatusReason.OUTDATED: "WhatsApp refuses the protocol version of this engine: update it, then start the session",
    StatusReason.ACCOUNT_CHANGED: (
        "another account was linked than the one this session's directory belongs to: log the session out and link "
        "that one again, or reset the session, which forgets the old account's contacts"
    ),
    StatusReason.QR_EXPIRED: (
        "nobody scanned the QR code, or answered for the passkey: start the session to begin anew"
    ),
    StatusReason.TIMEOUT: "the engine made no progress again and again: see the server's log, then start the session",
    StatusReason.RUNTIME: "the engine cannot work on this machine as it is; see the server's log",
    StatusReason.CRASHED: "the engine failed again and again: see the server's log, then start the session",
    StatusReason.NETWORK: "the network is away; Lidbook goes on trying",
    StatusReason.STORAGE: "the disk that holds the data dir takes nothing; Lidbook goes on trying",
}
"""What is shown beside a status that the session stays in."""

CANNOT_BE: Final = "the engine reported something that cannot be; see the server's log"

_MEANINGS: Final[tuple[tuple[type[BaseException], StatusReason], ...]] = (
    (TimeoutError, StatusReason.TIMEOUT),
    (EngineTimeout, StatusReason.TIMEOUT),
    (EngineDisconnected, StatusReason.NETWORK),
    (LoggedOut, StatusReason.LOGGED_OUT),
    (EngineUnavailable, StatusReason.RUNTIME),
    (StorageFailed, StatusReason.STORAGE),
)


def reason_of(error: BaseException) -> StatusReason:
    """What a start means that failed with this; anything unforeseen is a crash."""
    return next((reason for kind, reason in _MEANINGS if isinstance(error, kind)), StatusReason.CRASHED)


def start_failed(engine: str, error: BaseException) -> str:
    """What is shown of a start of this engine that failed with this."""
    return error.message if isinstance(error, StorageFailed) else f"{engine} failed to start: {said_by(error)}"


def said_by(error: BaseException) -> str:
    """What an error says to the operator; of one that is not ours, where to read more."""
    return error.message if isinstance(error, LidbookError) else f"{type(error).__name__}, see the server's log"
