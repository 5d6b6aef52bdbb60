"""A linked device of a simulated account: what a library that speaks to WhatsApp is to an engine."""

from collections.abc import Callable
from typing import Final

from lidbook.identifiers import parse_dialable
from lidbook.world.changes import Change
from lidbook.world.conditions import Conditions, Kind
from lidbook.world.live import LiveWorld
from lidbook.world.service import WorldService
from lidbook.world.sources import WorldSource, open_source
from lidbook.world.wire import Wire, WireState

Devices = Callable[[str | None], "Device"]
"""Gives a device of the account with this phone number, in any writing; of the world's first one for None."""


class Device(Wire):
    """Asks `service` through `ask`, and wakes whoever waits for `changed` at every change of the world."""

    def __init__(self, service: WorldService, conditions: Conditions | None = None) -> None:
        super().__init__(conditions)
        self.service: Final = service
        self._quiet: list[Callable[[], None]] = []

    def connect(self) -> None:
        """Open the connection, unless it is open."""
        if not self._quiet:
            self._quiet = [self.service.subscribe(self._hear), self.conditions.subscribe(self.pulse)]
        self.move(WireState.OPEN)

    def close(self) -> None:
        """Close it; the device stays linked."""
        for unsubscribe in self._quiet:
            unsubscribe()
        self._quiet = []
        if self.state is WireState.OPEN:
            self.move(WireState.CLOSED)

    def was_removed(self) -> bool:
        """Whether the account's owner has removed this device; said once, and then it has to be linked anew."""
        removed = self.conditions.take(Kind.LOGOUT)
        if removed:
            self.move(WireState.REMOVED)
        return removed

    def _hear(self, _change: Change) -> None:
        self.pulse()


def open_devices(source: WorldSource | None = None) -> Devices:
    """Devices in a world of their own, the demo unless told otherwise; made when the first of them is asked for."""
    opened: list[LiveWorld] = []

    def device(account: str | None) -> Device:
        if not opened:
            opened.append(LiveWorld(open_source(source or WorldSource()).world))
        return Device(WorldService(opened[0], None if account is None else parse_dialable(account)))

    return device
