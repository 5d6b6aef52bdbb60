"""Facts: the values that engines feed the directory with refuse to be made wrong."""

import dataclasses

import pytest

from lidbook.facts import (
    BATCH,
    BlocklistFact,
    ContactListFact,
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
from lidbook.sessions.fact_check import check, checking

PHONE, LID, GROUP = PhoneNumber("491712345678"), Lid("100000000000001"), GroupId("120363000000000001")

FACTS = (
    FieldFact(PHONE, Field.PUSHNAME, "Ada", Source.MESSAGE, 1),
    LinkFact(PHONE, LID, Source.SERVER, 1),
    GroupFact(GROUP, Source.GROUP, 1, participants=(Participant(None, LID),)),
    ParticipantFact(GROUP, Participant(PHONE, LID, Role.ADMIN), Source.NOTIFICATION, 1),
    GroupListFact(frozenset({GROUP}), Source.SERVER, 1),
    BlocklistFact(frozenset({PHONE, LID}), Source.SERVER, 1),
    ContactListFact(frozenset({PHONE, LID}), Source.ADDRESS_BOOK, 1),
)
NOW = 1_700_000_000_000


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


def test_a_long_list_of_contacts_is_looked_at_with_pauses() -> None:
    people = frozenset(PhoneNumber(str(15_550_000_000 + number)) for number in range(3 * BATCH))
    assert len(list(checking([ContactListFact(people, Source.ADDRESS_BOOK, NOW)]))) == 3
    assert list(checking([FieldFact(PHONE, Field.CHAT, True, Source.HISTORY, NOW)])) == []


@pytest.mark.parametrize(
    ("users", "error", "words"),
    [
        (frozenset({"491712345678@c.us"}), TypeError, "PhoneNumber or a Lid: '491712345678@c.us'"),
        (frozenset({PhoneNumber("49 171")}), ValueError, "up to"),
        ([PHONE], TypeError, "frozenset, not list"),
    ],
)
def test_a_list_of_contacts_names_users_and_nothing_else(
    users: frozenset[PhoneNumber], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        check([ContactListFact(users, Source.ADDRESS_BOOK, NOW)])


def test_a_list_that_is_refused_is_not_written_out() -> None:
    with pytest.raises(ValueError, match=r"a list of 2 contacts$"):
        check([ContactListFact(frozenset({PHONE, LID}), Source.ADDRESS_BOOK, NOW // 1000)])
