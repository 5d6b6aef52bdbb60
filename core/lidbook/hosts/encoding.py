"""Identifiers, persons and answers as the host protocol writes them, both ways.

What comes from a host is read strictly: `Malformed` names the place. Facts are in `fact_encoding`.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeVar

from pydantic import JsonValue

from lidbook.engine import ClientConfig, Network
from lidbook.facts import Picture, PictureState
from lidbook.hosts.reading import (
    JsonObject,
    Malformed,
    a_text,
    inner,
    many,
    objects,
    optional_text,
    optional_whole,
    text,
    texts,
    truth,
    whole,
)
from lidbook.identifiers import MAX_DIGITS, GroupId, Lid, PhoneNumber, UserId, parse_wire
from lidbook.passkey import PasskeyAssertion, PasskeyChallenge, PasskeyCredential
from lidbook.values import AboutAnswer, Account, AddressBookEntry, Person, Registration

_USER: Final = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}@(?:c\.us|lid)")
_GROUP: Final = re.compile(r"[0-9]{1,25}(?:-[0-9]{1,15})?@g\.us")
_E = TypeVar("_E", bound=StrEnum)

AT_ONCE: Final = 1000
"""What is decoded before others get a turn: about two milliseconds."""


def user(written: str, name: str) -> UserId:
    """The identifier behind `<digits>@c.us` or `<digits>@lid`; nothing else is one, a device part least of all."""
    if not _USER.fullmatch(written):
        raise Malformed(f"{name} must be <digits>@c.us or <digits>@lid")
    return parse_wire(written)


def phone(written: str | None, name: str) -> PhoneNumber | None:
    """A phone number, or None."""
    found = None if written is None else user(written, name)
    if isinstance(found, Lid):
        raise Malformed(f"{name} must be <digits>@c.us, and is a LID")
    return found


def lid(written: str | None, name: str) -> Lid | None:
    """A LID, or None."""
    found = None if written is None else user(written, name)
    if isinstance(found, PhoneNumber):
        raise Malformed(f"{name} must be <digits>@lid, and is a phone number")
    return found


def group(written: str, name: str) -> GroupId:
    """The group behind `<digits>@g.us`."""
    if not _GROUP.fullmatch(written):
        raise Malformed(f"{name} must be <digits>@g.us")
    return GroupId(written.removesuffix("@g.us"))


def member(of: JsonObject, name: str, kind: type[_E], *, but: _E | None = None) -> _E:
    """One of a closed set, `but` one of it."""
    written = text(of, name)
    try:
        found: _E | None = kind(written)
    except ValueError:
        found = None
    if found is None or found is but:
        raise Malformed(f"{name} must be one of {', '.join(each for each in kind if each is not but)}")
    return found


def users(of: JsonObject, name: str) -> frozenset[UserId]:
    """A whole list of identifiers."""
    return frozenset(user(each, f"{name}[{place}]") for place, each in enumerate(texts(of, name)))


async def users_in_turns(of: JsonObject, name: str) -> frozenset[UserId]:
    """The same of a list that may have a hundred thousand, with a turn for others now and then."""
    found: set[UserId] = set()
    written = many(of, name)
    for start in range(0, len(written), AT_ONCE):
        for place, each in enumerate(written[start : start + AT_ONCE], start):
            found.add(user(a_text(each, f"{name}[{place}]"), f"{name}[{place}]"))
        await asyncio.sleep(0)
    return frozenset(found)


def person(of: JsonObject) -> Person:
    """A person, by everything known of them."""
    found = Person(
        phone(optional_text(of, "phone"), "phone"), lid(optional_text(of, "lid"), "lid"), optional_text(of, "username")
    )
    if not found.identifiers:
        raise Malformed("a person needs phone, lid or both")
    return found


def person_json(of: Person) -> dict[str, JsonValue]:
    """The same, written."""
    return {"phone": _written(of.phone), "lid": _written(of.lid), "username": of.username}


def account(of: JsonObject) -> Account:
    """The linked account; both of its identifiers are needed."""
    own_phone, own_lid = phone(text(of, "phone"), "phone"), lid(text(of, "lid"), "lid")
    if own_phone is None or own_lid is None:
        raise Malformed("an account has phone and lid")
    return Account(own_phone, own_lid, optional_text(of, "pushname"), optional_whole(of, "device"))


def account_json(of: Account) -> dict[str, JsonValue]:
    """The same, written."""
    return {"phone": str(of.phone), "lid": str(of.lid), "pushname": of.pushname, "device": of.device}


def picture(of: JsonObject) -> Picture:
    """What is known of a profile picture."""
    state, url = member(of, "state", PictureState), optional_text(of, "url")
    try:
        return Picture(state, url, optional_whole(of, "expires_at"))
    except ValueError as error:
        raise Malformed(str(error)) from error


def picture_json(of: Picture) -> dict[str, JsonValue]:
    """The same, written."""
    return {"state": of.state.value, "url": of.url, "expires_at": of.expires_at}


def registrations(of: JsonObject, asked: Sequence[PhoneNumber]) -> Sequence[Registration]:
    """The answers to `contacts.check`: one a number, in the order in which they were asked."""
    return [
        Registration(
            number,
            phone(optional_text(each, "phone"), "phone"),
            lid(optional_text(each, "lid"), "lid"),
            optional_text(each, "username"),
            optional_text(each, "verified_name"),
            truth(each, "business", otherwise=False),
        )
        for number, each in zip(asked, _one_each(objects(of, "answers"), asked, "answers"), strict=True)
        if _is_about(each, number)
    ]


def lids(of: JsonObject, asked: Sequence[PhoneNumber]) -> Mapping[PhoneNumber, Lid | None]:
    """The answer to `lids.query`: every number that was asked, null where it has no LID."""
    found = inner(of, "lids")
    if missing := [number for number in asked if str(number) not in found]:
        raise Malformed(f"lids lacks {len(missing)} of {len(asked)} numbers that were asked; null says there is none")
    return {number: lid(optional_text(found, str(number)), "lids") for number in asked}


def abouts(of: JsonObject, asked: Sequence[Person]) -> Sequence[AboutAnswer]:
    """The answers to `contacts.about`, in the order in which they were asked."""
    found = of.get("abouts")
    if not isinstance(found, list) or not all(each is None or isinstance(each, str) for each in found):
        raise Malformed("abouts must be a list of strings and nulls")
    answers = _one_each(found, asked, "abouts")
    return [
        AboutAnswer(each, about if isinstance(about, str) else None) for each, about in zip(asked, answers, strict=True)
    ]


def entry(of: JsonObject) -> AddressBookEntry:
    """A contact as it was read back."""
    return AddressBookEntry(
        person(inner(of, "person")),
        optional_text(of, "first_name"),
        optional_text(of, "last_name"),
        optional_text(of, "full_name"),
        optional_whole(of, "at"),
    )


def challenge(of: JsonObject) -> PasskeyChallenge:
    """What to sign, as browsers write it."""
    extensions = {} if of.get("extensions") is None else inner(of, "extensions")
    return PasskeyChallenge(
        text(of, "challenge"),
        whole(of, "timeout"),
        text(of, "rpId"),
        tuple(_credential(each) for each in objects({"allowCredentials": [], **of}, "allowCredentials")),
        text(of, "userVerification"),
        extensions,
    )


def assertion_json(of: PasskeyAssertion) -> dict[str, JsonValue]:
    """What was signed, as browsers' `toJSON` writes it."""
    return {
        "id": of.id,
        "rawId": of.raw_id,
        "type": of.type,
        "response": {
            "clientDataJSON": of.client_data_json,
            "authenticatorData": of.authenticator_data,
            "signature": of.signature,
            "userHandle": of.user_handle,
        },
    }


