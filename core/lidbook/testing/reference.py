"""What every engine's bodies must be: those of an engine that tells a world straight from its service."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import ClassVar

import orjson

from lidbook.app import CoreSettings, Lidbook
from lidbook.capabilities import FEEDS_NEEDED, Feed, absent
from lidbook.directory.directory import Directory
from lidbook.engine import API_VERSION, LIVE_CALLS, Engine, EngineSession
from lidbook.facts import Fact, Source
from lidbook.hooks import Hooks
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig
from lidbook.values import SessionStatus
from lidbook.world.facts import blocklist_fact, group_facts, group_list_fact, people_facts, told_by
from lidbook.world.model import EPOCH
from lidbook.world.service import WorldService


@dataclass(frozen=True, slots=True)
class Bodies:
    """All lists of a session, as clients get them: JSON in UTF-8."""

    contacts: bytes
    """All contacts, by id."""
    contacts_by_name: bytes
    lids: bytes
    """Pairs, and after them the LIDs whose phone number is not known."""
    groups: bytes
    """With participants."""
    blocklist: bytes

    def differences(self, expected: "Bodies") -> list[str]:
        """One line for each entry that differs, saying in which list; empty when all bytes are the same."""
        found: list[str] = []
        for field in fields(self):
            ours, theirs = getattr(self, field.name), getattr(expected, field.name)
            if ours != theirs:
                found += [f"{field.name}: {line}" for line in _differing(orjson.loads(ours), orjson.loads(theirs))]
        return found


async def bodies_of(directory: Directory) -> Bodies:
    """What clients are answered from this directory now."""
    return Bodies(
        contacts=await _dumped(directory, by_name=False),
        contacts_by_name=await _dumped(directory, by_name=True),
        lids=await directory.lids_page(limit=1_000_000, unresolved=True),
        groups=await directory.groups(),
        blocklist=await directory.blocklist(),
    )


async def reference_bodies(service: WorldService, feeds: frozenset[Feed], folder: Path) -> Bodies:
    """What they should be for the service's account, of an engine with these feeds."""
    lidbook = await Lidbook.open(
        CoreSettings(folder), engines=EngineRegistry.of(_reference(service, feeds)), hooks=Hooks()
    )
    try:
        session = await lidbook.sessions.create("reference", SessionConfig(engine="reference"))
        if not await session.until(lambda status: status is SessionStatus.WORKING, 30):
            raise RuntimeError(f"the reference is {session.status}: {session.detail}")
        return await bodies_of(session.directory)
    finally:
        await lidbook.close()


def _reference(service: WorldService, told: frozenset[Feed]) -> type[Engine]:
    class ReferenceSession(EngineSession):
        """Tells everything before `start` returns, and answers nothing."""

        async def start(self) -> None:
            """Link, and tell."""
            self.context.status(SessionStatus.WORKING, account=service.account())
            await self.context.facts(list(everything(service, told)))

        async def stop(self) -> None:
            """Nothing runs."""

    class Reference(Engine):
        """The service's words, and nobody else's."""

        name = "reference"
        title = "Tells a world straight from its service"
        api_version = API_VERSION
        feeds = told
        session = ReferenceSession
        claims: ClassVar = {c: absent("it only tells") for c in LIVE_CALLS} | {
            c: absent("not fed") for c, needed in FEEDS_NEEDED.items() if not needed <= told
        }

    return Reference


def everything(service: WorldService, told: frozenset[Feed]) -> Iterator[Fact]:
    """All facts that linking a device brings, as far as these feeds go."""
    groups = tuple(service.each_group())
    newest = max((view.changed for view in groups), default=EPOCH)
    facts = chain(
        people_facts(service),
        [blocklist_fact(service)],
        (fact for view in groups for fact in group_facts(view, Source.GROUP, view.changed)),
        [group_list_fact(service, Source.GROUP, max(newest, EPOCH))],
    )
    return told_by(facts, told)


def _differing(ours: list[object], theirs: list[object]) -> Iterator[str]:
    mine, wanted = {orjson.dumps(each) for each in ours}, {orjson.dumps(each) for each in theirs}
    extra, missing = mine - wanted, wanted - mine
    yield from (f"should not be there: {each.decode()}" for each in sorted(extra))
    yield from (f"is missing: {each.decode()}" for each in sorted(missing))
    if not extra and not missing:
        yield "the order differs"


async def _dumped(directory: Directory, *, by_name: bool) -> bytes:
    pieces = directory.contacts_dump(sort_by="name" if by_name else "id")
    return b"".join([piece async for piece in pieces])
