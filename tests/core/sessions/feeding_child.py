"""A server in a process of its own that takes in many people: `feeding_child.py DATA_DIR PEOPLE`.

Prints `acked N` after each batch that was acknowledged, `working` when the session is, `complete` at the end, and then
waits to be told to go.
"""

import asyncio
import sys
from pathlib import Path
from typing import ClassVar

from lidbook.app import CoreSettings, Lidbook
from lidbook.capabilities import Capability, Claim, Feed, absent
from lidbook.engine import API_VERSION, LIVE_CALLS, Engine, EngineSession
from lidbook.facts import Fact, Field, FieldFact, LinkFact, Source
from lidbook.hooks import Hooks
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig
from lidbook.values import Account, SessionStatus

BATCH = 1000
"""People fed at once, three facts each."""

SINCE = 1_700_000_000_000

ME = Account(PhoneNumber("15550100"), Lid("9100"), None)


def phone_of(number: int) -> PhoneNumber:
    """The phone number of one of the people."""
    return PhoneNumber(str(4_915_000_000_000 + number * 7919 % 9_999_991))


def lid_of(number: int) -> Lid:
    """The LID of one of the people."""
    return Lid(str(200_000_000_000_000 + number * 104_729))


def batch_of(number: int) -> list[Fact]:
    """The facts about `BATCH` people."""
    facts: list[Fact] = []
    for person in range(number * BATCH, (number + 1) * BATCH):
        facts += [
            FieldFact(phone_of(person), Field.FULL_NAME, f"Person {person}", Source.ADDRESS_BOOK, SINCE + person),
            FieldFact(lid_of(person), Field.PUSHNAME, f"p{person}", Source.HISTORY, SINCE + person),
            LinkFact(phone_of(person), lid_of(person), Source.HISTORY, SINCE + person),
        ]
    return facts


class Session(EngineSession):
    """Feeds everybody once; what was not complete is fed again from the start, as after a lost first sync."""

    people: ClassVar[int]
    feeding: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Linked at once; the first sync goes on behind it."""
        self.context.status(SessionStatus.WORKING, account=ME)
        self.feeding = asyncio.create_task(self._feed())

    async def stop(self) -> None:
        """Give up feeding."""
        if self.feeding is not None:
            self.feeding.cancel()

    async def _feed(self) -> None:
        if not await self.context.is_synced(Feed.CONTACTS):
            await self.context.sync(Feed.CONTACTS, expected=self.people)
            for number in range(self.people // BATCH):
                await self.context.facts(batch_of(number))
                say(f"acked {number}")
            await self.context.sync(Feed.CONTACTS, received=self.people, complete=True)
        say("complete")


class Feeding(Engine):
    """Feeds people and serves no call."""

    name = "feeding"
    title = "Feeds people"
    api_version = API_VERSION
    feeds = frozenset(Feed)
    session = Session
    claims: ClassVar[dict[Capability, Claim]] = {capability: absent("only feeds") for capability in LIVE_CALLS}


def say(line: str) -> None:
    """One line to whoever watches."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def serve(data_dir: Path, people: int) -> None:
    """Serve until standard input ends."""
    Session.people = people
    lidbook = await Lidbook.open(
        CoreSettings(data_dir, default_engine="feeding"), engines=EngineRegistry.of(Feeding), hooks=Hooks()
    )
    if lidbook.sessions.find("default") is None:
        await lidbook.sessions.create("default", SessionConfig())
    await lidbook.sessions.usable("default")
    say("working")
    await asyncio.to_thread(sys.stdin.read)
    await lidbook.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
