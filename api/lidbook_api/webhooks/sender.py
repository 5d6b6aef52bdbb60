"""Sends one request to a receiver and says what became of it."""

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import certifi

from lidbook_api.webhooks.destinations import Destinations, NotAllowedThere
from lidbook_api.webhooks.lookups import Lookups
from lidbook_api.webhooks.receivers import Receiver
from lidbook_api.webhooks.retries import retry_after
from lidbook_api.webhooks.slots import OVERDUE, PATIENCE, Place, Slots
from lidbook_api.webhooks.wire import Broken, Headers, Status, Unwritable, Wire, dial

TIMEOUT: Final = 30.0
"""Seconds until there has to be a status."""
CONNECT_TIMEOUT: Final = 10.0
FINISH_TIMEOUT: Final = 5.0
"""Seconds for the rest of an answer, of which only the status matters."""
KEPT: Final = 200
"""Connections that may idle."""
KEPT_ALIVE: Final = 3.0
"""Seconds that a connection may idle; less than after which common servers close theirs."""


class Result(StrEnum):
    """What became of a request."""

    TAKEN = "taken"
    """The receiver answered 2xx."""
    REFUSED = "refused"
    """The receiver answered, and did not take it."""
    DOWN = "down"
    """Nobody answered, or whoever did says that it cannot now."""
    BLOCKED = "blocked"
    """It may not be sent there, or cannot be sent at all, however often one tries."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request, and why."""

    result: Result
    status: int | None = None
    reason: str | None = None
    retry_after: float = 0.0
    """Seconds that the receiver asks to be left alone."""
    was_slow: bool = False
    """Whether it took so long that the receiver is slow, if that happens again."""


_DOWN: Final = frozenset({429, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530})
"""Statuses that say "not now", most of them from a proxy in front of a receiver that is not there; from 520 on they are
Cloudflare's."""
_Key = tuple[bool, str, str]


class Sender:
    """Everybody's way out. Connections are shared among those who are trusted alike, and with nobody else."""

    def __init__(
        self,
        destinations: Destinations,
        *,
        verify_tls: bool = True,
        timeout: float = TIMEOUT,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lookups = Lookups(destinations)
        self._verify_tls = verify_tls
        self._timeout = timeout
        self._clock = clock
        self._slots = Slots(patience=patience)
        self._idle: dict[_Key, deque[tuple[Wire, asyncio.TimerHandle]]] = {}
        self._tls: ssl.SSLContext | None = None

    async def send(
        self, receiver: Receiver, headers: Headers, body: bytes, *, session: str, trusted: bool, slow: bool = False
    ) -> Outcome:
        """POST `body` for a session; never raises for what a receiver or the network does. `slow`: it was, lately."""
        async with self._slots.taken(session, receiver.host, slow=slow) as place:
            outcome = await self._sent(place, receiver, headers, body, trusted=trusted)
            return replace(outcome, was_slow=True) if place.is_slow else outcome

    def close(self) -> None:
        """Close the connections that idle, and look nothing up any more."""
        self._lookups.close()
        for idle in self._idle.values():
            for wire, timer in idle:
                timer.cancel()
                wire.close()
        self._idle.clear()

    async def _sent(self, place: Place, receiver: Receiver, headers: Headers, body: bytes, *, trusted: bool) -> Outcome:
        key = (trusted, receiver.scheme, receiver.authority)
        wire: Wire | None = None
        try:
            async with place.within(self._timeout):
                wire = self._from_idle(key)
                status = None if wire is None else await _on_a_used_one(wire, receiver, headers, body)
                if wire is None or status is None:
                    wire = None
                    wire = await self._dialled(place.session, receiver, trusted=trusted)
                    status = await wire.post(receiver, headers, body)
        except NotAllowedThere as error:
            return Outcome(Result.BLOCKED, reason=str(error))
        except Unwritable as error:
            return Outcome(Result.BLOCKED, reason=f"the request cannot be written: {error}")
        except Broken as error:
            return Outcome(Result.DOWN, reason=str(error))
        except TimeoutError:
            what = "no connection" if wire is None else "no answer"
            why = f"soon enough, while {OVERDUE} others were as slow" if place.was_cut else "in time"
            return Outcome(Result.DOWN, reason=f"{what} {why}")
        except (OSError, UnicodeError) as error:
            return Outcome(Result.DOWN, reason=_why(error))
        else:
            await self._finished(place, wire, key)
            return self._judged(status)
        finally:
            if wire is not None and not wire.is_usable:
                wire.close()

    async def _dialled(self, session: str, receiver: Receiver, *, trusted: bool) -> Wire:
        seconds = min(CONNECT_TIMEOUT, self._timeout)
        async with asyncio.timeout(seconds):
            addresses = await self._lookups.addresses(session, receiver, trusted=trusted)
            return await dial(receiver, addresses, self._tls_for(receiver.scheme), seconds)

    async def _finished(self, place: Place, wire: Wire, key: _Key) -> None:
        """Read what is left of the answer, and keep the connection if that can be."""
        with contextlib.suppress(TimeoutError):  # there is a status: the rest costs the connection at most
            async with place.within(FINISH_TIMEOUT):
                await wire.finish()
        if wire.is_usable and sum(map(len, self._idle.values())) >= KEPT:
            wire.close()
        elif wire.is_usable:
            timer = asyncio.get_running_loop().call_later(KEPT_ALIVE, self._expire, key, wire)
            self._idle.setdefault(key, deque()).append((wire, timer))

    def _from_idle(self, key: _Key) -> Wire | None:
        idle = self._idle.get(key)
        while idle:
            wire, timer = idle.pop()
            timer.cancel()
            if not idle:
                del self._idle[key]
            if wire.is_usable:
                return wire
        return None

    def _expire(self, key: _Key, wire: Wire) -> None:
        wire.close()
        left = deque(each for each in self._idle.pop(key, ()) if each[0] is not wire)
        if left:
            self._idle[key] = left

    def _judged(self, status: Status) -> Outcome:
        code = status.code
        if 200 <= code < 300:
            return Outcome(Result.TAKEN, code)
        wait = retry_after(status.retry_after, self._clock())
        if code in _DOWN:
            return Outcome(Result.DOWN, code, f"answered {code}", wait)
        reason = f"answered {code}"
        if 300 <= code < 400:
            reason += ", and redirects are not followed: set the webhook to where it really is"
        return Outcome(Result.REFUSED, code, reason, wait)

    def _tls_for(self, scheme: str) -> ssl.SSLContext | None:
        if scheme != "https":
            return None
        if self._tls is None:
            self._tls = _context(verify=self._verify_tls)
        return self._tls


async def _on_a_used_one(wire: Wire, receiver: Receiver, headers: Headers, body: bytes) -> Status | None:
    """Send on a connection that idled; None when it was gone, which says nothing about the receiver."""
    try:
        return await wire.post(receiver, headers, body)
    except Broken:
        wire.close()
        return None


def _context(*, verify: bool) -> ssl.SSLContext:
    """The system's authorities and Mozilla's, so that a container without the former is not without any."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _why(error: OSError | UnicodeError) -> str:
    """The fault without addresses: whoever reads it need not know what a name means inside."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not good: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {error.reason or type(error).__name__}"
        case socket.gaierror() | UnicodeError():
            return "its name does not resolve"
        case OSError() if error.errno:
            return f"no connection: {os.strerror(error.errno)}"
        case _:
            return f"no connection: {type(error).__name__}"
