"""A world around the user's own address book: the names and numbers are real, everything else is made up.

What is made up follows from each phone number by hashing, so it stays the same when the address book grows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lidbook.facts import Role
from lidbook.identifiers import GroupId, Lid, PhoneNumber, spellings
from lidbook.world.countries import ABOUTS, SUBJECTS
from lidbook.world.lids import derive_lid, derive_number
from lidbook.world.model import EPOCH, BookEntry, Chat, Member, World, WorldAccount, WorldGroup, WorldPerson

if TYPE_CHECKING:
    from lidbook.addressbook.book import AddressBook, Card, Refused

FORMAT: Final = 1
"""Raised whenever the same address book begins to give another world."""

_YEAR: Final = 365 * 24 * 3600 * 1000
_FICTIONAL_AREAS: Final = ("202", "303", "404", "505", "606", "707", "808", "909")


@dataclass(frozen=True, slots=True)
class Merged:
    """A number that stands on more than one card; the name on the first one was kept."""

    phone: PhoneNumber
    kept: str
    kept_line: int
    dropped: str
    dropped_line: int


@dataclass(frozen=True, slots=True)
class BookCounts:
    """What became of every card: nothing is lost without being named here."""

    cards: int
    """Cards that were read."""
    numbers: int
    """Numbers on them."""
    people: int
    """People made of them, one a number."""
    not_registered: int
    """Of these, how many this world takes for not being on WhatsApp."""
    merged: tuple[Merged, ...]
    refused: "tuple[Refused, ...]"


@dataclass(frozen=True, slots=True)
class ImportedWorld:
    """The world, and what became of the cards."""

    world: World
    counts: BookCounts


def world_from_addressbook(book: "AddressBook", name: str) -> ImportedWorld:
    """A world in which every number of `book` is a person, and the account's address book is `book`.

    Several numbers on one card are several people of one name, as WhatsApp has it. A number on several cards, or in
    two spellings, is one person under the name on the first of them.
    """
    kept: dict[PhoneNumber, Card] = {}
    merged: list[Merged] = []
    numbers = 0
    for card in book.cards:
        for phone in card.phones:
            numbers += 1
            twin = next((spelling for spelling in spellings(phone) if spelling in kept), None)
            if twin is None:
                kept[phone] = card
            else:
                first = kept[twin]
                merged.append(Merged(twin, first.full_name, first.line, card.full_name, card.line))
    lids: dict[Lid, PhoneNumber] = {}
    me = _me(kept)
    if me.lid is not None and me.phone is not None:
        lids[me.lid] = me.phone
    people: list[WorldPerson] = []
    entries: list[BookEntry] = []
    for phone, card in kept.items():
        person = _person(phone, card, lids)
        if person.lid is not None:
            lids[person.lid] = phone
        people.append(person)
        entries.append(BookEntry(phone, card.first_name, card.last_name, card.full_name, person.since))
    registered = [person for person in people if person.lid is not None]
    strangers: list[WorldPerson] = []
    groups = tuple(_groups(me, registered, lids, strangers))
    world = World(name, (me, *people, *strangers), (_account(me, entries, registered),), groups)
    counts = BookCounts(
        len(book.cards), numbers, len(people), len(people) - len(registered), tuple(merged), book.refused
    )
    return ImportedWorld(world, counts)


def _me(taken: "dict[PhoneNumber, Card]") -> WorldPerson:
    """The account's owner, under a number reserved for fiction that is not in the book."""
    for area in _FICTIONAL_AREAS:
        for line in range(100, 200):
            phone = PhoneNumber(f"1{area}5550{line}")
            if phone not in taken:
                return WorldPerson(phone, derive_lid(phone), pushname="Me", about="Available")
    raise ValueError("the address book holds every number that is reserved for fiction")


def _person(typed: PhoneNumber, card: "Card", taken: dict[Lid, PhoneNumber]) -> WorldPerson:
    def dice(purpose: str) -> int:
        return derive_number(purpose, typed.digits, 100)

    since = EPOCH + derive_number("since", typed.digits, _YEAR)
    if dice("registered") < 8:
        return WorldPerson(typed, None, since)
    phone = spellings(typed)[-1] if dice("spelling") < 40 else typed
    lid = derive_lid(phone, taken)
    first = card.first_name or card.full_name
    return WorldPerson(
        phone,
        lid,
        since,
        pushname=None if dice("nameless") < 6 else first if dice("pushname") < 70 else card.full_name,
        about=ABOUTS[derive_number("about", typed.digits, len(ABOUTS))],
        picture=lid.digits if dice("picture") < 75 else None,
        hides_about=dice("hides about") < 15,
        hides_picture=dice("hides picture") < 12,
    )


def _account(me: WorldPerson, entries: list[BookEntry], registered: list[WorldPerson]) -> WorldAccount:
    if me.lid is None:
        raise ValueError("an account is registered")
    lids = {person.lid: person for person in registered if person.lid is not None}
    return WorldAccount(
        me.lid,
        tuple(entries),
        chats=tuple(
            Chat(lid, person.since + derive_number("chat", lid.digits, _YEAR))
            for lid, person in lids.items()
            if derive_number("chats", lid.digits, 100) < 25
        ),
        seen=frozenset(lid for lid in lids if derive_number("seen", lid.digits, 100) < 80),
    )


def _groups(
    me: WorldPerson, people: list[WorldPerson], taken: dict[Lid, PhoneNumber], strangers: list[WorldPerson]
) -> Iterator[WorldGroup]:
    """One group for every hundred people, each with one member more who is known by LID only."""
    if me.lid is None or len(people) < 3:
        return
    lids = [person.lid for person in people if person.lid is not None]
    for index in range(len(lids) // 100 + 1):
        size = min(3 + derive_number("size", str(index), 60), len(lids))
        start = derive_number("start", str(index), len(lids))
        members = [lids[(start + step) % len(lids)] for step in range(size)]
        stranger = derive_lid(PhoneNumber(f"9990000{index:06d}"), taken)
        strangers.append(WorldPerson(None, stranger))
        mine = Member(me.lid, Role.ADMIN if index % 6 == 1 else Role.PARTICIPANT)
        creation = EPOCH // 1000 + derive_number("creation", str(index), _YEAR // 1000)
        yield WorldGroup(
            GroupId(f"1203635{index:011d}"),
            f"{SUBJECTS[index % len(SUBJECTS)]} {index + 1}",
            (
                Member(members[0], Role.SUPERADMIN),
                *(Member(lid) for lid in members[1:]),
                mine,
                Member(stranger),
            ),
            owner=members[0],
            creation=creation,
            changed=creation * 1000,
        )
