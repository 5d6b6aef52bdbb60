"""One account's server: its linked devices, what is sent to them, and what waits for those that are away."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Collection, Coroutine, Iterable
from dataclasses import replace
from typing import Final, Protocol

from lidbook.capabilities import Capability
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.world.conditions import Condition, Conditions, Kind
from lidbook.world.live import LiveWorld
from lidbook.world.service import WorldService
from lidbook_sandbox.network.address_book import AddressBook
from lidbook_sandbox.network.faults import Faults, Malformation
from lidbook_sandbox.network.stanzas import Attributes, new_id, seconds
from lidbook_sandbox.network.store import Device, NetworkStore
from lidbook_sandbox.network.synced import Collections
from lidbook_sandbox.network.wire import binary
from lidbook_sandbox.network.wire.app_state import AppStateKey
from lidbook_sandbox.network.wire.jid import SERVER
from lidbook_sandbox.network.wire.keys import KeyPair
from lidbook_sandbox.network.wire.node import Node
from lidbook_sandbox.network.wire.signal import Bundle, PhoneSession
from lidbook_sandbox.network.wire.wire_pb2 import Message

KEY_ID_SIZE: Final = 6
KEY_SIZE: Final = 32

logger = logging.getLogger("lidbook.sandbox.network")


class Session(Protocol):
    """A linked device's connection."""

    @property
    def listens(self) -> bool:
        """Whether the device has said that it takes what is announced."""

    def send(self, stanza: Node) -> None:
        """Send a stanza once everything before it is sent."""

    def fail(self, code: str | None, conflict: str | None) -> None:
        """Send a stream error and close."""

    def malform(self, kind: Malformation) -> None:
        """Send wrong bytes."""

    def abort(self) -> None:
        """Cut the connection."""


