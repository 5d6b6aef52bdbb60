"""What tests of telling share: two people of the demo world, and a session that has told all of it."""

from lidbook.facts import ContactListFact
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.world.service import WorldService
from lidbook.world.sources import WorldSource
from lidbook_sandbox.engine import SandboxEngine
from lidbook_sandbox.session import SandboxSession

from .conftest import Start
from .recording import RecordingContext

JOHN = PhoneNumber("11231231231")
JOHN_LID = Lid("208817345501126")
BEATRIZ = PhoneNumber("553188887777")


async def synced(start: Start, context: RecordingContext) -> SandboxSession:
    session = await start(context)
    await context.until(lambda: context.has_told_everything)
    return session


async def open_service(engine: SandboxEngine) -> WorldService:
    """Another look at the world that the sessions are in."""
    return WorldService((await engine.worlds.open(WorldSource())).live)


def books(context: RecordingContext) -> list[ContactListFact]:
    """The whole address books that were told."""
    return [fact for fact in context.told if isinstance(fact, ContactListFact)]
