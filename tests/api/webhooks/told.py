"""A session to which everything happens that there is an event for, always the same."""

from collections.abc import Awaitable, Callable
from typing import Final

from lidbook.capabilities import Feed
from lidbook.facts import (
    BlocklistFact,
    Fact,
    Field,
    FieldFact,
    GroupFact,
    LinkFact,
    Participant,
    Role,
    Source,
)
from lidbook.identifiers import GroupId, Lid, PhoneNumber
from lidbook.sessions.session import Session

SINCE: Final = 1_767_225_600_000
ADA, ADAS_LID = PhoneNumber("12025550123"), Lid("208817345501123")
BEN, BENS_LID, BENS_OTHER_PHONE = PhoneNumber("12025550124"), Lid("208817345501124"), PhoneNumber("12025550125")
GROUP: Final = GroupId("120363049876543210")


def _at(moment: int) -> int:
    return SINCE + moment * 1000


async def everything_happens(session: Session, then: Callable[[], Awaitable[None]]) -> None:
    """One of each kind at least, in the session's log; `then` after each, so that events show what was known then."""
    directory = session.directory

    async def hear(*facts: Fact) -> None:
        await directory.apply(facts)
        await then()

    def name(user: PhoneNumber | Lid, value: str | None, moment: int) -> FieldFact:
        return FieldFact(user, Field.FULL_NAME, value, Source.ADDRESS_BOOK, _at(moment))

    await directory.sync(Feed.CONTACTS, expected=1, received=0, complete=False)
    await directory.sync(Feed.CONTACTS, expected=1, received=1, complete=True)
    await then()
    await hear(name(ADA, "Ada", 1))
    await hear(name(ADA, "Ada Lovelace", 2))
    await hear(LinkFact(ADA, ADAS_LID, Source.MESSAGE, _at(3)))
    await hear(BlocklistFact(frozenset({ADA}), Source.SERVER, _at(4)))
    await hear(BlocklistFact(frozenset(), Source.SERVER, _at(5)))
    directory.lid_pair(BENS_LID)
    await directory.flush()
    await hear(name(BEN, "Ben", 6), FieldFact(BENS_LID, Field.PUSHNAME, "ben", Source.MESSAGE, _at(6)))
    await hear(LinkFact(BEN, BENS_LID, Source.MESSAGE, _at(7)))
    await hear(LinkFact(BENS_OTHER_PHONE, BENS_LID, Source.MESSAGE, _at(8)))
    await hear(
        GroupFact(
            GROUP,
            Source.SERVER,
            _at(9),
            subject="Analytical engines",
            participants=(Participant(ADA, ADAS_LID, Role.ADMIN),),
        )
    )
    await hear(name(BEN, None, 10))
