"""What a server, or the phone, hands to one account's devices: each piece as far as this account may see it."""

from dataclasses import dataclass

from lidbook.facts import Participant
from lidbook.identifiers import GroupId, Lid, PhoneNumber, UserId
from lidbook.values import Person


@dataclass(frozen=True, slots=True)
class SavedContact:
    """A line of the address book as app state holds it: under the server's own spelling of the number."""

    person: Person
    first_name: str | None
    last_name: str | None
    full_name: str | None
    changed: int


@dataclass(frozen=True, slots=True)
class SeenPerson:
    """What history and messages tell of somebody this account has met."""

    person: Person
    pushname: str | None
    verified_name: str | None
    business: bool
    chat: bool
    at: int


@dataclass(frozen=True, slots=True)
class LidMapping:
    """One pair of the history's list, and since when the account knows it."""

    phone: PhoneNumber
    lid: Lid
    at: int


@dataclass(frozen=True, slots=True)
class Introduction:
    """Everything that linking a device tells of one person."""

    saved: SavedContact | None
    seen: SeenPerson | None
    mapping: LidMapping | None


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group as this account may see it."""

    id: GroupId
    subject: str
    description: str | None
    owner: UserId | None
    creation: int
    participants: tuple[Participant, ...]
    changed: int
