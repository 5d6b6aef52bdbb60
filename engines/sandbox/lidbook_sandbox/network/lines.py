"""Lines of an address book as app state holds them, and what a mutation makes of one."""

import json
from dataclasses import dataclass, replace
from typing import Final

from lidbook.identifiers import Lid, PhoneNumber, UserId, parse_user
from lidbook.world.model import BookEntry
from lidbook.world.service import WorldService
from lidbook_sandbox.network.stanzas import pn_jid, user_jid, user_of
from lidbook_sandbox.network.wire.app_state import Mutation, Operation
from lidbook_sandbox.network.wire.errors import Malformed
from lidbook_sandbox.network.wire.jid import Jid
from lidbook_sandbox.network.wire.wire_pb2 import ContactAction, SyncActionValue

CONTACT: Final = "contact"
CONTACT_VERSION: Final = 2
PUSH_NAME: Final = "setting_pushName"
PUSH_NAME_VERSION: Final = 1
NUMBER: Final = "pnForLidChat"
NUMBER_VERSION: Final = 8


@dataclass(frozen=True, slots=True)
class Line:
    """One line, under the JID that app state has it under."""

    index: str
    user: str
    """Under what it stands in the world's address book."""
    first: str | None
    full: str | None
    lid: str | None
    pn: str | None
    on_phone: bool
    at: int
    """Milliseconds: when it was written."""

    def same_as(self, other: "Line | None") -> bool:
        """Whether both say the same, whenever they said it."""
        return other is not None and replace(other, at=self.at) == self

    def encode(self) -> str:
        """The line as text."""
        values = (self.index, self.user, self.first, self.full, self.lid, self.pn, self.on_phone, self.at)
        return json.dumps(values, ensure_ascii=False)

    @staticmethod
    def decode(text: str) -> "Line":
        """The line in a text that `encode` wrote."""
        return Line(*json.loads(text))


def index_of(service: WorldService, entry: BookEntry) -> str:
    """Where a new line goes: under the server's spelling of the number, or the LID when that is all there is."""
    return str(user_jid(service.saved(entry).person.id))


def line_of(service: WorldService, entry: BookEntry, index: str, at: int) -> Line:
    """The line as the world has it. Whom the index does not name is told with exactly whom it belongs to."""
    person = service.saved(entry).person
    user = indexed_user(index)
    lid = str(user_jid(person.lid)) if person.lid is not None and user == person.phone else None
    pn = str(pn_jid(person.phone)) if person.phone is not None and isinstance(user, Lid) else None
    return Line(index, str(entry.user), entry.first_name, entry.full_name, lid, pn, entry.on_phone, at)


def indexed_user(index: str) -> UserId | None:
    """The person in an index."""
    try:
        return user_of(Jid.parse(index))
    except Malformed:
        return None


def typed_user(line: Line) -> UserId:
    """Under what the line stands in the world's address book."""
    return parse_user(line.user)


def setting(line: Line, username: str | None) -> Mutation:
    """The mutation that writes a line."""
    action = ContactAction(
        fullName=line.full,
        firstName=line.first,
        lidJID=line.lid,
        pnJID=line.pn,
        saveOnPrimaryAddressbook=line.on_phone,
        username=username,
    )
    value = SyncActionValue(timestamp=line.at, contactAction=action)
    return Mutation(Operation.SET, (CONTACT, line.index), value, CONTACT_VERSION)


def removal(index: str, at: int) -> Mutation:
    """The mutation that removes a line; it says when, though no client is known to look."""
    return Mutation(Operation.REMOVE, (CONTACT, index), SyncActionValue(timestamp=at), CONTACT_VERSION)


def last_name(first: str | None, full: str | None) -> str | None:
    """What app state does not say: the rest of the full name after the first one."""
    if first and full and full.startswith(first + " "):
        return full[len(first) + 1 :]
    return None


def is_plain(first: str | None, full: str | None) -> bool:
    """Whether the full name is made of first and last name alone."""
    return bool(first) and (full in (None, "", first) or last_name(first, full) is not None)


def person_of(user: UserId) -> tuple[PhoneNumber | None, Lid | None]:
    """The two halves of a `Person`."""
    return (None, user) if isinstance(user, Lid) else (user, None)
