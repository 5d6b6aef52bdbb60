"""Engines that do not do what they claim, each in one way: the kit has to catch every one of them.

Not collected by itself: `test_lies.py` runs it, and expects failures. Each is the sandbox engine with one thing wrong.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from engines.sandbox.test_compliance import OneWorld
from lidbook.capabilities import Feed
from lidbook.clock import now_ms
from lidbook.engine import EngineSession, SessionContext
from lidbook.errors import Conflict, EngineDisconnected, EngineError, EngineTimeout, LidbookError, RateLimited
from lidbook.facts import (
    ContactListFact,
    Fact,
    Facts,
    Field,
    FieldFact,
    GroupListFact,
    LinkFact,
    Picture,
    PictureState,
    Source,
)
from lidbook.identifiers import Lid, PhoneNumber, UserId
from lidbook.testing import EngineCompliance, Opening, Simulation
from lidbook.values import AboutAnswer, Account, AddressBookEntry, Person, Registration, SessionStatus, StatusReason
from lidbook.world.conditions import Condition, Kind
from lidbook_sandbox.engine import SandboxEngine
from lidbook_sandbox.session import SandboxSession

PATIENCE: Final = 3.0


class Told:
    """A context that passes on what an engine says, changed on the way."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def facts(self, facts: Facts) -> None:
        await self._context.facts([said for fact in facts for said in self.say(fact)])

    def say(self, fact: Fact) -> Sequence[Fact]:
        return [fact]


def liar(
    session: type[SandboxSession] = SandboxSession, context: Callable[[SessionContext], Any] = lambda context: context
) -> type[SandboxEngine]:
    """The sandbox engine with another session class, or another context around it."""

    class Liar(SandboxEngine):
        def open(self, given: SessionContext) -> EngineSession:
            return session(context(given), self.worlds, self.conditions)

    Liar.session = session
    return Liar


@pytest.fixture
def opening(request: pytest.FixtureRequest, simulation: Simulation, tmp_path: Path) -> Opening:
    """Whatever engine the class is for, in the kit's world."""

    async def link(account: PhoneNumber, _shown: str) -> None:
        simulation.conditions_of.of(account).set(Condition(Kind.SCAN))

    cls = request.cls
    return Opening(
        cls.engine,
        settings=lambda account: {
            "account": account.digits,
            "require_scan": True,
            "query_timeout": getattr(cls, "query_timeout", 0.2),
        },
        arguments={"worlds": OneWorld(tmp_path / "worlds", simulation), "conditions": simulation.conditions_of},
        scan=link,
        enter_code=link,
        patience=PATIENCE,
    )


# Live calls.


class NeverWrites(SandboxSession):
    async def update_contact(
        self, person: Person, first_name: str, last_name: str | None, *, save_on_phone: bool
    ) -> AddressBookEntry:
        whole = " ".join(part for part in (first_name, last_name) if part)
        return AddressBookEntry(person, first_name, last_name, whole)


class TestClaimsToWriteAndDoesNot(EngineCompliance):
    engine = liar(NeverWrites)


class NeverDeletes(SandboxSession):
    async def delete_contact(self, person: Person) -> None:
        return


class TestClaimsToDeleteAndDoesNot(EngineCompliance):
    engine = liar(NeverDeletes)


class SilenceIsNo(SandboxSession):
    async def check(self, phones: Sequence[PhoneNumber]) -> Sequence[Registration]:
        try:
            return await super().check(phones)
        except EngineTimeout:
            return [Registration(phone, None) for phone in phones]


class TestSwallowsATimeoutIntoNotRegistered(EngineCompliance):
    engine = liar(SilenceIsNo)


class SilenceIsHidden(SandboxSession):
    async def about(self, persons: Sequence[Person]) -> Sequence[AboutAnswer]:
        try:
            return await super().about(persons)
        except LidbookError:
            return [AboutAnswer(person, None) for person in persons]


