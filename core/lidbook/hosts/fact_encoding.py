"""Facts as the host protocol writes them, both ways."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

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
    Role,
    Source,
)
from lidbook.hosts.encoding import (
    AT_ONCE,
    group,
    lid,
    member,
    phone,
    picture,
    picture_json,
    user,
    users,
    users_in_turns,
)
from lidbook.hosts.reading import (
    JsonObject,
    Malformed,
    an_object,
    inner,
    many,
    objects,
    optional_text,
    optional_whole,
    text,
    texts,
    whole,
)
from lidbook.identifiers import UserId


def fact(of: JsonObject) -> Fact:
    """A fact. Raises `Malformed`; whether its value suits its field is for the core to check, as for any engine."""
    read = _KINDS.get(text(of, "fact"))
    if read is None:
        raise Malformed(f"fact must be one of {', '.join(_KINDS)}")
    return read(of, member(of, "source", Source), whole(of, "at"))


async def facts(of: JsonObject) -> list[Fact]:
    """All facts of a message, which may be long: others get a turn now and then. Raises `Malformed`, with the place."""
    found: list[Fact] = []
    decoded = 0
    for place, written in enumerate(many(of, "facts")):
        try:
            told = await _fact_in_turns(an_object(written, "a fact"))
        except Malformed as error:
            raise Malformed(f"facts[{place}]: {error}") from error
        found.append(told)
        decoded += 1 + (len(told.participants or ()) if isinstance(told, GroupFact) else 0)
        if decoded >= AT_ONCE:
            decoded = 0
            await asyncio.sleep(0)
    return found


async def _fact_in_turns(of: JsonObject) -> Fact:
    whole_list = _LISTS_OF_USERS.get(text(of, "fact"))
    if whole_list is None:
        return fact(of)
    return whole_list(await users_in_turns(of, "users"), member(of, "source", Source), whole(of, "at"))


def fact_json(of: Fact) -> dict[str, JsonValue]:
    """The same, written."""
    said: dict[str, JsonValue]
    match of:
        case FieldFact():
            value = picture_json(of.value) if isinstance(of.value, Picture) else of.value
            said = {"fact": "field", "user": str(of.user), "field": of.field.value, "value": value}
        case LinkFact():
            said = {"fact": "link", "phone": str(of.phone), "lid": str(of.lid)}
        case GroupFact():
            parts: dict[str, JsonValue] = {
                "subject": of.subject,
                "description": of.description,
                "owner": _written(of.owner),
                "creation": of.creation,
                "participants": None if of.participants is None else [_participant_json(p) for p in of.participants],
            }
            known = {name: value for name, value in parts.items() if value is not None}
            said = {"fact": "group", "group": str(of.group), **known}
        case ParticipantFact():
            said = {"fact": "participant", "group": str(of.group), "participant": _participant_json(of.participant)}
        case GroupListFact():
            said = {"fact": "group_list", "groups": _sorted(of.groups)}
        case BlocklistFact():
            said = {"fact": "blocklist", "users": _sorted(of.users)}
        case ContactListFact():
            said = {"fact": "contact_list", "users": _sorted(of.users)}
    return {**said, "source": of.source.value, "at": of.observed_at}


def _field(of: JsonObject, source: Source, at: int) -> Fact:
    field = member(of, "field", Field)
    if field is Field.ME:
        raise Malformed("field me is told by the core, not by hosts")
    if "value" not in of:
        raise Malformed("a field needs its value; null says that it is gone or hidden")
    written = of["value"]
    value: FieldValue
    if field is Field.PICTURE and written is not None:
        value = picture(an_object(written, "value"))
    elif written is None or isinstance(written, str | bool):
        value = written
    else:
        raise Malformed(f"value of {field.value} must be a string, true, false or null")
    return FieldFact(user(text(of, "user"), "user"), field, value, source, at)


def _link(of: JsonObject, source: Source, at: int) -> Fact:
    number, linked = phone(text(of, "phone"), "phone"), lid(text(of, "lid"), "lid")
    if number is None or linked is None:
        raise Malformed("a link needs phone and lid")
    return LinkFact(number, linked, source, at)


def _group(of: JsonObject, source: Source, at: int) -> Fact:
    participants = None
    if of.get("participants") is not None:
        participants = tuple(_participant(each) for each in objects(of, "participants"))
    owner = optional_text(of, "owner")
    return GroupFact(
        group(text(of, "group"), "group"),
        source,
        at,
        optional_text(of, "subject"),
        optional_text(of, "description"),
        None if owner is None else user(owner, "owner"),
        optional_whole(of, "creation"),
        participants,
    )


def _participant_change(of: JsonObject, source: Source, at: int) -> Fact:
    return ParticipantFact(group(text(of, "group"), "group"), _participant(inner(of, "participant")), source, at)


def _group_list(of: JsonObject, source: Source, at: int) -> Fact:
    groups = frozenset(group(each, f"groups[{place}]") for place, each in enumerate(texts(of, "groups")))
    return GroupListFact(groups, source, at)


def _blocklist(of: JsonObject, source: Source, at: int) -> Fact:
    return BlocklistFact(users(of, "users"), source, at)


def _contact_list(of: JsonObject, source: Source, at: int) -> Fact:
    return ContactListFact(users(of, "users"), source, at)


_KINDS: Final[Mapping[str, Callable[[JsonObject, Source, int], Fact]]] = {
    "field": _field,
    "link": _link,
    "group": _group,
    "participant": _participant_change,
    "group_list": _group_list,
    "blocklist": _blocklist,
    "contact_list": _contact_list,
}
_LISTS_OF_USERS: Final[Mapping[str, type[BlocklistFact | ContactListFact]]] = {
    "blocklist": BlocklistFact,
    "contact_list": ContactListFact,
}


def _participant(of: JsonObject) -> Participant:
    role = Role.PARTICIPANT if of.get("role") is None else member(of, "role", Role)
    number, linked = phone(optional_text(of, "phone"), "phone"), lid(optional_text(of, "lid"), "lid")
    try:
        return Participant(number, linked, role)
    except ValueError as error:
        raise Malformed(str(error)) from error


def _participant_json(of: Participant) -> dict[str, JsonValue]:
    return {"phone": _written(of.phone), "lid": _written(of.lid), "role": of.role.value}


def _sorted(of: Iterable[object]) -> list[JsonValue]:
    return [*sorted(map(str, of))]


def _written(of: UserId | None) -> str | None:
    return None if of is None else str(of)
