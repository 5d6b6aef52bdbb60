"""A world as it is written down: people, accounts and groups, none of which ever changes in place.

What clients and phones change is kept apart, as a journal (`changes.py`) on top of a world.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lidbook.facts import Role
from lidbook.identifiers import GroupId, Lid, PhoneNumber, UserId

EPOCH: Final = 1_704_067_200_000
"""2024-01-01, in milliseconds: when things happened of which a world file does not say when."""


@dataclass(frozen=True, slots=True)
class WorldPerson:
    """Somebody with a phone number; with a LID when registered on WhatsApp.

    `phone` is the spelling under which the server has them: a Brazilian may lack the ninth digit that everybody dials.
    It is None for people of whom nobody will ever learn a number.
    """

    phone: PhoneNumber | None
    lid: Lid | None
    since: int = EPOCH
    """Milliseconds: when what is written here became so."""
    pushname: str | None = None
    verified_name: str | None = None
    username: str | None = None
    about: str = ""
    picture: str | None = None
    """The picture's id, part of its address; None when there is no picture."""
    business: bool = False
    hides_about: bool = False
    hides_picture: bool = False
    hides_phone: bool = False
    """Shown by LID alone, except to those who have the number in their address book."""

    def __post_init__(self) -> None:
        if self.lid is None and self.phone is None:
            raise ValueError("a person has a phone number, a LID or both")

    @property
    def registered(self) -> bool:
        """Whether the person is on WhatsApp; everybody there has a LID."""
        return self.lid is not None


@dataclass(frozen=True, slots=True)
class BookEntry:
    """A line of an account's address book, under the number as its owner typed it, or under a LID."""

    user: UserId
    first_name: str | None
    last_name: str | None
    full_name: str | None
    changed: int = EPOCH
    on_phone: bool = True
    """Whether it is in the phone's own address book too, and not in WhatsApp alone."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat of the account with one person, and when something was last said there."""

    lid: Lid
    at: int = EPOCH


@dataclass(frozen=True, slots=True)
class WorldAccount:
    """One person's account as linked devices see it: the address book, and whom it has met."""

    lid: Lid
    book: tuple[BookEntry, ...] = ()
    chats: tuple[Chat, ...] = ()
    seen: frozenset[Lid] = frozenset()
    """People whose push name it has seen, in groups for instance, besides those it chats with; who has none is not."""
    mapped: frozenset[Lid] = frozenset()
    """People whose number it knows besides those in the address book."""
    blocklist: frozenset[Lid] = frozenset()
    device: int = 1
    since: int = EPOCH


class Addressing(StrEnum):
    """How a group names its members."""

    LID = "lid"
    """By LID; the number is added unless the member hides it and the asker is no admin."""
    PN = "pn"
    """By phone number, as all groups did before 2025."""


@dataclass(frozen=True, slots=True)
class Member:
    """One person's place in a group."""

    lid: Lid
    role: Role = Role.PARTICIPANT


@dataclass(frozen=True, slots=True)
class WorldGroup:
    """A group as the server holds it."""

    id: GroupId
    subject: str
    members: tuple[Member, ...]
    description: str | None = None
    owner: Lid | None = None
    creation: int = EPOCH // 1000
    """Seconds since 1970, as WhatsApp gives it."""
    addressing: Addressing = Addressing.LID
    changed: int = EPOCH


@dataclass(frozen=True, slots=True)
class World:
    """Everybody and everything there is; the first account is the default one."""

    name: str
    people: tuple[WorldPerson, ...]
    accounts: tuple[WorldAccount, ...]
    groups: tuple[WorldGroup, ...] = ()
