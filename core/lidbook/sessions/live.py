"""Live calls: what reaches the engine, with what every engine gets around it.

Recent answers come from the directory; the rest is budgeted, asked once however many wait for it, bounded in time, and
what one caller learns the directory knows.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol, TypeVar

from lidbook.capabilities import Capability
from lidbook.clock import Moments
from lidbook.directory.directory import Directory
from lidbook.engine import EngineSession, Log
from lidbook.errors import (
    ChangeNotTaken,
    EngineDisconnected,
    EngineError,
    EngineTimeout,
    InvalidRequest,
    LidbookError,
    RateLimited,
)
from lidbook.facts import BlocklistFact, Fact, Field, FieldFact, LinkFact, Picture, PictureState, Source
from lidbook.identifiers import Lid, PhoneNumber, UserId, check_dialable, is_dialable, spellings
from lidbook.passkey import PasskeyAssertion
from lidbook.sessions.answers import (
    NAMES,
    AnswersKept,
    Written,
    contact_facts,
    dated,
    names_at,
    no_alias,
    registration_facts,
)
from lidbook.sessions.budget import Budget
from lidbook.sessions.patience import is_cancelled
from lidbook.sessions.single_flight import SingleFlight
from lidbook.values import Image, LidAnswer, Person, Registration

T = TypeVar("T")

DEADLINE: Final = 30.0
"""Seconds after which a live call is an error, whatever the engine's own limits are."""

HUNG_UP: Final = "the session was stopped or started anew before the answer came; try again"

SECOND: Final = 1000
REGISTERED_KEPT: Final = 3600 * SECOND
NOT_REGISTERED_KEPT: Final = 60 * SECOND
ABOUT_KEPT: Final = 600 * SECOND
PICTURE_KEPT: Final = 24 * 3600 * SECOND
NO_LID_KEPT: Final = 60 * SECOND


class Running(Protocol):
    """What live calls need of the session they belong to."""

    @property
    def engine_session(self) -> EngineSession:
        """The running engine session. Raises `SessionNotReady`."""

    @property
    def opened(self) -> EngineSession:
        """The engine session in whatever status. Raises `SessionNotReady` when none is open."""

    def has_open(self, engine_session: EngineSession) -> bool:
        """Whether this engine session is still the session's."""

    @property
    def log(self) -> Log:
        """The session's log."""

    def touch(self) -> None:
        """Note that the session was used."""


