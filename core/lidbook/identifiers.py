"""WhatsApp identifiers: parsed in this file, typed everywhere else.

A phone number and a LID are different things that look alike: both are digits. Nothing outside this file decides
which one a text is, and nothing anywhere derives one from the digits of the other.
"""

import re
from dataclasses import dataclass
from typing import ClassVar

from lidbook.errors import InvalidGroupId, InvalidLid, InvalidPhoneNumber, InvalidUserId, NotAPerson

MIN_PHONE_DIGITS = 7
MAX_PHONE_DIGITS = 15
MAX_DIGITS = 20
"""Longest run of digits accepted as any identifier; nothing WhatsApp hands out comes near it."""


@dataclass(frozen=True, slots=True, order=True)
class PhoneNumber:
    """A phone number in international form, digits only, as WhatsApp writes it: no plus sign, no device."""

    digits: str
    suffix: ClassVar[str] = "@c.us"

    def __str__(self) -> str:
        return self.digits + "@c.us"


@dataclass(frozen=True, slots=True, order=True)
class Lid:
    """A linked identifier: the number WhatsApp shows in place of a phone number. Its digits carry no meaning."""

    digits: str
    suffix: ClassVar[str] = "@lid"

    def __str__(self) -> str:
        return self.digits + "@lid"


@dataclass(frozen=True, slots=True, order=True)
class GroupId:
    """A group's id without its suffix: digits, in old groups `<creator>-<timestamp>`."""

    local: str
    suffix: ClassVar[str] = "@g.us"

    def __str__(self) -> str:
        return self.local + "@g.us"


UserId = PhoneNumber | Lid
"""What names one person on the wire. One person may have one of each."""

_PHONE_SERVERS = frozenset({"c.us", "s.whatsapp.net"})
_PERSONLESS = {
    "g.us": "a group",
    "broadcast": "a broadcast list",
    "newsletter": "a channel",
    "meta.ai": "an assistant",
    "bot": "an assistant",
    "call": "a call",
}
_WRITING = str.maketrans(
    "",
    "",
    " \t-().+/"
    "\u00a0\u2007\u2009\u202f"  # spaces that do not break
    "\u2010\u2011\u2012\u2013\u2014\u2212"  # dashes
    "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",  # marks that address books wrap a number in
)
_TRUNK_ZERO = re.compile(r"(?<=[0-9])[^0-9a-zA-Z]*\(0\)(?=[^0-9a-zA-Z]*[0-9])")
"""The zero that some countries dial at home only, as people write it: +44 (0)7700."""
_AGENT = re.compile(r"([0-9]+)\.[0-9]{1,2}")
"""WhatsApp's long form of an id has an agent between user and device: 123.0:4@s.whatsapp.net."""
_GROUP = re.compile(r"[0-9]{5,25}(-[0-9]{5,15})?")


def parse_user(text: str) -> UserId:
    """The person that `text` names: bare digits, `+`, spaces, dashes, brackets, `@c.us`, `@s.whatsapp.net`, `@lid`,
    a percent-encoded `@`, a `:device` suffix (dropped). Bare digits mean a phone number.

    Raises `NotAPerson` for groups, channels, broadcasts and `0@c.us`, `InvalidUserId` for anything else.
    """
    if text.isdigit() and text.isascii() and len(text) <= MAX_DIGITS:
        if text.strip("0"):
            return PhoneNumber(text)
        raise NotAPerson(text, "the service account")
    local, server = _split(text)
    if server in _PERSONLESS:
        raise NotAPerson(text, _PERSONLESS[server])
    if server == "lid":
        return Lid(_digits(local, text, server))
    if server == "" or server in _PHONE_SERVERS:
        digits = _digits(local, text, server)
        if not digits.strip("0"):
            raise NotAPerson(text, "the service account")
        return PhoneNumber(digits)
    raise InvalidUserId(text)


def parse_wire(text: str) -> UserId:
    """The identifier behind a canonical wire form that this program wrote itself: `<digits>@c.us` or `<digits>@lid`."""
    digits, _, server = text.partition("@")
    return Lid(digits) if server == "lid" else PhoneNumber(digits)


