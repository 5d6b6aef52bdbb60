"""The accounts of a gateway: what happened to each since it was first linked, and the devices that are linked to it."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from lidbook.world.changes import Change
from lidbook.world.conditions import Conditions
from lidbook.world.device import Device
from lidbook.world.service import WorldService
from lidbook.world.wire import Away, Removed, WireState
from lidbook_stranger.gateway.writing import Row, change_rows


class CursorLost(Exception):
    """The cursor is of another device, or of a gateway that is gone."""


class Account:
    """One account, and everything that happened to it, each as its devices were told at that moment."""

    def __init__(self, service: WorldService, conditions: Conditions) -> None:
        self.service: Final = service
        self.conditions: Final = conditions
        self.events: Final[list[Row]] = []
        self._quiet = service.subscribe(self._note)

    def close(self) -> None:
        """Hear of nothing any more."""
        self._quiet()

    def _note(self, change: Change) -> None:
        self.events.extend(change_rows(self.service, change))


class LinkedDevice:
    """A device, its token, and its place in the account's events."""

    def __init__(self, account: Account) -> None:
        self.account: Final = account
        self.token: Final = secrets.token_urlsafe(24)
        self.wire: Final = Device(account.service, account.conditions)
        self._mark = secrets.token_hex(4)
        self.wire.connect()

    @property
    def cursor(self) -> str:
        """After everything that has happened."""
        return f"{self._mark}.{len(self.account.events)}"

    def since(self, cursor: str) -> list[Row]:
        """What happened after that. Raises `CursorLost`."""
        mark, _, number = cursor.partition(".")
        if mark != self._mark or not number.isdigit():
            raise CursorLost
        return self.account.events[int(number) :]

    async def open(self) -> None:
        """Return when something can get through. Raises `Away`, and `Removed` when the owner took it off."""
        while True:
            changed = self.wire.changed
            if self.wire.state is WireState.REMOVED or self.wire.was_removed():
                raise Removed("the device was removed from the account")
            if self.wire.is_away:
                raise Away
            if self.wire.hears:
                return
            await changed.wait()

    async def news(self, cursor: str, wait: float) -> list[Row]:
        """What happened after that, waited for so long. Raises as `open` and `since` do."""
        end = asyncio.get_running_loop().time() + wait
        while True:
            changed = self.wire.changed
            await self.open()
            if found := self.since(cursor):
                return found
            try:
                async with asyncio.timeout_at(end):
                    await changed.wait()
            except TimeoutError:
                await self.open()
                return self.since(cursor)


@dataclass
class Ticket:
    """One code on a screen, until a phone has used it."""

    expires: float
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    code: str = field(default_factory=lambda: f"gw@{secrets.token_urlsafe(24)}")
    typed: str | None = None
    """The same for fingers."""
    token: str | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it was used, or expired before its time."""


class Tickets:
    """Those that are still good."""

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self._seconds = seconds
        self._now = now
        self._tickets: dict[str, Ticket] = {}

    def new(self) -> Ticket:
        """Another one."""
        ticket = Ticket(self._now() + self._seconds)
        self._tickets[ticket.id] = ticket
        return ticket

    def get(self, name: str) -> Ticket | None:
        """The ticket of this id, unless it has expired."""
        ticket = self._tickets.get(name)
        return ticket if ticket is not None and self._is_good(ticket) else None

    def showing(self, code: str) -> Ticket | None:
        """The one with this code for the camera, or for fingers."""
        good = [ticket for ticket in self._tickets.values() if self._is_good(ticket)]
        return next((ticket for ticket in good if code in (ticket.code, ticket.typed)), None)

    def expire(self) -> None:
        """All that were not used are good no longer."""
        for ticket in self._tickets.values():
            ticket.expires = 0.0
            ticket.changed.set()

    async def token(self, ticket: Ticket, wait: float) -> str | None:
        """The token that came of it, waited for so long."""
        try:
            async with asyncio.timeout(min(wait, max(0.0, ticket.expires - self._now()))):
                await ticket.changed.wait()
        except TimeoutError:
            return None
        return ticket.token

    def _is_good(self, ticket: Ticket) -> bool:
        return ticket.token is not None or self._now() < ticket.expires