class LiveCalls:
    """Everything of one session that may ask the server.

    Every call may raise `NotSupported`, `RateLimited`, `EngineTimeout` and the other `EngineError`s, and
    `SessionNotReady` when the session is down.
    """

    def __init__(
        self,
        session: Running,
        directory: Directory,
        budget: Budget,
        clock: Callable[[], int],
        deadline: float = DEADLINE,
        told: Callable[[Capability, float, str | None], None] = lambda _kind, _seconds, _error: None,
    ) -> None:
        self._session = session
        self._directory = directory
        self._budget = budget
        self._clock = clock
        self._moment = Moments(clock)
        self._deadline = deadline
        self._told = told
        self._once = SingleFlight().once
        self._patience: set[tuple[EngineSession, asyncio.Timeout]] = set()
        """Of each call that is under way, how long it may still take."""
        self._without_lid = AnswersKept(clock, NO_LID_KEPT)
        self._changing = {kind: asyncio.Lock() for kind in (Capability.CONTACTS_UPDATE, Capability.CONTACTS_BLOCK)}
        """Changes are verified by reading back, so those of the same list are made one after another."""

    @property
    def budget(self) -> Budget:
        """How often what may be asked."""
        return self._budget

    async def check(self, phone: PhoneNumber, *, refresh: bool = False) -> Registration:
        """Whether a number is on WhatsApp, and under which spelling. Raises `InvalidPhoneNumber` for a local one."""
        check_dialable(phone)
        if not refresh:
            kept = self._kept_registration(phone)
            if kept is not None:
                return kept
        return await self._once((Capability.CONTACTS_CHECK, phone), lambda: self._check(phone))

    async def about(self, user: UserId, *, refresh: bool = False) -> str | None:
        """A person's about text, `""` when they have none, None when they hide it."""
        _dialable(user)
        if not refresh:
            known = self._directory.known(user, Field.ABOUT)
            if known is not None and known[1] > self._clock() - ABOUT_KEPT:
                return known[0] if isinstance(known[0], str) else None
        person = self._directory.person(user)
        return await self._once((Capability.CONTACTS_ABOUT, person.id), lambda: self._about(person))

    async def picture(self, user: UserId, *, refresh: bool = False) -> Picture:
        """A person's profile picture; kept for a day, or until its address expires."""
        _dialable(user)
        if not refresh:
            known = self._directory.known(user, Field.PICTURE)
            now = self._clock()
            if known is not None and isinstance(known[0], Picture) and known[1] > now - PICTURE_KEPT:
                picture = known[0]
                if picture.expires_at is None or picture.expires_at > now:
                    return picture
        person = self._directory.person(user)
        return await self._once((Capability.CONTACTS_PICTURE, person.id), lambda: self._picture(person))

    async def update_contact(
        self, user: UserId, first_name: str, last_name: str | None, *, save_on_phone: bool = True
    ) -> None:
        """Write a contact into the address book. Raises `Conflict`, and `ChangeNotTaken` when it does not read back."""
        _dialable(user)
        async with self._turn(Capability.CONTACTS_UPDATE):
            await self._update(user, first_name, last_name, save_on_phone=save_on_phone)

    async def _update(self, user: UserId, first_name: str, last_name: str | None, *, save_on_phone: bool) -> None:
        person = self._directory.person(user)
        began = self._after_names_of(person.id)
        entry = await self._call(
            Capability.CONTACTS_UPDATE,
            lambda engine: engine.update_contact(person, first_name, last_name, save_on_phone=save_on_phone),
        )
        if (entry.first_name or "") != first_name.strip() and entry.first_name != first_name:
            raise ChangeNotTaken("the server took the contact but shows another name when read back; try again")
        written_at = dated(entry.person.id, began, entry.at, self._directory)
        await self._directory.apply(contact_facts(entry, user, written_at, self._moment(), self._directory))

    async def delete_contact(self, user: UserId) -> None:
        """Remove a contact from the address book; somebody who is not in it is no error."""
        person = self._directory.person(user)
        async with self._turn(Capability.CONTACTS_UPDATE):
            began = self._after_names_of(person.id)
            await self._call(Capability.CONTACTS_DELETE, lambda engine: engine.delete_contact(person))
            at = dated(person.id, began, None, self._directory)
            await self._directory.apply(
                [
                    FieldFact(identifier, field, None, Source.ADDRESS_BOOK, at)
                    for identifier in person.identifiers
                    for field in NAMES
                ]
            )

    async def block(self, user: UserId) -> None:
        """Block a person. Raises `ChangeNotTaken` when the blocklist does not show them afterwards."""
        _dialable(user)
        me = self._directory.known(user, Field.ME)
        if me is not None and me[0]:
            raise InvalidRequest(f"{user} is this account itself, which cannot be blocked: send somebody else")
        person = await self._with_lid(self._directory.person(user))
        async with self._turn(Capability.CONTACTS_BLOCK):
            blocked = await self._call(Capability.CONTACTS_BLOCK, lambda engine: engine.block(person))
            await self._take_blocklist(blocked)
        if not blocked & person.identifiers:
            raise ChangeNotTaken("the server took the request but the blocklist does not show the person; try again")

    async def unblock(self, user: UserId) -> None:
        """Unblock a person. Raises `ChangeNotTaken` when the blocklist still shows them afterwards."""
        _dialable(user)
        person = await self._with_lid(self._directory.person(user))
        async with self._turn(Capability.CONTACTS_BLOCK):
            blocked = await self._call(Capability.CONTACTS_UNBLOCK, lambda engine: engine.unblock(person))
            await self._take_blocklist(blocked)
        if blocked & person.identifiers:
            raise ChangeNotTaken("the server took the request but the blocklist still shows the person; try again")

    async def lid_of(self, phone: PhoneNumber) -> LidAnswer:
        """The LID of a phone number: from the directory, else by one live query; a number that cannot be dialled is
        not asked about."""
        answer = self._directory.phone_pair(phone)
        if answer.lid is not None or not is_dialable(phone) or self._without_lid.holds(str(phone)):
            return answer
        if self._session.engine_session.engine.claim(Capability.LIDS_QUERY).provided:
            await self._once((Capability.LIDS_QUERY, phone), lambda: self._query_lid(phone))
            answer = self._directory.phone_pair(phone)
            if answer.lid is None:
                self._without_lid.add(str(phone))
        return answer

    async def phone_of(self, lid: Lid, *, wait: float = 0.0) -> LidAnswer:
        """The phone number of a LID: from the directory, waited for up to `wait` seconds."""
        return await self._directory.wait_for_phone(lid, wait)

    async def refresh_groups(self) -> None:
        """Fetch all groups from the server again; returns when the directory has them."""
        await self._once(
            Capability.GROUPS_REFRESH,
            lambda: self._call(Capability.GROUPS_REFRESH, lambda engine: engine.refresh_groups()),
        )

    async def screenshot(self) -> Image:
        """What the engine's browser shows."""
        return await self._call(Capability.SESSION_SCREENSHOT, lambda engine: engine.screenshot())

    async def pairing_code(self, phone: PhoneNumber) -> str:
        """A code for the owner of `phone` to type on it."""
        check_dialable(phone)
        return await self._call(
            Capability.SESSION_PAIRING_CODE, lambda engine: engine.pairing_code(phone), engine=self._session.opened
        )

    async def answer_passkey(self, assertion: PasskeyAssertion) -> None:
        """Hand over what the account's passkey signed. Raises `PasskeyRefused`."""
        opened = self._session.opened
        await self._call(Capability.SESSION_PASSKEY, lambda engine: engine.answer_passkey(assertion), engine=opened)

    async def confirm_passkey(self) -> None:
        """Say that the code shown is the one on the phone. Raises `PasskeyRefused`."""
        opened = self._session.opened
        await self._call(Capability.SESSION_PASSKEY, lambda engine: engine.confirm_passkey(), engine=opened)

    def hang_up(self, engine: EngineSession | None) -> None:
        """End the calls of an engine session that is closed, each with `EngineDisconnected`: no answer will come."""
        now = asyncio.get_running_loop().time()
        for caller, patience in self._patience:
            if caller is engine and not patience.expired():
                patience.reschedule(now)

    # within

    def _kept_registration(self, phone: PhoneNumber) -> Registration | None:
        said = self._directory.said(phone, Field.REGISTERED)
        if said is None:
            return None
        canonical = self._directory.person(phone).phone
        if canonical is not None and canonical != phone:
            said = self._directory.said(canonical, Field.REGISTERED) or said
        age = self._clock() - said[1]
        if said[0] is True and age < REGISTERED_KEPT and canonical is not None:
            return Registration(phone, canonical, self._directory.phone_pair(canonical).lid)
        if said[0] is False and age < NOT_REGISTERED_KEPT:
            return Registration(phone, None)
        return None

    async def _check(self, phone: PhoneNumber) -> Registration:
        asked = spellings(phone)
        answers = await self._call(Capability.CONTACTS_CHECK, lambda engine: engine.check(asked))
        if [answer.asked for answer in answers] != list(asked):
            raise EngineError("the engine answered about other numbers than it was asked about")
        found = next((answer for answer in answers if answer.phone == answer.asked), None)
        found = found or next((answer for answer in answers if answer.registered), answers[0])
        await self._directory.apply(registration_facts(answers, found, self._moment(), self._directory))
        return Registration(phone, found.phone, found.lid, found.username, found.verified_name, business=found.business)

    async def _about(self, person: Person) -> str | None:
        answers = await self._call(Capability.CONTACTS_ABOUT, lambda engine: engine.about([person]))
        if len(answers) != 1:
            raise EngineError(f"the engine gave {len(answers)} answers about one person")
        about = answers[0].about
        if about is None and not self._directory.is_known(person.id):
            return None  # nothing was learnt of somebody of whom nothing is known
        await self._directory.apply([FieldFact(person.id, Field.ABOUT, about, Source.SERVER, self._moment())])
        return about

    async def _picture(self, person: Person) -> Picture:
        picture = await self._call(Capability.CONTACTS_PICTURE, lambda engine: engine.picture(person))
        if not isinstance(picture, Picture):
            raise EngineError(f"the engine gave {type(picture).__name__} for a picture")
        if picture.state is PictureState.NONE and not self._directory.is_known(person.id):
            return picture
        await self._directory.apply([FieldFact(person.id, Field.PICTURE, picture, Source.SERVER, self._moment())])
        return picture

    async def _query_lid(self, phone: PhoneNumber) -> None:
        asked = spellings(phone)
        found = await self._call(Capability.LIDS_QUERY, lambda engine: engine.query_lids(asked))
        canonical = next((spelling for spelling in asked if found.get(spelling) is not None), None)
        if canonical is None or (lid := found[canonical]) is None:
            return
        now = self._moment()
        facts: list[Fact] = [LinkFact(canonical, lid, Source.SERVER, now)]
        if canonical != phone:
            facts.append(FieldFact(phone, Field.ALIAS, str(canonical), Source.SERVER, now))
        facts.extend(no_alias(canonical, now, self._directory))
        await self._directory.apply(facts)

    async def _with_lid(self, person: Person) -> Person:
        """The person with their LID, asked for where it is not known: blocking needs both halves."""
        if person.lid is not None or person.phone is None:
            return person
        answer = await self.lid_of(person.phone)
        return Person(answer.phone, answer.lid, person.username)

    async def _take_blocklist(self, blocked: frozenset[UserId]) -> None:
        at = max(self._moment(), self._directory.lists().blocklist_at + 1)
        await self._directory.apply([BlocklistFact(blocked, Source.SERVER, at)])

    def _after_names_of(self, user: UserId) -> Written:
        """Before a change of somebody's names: now, and what it is later than, whatever the clocks say."""
        return Written(self._moment(), names_at(user, self._directory))

    @asynccontextmanager
    async def _turn(self, kind: Capability) -> AsyncIterator[None]:
        """One change of a kind at a time; raises `EngineTimeout` when an earlier one holds it up too long."""
        lock = self._changing[kind]
        try:
            async with asyncio.timeout(self._deadline):
                await lock.acquire()
        except TimeoutError as error:
            raise EngineTimeout("an earlier change of this session has not been answered yet; try again") from error
        try:
            yield
        finally:
            lock.release()

    async def _call(
        self,
        kind: Capability,
        call: Callable[[EngineSession], Awaitable[T]],
        *,
        engine: EngineSession | None = None,
    ) -> T:
        """One call of the engine: within the budget, bounded in time, its errors in our terms."""
        engine = engine or self._session.engine_session
        if engine.engine.claim(kind).provided:
            self._budget.spend(kind)
        self._session.touch()
        began = time.perf_counter()
        code: str | None = EngineError.code
        patience = asyncio.timeout(self._deadline)
        self._patience.add((engine, patience))
        try:
            async with patience:
                answer = await call(engine)
        except RateLimited as error:
            code = error.code
            self._budget.close(kind, error.retry_after)
            raise
        except LidbookError as error:
            code = error.code
            raise
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled():
                raise
            if not self._session.has_open(engine):
                code = EngineDisconnected.code
                raise EngineDisconnected(HUNG_UP) from error
            if isinstance(error, TimeoutError):
                code = EngineTimeout.code
                raise EngineTimeout(f"no answer from WhatsApp to {kind.value} in {self._deadline:g} s") from error
            self._session.log.exception("a live call failed", engine=engine.engine.name, call=kind.value)
            raise EngineError(f"{engine.engine.name} failed at {kind.value}: {type(error).__name__}") from error
        else:
            if not self._session.has_open(engine):  # its account may be another by now
                code = EngineDisconnected.code
                raise EngineDisconnected(HUNG_UP)
            code = None
            return answer
        finally:
            self._patience.discard((engine, patience))
            self._told(kind, time.perf_counter() - began, code)


def _dialable(user: UserId) -> None:
    if isinstance(user, PhoneNumber):
        check_dialable(user)