class AccountServer:
    """Made once for every account of the world; lives as long as the network."""

    def __init__(self, live: LiveWorld, lid: Lid, conditions: Conditions, store: NetworkStore, faults: Faults) -> None:
        self.lid: Final = lid
        self.service: Final = WorldService(live, lid)
        self.conditions = conditions
        self.store: Final = store
        self.faults: Final = faults
        self.identity: Final = store.key_pair(f"{lid.digits}/identity")
        self.registration: Final = int.from_bytes(self._secret("registration", 2), "big") & 0x3FFF
        self.key: Final = AppStateKey(self._secret("key id", KEY_ID_SIZE), self._secret("key", KEY_SIZE))
        self.devices: dict[int, Device] = {device.number: device for device in store.devices(lid)}
        self.sessions: dict[int, Session] = {}
        self.book: Final = AddressBook(
            self.service, Collections(store, lid, self.key), store.lines(lid), self.tell_collection
        )
        self.spares_author = False
        """Whether the author of a change is not told of patches either."""
        self.author: int | None = None
        """The device whose query changes the world at this moment."""
        self.introducing: Final[set[int]] = set()
        """The devices to which the phone is handing over its history."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._unsubscribe = conditions.subscribe(self._obey)

    def number(self) -> PhoneNumber:
        """Its phone number now. Raises `NotOnWhatsApp` when that was given to somebody else."""
        return self.service.account().phone

    def has_number(self) -> bool:
        """Whether it can be reached; without, its devices are kept out until it has one again."""
        return self.service.live.person(self.lid).phone is not None

    async def close(self) -> None:
        """Stop everything that is under way."""
        self._unsubscribe()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.book.close()

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Let something run until it is done, or the network is closed; its failure is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("work for the account %s failed", self.lid, exc_info=error)

    # Devices

    def add(self, device: Device) -> None:
        """Link a device."""
        self.store.put_device(device)
        self.devices[device.number] = device

    def keep(self, device: Device) -> None:
        """Keep what changed about a device, as long as it is linked."""
        if self.devices.get(device.number) is device:
            self.store.put_device(device)

    def forget(self, number: int) -> bool:
        """Make a device's credentials void, and leave its connection alone. False if there is no such device."""
        if self.devices.pop(number, None) is None:
            return False
        self.store.remove_device(self.lid, number)
        return True

    def remove(self, number: int) -> bool:
        """Unlink a device: its credentials are void, and its connection ends. False if there is no such device."""
        removed = self.forget(number)
        session = self.sessions.pop(number, None)
        if session is not None:
            session.fail("401", "device_removed")
        return removed

    def find(self, digits: str, number: int) -> Device | None:
        """The device that logs in with these digits and this number."""
        device = self.devices.get(number)
        known = device is not None and digits in (device.phone, self.service.live.person(self.lid).phone)
        return device if known else None

    def bundle(self, device: Device, *, one_time: bool) -> Bundle:
        """What it takes to write to a device, with one of its prekeys if it is `one_time` and there are any left."""
        prekey = self.store.take_prekey(self.lid, device.number) if one_time else None
        return Bundle(
            device.registration,
            device.identity,
            device.signed_id,
            device.signed_key,
            device.signature,
            None if prekey is None else prekey[0],
            None if prekey is None else prekey[1],
        )

    # What devices are told

    def deliver(self, stanza: Node, to: Iterable[int] | None = None) -> None:
        """Send a stanza to some devices, or all; it waits for those that are away until they say that they have it."""
        if self.faults.drops_notifications(self.lid):
            return
        for number in tuple(self.devices) if to is None else tuple(to):
            self._deliver(number, stanza)

    def _deliver(self, number: int, stanza: Node) -> None:
        identifier = new_id()
        sent = replace(stanza, attributes={**stanza.attributes, "id": identifier})
        self.store.enqueue(self.lid, number, identifier, binary.encode(sent))
        session = self.sessions.get(number)
        if session is not None and session.listens:
            session.send(sent)

    def waiting(self, number: int) -> list[Node]:
        """All that waits for a device, oldest first."""
        return [binary.decode(stanza) for stanza in self.store.waiting(self.lid, number)]

    def others(self) -> tuple[int, ...]:
        """Every device but the one whose query is being answered: of its own patch it need not be told."""
        return tuple(number for number in self.devices if number != self.author)

    def write(self, device: Device, message: Message) -> bytes:
        """A message from the phone, encrypted for one of its companions."""
        if device.session is None:
            session = PhoneSession.begin(
                self.identity, self.bundle(device, one_time=True), registration_id=self.registration
            )
        else:
            session = PhoneSession.from_bytes(device.session)
        encrypted = session.encrypt(message.SerializeToString())
        device.session = session.to_bytes()
        self.keep(device)
        return encrypted

    def sender(self, lid: Lid) -> KeyPair:
        """The Signal identity of somebody who writes to this account; always the same."""
        name = f"{lid.digits}/identity"
        return self.store.key_pair(name)

    def tell_collection(self, name: str, to: Collection[int] | None = None) -> None:
        """Say that there are new patches, to those that have the key to read them; others fetch all with the key."""
        version = self.book.collections.version(name)
        collection = Node("collection", {"name": name, "version": str(version)})
        attributes: Attributes = {"from": SERVER, "type": "server_sync", "t": seconds(self.service.live.time())}
        keyed = [number for number, device in self.devices.items() if device.session is not None]
        to = self.others() if to is None and self.spares_author else to
        told = [number for number in keyed if to is None or number in to]
        self.deliver(Node("notification", attributes, [collection]), told)

    # Conditions

    def follow(self, conditions: Conditions, held: Iterable[Condition]) -> None:
        """Look at other conditions from now on, those of another number, and switch on there what held before."""
        self._unsubscribe()
        self.conditions = conditions
        for condition in held:
            conditions.set(condition)
        self._unsubscribe = conditions.subscribe(self._obey)
        self._obey()

    async def while_holding(self, holds: Callable[[], bool]) -> None:
        """Return as soon as `holds` does not; looks again whenever the conditions change."""
        while holds():
            await self._changed.wait()

    def condition(self, kind: Kind, capability: Capability | None) -> Condition | None:
        """The condition that holds for a query; none for what is no live call."""
        return None if capability is None else self.conditions.active(kind, capability)

    def is_silent(self) -> bool:
        """Whether nothing at all comes from the server."""
        silence = self.conditions.active(Kind.SILENCE)
        return silence is not None and not silence.capabilities

    def is_away(self) -> bool:
        """Whether there is no way to the server."""
        return self.conditions.active(Kind.DISCONNECT) is not None

    def obey(self) -> None:
        """Do what the conditions ask for once; called whenever they change, and when a device is linked."""
        if self.is_away():
            for session in tuple(self.sessions.values()):
                session.abort()
        if self.devices and self.conditions.active(Kind.LOGOUT) is not None and self.conditions.take(Kind.LOGOUT):
            self.remove(max(self.devices))

    def _obey(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        self.obey()

    def _secret(self, name: str, size: int) -> bytes:
        """A random secret of this account, made on first use."""
        kept = self.store.secret(f"{self.lid.digits}/{name}")
        if kept is None:
            kept = secrets.token_bytes(size)
            self.store.keep_secret(f"{self.lid.digits}/{name}", kept)
        return kept


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
