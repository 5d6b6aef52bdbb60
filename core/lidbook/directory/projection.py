"""From the states of a phone number and its LID to one person: the rules of which name shows and who is a contact."""

from typing import Final, NamedTuple

import orjson

from lidbook.directory.state import SAVED, Entry, JsonValue, State, outranks
from lidbook.facts import Source
from lidbook.identifiers import Lid

NAMELESS = "\U0010ffff"
"""Sort name of a person without any name: behind every other."""

_NOTHING: Final = (None, "", False)
_ADDRESS_BOOK: Final = Source.ADDRESS_BOOK.value
_NAMES: Final = ("first_name", "last_name", "full_name")


class PersonRow(NamedTuple):
    """A person as stored: keys for finding and ordering, and the document that clients get."""

    id: str
    lid: str | None
    mapped: bool
    listed: bool
    blocked: bool
    sort_name: str
    doc: bytes


class Lists(NamedTuple):
    """As of when the newest whole lists are; 0 where there was none."""

    blocklist_at: int
    contacts_at: int


def project(
    phone: str | None, phone_state: State | None, lid: str | None, lid_state: State | None, lists: Lists
) -> PersonRow | None:
    """The person behind a linked pair or a lone identifier; None for a spelling that is only an alias of another."""
    fields = _both(phone_state, lid_state)
    public_id = phone or lid
    if public_id is None:
        raise ValueError("a person has a phone number, a LID or both")
    value: dict[str, JsonValue] = {name: entry[0] for name, entry in fields.items() if entry[0] not in _NOTHING}
    if lists.contacts_at:
        _drop_removed(value, fields, lists.contacts_at)
    first = value.get("first_name")
    address_book = value.get("full_name") or _joined(first, value.get("last_name"))
    pushname, verified, username = value.get("pushname"), value.get("verified_name"), value.get("username")
    name = address_book or verified
    shown = name or pushname or username
    blocked = value.get("blocked") is True and fields["blocked"][2] >= lists.blocklist_at
    registered: JsonValue = None
    if "registered" in fields:
        registered = fields["registered"][0]
    if registered is None and (lid is not None or pushname is not None):
        registered = True
    listed = bool(address_book or pushname or blocked or value.get("chat"))
    if "alias" in value and value["alias"] != phone and lid is None:
        return None
    doc = orjson.dumps(
        {
            "id": public_id,
            "number": phone[:-5] if phone else None,
            "name": name,
            "pushname": pushname,
            "shortName": first,
            "isMe": "me" in value,
            "isGroup": False,
            "isWAContact": registered,
            "isMyContact": address_book is not None,
            "isBlocked": blocked,
            "lid": lid,
            "username": username,
            "verifiedName": verified,
            "isBusiness": "business" in value or verified is not None,
            "displayName": shown,
        }
    )
    sort_name = shown.casefold().replace(NAMELESS, "\ufffd").replace("\0", "") if isinstance(shown, str) else NAMELESS
    return PersonRow(public_id, lid, phone is not None and lid is not None, listed, blocked, sort_name, doc)


def unknown_person(user: str) -> bytes:
    """The document of somebody of whom nothing is known."""
    is_lid = user.endswith(Lid.suffix)
    row = project(None if is_lid else user, None, user if is_lid else None, None, Lists(0, 0))
    if row is None:
        raise AssertionError("nothing known, so no alias either")
    return row.doc if not is_lid else row.doc.replace(b'"isWAContact":true', b'"isWAContact":null', 1)


def _both(a: State | None, b: State | None) -> dict[str, Entry]:
    if a is None or b is None:
        only = a or b
        return only.fields if only is not None else {}
    fields = dict(a.fields)
    for name, entry in b.fields.items():
        old = fields.get(name)
        if old is None or outranks(entry, old):
            fields[name] = entry
    return fields


def _drop_removed(value: dict[str, JsonValue], fields: dict[str, Entry], contacts_at: int) -> None:
    """Drop the address book's names that are older than the newest list of contacts, unless that names the person."""
    saved = fields.get(SAVED)
    if saved is not None and saved[2] >= contacts_at:
        return
    for name in _NAMES:
        entry = fields.get(name)
        if entry is not None and entry[2] < contacts_at and entry[1] == _ADDRESS_BOOK:
            value.pop(name, None)


def _joined(first: JsonValue, last: JsonValue) -> str | None:
    return " ".join(part for part in (first, last) if isinstance(part, str)) or None
