"""What an engine feeds is looked at before it is stored: a wrong type would be served to every client for ever."""

from collections.abc import Iterator
from typing import Final

from lidbook.facts import (
    BATCH,
    BlocklistFact,
    ContactListFact,
    Fact,
    Facts,
    Field,
    FieldFact,
    GroupFact,
    GroupListFact,
    LinkFact,
    ParticipantFact,
    Picture,
    Source,
)
from lidbook.identifiers import MAX_DIGITS, GroupId, Lid, PhoneNumber

EARLIEST: Final = 10**11
"""Smallest time taken for milliseconds: 1973. A time in seconds stays below it for another thousand years."""

_TEXTS: Final = frozenset(
    {
        Field.FIRST_NAME,
        Field.LAST_NAME,
        Field.FULL_NAME,
        Field.PUSHNAME,
        Field.VERIFIED_NAME,
        Field.USERNAME,
        Field.ABOUT,
        Field.ALIAS,
    }
)


def check(facts: Facts) -> None:
    """Raise `TypeError` or `ValueError` for a fact that is none, naming it; nothing is stored then."""
    for _ in checking(facts):
        pass


def checking(facts: Facts) -> Iterator[None]:
    """The same with pauses, for others to have a turn: a list of contacts is one fact, and names a whole account's."""
    since = 0
    for fact in facts:
        since += 1
        _check(fact)
        for user in fact.users if isinstance(fact, ContactListFact) else ():
            since += 1
            _user(user, user)
            if since >= BATCH:
                since = 0
                yield
        if since >= BATCH:
            since = 0
            yield


def _check(fact: Fact) -> None:
    match fact:
        case FieldFact():
            _user(fact.user, fact)
            if not isinstance(fact.field, Field):
                raise TypeError(f"field must be a Field: {fact!r}")
            if fact.value is not None and type(fact.value) is not _type_of(fact.field):
                raise TypeError(f"the value of {fact.field.value} must be {_type_of(fact.field).__name__}: {fact!r}")
        case LinkFact():
            if {type(fact.phone): PhoneNumber, type(fact.lid): Lid} != {PhoneNumber: PhoneNumber, Lid: Lid}:
                raise TypeError(f"a link is between a PhoneNumber and a Lid: {fact!r}")
            _users(fact.phone, fact.lid, fact)
        case GroupFact():
            _group(fact.group, fact)
            for participant in fact.participants or ():
                _users(participant.phone, participant.lid, fact)
        case ParticipantFact():
            _group(fact.group, fact)
            _users(fact.participant.phone, fact.participant.lid, fact)
        case GroupListFact():
            for group in fact.groups:
                _group(group, fact)
        case BlocklistFact():
            for user in fact.users:
                _user(user, fact)
        case ContactListFact():
            if not isinstance(fact.users, frozenset):
                raise TypeError(f"the users of a list are a frozenset, not {type(fact.users).__name__}")
        case _:
            raise TypeError(f"this is no fact: {fact!r}")
    if type(fact.observed_at) is not int or not isinstance(fact.source, Source):
        raise TypeError(f"observed_at is an int and source a Source: {_shown(fact)}")
    if fact.observed_at < EARLIEST:
        raise ValueError(
            f"observed_at is in milliseconds since 1970, and {fact.observed_at} would be 1970: {_shown(fact)}"
        )


def _shown(fact: Fact) -> str:
    """The fact, for a message; of a list of contacts how long it is."""
    return f"a list of {len(fact.users)} contacts" if isinstance(fact, ContactListFact) else repr(fact)


def _type_of(field: Field) -> type:
    if field in _TEXTS:
        return str
    return Picture if field is Field.PICTURE else bool


def _users(phone: object, lid: object, fact: Fact) -> None:
    for user in (phone, lid):
        if user is not None:
            _user(user, fact)


def _user(user: object, fact: object) -> None:
    if not isinstance(user, PhoneNumber | Lid):
        raise TypeError(f"a user is a PhoneNumber or a Lid: {fact!r}")
    digits = user.digits
    if not digits.isascii() or not digits.isdigit() or len(digits) > MAX_DIGITS:
        raise ValueError(
            f"an identifier has up to {MAX_DIGITS} digits and nothing else; parse_user reads text: {fact!r}"
        )


def _group(group: object, fact: Fact) -> None:
    if not isinstance(group, GroupId):
        raise TypeError(f"a group is a GroupId: {fact!r}")
