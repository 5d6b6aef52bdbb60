"""Links: merging, un-merging, a LID that moves, a number that is given to somebody else."""

import orjson

from core.directory.conftest import Opened
from lidbook.facts import Field, FieldFact, LinkFact, Source
from lidbook.hookspecs import ChangeKind
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.values import LidState

ANN, OLD, NEW = Lid("9001"), PhoneNumber("15550101"), PhoneNumber("15550102")
BEN = Lid("9002")


def kinds(opened: Opened) -> list[ChangeKind]:
    return [change.kind for change in opened.told]


async def test_two_rows_become_one_when_the_link_arrives(opened: Opened) -> None:
    await opened.directory.apply(
        [
            FieldFact(OLD, Field.FULL_NAME, "Ann Lee", Source.ADDRESS_BOOK, 1),
            FieldFact(ANN, Field.PUSHNAME, "ann", Source.MESSAGE, 2),
        ]
    )
    assert await opened.directory.contacts_count() == 2
    opened.told.clear()
    await opened.directory.apply([LinkFact(OLD, ANN, Source.HISTORY, 3)])
    assert await opened.directory.contacts_count() == 1
    contact = orjson.loads(opened.directory.contact(ANN))
    assert (contact["id"], contact["lid"], contact["name"], contact["pushname"]) == (
        "15550101@c.us",
        "9001@lid",
        "Ann Lee",
        "ann",
    )
    assert opened.directory.contact(ANN) == opened.directory.contact(OLD)
    assert kinds(opened) == [ChangeKind.CONTACT_UPDATED, ChangeKind.CONTACT_MERGED, ChangeKind.LID_MAPPED]
    assert opened.told[0].fields == ("pushname", "isWAContact", "lid")
    assert (opened.told[1].subject, opened.told[1].other) == ("15550101@c.us", "9001@lid")


async def test_a_listed_row_that_gets_a_phone_number_is_announced_under_its_new_id(opened: Opened) -> None:
    await opened.directory.apply([FieldFact(ANN, Field.PUSHNAME, "ann", Source.MESSAGE, 2)])
    opened.told.clear()
    await opened.directory.apply([LinkFact(OLD, ANN, Source.HISTORY, 3)])
    assert kinds(opened) == [ChangeKind.CONTACT_UPDATED, ChangeKind.CONTACT_MERGED, ChangeKind.LID_MAPPED]
    assert opened.told[0].fields == ("id", "number")


async def test_a_lid_that_moves_takes_its_facts_along(opened: Opened) -> None:
    await opened.directory.apply(
        [
            FieldFact(ANN, Field.PUSHNAME, "ann", Source.MESSAGE, 1),
            LinkFact(OLD, ANN, Source.HISTORY, 2),
            LinkFact(NEW, ANN, Source.NOTIFICATION, 5),
        ]
    )
    assert orjson.loads(opened.directory.contact(NEW))["pushname"] == "ann"
    assert orjson.loads(opened.directory.contact(OLD))["lid"] is None
    assert opened.directory.lid_pair(ANN).phone == NEW
    assert opened.directory.phone_pair(OLD).lid is None


async def test_a_move_heard_of_late_changes_nothing(opened: Opened) -> None:
    await opened.directory.apply([LinkFact(NEW, ANN, Source.NOTIFICATION, 5)])
    opened.told.clear()
    await opened.directory.apply([LinkFact(OLD, ANN, Source.HISTORY, 2)])
    assert opened.directory.lid_pair(ANN).phone == NEW
    assert opened.told == []


async def test_a_number_given_to_somebody_else_leaves_the_first_person_alone(opened: Opened) -> None:
    await opened.directory.apply(
        [
            FieldFact(ANN, Field.PUSHNAME, "ann", Source.MESSAGE, 1),
            FieldFact(BEN, Field.PUSHNAME, "ben", Source.MESSAGE, 1),
            LinkFact(OLD, ANN, Source.HISTORY, 2),
        ]
    )
    opened.told.clear()
    await opened.directory.apply([LinkFact(OLD, BEN, Source.SERVER, 9)])
    assert orjson.loads(opened.directory.contact(OLD))["pushname"] == "ben"
    ann = orjson.loads(opened.directory.contact(ANN))
    assert (ann["id"], ann["pushname"], ann["number"]) == ("9001@lid", "ann", None)
    assert ChangeKind.LID_SUPERSEDED in kinds(opened)
    assert opened.directory.lid_pair(ANN).state is LidState.PENDING


async def test_a_long_chain_of_moves_reaches_everybody_concerned(opened: Opened) -> None:
    carl = Lid("9003")
    await opened.directory.apply(
        [
            LinkFact(OLD, ANN, Source.HISTORY, 1),
            LinkFact(NEW, BEN, Source.HISTORY, 1),
            LinkFact(NEW, carl, Source.HISTORY, 9),
        ]
    )
    await opened.directory.apply([LinkFact(NEW, ANN, Source.HISTORY, 5)])
    assert opened.directory.lid_pair(carl).phone == NEW
    assert opened.directory.lid_pair(ANN).phone is None, "it went to NEW, which somebody else has by now"
    assert opened.directory.phone_pair(OLD).lid is None


async def test_a_pair_that_was_waited_for_is_announced_as_resolved(opened: Opened) -> None:
    assert opened.directory.lid_pair(ANN).state is LidState.UNKNOWN
    await opened.directory.flush()
    await opened.directory.apply([LinkFact(OLD, ANN, Source.MESSAGE, 1)])
    assert kinds(opened) == [ChangeKind.LID_MAPPED, ChangeKind.LID_RESOLVED]
    assert not await opened.directory.is_watching()


async def test_a_look_up_right_before_the_link_is_not_left_on_the_watch_list(opened: Opened) -> None:
    opened.directory.lid_pair(ANN)
    await opened.directory.apply([LinkFact(OLD, ANN, Source.MESSAGE, 1)])
    await opened.directory.flush()
    assert not await opened.directory.is_watching()


async def test_a_hidden_lid_says_so(opened: Opened) -> None:
    await opened.directory.apply([FieldFact(ANN, Field.HIDDEN, value=True, source=Source.GROUP, observed_at=1)])
    assert opened.directory.lid_pair(ANN).state is LidState.HIDDEN


async def test_the_other_spelling_leads_to_the_same_person(opened: Opened) -> None:
    typed, registered = PhoneNumber("5531988887777"), PhoneNumber("553188887777")
    await opened.directory.apply(
        [
            FieldFact(registered, Field.FULL_NAME, "Bia", Source.ADDRESS_BOOK, 1),
            LinkFact(registered, ANN, Source.SERVER, 1),
            FieldFact(typed, Field.REGISTERED, value=False, source=Source.SERVER, observed_at=1),
            FieldFact(typed, Field.ALIAS, str(registered), Source.SERVER, 1),
        ]
    )
    assert opened.directory.contact(typed) == opened.directory.contact(registered)
    assert opened.directory.phone_pair(typed).phone == registered
    assert opened.directory.phone_pair(typed).lid == ANN
    assert await opened.directory.contacts_count() == 1
