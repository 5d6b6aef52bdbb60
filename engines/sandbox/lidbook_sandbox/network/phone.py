"""An account's phone: what its owner does with it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from lidbook.identifiers import UserId
from lidbook.world.service import WorldService
from lidbook_sandbox.network.account import AccountServer
from lidbook_sandbox.network.pairing import ScanRefused, Unpaired, parse_qr
from lidbook_sandbox.network.store import Device
from lidbook_sandbox.network.wire.errors import Malformed, WrongCode

__all__ = ["LinkedDevice", "Phone", "ScanRefused"]


@dataclass(frozen=True, slots=True)
class LinkedDevice:
    """A device as the phone lists it; times in milliseconds."""

    number: int
    platform: str
    linked_at: int
    connected: bool


class Phone:
    """Acts on the same world and the same server as the account's devices."""

    def __init__(self, account: AccountServer, unpaired: Callable[[], Iterable[Unpaired]]) -> None:
        self.service: Final[WorldService] = account.service
        self._account = account
        self._unpaired = unpaired

    async def scan(self, code: str) -> LinkedDevice:
        """Scan the QR code with this text, and link the device. Raises `ScanRefused`."""
        ref, noise, identity, secret = parse_qr(code)
        for unpaired in tuple(self._unpaired()):
            if unpaired.shows(ref):
                if noise != unpaired.connection.client_static or identity != unpaired.identity:
                    raise ScanRefused("the code does not belong to the device that the server gave it to")
                return self._listed(await unpaired.link(self._account, secret))
        raise ScanRefused("no device shows this code now: it expired, or comes from another network; scan a new one")

    async def enter_code(self, code: str) -> LinkedDevice:
        """Type the pairing code that a device shows, with or without its dash. Raises `ScanRefused`."""
        asking = [unpaired for unpaired in self._unpaired() if unpaired.asks_for(self._account)]
        refusal = ScanRefused("no device shows a pairing code for this account: ask for one on the device first")
        for unpaired in reversed(asking):
            try:
                agreed = await unpaired.enter_code(code)
            except (WrongCode, Malformed) as error:
                refusal = ScanRefused(str(error))
                continue
            if agreed.companion_identity != unpaired.identity:
                raise ScanRefused("the device shows a code of another one")
            return self._listed(await unpaired.link(self._account, agreed.adv_secret))
        raise refusal

    def devices(self) -> tuple[LinkedDevice, ...]:
        """The linked devices, by number."""
        return tuple(self._listed(device) for _, device in sorted(self._account.devices.items()))

    async def log_out(self, device: int | None = None) -> int:
        """Unlink one device, or all; returns how many there were. They are told, and their credentials are void."""
        numbers = tuple(self._account.devices) if device is None else (device,)
        return sum(self._account.remove(number) for number in numbers)

    def edit(self, user: UserId, first_name: str, last_name: str | None = None) -> None:
        """Write somebody into the address book."""
        self.service.phone_edits_contact(user, first_name, last_name)

    def delete(self, user: UserId) -> None:
        """Delete somebody from the address book."""
        self.service.phone_deletes_contact(user)

    def block(self, user: UserId) -> None:
        """Block somebody."""
        self.service.phone_blocks(user)

    def unblock(self, user: UserId) -> None:
        """Unblock somebody."""
        self.service.phone_unblocks(user)

    def _listed(self, device: Device) -> LinkedDevice:
        connected = device.number in self._account.sessions
        return LinkedDevice(device.number, device.platform, device.linked_at, connected)
