"""From the states of a phone number and its LID to one person: the rules of which name shows and who is a contact."""

from typing import Final, NamedTuple

import orjson

from lidbook.directory.state import Entry, JsonValue, State, outranks
from lidbook.identifiers import Lid

NAMELESS = "\U0010ffff"
"""Sort name of a person without any name: behind every other."""

_NOTHING: Final = (None, "", False)


class PersonRow(NamedTuple):
    """A person as stored: keys for finding and ordering, and the document that clients get."""

    id: str
    lid: str | None
    mapped: bool
    listed: bool
    blocked: bool
    sort_name: str
    doc: bytes


def project(
    phone: str | None, phone_state: State | None, lid: str | None, lid_state: State | None, blocklist_at: int
) -> PersonRow | None:
    """The person behind a linked pair or a lone identifier; None for a spelling that is only an alias of another."""
    fields = _both(phone_state, lid_state)
    public_id = phone or lid
    if public_id is None:
        raise ValueError("a person has a phone number, a LID or both")
    value = {name: entry[0] for name, entry in fields.items() if entry[0] not in _NOTHING}
    first = value.get("first_name")
    address_book = value.get("full_name") or _joined(first, value.get("last_name"))
    pushname, verified, username = value.get("pushname"), value.get("verified_name"), value.get("username")
    name = address_book or verified
    shown = name or pushname or username
    blocked = value.get("blocked") is True and fields["blocked"][2] >= blocklist_at
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
    row = project(None if is_lid else user, None, user if is_lid else None, None, 0)
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


def _joined(first: JsonValue, last: JsonValue) -> str | None:
    return " ".join(part for part in (first, last) if isinstance(part, str)) or None