def parse_dialable(text: str) -> PhoneNumber:
    """A phone number that may be sent to the server: international form, 7 to 15 digits, no leading zero.

    Raises `InvalidPhoneNumber`, which says what to send instead: a local number silently sent on would ask about a
    stranger in another country.
    """
    user = parse_user(text)
    if isinstance(user, Lid):
        raise InvalidPhoneNumber(text, "a LID is not a phone number; look it up with /lids/{lid} first")
    check_dialable(user, text)
    return user


def check_dialable(phone: PhoneNumber, text: str | None = None) -> None:
    """Raise `InvalidPhoneNumber` unless `phone` can be dialled from abroad."""
    digits = phone.digits
    shown = text if text is not None else digits
    if digits.startswith("00"):
        raise InvalidPhoneNumber(shown, f"leave out the leading 00: {digits[2:]}")
    if digits.startswith("0"):
        raise InvalidPhoneNumber(shown, "it looks local; put the country code in place of the leading 0")
    if len(digits) < MIN_PHONE_DIGITS:
        raise InvalidPhoneNumber(shown, "it is too short; send country code, area code and number")
    if len(digits) > MAX_PHONE_DIGITS:
        raise InvalidPhoneNumber(shown, "it is longer than any phone number; if it is a LID, add @lid")


def is_dialable(phone: PhoneNumber) -> bool:
    """Whether `phone` can be dialled from abroad."""
    return not phone.digits.startswith("0") and MIN_PHONE_DIGITS <= len(phone.digits) <= MAX_PHONE_DIGITS


def parse_lid(text: str) -> Lid:
    """The LID in the path of `/lids/{lid}`: bare digits mean a LID here, and only here.

    Raises `InvalidLid` (WAHA's 422) for any other suffix, `@LID` in capitals included, as WAHA does.
    """
    cleaned = text.replace("%40", "@").strip()
    local, at, server = cleaned.partition("@")
    digits = local.partition(":")[0].translate(_WRITING)
    if (at and server != "lid") or not digits.isascii() or not digits.isdigit() or len(digits) > MAX_DIGITS:
        raise InvalidLid(text)
    return Lid(digits)


def parse_group(text: str) -> GroupId:
    """The group that `text` names, with or without `@g.us`. Raises `InvalidGroupId`."""
    local, at, server = text.replace("%40", "@").strip().partition("@")
    if (at and server.lower() != "g.us") or not _GROUP.fullmatch(local):
        raise InvalidGroupId(text)
    return GroupId(local)


def spellings(phone: PhoneNumber) -> tuple[PhoneNumber, ...]:
    """Every way in which this subscriber may be registered, the given one first.

    Brazil registered mobiles without the ninth digit before 2012, Mexico put a 1 and Argentina a 9 after the country
    code; WhatsApp knows each account under one spelling only, and only its server knows which. What the shorter form
    would turn into a Brazilian landline (`9 2…` to `9 5…`) has no other spelling: it would be a stranger's.
    """
    digits = phone.digits
    other = None
    if digits.startswith("55"):
        if len(digits) == 12 and digits[4] in "6789":
            other = digits[:4] + "9" + digits[4:]
        elif len(digits) == 13 and digits[4] == "9" and digits[5] in "6789":
            other = digits[:4] + digits[5:]
    elif digits.startswith("52"):
        if len(digits) == 12:
            other = "521" + digits[2:]
        elif len(digits) == 13 and digits[2] == "1":
            other = "52" + digits[3:]
    elif digits.startswith("54"):
        if len(digits) == 12:
            other = "549" + digits[2:]
        elif len(digits) == 13 and digits[2] == "9":
            other = "54" + digits[3:]
    return (phone,) if other is None else (phone, PhoneNumber(other))


def _split(text: str) -> tuple[str, str]:
    local, _, server = text.replace("%40", "@").strip().partition("@")
    return local, server.lower()


def _digits(local: str, text: str, server: str = "") -> str:
    number, colon, device = local.partition(":")
    agent = _AGENT.fullmatch(number) if server else None
    if agent is not None:
        number = agent.group(1)
    if (colon and not (device.isascii() and device.isdigit())) or number.lstrip().startswith("-"):
        raise InvalidUserId(text)
    digits = _TRUNK_ZERO.sub("", number).translate(_WRITING)
    if not digits.isascii() or not digits.isdigit() or len(digits) > MAX_DIGITS:
        raise InvalidUserId(text)
    return digits
