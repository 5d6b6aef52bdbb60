"""What an engine tells the directory: facts about one identifier, links between two, groups and lists.

A fact is true *as of* `observed_at`: the time in the stanza, in milliseconds since 1970, never the time of arrival. The
same facts in any order, split and repetition leave the directory in the same state, so an engine may send a fact twice
and need not sort.

Where the stanza counts whole seconds, as WhatsApp's notifications do, the time is the moment of arrival if that lies
within the second, else the nearest end of the second: `lidbook.clock.within_second`. With the second's beginning alone
the news would be older than an answer given earlier in that second, and lose against it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final, Self

from lidbook.identifiers import GroupId, Lid, PhoneNumber, UserId

BATCH: Final = 4000
"""How many facts to hand over at a time: large enough to be quick, small enough to let others in. A list is one fact,
however many it names."""


class Source(StrEnum):
    """Where a fact comes from. `rank` decides between sources; within one rank the later fact wins."""

    rank: int

    def __new__(cls, value: str, rank: int) -> Self:
        """A member is its wire name; `rank` orders it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.rank = rank
        return member

    ADDRESS_BOOK = "address-book", 3
    """App state: what the account's owner wrote into the address book."""
    ACCOUNT = "account", 3
    """What the account says of itself: who `me` is."""
    SERVER = "server", 2
    """The server's answer to a live query."""
    NOTIFICATION = "notification", 2
    """A change that the server announced."""
    MESSAGE = "message", 2
    """The envelope of a message: push name, the sender's other identifier."""
    HISTORY = "history", 1
    """The history handed over when the device was linked."""
    GROUP = "group", 1
    """A group's list of participants."""


class Field(StrEnum):
    """What can be known about one identifier. The type of its value is given with each member."""

    FIRST_NAME = "first_name"
    """str: given name in the address book."""
    LAST_NAME = "last_name"
    """str: family name in the address book."""
    FULL_NAME = "full_name"
    """str: whole name in the address book; what `name` shows."""
    PUSHNAME = "pushname"
    """str: the name the person gave themselves."""
    VERIFIED_NAME = "verified_name"
    """str: a business's name, verified by WhatsApp."""
    USERNAME = "username"
    """str: the person's @username, without the @."""
    ABOUT = "about"
    """str: the about text, `""` when the person has none; None when they hide it."""
    PICTURE = "picture"
    """Picture: what is known of the profile picture; None when it changed, and has to be asked for again."""
    REGISTERED = "registered"
    """bool: whether the server knows this number."""
    BUSINESS = "business"
    """bool: whether it is a business account."""
    BLOCKED = "blocked"
    """bool: whether this account has blocked the person; see `BlocklistFact` for whole lists."""
    CHAT = "chat"
    """bool: whether there is a chat with the person."""
    ALIAS = "alias"
    """str: on a phone number that is not registered itself, the wire form of the spelling that is."""
    HIDDEN = "hidden"
    """bool: on a LID, that the server showed it without its phone number on purpose."""
    ME = "me"
    """bool: that this is the account itself. Told by the core, not by engines."""


class PictureState(StrEnum):
    """Why there is, or is not, a picture."""

    PRESENT = "present"
    """There is one, and this account may see it."""
    NONE = "none"
    """The person has none."""
    HIDDEN = "hidden"
    """The person does not show it to this account."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of a profile picture: its address unless there is none, and when that address expires."""

    state: PictureState
    url: str | None = None
    expires_at: int | None = None
    """Milliseconds since 1970; None when the address carries no expiry."""

    def __post_init__(self) -> None:
        if (self.state is PictureState.PRESENT) != (self.url is not None):
            raise ValueError("a picture that is present has a url, any other has none")


FieldValue = str | bool | Picture | None


@dataclass(frozen=True, slots=True)
class FieldFact:
    """One field of one identifier. `value=None` is a deletion: known to be gone, or to be hidden.

    An empty name says nothing and is ignored, so it never overwrites a name; only `about` may be empty.
    """

    user: UserId
    field: Field
    value: FieldValue
    source: Source
    observed_at: int


@dataclass(frozen=True, slots=True)
class LinkFact:
    """That a phone number and a LID are one person."""

    phone: PhoneNumber
    lid: Lid
    source: Source
    observed_at: int


class Role(StrEnum):
    """A participant's standing in a group, in WAHA's words."""

    LEFT = "left"
    PARTICIPANT = "participant"
    ADMIN = "admin"
    SUPERADMIN = "superadmin"


@dataclass(frozen=True, slots=True)
class Participant:
    """One member of a group, with every identifier that the group shows of them; at least one."""

    phone: PhoneNumber | None
    lid: Lid | None
    role: Role = Role.PARTICIPANT

    def __post_init__(self) -> None:
        if self.phone is None and self.lid is None:
            raise ValueError("a participant has a phone number, a LID or both")


@dataclass(frozen=True, slots=True)
class GroupFact:
    """A group as the server shows it. `participants` is the *whole* list as of `observed_at`; None says nothing.

    A participant shown with both identifiers is a link as well; the core makes that fact of it.
    """

    group: GroupId
    source: Source
    observed_at: int
    subject: str | None = None
    description: str | None = None
    owner: UserId | None = None
    creation: int | None = None
    """Seconds since 1970, as WhatsApp gives it."""
    participants: tuple[Participant, ...] | None = None


@dataclass(frozen=True, slots=True)
class ParticipantFact:
    """One change in a group's membership: somebody came, left, was promoted or demoted."""

    group: GroupId
    participant: Participant
    source: Source
    observed_at: int


@dataclass(frozen=True, slots=True)
class GroupListFact:
    """*All* groups the account is in, as of `observed_at`: any group last seen before that and not named is left.

    So tell this list alone when the account leaves a group: a `ParticipantFact` of the same moment shows the group.
    """

    groups: frozenset[GroupId]
    source: Source
    observed_at: int


@dataclass(frozen=True, slots=True)
class BlocklistFact:
    """The *whole* blocklist as of `observed_at`: anybody not named was not blocked then."""

    users: frozenset[UserId]
    source: Source
    observed_at: int


@dataclass(frozen=True, slots=True)
class ContactListFact:
    """The *whole* address book as of `observed_at`: anybody not named had no line in it then. An empty one was emptied.

    It takes back names (`FIRST_NAME`, `LAST_NAME`, `FULL_NAME` of source `ADDRESS_BOOK`) that are older, of whoever is
    not named under any of their identifiers. It gives none: tell those as well, and as deletions what a line lacks.
    One fact, however many are in the book; tell it when the whole book was told, as after each linking.
    """

    users: frozenset[UserId]
    source: Source
    observed_at: int


Fact = FieldFact | LinkFact | GroupFact | ParticipantFact | GroupListFact | BlocklistFact | ContactListFact
Facts = Sequence[Fact]


def in_batches(facts: Iterable[Fact], size: int = BATCH) -> Iterator[list[Fact]]:
    """The same facts, some at a time."""
    remaining = iter(facts)
    while batch := list(islice(remaining, size)):
        yield batch