class TestSwallowsATimeoutIntoHidden(EngineCompliance):
    engine = liar(SilenceIsHidden)


class SilenceIsEmpty(SandboxSession):
    async def block(self, person: Person) -> frozenset[UserId]:
        try:
            return await super().block(person)
        except EngineTimeout:
            return frozenset()


class TestSwallowsATimeoutIntoAnEmptyBlocklist(EngineCompliance):
    engine = liar(SilenceIsEmpty)


class TestWaitsForEver(EngineCompliance):
    engine = liar()
    query_timeout = 120


class LimitIsAFault(SandboxSession):
    async def check(self, phones: Sequence[PhoneNumber]) -> Sequence[Registration]:
        try:
            return await super().check(phones)
        except RateLimited as error:
            raise EngineError("the server said 429") from error


class TestReportsALimitAsAFault(EngineCompliance):
    engine = liar(LimitIsAFault)


class LibrarysOwnError(SandboxSession):
    async def check(self, phones: Sequence[PhoneNumber]) -> Sequence[Registration]:
        try:
            return await super().check(phones)
        except EngineDisconnected as error:
            raise ConnectionResetError("socket closed") from error


class TestLetsTheLibrarysOwnErrorsOut(EngineCompliance):
    engine = liar(LibrarysOwnError)


class Disorderly(SandboxSession):
    async def check(self, phones: Sequence[PhoneNumber]) -> Sequence[Registration]:
        return list(reversed(await super().check(phones)))


class TestAnswersInAnyOrder(EngineCompliance):
    engine = liar(Disorderly)


class AsTyped(SandboxSession):
    async def check(self, phones: Sequence[PhoneNumber]) -> Sequence[Registration]:
        answers = await super().check(phones)
        return [replace(answer, phone=answer.asked) if answer.registered else answer for answer in answers]


class TestAnswersTheNumberAsItWasAsked(EngineCompliance):
    engine = liar(AsTyped)


class NoLids(SandboxSession):
    async def check(self, phones: Sequence[PhoneNumber]) -> Sequence[Registration]:
        return [replace(answer, lid=None) for answer in await super().check(phones)]


class TestDropsTheLidOfAnAnswer(EngineCompliance):
    engine = liar(NoLids)


class DigitsForALid(SandboxSession):
    async def query_lids(self, phones: Sequence[PhoneNumber]) -> Mapping[PhoneNumber, Lid | None]:
        found = await super().query_lids(phones)
        return {phone: lid or Lid(phone.digits) for phone, lid in found.items()}


class TestMakesALidOfANumber(EngineCompliance):
    engine = liar(DigitsForALid)


class HiddenIsNone(SandboxSession):
    async def picture(self, person: Person) -> Picture:
        picture = await super().picture(person)
        return Picture(PictureState.NONE) if picture.state is PictureState.HIDDEN else picture


class TestTakesAHiddenPictureForNone(EngineCompliance):
    engine = liar(HiddenIsNone)


class NeverExpires(SandboxSession):
    async def picture(self, person: Person) -> Picture:
        return replace(await super().picture(person), expires_at=None)


class TestForgetsWhenAPictureExpires(EngineCompliance):
    engine = liar(NeverExpires)


class OnlyTheOne(SandboxSession):
    async def block(self, person: Person) -> frozenset[UserId]:
        await super().block(person)
        return frozenset(user for user in (person.phone, person.lid) if user is not None)


class TestReadsBackOnlyWhomItBlocked(EngineCompliance):
    engine = liar(OnlyTheOne)


class GivesUp(SandboxSession):
    async def _write(self, capability: Any, change: Any) -> None:
        if self._line.conditions.take(Kind.CONFLICT, capability):
            raise Conflict("somebody else was faster")
        await super()._write(capability, change)


class TestGivesUpAtTheFirstConflict(EngineCompliance):
    engine = liar(GivesUp)


# Facts.