def network_json(of: Network | None) -> dict[str, JsonValue] | None:
    """Where WhatsApp is; null is the real one."""
    if of is None:
        return None
    return {
        "websocket": of.websocket,
        "web_page": of.web_page,
        "root_key": of.root_key.hex(),
        "control_url": of.control_url,
    }


def client_json(of: ClientConfig) -> dict[str, JsonValue]:
    """What every engine honours of a session's config."""
    proxy = of.proxy
    way_out: JsonValue = (
        None if proxy is None else {"server": proxy.server, "username": proxy.username, "password": proxy.password}
    )
    return {
        "proxy": way_out,
        "device_name": of.device_name,
        "browser_name": of.browser_name,
        "mark_online": of.mark_online,
    }


def _credential(of: JsonObject) -> PasskeyCredential:
    transports = () if of.get("transports") is None else tuple(texts(of, "transports"))
    return PasskeyCredential(text(of, "id"), transports, optional_text(of, "type") or "public-key")


_A = TypeVar("_A")


def _one_each(answers: Sequence[_A], asked: Sequence[object], name: str) -> Sequence[_A]:
    if len(answers) != len(asked):
        raise Malformed(f"{name} has {len(answers)} for {len(asked)} that were asked")
    return answers


def _is_about(answer: JsonObject, asked: PhoneNumber) -> bool:
    if user(text(answer, "asked"), "asked") != asked:
        raise Malformed("answers must be in the order in which they were asked")
    return True


def _written(of: UserId | None) -> str | None:
    return None if of is None else str(of)
