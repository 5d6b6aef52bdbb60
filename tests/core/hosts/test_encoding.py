"""What is written is read back the same; what is not as the protocol says is named."""

import asyncio
from typing import Any

import orjson
import pytest
from pydantic import JsonValue

from lidbook.facts import (
    BlocklistFact,
    ContactListFact,
    Fact,
    Field,
    FieldFact,
    FieldValue,
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
from lidbook.hosts import encoding
from lidbook.hosts.fact_encoding import fact, fact_json, facts
from lidbook.hosts.reading import Malformed
from lidbook.hosts.refusals import REFUSED, Refusal, error_of
from lidbook.identifiers import GroupId, Lid, PhoneNumber
from lidbook.values import Account, AddressBookEntry, Person, Registration

AT = 1_760_000_000_000
PHONE, LID, GROUP = PhoneNumber("15550199"), Lid("9199"), GroupId("12345-1500000000")
SEEN = Picture(PictureState.PRESENT, "https://p.example/1.jpg", AT)


def there_and_back(written: Any) -> Any:
    return orjson.loads(orjson.dumps(written))


@pytest.mark.parametrize(
    "told",
    [
        *(
            FieldFact(user, field, value, Source.HISTORY, AT)
            for user in (PHONE, LID)
            for field, value in (
                (Field.FULL_NAME, "Ada \N{SMILING FACE WITH SUNGLASSES}"),
                (Field.ABOUT, ""),
                (Field.ABOUT, None),
                (Field.BUSINESS, True),
                (Field.PICTURE, SEEN),
                (Field.PICTURE, Picture(PictureState.HIDDEN)),
                (Field.PICTURE, None),
            )
        ),
        LinkFact(PHONE, LID, Source.MESSAGE, AT),
        GroupFact(GROUP, Source.GROUP, AT),
        GroupFact(
            GROUP,
            Source.NOTIFICATION,
            AT,
            "Chess",
            "on Mondays",
            LID,
            1_500_000_000,
            (Participant(PHONE, LID, Role.SUPERADMIN), Participant(None, LID), Participant(PHONE, None, Role.LEFT)),
        ),
        GroupFact(GROUP, Source.GROUP, AT, participants=()),
        ParticipantFact(GROUP, Participant(None, LID, Role.ADMIN), Source.NOTIFICATION, AT),
        GroupListFact(frozenset({GROUP, GroupId("12345")}), Source.SERVER, AT),
        BlocklistFact(frozenset({PHONE, LID}), Source.SERVER, AT),
        ContactListFact(frozenset(), Source.ADDRESS_BOOK, AT),
    ],
    ids=lambda told: type(told).__name__,
)
def test_a_fact_is_read_back_as_it_was_written(told: Fact) -> None:
    assert fact(there_and_back(fact_json(told))) == told


def field(user: str = "1@c.us", name: str = "about", value: FieldValue | int = "x", **more: JsonValue) -> Any:
    return {"fact": "field", "user": user, "field": name, "value": value, "source": "server", "at": AT, **more}


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({}, "fact must be a string, and is null"),
        ({"fact": "rumour", "source": "server", "at": AT}, "fact must be one of field, link"),
        (field(source="hearsay"), "source must be one of address-book, account"),
        (field(at="now"), "at must be a whole number, and is str"),
        (field(at=True), "at must be a whole number, and is bool"),
        (field(at=1.5), "at must be a whole number, and is float"),
        (field(user="1:2@c.us"), "user must be <digits>@c.us or <digits>@lid"),
        (field(user="1@s.whatsapp.net"), "user must be"),
        (field(user="1@c.us\n"), "user must be"),
        (field(user="١@c.us"), "user must be"),
        (field(name="shoe_size"), "field must be one of"),
        (field(name="me", value=True), "told by the core"),
        (field(value=7), "value of about must be"),
        ({k: v for k, v in field().items() if k != "value"}, "needs its value"),
        (field(name="picture", value="none"), "value must be an object"),
        (field(name="picture", value={"state": "none", "url": "x"}), "a picture that is present has a url"),  # type: ignore[arg-type]
        ({"fact": "link", "phone": "1@lid", "lid": "2@lid", "source": "server", "at": AT}, "phone must be <digits>@c"),
        ({"fact": "link", "phone": "1@c.us", "lid": "2@c.us", "source": "server", "at": AT}, "lid must be <digits>@l"),
        ({"fact": "group", "group": "1@c.us", "source": "group", "at": AT}, "group must be <digits>@g.us"),
        (
            {"fact": "group", "group": "12345@g.us", "participants": [{"role": "admin"}], "source": "group", "at": AT},
            "a participant has a phone number, a LID or both",
        ),
        ({"fact": "blocklist", "users": ["1@c.us", 2], "source": "server", "at": AT}, r"users\[1\] must be a string"),
        ({"fact": "group_list", "groups": {}, "source": "server", "at": AT}, "groups must be a list"),
    ],
)
def test_a_fact_that_cannot_be_is_refused_and_the_place_named(written: Any, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        fact(written)


@pytest.mark.parametrize("kind", ["contact_list", "blocklist"])
async def test_a_long_list_is_read_with_turns_for_others(kind: str, anyio_backend: str) -> None:
    users: list[JsonValue] = [f"{5511900000000 + number}@c.us" for number in range(50_000)]
    told: dict[str, JsonValue] = {"fact": kind, "users": users, "source": "server", "at": AT}
    turns = 0

    async def counts() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(counts())
    (read,) = await facts({"facts": [told]})
    counting.cancel()

    assert read == fact(told)
    assert turns >= 50


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (7, r"facts\[1\]: a fact must be an object"),
        (
            {"fact": "blocklist", "users": ["1@c.us", "x"], "source": "server", "at": AT},
            r"facts\[1\]: users\[1\] must be <",
        ),
        (
            {"fact": "blocklist", "users": [None], "source": "server", "at": AT},
            r"facts\[1\]: users\[0\] must be a string",
        ),
        ({"fact": "contact_list", "users": [], "source": "server"}, r"facts\[1\]: at must be a whole number"),
    ],
)
async def test_of_many_facts_the_one_that_cannot_be_is_named(written: Any, words: str, anyio_backend: str) -> None:
    with pytest.raises(Malformed, match=words):
        await facts({"facts": [fact_json(LinkFact(PHONE, LID, Source.MESSAGE, AT)), written]})