class OnlyPhones(Told):
    """Tells everything under phone numbers, and nothing of whom it has none."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context)
        self._phones: dict[Lid, PhoneNumber] = {}

    def say(self, fact: Fact) -> Sequence[Fact]:
        if isinstance(fact, LinkFact):
            self._phones.setdefault(fact.lid, fact.phone)
        if isinstance(fact, FieldFact) and isinstance(fact.user, Lid):
            phone = self._phones.get(fact.user)
            return [] if phone is None else [replace(fact, user=phone)]
        return [fact]


class TestKeysByPhone(EngineCompliance):
    engine = liar(context=OnlyPhones)


class DigitsForAPhone(Told):
    def say(self, fact: Fact) -> Sequence[Fact]:
        if isinstance(fact, FieldFact) and isinstance(fact.user, Lid):
            return [replace(fact, user=PhoneNumber(fact.user.digits))]
        return [fact]


class TestMakesANumberOfALid(EngineCompliance):
    engine = liar(context=DigitsForAPhone)


class NoHistoryList(Told):
    def say(self, fact: Fact) -> Sequence[Fact]:
        return [] if isinstance(fact, LinkFact) and fact.source is Source.HISTORY else [fact]


class TestDropsTheHistorysListOfPairs(EngineCompliance):
    engine = liar(context=NoHistoryList)


class NeverHidden(Told):
    def say(self, fact: Fact) -> Sequence[Fact]:
        return [] if isinstance(fact, FieldFact) and fact.field is Field.HIDDEN else [fact]


class TestNeverSaysThatANumberIsWithheld(EngineCompliance):
    engine = liar(context=NeverHidden)


class Dropping(Told):
    """A queue of one batch; what finds it full is lost."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context)
        self._queue: asyncio.Queue[Facts] = asyncio.Queue(1)
        self._task: asyncio.Task[None] | None = None

    async def facts(self, facts: Facts) -> None:
        self._task = self._task or asyncio.ensure_future(self._drain())
        try:
            self._queue.put_nowait(facts)
        except asyncio.QueueFull:
            return
        await asyncio.sleep(0)

    async def _drain(self) -> None:
        while True:
            await self._context.facts(await self._queue.get())


class TestDropsFactsUnderLoad(EngineCompliance):
    engine = liar(context=Dropping)


class Hasty(Told):
    """Begins to hand over, and does not wait."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context)
        self._tasks: list[asyncio.Task[None]] = []

    async def facts(self, facts: Facts) -> None:
        self._tasks.append(asyncio.ensure_future(self._context.facts(facts)))


class TestDoesNotWaitForTheDirectory(EngineCompliance):
    engine = liar(context=Hasty)


class Arrival(Told):
    def say(self, fact: Fact) -> Sequence[Fact]:
        return [replace(fact, observed_at=now_ms())]


class TestTakesTheTimeOfArrival(EngineCompliance):
    engine = liar(context=Arrival)


class Ahead(Told):
    def say(self, fact: Fact) -> Sequence[Fact]:
        return [replace(fact, observed_at=now_ms() + 3_600_000)]


class TestRunsAheadOfTime(EngineCompliance):
    engine = liar(context=Ahead)


class InSeconds(Told):
    def say(self, fact: Fact) -> Sequence[Fact]:
        return [replace(fact, observed_at=fact.observed_at // 1000)]


class TestCountsInSeconds(EngineCompliance):
    engine = liar(context=InSeconds)


class Premature(Told):
    async def sync(
        self, feed: Feed, *, expected: int | None = None, received: int | None = None, complete: bool = False
    ) -> None:
        await self._context.sync(feed, expected=expected, received=received, complete=True)


class TestReportsASyncCompleteBeforeItIs(EngineCompliance):
    engine = liar(context=Premature)


class PushnameIsName(Told):
    def say(self, fact: Fact) -> Sequence[Fact]:
        if isinstance(fact, FieldFact) and fact.field is Field.PUSHNAME:
            return [fact, replace(fact, field=Field.FULL_NAME, source=Source.ADDRESS_BOOK)]
        return [fact]


class TestPutsPushNamesIntoTheAddressBook(EngineCompliance):
    engine = liar(context=PushnameIsName)


class WrongSource(Told):
    def say(self, fact: Fact) -> Sequence[Fact]:
        if isinstance(fact, FieldFact) and fact.field is Field.FULL_NAME:
            return [replace(fact, source=Source.HISTORY)]
        return [fact]


class TestNamesTheWrongSource(EngineCompliance):
    engine = liar(context=WrongSource)


class NoDeletions(Told):
    def say(self, fact: Fact) -> Sequence[Fact]:
        return [] if isinstance(fact, FieldFact) and fact.value is None else [fact]


class TestNeverTellsADeletion(EngineCompliance):
    engine = liar(context=NoDeletions)


class NoListOfGroups(Told):
    def say(self, fact: Fact) -> Sequence[Fact]:
        return [] if isinstance(fact, GroupListFact) else [fact]


class TestNeverTellsWhichGroupsThereAre(EngineCompliance):
    engine = liar(context=NoListOfGroups)


class NoListOfContacts(Told):
    """Tells all that a new link brings, and nothing of what is not among it."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context)
        self._since = now_ms()

    def say(self, fact: Fact) -> Sequence[Fact]:
        missed = isinstance(fact, FieldFact) and fact.value is None and fact.observed_at < self._since
        return [] if missed or isinstance(fact, ContactListFact) else [fact]


