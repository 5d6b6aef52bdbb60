"""One linked device of an account in a simulated world."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from lidbook.capabilities import Capability
from lidbook.engine import EngineSession, SessionContext
from lidbook.errors import ChangeNotTaken, Conflict, EngineDisconnected, EngineError, LidbookError, PasskeyRefused
from lidbook.facts import Picture
from lidbook.identifiers import Lid, PhoneNumber, UserId
from lidbook.passkey import PasskeyAssertion
from lidbook.values import (
    AboutAnswer,
    AddressBookEntry,
    Person,
    Registration,
    SessionStatus,
    StatusReason,
)
from lidbook.world.changes import Change
from lidbook.world.conditions import ConditionFolder, Kind
from lidbook.world.service import WorldService
from lidbook.world.wire import WireState
from lidbook_sandbox.feeding import Feeder
from lidbook_sandbox.line import Line
from lidbook_sandbox.linking import DeviceLink
from lidbook_sandbox.settings import SandboxSettings
from lidbook_sandbox.worlds import OpenWorld, Worlds

T = TypeVar("T")

LINK: Final = "link"
"""Name of the blob in the vault that says which account this device is linked to."""


class SandboxSession(EngineSession):
    """Answers from a world in this process, and tells the directory of it."""

    def __init__(self, context: SessionContext, worlds: Worlds, conditions: ConditionFolder) -> None:
        super().__init__(context)
        settings = context.settings
        if not isinstance(settings, SandboxSettings):
            raise TypeError(f"the sandbox needs SandboxSettings, not {type(settings).__name__}")
        self._settings = settings
        self._worlds = worlds
        self._folder = conditions
        self._line = Line(settings.query_timeout)
        self._world: OpenWorld | None = None
        self._service: WorldService | None = None
        self._feeder: Feeder | None = None
        self._unsubscribe: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._device_link: DeviceLink | None = None

    # Life of a session.

    async def start(self) -> None:
        """Begin to load the world, to link and to tell; returns at once."""
        if self._task is not None:
            return
        self.context.status(SessionStatus.STARTING)
        self._task = asyncio.create_task(self._run(), name=f"sandbox {self.context.session}")
        self._task.add_done_callback(self._report_failure)

    async def stop(self) -> None:
        """Disconnect; the device stays linked."""
        task, self._task = self._task, None
        if self._line.state is WireState.OPEN:
            self._line.move(WireState.CLOSED)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe.clear()
        if self._world is not None:
            world, self._world = self._world, None
            await self._worlds.close(world)

    async def logout(self) -> None:
        """Unlink this device and forget the link."""
        await self._line.answer(Capability.SESSION_LOGOUT, lambda: None)
        self._line.move(WireState.REMOVED)
        await self.stop()
        await self.context.vault.put({LINK: None})

    async def pairing_code(self, phone: PhoneNumber) -> str:
        """A code for the account's owner, who types it with `lidbook sandbox scan`."""
        if self._device_link is None:
            raise EngineError("this device is not waiting to be linked")
        return self._device_link.pairing_code(phone)

    async def answer_passkey(self, assertion: PasskeyAssertion) -> None:
        """Take what the account's passkey signed; a code to confirm follows."""
        if self._device_link is None:
            raise PasskeyRefused("this device is not waiting to be linked")
        self._device_link.answer_passkey(assertion)

    async def confirm_passkey(self) -> None:
        """Take the confirmation of that code; the device is linked."""
        if self._device_link is None:
            raise PasskeyRefused("this device is not waiting to be linked")
        self._device_link.confirm_passkey()

    # Live calls.

    async def check(self, phones: Sequence[PhoneNumber]) -> Sequence[Registration]:
        """Whether each number is registered, under which spelling, and its LID."""
        return await self._ask(Capability.CONTACTS_CHECK, lambda service: service.check(phones))

    async def query_lids(self, phones: Sequence[PhoneNumber]) -> Mapping[PhoneNumber, Lid | None]:
        """The LID of each number in exactly the spelling given."""
        return await self._ask(Capability.LIDS_QUERY, lambda service: service.lids(phones))

    async def about(self, persons: Sequence[Person]) -> Sequence[AboutAnswer]:
        """Each person's about text."""
        return await self._ask(Capability.CONTACTS_ABOUT, lambda service: service.about(persons))

    async def picture(self, person: Person) -> Picture:
        """The address of a person's picture."""
        return await self._ask(Capability.CONTACTS_PICTURE, lambda service: service.picture(person))

    async def update_contact(
        self, person: Person, first_name: str, last_name: str | None, *, save_on_phone: bool
    ) -> AddressBookEntry:
        """Write a contact, and read it back."""
        capability = Capability.CONTACTS_UPDATE
        await self._write(
            capability,
            lambda service: service.update_contact(person, first_name, last_name, save_on_phone=save_on_phone),
        )
        entry = await self._ask(capability, lambda service: service.contact(person))
        if entry is None:
            raise ChangeNotTaken(f"{person.id} was written to the address book, but is not there when read back")
        return entry

    async def delete_contact(self, person: Person) -> None:
        """Take somebody out of the address book."""
        await self._write(Capability.CONTACTS_DELETE, lambda service: service.delete_contact(person))

    async def block(self, person: Person) -> frozenset[UserId]:
        """Block somebody."""
        await self._change(Capability.CONTACTS_BLOCK, lambda service: service.block(person))
        return await self._ask(Capability.CONTACTS_BLOCK, lambda service: service.blocklist())

    async def unblock(self, person: Person) -> frozenset[UserId]:
        """Unblock somebody."""
        await self._change(Capability.CONTACTS_UNBLOCK, lambda service: service.unblock(person))
        return await self._ask(Capability.CONTACTS_UNBLOCK, lambda service: service.blocklist())

    async def refresh_groups(self) -> None:
        """Tell all groups anew."""
        await self._ask(Capability.GROUPS_REFRESH, lambda _: None)
        if self._feeder is not None:
            await self._feeder.tell_groups()

    # Within.

    async def _ask(self, capability: Capability, question: Callable[[WorldService], T]) -> T:
        service = self._service
        if service is None:
            raise EngineDisconnected("the session is not connected to the simulated server yet")
        return await self._line.answer(capability, lambda: question(service))

    async def _change(self, capability: Capability, change: Callable[[WorldService], object]) -> None:
        """Make a change; returns when it is on the disk and the directory knows."""
        await self._ask(capability, change)
        if self._world is not None and self._feeder is not None:
            await asyncio.to_thread(self._world.live.journal.sync)
            await self._line.bounded(capability, self._feeder.catch_up())

    async def _write(self, capability: Capability, change: Callable[[WorldService], object]) -> None:
        """Change the address book; on a conflict resync, try once more, and only then raise `Conflict`."""

        def unless_conflicting(service: WorldService) -> object:
            if self._line.conditions.take(Kind.CONFLICT, capability):
                raise Conflict("another device changed the address book at the same time; try again")
            return change(service)

        try:
            await self._change(capability, unless_conflicting)
        except Conflict:
            self.context.log.info("address book conflict, resyncing")
            if self._feeder is not None:
                await self._line.bounded(capability, self._feeder.catch_up())
            await self._change(capability, unless_conflicting)

    async def _run(self) -> None:
        world = self._world = await self._worlds.open(self._settings.source)
        self._warn_of(world)
        service = self._service = WorldService(world.live, self._settings.phone)
        conditions = self._folder.of(service.account().phone)
        self._unsubscribe += [service.subscribe(self._pulse), conditions.subscribe(self._line.pulse)]
        self._line.attach(conditions)
        feeder = self._feeder = Feeder(self.context, service, world.loaded.fingerprint, self._line)
        if not await self._is_linked(service) and not await self._link(service):
            self.context.status(SessionStatus.FAILED, StatusReason.QR_EXPIRED)
            return
        self._line.move(WireState.OPEN)
        feeding = asyncio.create_task(self._feed(feeder), name=f"feed {self.context.session}")
        feeding.add_done_callback(lambda _: self._line.pulse())
        try:
            await self._watch(service, feeding)
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)

    async def _watch(self, service: WorldService, feeding: "asyncio.Task[None]") -> None:
        """Report what happens to the connection, until the device is removed."""
        conditions = self._line.conditions
        online: bool | None = None
        while True:
            changed = self._line.changed
            if feeding.done():
                feeding.result()
            if conditions.take(Kind.LOGOUT):
                self._line.move(WireState.REMOVED)
                await self.context.vault.put({LINK: None})
                self.context.status(SessionStatus.FAILED, StatusReason.LOGGED_OUT)
                return
            connected = conditions.active(Kind.DISCONNECT) is None
            if connected is not online:
                online = connected
                if online:
                    self.context.status(SessionStatus.WORKING, account=service.account())
                else:
                    self.context.status(SessionStatus.STARTING, StatusReason.NETWORK)
            await changed.wait()

    async def _feed(self, feeder: Feeder) -> None:
        await feeder.begin()
        while True:
            changed = self._line.changed
            await feeder.catch_up()
            await changed.wait()

    async def _is_linked(self, service: WorldService) -> bool:
        blob = await self.context.vault.get(LINK)
        return blob is not None and json.loads(blob)["account"] == str(service.lid)

    async def _link(self, service: WorldService) -> bool:
        """Link this device; False if the owner was to do something for it and did not."""
        link = self._device_link = DeviceLink(self.context, self._settings, self._line, service)
        try:
            if not await link.run():
                return False
        finally:
            self._device_link = None
        await self.context.vault.put({LINK: json.dumps({"account": str(service.lid)}).encode()})
        return True

    def _warn_of(self, world: OpenWorld) -> None:
        """Say what of the world's sources could not be used."""
        log, counts, live = self.context.log, world.loaded.counts, world.live
        if live.journal.dropped is not None:
            log.warning("the last change was torn by a crash and is dropped", line=live.journal.dropped[:200])
        if live.state.unplaced:
            log.warning("changes speak of people who are not in the world file any more", changes=live.state.unplaced)
        if counts is not None:
            log.info(
                "address book read",
                cards=counts.cards,
                numbers=counts.numbers,
                people=counts.people,
                merged=len(counts.merged),
                refused=len(counts.refused),
            )
            if counts.refused:
                log.warning(
                    "some of the address book cannot be used",
                    refused=len(counts.refused),
                    see=f"lidbook sandbox world check {self._settings.source.path}",
                )

    def _pulse(self, _: Change) -> None:
        self._line.pulse()

    def _report_failure(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        self._line.move(WireState.CLOSED)
        if isinstance(error, EngineDisconnected):
            self.context.log.info("the sandbox session ended", why=str(error))
            self.context.status(SessionStatus.FAILED, StatusReason.NETWORK)
            return
        expected = isinstance(error, LidbookError)
        self.context.log.error("the sandbox session failed", error=str(error) if expected else repr(error))
        self.context.status(SessionStatus.FAILED, StatusReason.RUNTIME if expected else StatusReason.CRASHED)
