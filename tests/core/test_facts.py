"""Facts: the values that engines feed the directory with refuse to be made wrong."""

import dataclasses

import pytest

from lidbook.facts import (
    BlocklistFact,
    Field,
    FieldFact,
    GroupFact,
    GroupListFact,
    LinkFact,
    Participant,
    ParticipantFact,
    Picture,
    PictureState,
    Role,
    Source,
)
from lidbook.identifiers import GroupId, Lid, PhoneNumber

PHONE, LID, GROUP = PhoneNumber("491712345678"), Lid("100000000000001"), GroupId("120363000000000001")

FACTS = (
    FieldFact(PHONE, Field.PUSHNAME, "Ada", Source.MESSAGE, 1),
    LinkFact(PHONE, LID, Source.SERVER, 1),
    GroupFact(GROUP, Source.GROUP, 1, participants=(Participant(None, LID),)),
    ParticipantFact(GROUP, Participant(PHONE, LID, Role.ADMIN), Source.NOTIFICATION, 1),
    GroupListFact(frozenset({GROUP}), Source.SERVER, 1),
    BlocklistFact(frozenset({PHONE, LID}), Source.SERVER, 1),
)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
def test_a_fact_is_a_value(fact: LinkFact) -> None:
    assert fact == dataclasses.replace(fact)
    assert len({fact, dataclasses.replace(fact)}) == 1
    assert fact != dataclasses.replace(fact, observed_at=2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        fact.observed_at = 2  # type: ignore[misc]


def test_the_address_book_outranks_the_server_and_the_server_history() -> None:
    assert Source.ADDRESS_BOOK.rank == Source.ACCOUNT.rank > Source.SERVER.rank > Source.HISTORY.rank
    assert Source.NOTIFICATION.rank == Source.MESSAGE.rank == Source.SERVER.rank
    assert Source.GROUP.rank == Source.HISTORY.rank


def test_a_source_is_its_wire_name() -> None:
    assert Source("address-book") is Source.ADDRESS_BOOK  # type: ignore[call-arg]
    assert str(Source.ADDRESS_BOOK) == "address-book"


def test_a_picture_has_an_address_exactly_when_it_is_present() -> None:
    assert Picture(PictureState.PRESENT, "https://x/1.jpg", 5).expires_at == 5
    assert Picture(PictureState.HIDDEN).url is None
    with pytest.raises(ValueError, match="has a url"):
        Picture(PictureState.PRESENT)
    with pytest.raises(ValueError, match="has none"):
        Picture(PictureState.NONE, "https://x/1.jpg")


def test_a_participant_is_known_by_something() -> None:
    assert Participant(None, LID).role is Role.PARTICIPANT
    with pytest.raises(ValueError, match="a phone number, a LID or both"):
        Participant(None, None)


def test_roles_are_wahas_words() -> None:
    assert {role.value for role in Role} == {"left", "participant", "admin", "superadmin"}