class TestNeverTellsWhoIsInTheAddressBook(EngineCompliance):
    engine = liar(context=NoListOfContacts)


class InWholeSeconds(Told):
    """Dates what is announced with the beginning of its second."""

    def say(self, fact: Fact) -> Sequence[Fact]:
        announced = fact.source is Source.NOTIFICATION
        return [replace(fact, observed_at=fact.observed_at // 1000 * 1000) if announced else fact]


class TestDatesNewsWithTheBeginningOfTheSecond(EngineCompliance):
    engine = liar(context=InWholeSeconds)


class OnlyOnce(Told):
    """Tells the first sync, and nothing that happens later."""

    async def facts(self, facts: Facts) -> None:
        if not await self._context.is_synced(Feed.GROUPS):
            await self._context.facts(facts)


class TestHearsNothingAfterTheFirstSync(EngineCompliance):
    engine = liar(context=OnlyOnce)


# Status and credentials.


class MissesWhatHappensMeanwhile(Told):
    """Forgets whatever happened while it was away."""

    def __init__(self, context: SessionContext) -> None:
        super().__init__(context)
        self._away: tuple[int, int] = (0, 0)

    def status(
        self, status: SessionStatus, reason: StatusReason | None = None, *, account: Account | None = None
    ) -> None:
        if reason is StatusReason.NETWORK:
            self._away = (now_ms(), 2**60)
        elif status is SessionStatus.WORKING:
            self._away = (self._away[0], now_ms() + 5)
        self._context.status(status, reason, account=account)

    def say(self, fact: Fact) -> Sequence[Fact]:
        return [] if self._away[0] <= fact.observed_at <= self._away[1] else [fact]


class TestForgetsWhatHappenedWhileItWasAway(EngineCompliance):
    engine = liar(context=MissesWhatHappensMeanwhile)


class TooEarly(SandboxSession):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.context: Any = Eager(self.context, self)


class Eager(Told):
    def __init__(self, context: SessionContext, session: SandboxSession) -> None:
        super().__init__(context)
        self._session = session

    def status(
        self, status: SessionStatus, reason: StatusReason | None = None, *, account: Account | None = None
    ) -> None:
        service = self._session._service
        if reason is StatusReason.NETWORK and service is not None:
            self._context.status(SessionStatus.WORKING, account=service.account())
        else:
            self._context.status(status, reason, account=account)


class TestReportsWorkingTooEarly(EngineCompliance):
    engine = liar(TooEarly)


class Optimist(Told):
    def status(
        self, status: SessionStatus, reason: StatusReason | None = None, *, account: Account | None = None
    ) -> None:
        if reason is StatusReason.LOGGED_OUT:
            status, reason = SessionStatus.STARTING, StatusReason.NETWORK
        self._context.status(status, reason, account=account)


class TestTakesARemovalForALostConnection(EngineCompliance):
    engine = liar(context=Optimist)


class Forgetful(Told):
    """Keeps no credentials."""

    @property
    def vault(self) -> Any:
        return NoVault()


class NoVault:
    async def get(self, name: str) -> bytes | None:
        return None

    async def put(self, blobs: Mapping[str, bytes | None]) -> None:
        return


class TestForgetsItsCredentials(EngineCompliance):
    engine = liar(context=Forgetful)


class NeverUnlinks(SandboxSession):
    async def logout(self) -> None:
        await self.stop()


class Retentive(Told):
    """Deletes nothing from the vault, and logs in with what the server has forgotten."""

    @property
    def vault(self) -> Any:
        return Hoard(self._context.vault)


class Hoard:
    kept: ClassVar[dict[str, bytes]] = {}

    def __init__(self, vault: Any) -> None:
        self._vault = vault

    async def get(self, name: str) -> bytes | None:
        return await self._vault.get(name) or self.kept.get(name)

    async def put(self, blobs: Mapping[str, bytes | None]) -> None:
        self.kept.update({name: blob for name, blob in blobs.items() if blob is not None})
        await self._vault.put(blobs)


class TestKeepsCredentialsAfterALogout(EngineCompliance):
    engine = liar(NeverUnlinks, Retentive)


class Leaky(SandboxSession):
    async def start(self) -> None:
        await super().start()
        self._leak = asyncio.create_task(self._tick(), name="a leak")

    async def _tick(self) -> None:
        while True:
            await asyncio.Event().wait()


class TestLeavesTasksBehind(EngineCompliance):
    engine = liar(Leaky)


class Blocking(SandboxSession):
    async def start(self) -> None:
        await super().start()
        account = self._settings.phone
        assert account is not None
        while self._folder.of(account).active(Kind.SILENCE) is not None:
            await self._line.changed.wait()


class TestConnectsWithinStart(EngineCompliance):
    engine = liar(Blocking)


class OneForAll(SandboxEngine):
    """The first account's settings serve every later session."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._first: Any = None

    def open(self, given: SessionContext) -> EngineSession:
        self._first = self._first or given.settings
        context: Any = Told(given)
        context.settings = self._first
        return SandboxSession(context, self.worlds, self.conditions)


class TestSharesStateBetweenAccounts(EngineCompliance):
    engine = OneForAll


class StaysInGroups(Told):
    def say(self, fact: Fact) -> Sequence[Fact]:
        return [] if isinstance(fact, GroupListFact) and fact.source is Source.NOTIFICATION else [fact]


class TestStaysInGroupsThatTheAccountLeft(EngineCompliance):
    engine = liar(context=StaysInGroups)


class DeafToAbout(Told):
    def say(self, fact: Fact) -> Sequence[Fact]:
        return [] if isinstance(fact, FieldFact) and fact.field is Field.ABOUT else [fact]


class TestDoesNotHearOfAboutTexts(EngineCompliance):
    engine = liar(context=DeafToAbout)


class AnswersAnyway(SandboxSession):
    async def check(self, phones: Sequence[PhoneNumber]) -> Sequence[Registration]:
        if self._task is None:
            return [Registration(phone, None) for phone in phones]
        return await super().check(phones)


class TestAnswersAfterItWasStopped(EngineCompliance):
    engine = liar(AnswersAnyway)


class TestTakesSlowForSilent(EngineCompliance):
    engine = liar()
    query_timeout = 0.01
