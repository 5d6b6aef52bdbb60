"""Errors on their way through the host protocol: what a host refuses, and what the core refuses a host."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from lidbook.errors import (
    ChangeNotTaken,
    Conflict,
    EngineDisconnected,
    EngineError,
    EngineTimeout,
    LidbookError,
    LoggedOut,
    NotOnWhatsApp,
    PasskeyRefused,
    RateLimited,
    StorageFailed,
)
from lidbook.hosts.output import presentable

REFUSED: Final = -32000
"""An error of the protocol's own; `data.code` says which."""
UNKNOWN_METHOD: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL: Final = -32603

INVALID: Final = "invalid"
"""Code for facts and reports that cannot be."""
SAID: Final = 500
"""Characters of a host's own words that are passed on."""
RETRY_AFTER: Final = 60.0
"""Seconds to wait where a host says that WhatsApp limits it, and not for how long."""

_ENGINES: Final[Mapping[str, type[LidbookError]]] = {
    kind.code: kind
    for kind in (
        EngineTimeout,
        EngineDisconnected,
        LoggedOut,
        Conflict,
        ChangeNotTaken,
        NotOnWhatsApp,
        PasskeyRefused,
        EngineError,
    )
}
_CORES: Final = (LoggedOut, EngineDisconnected, StorageFailed)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The error of a JSON-RPC answer."""

    code: int
    message: str
    data: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def reason(self) -> str | None:
        """Lidbook's code, where it has one."""
        code = self.data.get("code")
        return code if isinstance(code, str) else None


class Refused(Exception):
    """The other side refused a request."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def error_of(refusal: Refusal, method: str) -> LidbookError:
    """What a host's refusal of a call means to whoever called: in its own words, without numbers, and not too long."""
    if refusal.code == UNKNOWN_METHOD:
        return EngineError(f"the host does not know {method}: it is older than its engine; build it again")
    said = presentable(refusal.message, SAID)
    if refusal.reason == RateLimited.code:
        seconds = refusal.data.get("retry_after")
        known = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= 0
        return RateLimited(said, float(seconds) if known else RETRY_AFTER)  # type: ignore[arg-type]
    kind = _ENGINES.get(refusal.reason or "")
    if kind is not None:
        return kind(said)
    code = presentable(refusal.reason or str(refusal.code))
    return EngineError(f"the host refused {method}: {said} ({code})")


def refusal_of(error: Exception) -> Refusal | None:
    """What the core answers a host whose request failed with this; None for what nobody foresaw."""
    if isinstance(error, _CORES):
        return Refusal(REFUSED, error.message, {"code": error.code})
    if isinstance(error, ValueError | TypeError):
        return Refusal(REFUSED, str(error), {"code": INVALID})
    return None
