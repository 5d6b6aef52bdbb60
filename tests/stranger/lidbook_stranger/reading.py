"""The gateway's JSON in Lidbook's words: identifiers, values, and facts. The only place that knows both.

People are `<digits>@s.whatsapp.net` (`jid`) and `<digits>@lid` (`lid`); times are milliseconds since 1970.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from lidbook.errors import EngineError, InvalidRequest
from lidbook.facts import (
    BlocklistFact,
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
from lidbook.identifiers import Lid, PhoneNumber, UserId, parse_group, parse_user
from lidbook.values import Account, AddressBookEntry, Person, Registration

Row = Mapping[str, Any]
NAMES: Final = ((Field.FIRST_NAME, "first"), (Field.LAST_NAME, "last"), (Field.FULL_NAME, "name"))
_EXPIRY: Final = re.compile(r"[?&]oe=([0-9a-fA-F]{1,16})(?:&|$)")


def written(user: UserId) -> str:
    """An identifier as the gateway writes it."""
    return f"{user.digits}@s.whatsapp.net" if isinstance(user, PhoneNumber) else f"{user.digits}@lid"


def user_of(text: str) -> UserId:
    """An identifier as the gateway wrote it."""
    try:
        return parse_user(text)
    except InvalidRequest as error:
        raise EngineError(f"the gateway named somebody in a way that is not known: {error.message}") from error


def phone_in(row: Row) -> PhoneNumber | None:
    """The phone number in a row that may have one."""
    user = user_of(row["jid"]) if row.get("jid") else None
    return user if isinstance(user, PhoneNumber) else None


def lid_in(row: Row) -> Lid | None:
    """The LID in a row that may have one."""
    user = user_of(row["lid"]) if row.get("lid") else None
    return user if isinstance(user, Lid) else None


def person_in(row: Row) -> Person:
    """Whoever a row is about."""
    return Person(phone_in(row), lid_in(row))


def account_in(row: Row) -> Account:
    """The account that the device is linked to. Raises `EngineError` when the row lacks an identifier."""
    phone, lid = phone_in(row), lid_in(row)
    if phone is None or lid is None:
        raise EngineError("the gateway does not say whose account it is")
    return Account(phone, lid, row.get("push"), row.get("device"))


def registration_in(asked: PhoneNumber, row: Row | None) -> Registration:
    """The answer about a number; a gateway leaves out whom it does not know."""
    if row is None:
        return Registration(asked, None)
    business = row.get("business") or {}
    return Registration(
        asked, phone_in(row), lid_in(row), row.get("username"), business.get("name"), business=bool(business)
    )


def entry_in(row: Row) -> AddressBookEntry:
    """A line of the address book."""
    return AddressBookEntry(person_in(row), row.get("first"), row.get("last"), row.get("name"))


def users_in(texts: Sequence[str]) -> frozenset[UserId]:
    """A list of people."""
    return frozenset(user_of(text) for text in texts)


def picture_at(url: str) -> Picture:
    """A picture that is there; its address says, in hexadecimal seconds, until when it is good."""
    found = _EXPIRY.search(url)
    return Picture(PictureState.PRESENT, url, int(found[1], 16) * 1000 if found else None)


def snapshot_facts(row: Row, as_of: int) -> Iterator[Fact]:
    """One line of the snapshot."""
    match row["type"]:
        case "contact":
            yield from _contact_facts(row)
        case "met":
            yield from _met_facts(row)
        case "pair":
            yield from _pair(row, Source.HISTORY)
        case "blocklist":
            yield BlocklistFact(users_in(row["users"]), Source.SERVER, as_of)
        case "group":
            yield from group_facts(row, as_of)
        case "groups":
            yield groups_fact(row["ids"], as_of)


def event_facts(row: Row) -> Iterator[Fact]:
    """One thing that happened."""
    at = row["at"]
    match row["type"]:
        case "contact" | "contact_removed":
            yield from _contact_facts(row)
        case "blocked" | "unblocked":
            for user in person_in(row).identifiers:
                yield FieldFact(user, Field.BLOCKED, row["type"] == "blocked", Source.NOTIFICATION, at)
        case "message":
            yield from _pair(row, Source.MESSAGE)
            yield from _fields(user_of(row["lid"]), Source.MESSAGE, at, (Field.CHAT, True))
            yield from _fields(user_of(row["lid"]), Source.MESSAGE, at, (Field.PUSHNAME, row.get("push")))
        case "push":
            yield from _fields(user_of(row["lid"]), Source.MESSAGE, at, (Field.PUSHNAME, row["push"]))
        case "number":
            yield from _pair(row, Source.NOTIFICATION)
        case "about":
            yield FieldFact(user_of(row["lid"]), Field.ABOUT, row["about"], Source.NOTIFICATION, at)
        case "picture":  # of a new one only the news comes, not the address: forget the old one, and ask when asked
            picture = Picture(PictureState.NONE) if row["removed"] else None
            yield FieldFact(user_of(row["lid"]), Field.PICTURE, picture, Source.NOTIFICATION, at)
        case "participant":
            member = _participant(row)
            yield ParticipantFact(parse_group(row["group"]), member, Source.NOTIFICATION, at)
            yield from _withheld((member,), at)


def group_facts(row: Row, as_of: int) -> Iterator[Fact]:
    """A group with everybody in it."""
    members = tuple(_participant(member) for member in row["members"])
    yield GroupFact(
        parse_group(row["id"]),
        Source.GROUP,
        as_of,
        subject=row["subject"],
        description=row.get("description"),
        owner=user_of(row["owner"]) if row.get("owner") else None,
        creation=row["created"],
        participants=members,
    )
    yield from _withheld(members, as_of)


def groups_fact(ids: Sequence[str], as_of: int) -> GroupListFact:
    """All groups of the account."""
    return GroupListFact(frozenset(parse_group(text) for text in ids), Source.GROUP, as_of)


def _contact_facts(row: Row) -> Iterator[Fact]:
    """A line of the address book; what it lacks is gone."""
    yield from _pair(row, Source.ADDRESS_BOOK)
    for field, key in NAMES:
        yield FieldFact(person_in(row).id, field, row.get(key), Source.ADDRESS_BOOK, row["at"])


def _met_facts(row: Row) -> Iterator[Fact]:
    """Somebody whom history knows. What people say of themselves belongs to the LID, which moves with them."""
    person = person_in(row)
    yield from _pair(row, Source.HISTORY)
    business = row.get("business") or {}
    yield from _fields(
        person.lid or person.id,
        Source.HISTORY,
        row["at"],
        (Field.PUSHNAME, row.get("push")),
        (Field.VERIFIED_NAME, business.get("name")),
        (Field.USERNAME, row.get("username")),
        (Field.BUSINESS, bool(business) or None),
        (Field.CHAT, row.get("chat") or None),
        (Field.HIDDEN, True if person.phone is None else None),
    )


def _fields(user: UserId, source: Source, at: int, *values: tuple[Field, FieldValue]) -> Iterator[Fact]:
    return (FieldFact(user, field, value, source, at) for field, value in values if value is not None)


def _pair(row: Row, source: Source) -> Iterator[Fact]:
    phone, lid = phone_in(row), lid_in(row)
    if phone is not None and lid is not None:
        yield LinkFact(phone, lid, source, row["at"])


def _participant(row: Row) -> Participant:
    return Participant(phone_in(row), lid_in(row), Role(row["role"]))


def _withheld(members: Sequence[Participant], at: int) -> Iterator[Fact]:
    """Whoever a group shows without a number hides it."""
    for member in members:
        if member.phone is None and member.lid is not None:
            yield FieldFact(member.lid, Field.HIDDEN, True, Source.GROUP, at)
