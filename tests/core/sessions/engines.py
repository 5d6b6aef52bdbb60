"""Engines that do as a test tells them: a fake where the wire would begin."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import ClassVar

from lidbook.capabilities import Capability, Claim, Feed, absent
from lidbook.engine import API_VERSION, Engine, EngineSession, EngineSettings, SessionContext
from lidbook.facts import Fact, Field, FieldFact, Picture, PictureState, Source
from lidbook.identifiers import Lid, PhoneNumber, UserId, spellings
from lidbook.passkey import PasskeyAssertion
from lidbook.values import AboutAnswer, Account, AddressBookEntry, Person, Registration, SessionStatus, StatusReason

ME = Account(PhoneNumber("15550100"), Lid("9100"), "Robin")
OTHER = Account(PhoneNumber("15550999"), Lid("9999"), "Somebody Else")


LESS: dict[Capability, Claim] = {
    Capability.SESSION_LOGOUT: absent("never linked"),
    Capability.SESSION_PASSKEY: absent("asks for none"),
}
"""What the engine `second` cannot do either."""


class ScriptedSettings(EngineSettings):
    """What a test may configure."""

    other_account: bool = False
    slow_start: bool = False
    fail_to_start: bool = False
    hang: bool = False
    needs_scan: bool = False
    feeds_at_once: bool = False


class ScriptedSession(EngineSession):
    """Answers from `script`, and counts what it was asked."""

    script: "Script"

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context)
        self.script.sessions.append(self)
        self.feeding: asyncio.Task[None] | None = None

    @property
    def settings(self) -> ScriptedSettings:
        settings = self.context.settings
        assert isinstance(settings, ScriptedSettings)
        return settings

    async def start(self) -> None:
        self.script.starts += 1
        if self.script.start_error is not None:
            raise self.script.start_error
        if self.settings.fail_to_start:
            raise RuntimeError("no luck")
        if self.settings.hang:
            self.script.hanging.set()
            await asyncio.Event().wait()
        if self.settings.needs_scan and await self.context.vault.get("link") is None:
            self.context.qr("scan me")
            return
        if self.settings.slow_start:
            return
        if self.settings.feeds_at_once:
            self.feeding = asyncio.create_task(self._feed())
        self.context.status(SessionStatus.WORKING, account=OTHER if self.settings.other_account else ME)

    async def _feed(self) -> None:
        fact = FieldFact(PhoneNumber("15550199"), Field.FULL_NAME, "From the wrong book", Source.ADDRESS_BOOK, 10**12)
        await self.context.facts([fact])

    async def scan(self) -> None:
        """The owner scans the QR code."""
        await self.context.vault.put({"link": self.engine.name.encode()})
        (self.context.folder / "keys").write_text(self.engine.name)
        self.report(SessionStatus.WORKING)

    async def stop(self) -> None:
        self.script.stopped += 1

    def report(self, status: SessionStatus, reason: StatusReason | None = None) -> None:
        self.context.status(status, reason, account=ME if status is SessionStatus.WORKING else None)

    async def logout(self) -> None:
        self.script.asked.append(("logout", None))

    async def answer_passkey(self, assertion: PasskeyAssertion) -> None:
        self.script.asked.append(("answer_passkey", assertion))
        await self.script.pause()

    async def confirm_passkey(self) -> None:
        self.script.asked.append(("confirm_passkey", None))
        await self.script.pause()

    async def check(self, phones: Sequence[PhoneNumber]) -> Sequence[Registration]:
        self.script.asked.append(("check", tuple(phones)))
        await self.script.pause()
        registered = [phone for phone in phones if phone in self.script.registered]
        canonical = registered[0] if registered else None
        lid = self.script.registered[canonical] if canonical is not None else None
        return [Registration(phone, canonical, lid) for phone in phones]

    async def query_lids(self, phones: Sequence[PhoneNumber]) -> Mapping[PhoneNumber, Lid | None]:
        self.script.asked.append(("query_lids", tuple(phones)))
        await self.script.pause()
        return {phone: self.script.registered.get(phone) for phone in phones}

    async def about(self, persons: Sequence[Person]) -> Sequence[AboutAnswer]:
        self.script.asked.append(("about", tuple(persons)))
        await self.script.pause()
        return [AboutAnswer(person, None if self.script.nobody else "Busy") for person in persons]

    async def picture(self, person: Person) -> Picture:
        self.script.asked.append(("picture", person))
        await self.script.pause()
        if self.script.nobody is None:
            return "https://p/1.jpg"  # type: ignore[return-value]
        if self.script.nobody:
            return Picture(PictureState.NONE)
        return Picture(PictureState.PRESENT, "https://p/1.jpg", self.script.picture_expires_at)

    async def update_contact(
        self, person: Person, first_name: str, last_name: str | None, *, save_on_phone: bool
    ) -> AddressBookEntry:
        self.script.asked.append(("update", person))
        if self.script.forgetful:
            return AddressBookEntry(person, None, None, None)
        whole = f"{first_name} {last_name}" if last_name else first_name
        for spelling in spellings(person.phone) if person.phone is not None else ():
            if spelling in self.script.registered:
                person = Person(spelling, self.script.registered[spelling])
        if self.script.meanwhile:
            await self.context.facts(self.script.meanwhile)
        return AddressBookEntry(person, first_name, last_name, whole, self.script.written_at)

    async def block(self, person: Person) -> frozenset[UserId]:
        self.script.asked.append(("block", person))
        if not self.script.forgetful:
            self.script.blocked.add(person.lid or person.id)
        return frozenset(self.script.blocked)

    async def unblock(self, person: Person) -> frozenset[UserId]:
        self.script.blocked -= {person.lid, person.phone}
        return frozenset(self.script.blocked)

    async def refresh_groups(self) -> None:
        self.script.asked.append(("groups", None))
        await self.script.pause()


class Script:
    """What the server would know, and what it was asked."""

    def __init__(self) -> None:
        self.registered: dict[PhoneNumber, Lid] = {}
        self.blocked: set[UserId] = set()
        self.asked: list[tuple[str, object]] = []
        self.sessions: list[ScriptedSession] = []
        self.starts = 0
        self.start_error: Exception | None = None
        """What every start fails with."""
        self.hanging = asyncio.Event()
        """Set as soon as a start hangs."""
        self.stopped = 0
        self.forgetful = False
        self.meanwhile: list[Fact] = []
        """What other devices change while a contact is written."""
        self.written_at: int | None = None
        self.nobody: bool | None = False
        """Whether nobody asked about exists; None makes the engine answer with the wrong type."""
        self.picture_expires_at: int | None = None
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def pause(self) -> None:
        """Where a test makes the server wait, or fail."""
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error


def scripted(script: Script, engine_name: str = "scripted") -> type[Engine]:
    """An engine class of its own for one test."""

    class Session(ScriptedSession):
        if engine_name == "second":
            logout = EngineSession.logout
            answer_passkey = EngineSession.answer_passkey
            confirm_passkey = EngineSession.confirm_passkey

    Session.script = script

    class Scripted(Engine):
        name = engine_name
        title = "Does as a test tells it"
        aliases = ("TOLD",) if engine_name == "scripted" else ()
        api_version = API_VERSION
        feeds = frozenset(set(Feed) - {Feed.QR})
        settings = ScriptedSettings
        session = Session
        claims: ClassVar[Mapping[Capability, Claim]] = {
            Capability.CONTACTS_DELETE: absent("the script has no such scene"),
            Capability.SESSION_QR: absent("pairs by itself"),
            Capability.SESSION_PAIRING_CODE: absent("pairs by itself"),
            Capability.SESSION_SCREENSHOT: absent("no browser"),
        } | (LESS if engine_name == "second" else {})

    return Scripted