def test_a_contact_that_was_written_has_its_time_where_the_host_says_it() -> None:
    written: dict[str, JsonValue] = {"person": {"phone": str(PHONE)}, "first_name": "Ada"}

    assert encoding.entry(written) == AddressBookEntry(Person(PHONE, None), "Ada", None, None)
    assert encoding.entry({**written, "at": AT}).at == AT
    with pytest.raises(Malformed, match="at must be a whole number"):
        encoding.entry({**written, "at": "now"})


@pytest.mark.parametrize("code", ["not_on_whatsapp", "rate_limited", "whatever", "x" * 9000])
def test_what_a_host_refuses_with_is_short_and_shows_no_number(code: str) -> None:
    error = error_of(Refusal(REFUSED, f"no 4915123456789@c.us \n{'x ' * 5_000_000}", {"code": code}), "contacts.check")

    assert len(error.message) < 1000
    assert "no 491…789@c.us" in error.message
    assert error.message.isprintable()


def test_an_account_is_read_back() -> None:
    account = Account(PHONE, LID, None, 7)

    assert encoding.account(there_and_back(encoding.account_json(account))) == account


def test_a_person_is_read_back_and_is_somebody() -> None:
    person = Person(None, LID, "ada")

    assert encoding.person(there_and_back(encoding.person_json(person))) == person
    with pytest.raises(Malformed, match="a person needs phone, lid or both"):
        encoding.person({"phone": None})


def test_a_picture_is_read_back() -> None:
    assert encoding.picture(there_and_back(encoding.picture_json(SEEN))) == SEEN


def test_an_answer_about_fewer_or_others_is_no_answer() -> None:
    other = PhoneNumber("15550200")
    answer: dict[str, JsonValue] = {"asked": str(PHONE), "phone": None, "lid": None, "business": True}

    assert encoding.registrations({"answers": [answer]}, [PHONE]) == [Registration(PHONE, None, business=True)]
    with pytest.raises(Malformed, match="1 for 2 that were asked"):
        encoding.registrations({"answers": [answer]}, [PHONE, other])
    with pytest.raises(Malformed, match="in the order in which they were asked"):
        encoding.registrations({"answers": [answer]}, [other])
    with pytest.raises(Malformed, match="lids lacks 1 of 2 numbers"):
        encoding.lids({"lids": {str(PHONE): None}}, [PHONE, other])
    with pytest.raises(Malformed, match="abouts has 0 for 1"):
        encoding.abouts({"abouts": []}, [Person(PHONE, None)])
    with pytest.raises(Malformed, match="abouts must be a list of strings and nulls"):
        encoding.abouts({"abouts": [1]}, [Person(PHONE, None)])
