"""Worlds of any size, made up: the same numbers in give the same world out, on every machine."""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Final

from lidbook.facts import Role
from lidbook.identifiers import GroupId, Lid, PhoneNumber, spellings
from lidbook.world.countries import ABOUTS, BUSINESSES, COUNTRIES, SUBJECTS, Country
from lidbook.world.model import EPOCH, Addressing, BookEntry, Chat, Member, World, WorldAccount, WorldGroup, WorldPerson
from lidbook.world.wanted import Wanted, always, while_wanted

GENERATION: Final = 1
"""Raised whenever the same numbers begin to give another world."""

MAX_MEMBERS: Final = 1024
_YEAR: Final = 365 * 24 * 3600 * 1000
_HIDDEN_EVERY: Final = 12


def generate_world(people: int, seed: int = 1, wanted: Wanted = always) -> World:
    """A world in which the default account has to do with `people` people; 100,000 take a few seconds.

    About 70 in 100 stand in its address book, some of them under another spelling than the server's; some are known
    by push name or chat only, some by LID only. There are businesses, usernames, hidden texts and pictures, numbers
    that are not on WhatsApp, people/200 groups of up to 1024 members, and 2 in 1,000 are blocked. A second account,
    one of these people, sees the same world with other eyes. Raises `WorldUnwanted` soon after it is not `wanted`.
    """
    random, makers, me = _beginning(people, seed)
    others = [makers.person(index + 1) for index in while_wanted(range(people), wanted)]
    book, strangers = [], []
    for person in while_wanted(others, wanted):
        if not person.registered or (random.random() < 0.7 and not person.hides_phone):
            book.append(makers.entry(person))
        else:
            strangers.append(person)
    groups = tuple(while_wanted(makers.groups(me, [p for p in others if p.lid is not None]), wanted))
    first = _account(random, me, book, others, strangers, wanted)
    accounts = (first, *_second_account(random, makers, me, others))
    return World(f"generated-{people}-{seed}", (me, *others), accounts, groups)


def default_phone(people: int, seed: int = 1) -> PhoneNumber | None:
    """The phone number of the default account of such a world, without making up the others."""
    return _beginning(people, seed)[2].phone


def _beginning(people: int, seed: int) -> "tuple[Random, _Makers, WorldPerson]":
    if people < 0:
        raise ValueError("a world has no fewer than 0 people")
    random = Random(f"{GENERATION}:{seed}:{people}")  # noqa: S311 - made-up people are no secret
    makers = _Makers(random)
    return random, makers, replace(makers.person(0), hides_phone=False, business=False, verified_name=None)


class _Makers:
    """Makes people of whom no two share a number or a LID."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._taken: set[str] = set()
        self._countries = [country for country in COUNTRIES for _ in range(country.weight)]
        self._names: dict[Lid | PhoneNumber, tuple[str, str]] = {}

    def person(self, index: int) -> WorldPerson:
        """Somebody new; number 0 is always registered."""
        random = self._random
        country = random.choice(self._countries)
        first, last = random.choice(country.first_names), random.choice(country.last_names)
        phone = self._number(country)
        since = EPOCH + random.randrange(_YEAR)
        if index and random.random() < 0.03:
            self._names[phone] = (first, last)
            return WorldPerson(phone, None, since)
        lid = self._lid(phone)
        self._names[lid] = (first, last)
        dice = random.random
        business = dice() < 0.05
        shop = f"{last} {random.choice(BUSINESSES)}"
        return WorldPerson(
            phone,
            lid,
            since,
            pushname=None if dice() < 0.04 else shop if business else first if dice() < 0.6 else f"{first} {last}",
            verified_name=shop if business and dice() < 0.4 else None,
            username=f"{first}.{last}{index}".lower() if dice() < 0.08 else None,
            about=random.choice(ABOUTS),
            picture=f"{index:x}-{random.randrange(16**8):08x}" if dice() < 0.75 else None,
            business=business,
            hides_about=dice() < 0.15,
            hides_picture=dice() < 0.12,
            hides_phone=index % _HIDDEN_EVERY == _HIDDEN_EVERY - 1,
        )

    def entry(self, person: WorldPerson) -> BookEntry:
        """A line of an address book for the person, typed the way people type."""
        random = self._random
        if person.phone is None:
            raise ValueError("nobody has the number of somebody without one")
        first, last = self._names[person.lid or person.phone]
        typed = spellings(person.phone)[-1] if random.random() < 0.5 else person.phone
        if person.verified_name is not None and random.random() < 0.5:
            return BookEntry(typed, person.verified_name, None, person.verified_name, person.since)
        if random.random() < 0.15:
            return BookEntry(typed, first, None, first, person.since)
        return BookEntry(typed, first, last, f"{first} {last}", person.since)

    def groups(self, me: WorldPerson, people: list[WorldPerson]) -> Iterator[WorldGroup]:
        """Groups of many sizes; `me` is in all of them, and an admin in every sixth."""
        random = self._random
        for index in range(len(people) // 200 + (1 if len(people) > 2 else 0)):
            size = min(int(random.lognormvariate(3.6, 1.2)) + 3, MAX_MEMBERS, len(people) + 1)
            lids = [person.lid for person in random.sample(people, size - 1) if person.lid is not None]
            mine = me.lid
            if mine is None:
                raise ValueError("an account is registered")
            owner, *rest = lids
            admins, members = rest[: size // 60], rest[size // 60 :]
            (admins if index % 6 == 1 else members).append(mine)
            created = EPOCH // 1000 + random.randrange(_YEAR // 1000)
            yield WorldGroup(
                GroupId(f"1203634{index:011d}"),
                f"{random.choice(SUBJECTS)} {index + 1}",
                (
                    Member(owner, Role.SUPERADMIN),
                    *(Member(lid, Role.ADMIN) for lid in admins),
                    *(Member(lid) for lid in members),
                ),
                description=None if random.random() < 0.5 else "Be kind.",
                owner=owner,
                creation=created,
                addressing=Addressing.PN if random.random() < 0.1 else Addressing.LID,
                changed=created * 1000 + random.randrange(_YEAR),
            )

    def _number(self, country: Country) -> PhoneNumber:
        while True:
            phone = PhoneNumber(country.number(self._random))
            names = [spelling.digits for spelling in spellings(phone)]
            if self._taken.isdisjoint(names):
                self._taken.update(names)
                return phone

    def _lid(self, phone: PhoneNumber) -> Lid:
        while True:
            digits = str(self._random.randrange(10**13, 10**15)).rjust(14, "1")
            if digits not in self._taken and phone.digits not in digits:
                self._taken.add(digits)
                return Lid(digits)


def _account(
    random: Random,
    me: WorldPerson,
    book: list[BookEntry],
    others: list[WorldPerson],
    strangers: list[WorldPerson],
    wanted: Wanted = always,
) -> WorldAccount:
    """The account of `me`: it chats with a few of those in its book, and with some of the strangers."""
    if me.lid is None:
        raise ValueError("an account is registered")
    registered = [person for person in others if person.lid is not None]
    met = [p for p in while_wanted(registered, wanted) if random.random() < 0.25]
    met_strangers = [p for p in while_wanted(strangers, wanted) if random.random() < 0.5]
    chats = {p.lid: Chat(p.lid, p.since + random.randrange(_YEAR)) for p in (*met, *met_strangers) if p.lid is not None}
    lids = [person.lid for person in registered if person.lid is not None]
    return WorldAccount(
        me.lid,
        tuple(book),
        tuple(chats.values()),
        seen=frozenset(lid for lid in while_wanted(lids, wanted) if random.random() < 0.8),
        mapped=frozenset(lid for lid in while_wanted(lids, wanted) if random.random() < 0.02),
        blocklist=frozenset(random.sample(lids, max(1, len(lids) // 500) if lids else 0)),
    )


def _second_account(
    random: Random, makers: _Makers, me: WorldPerson, others: list[WorldPerson]
) -> Iterator[WorldAccount]:
    owner = next((p for p in others if p.lid is not None and not p.business and not p.hides_phone), None)
    if owner is not None:
        near = [me, *(p for p in random.sample(others, min(len(others), 200)) if p is not owner)]
        book = [makers.entry(p) for p in near if p.phone is not None and not p.hides_phone]
        yield _account(random, owner, book, near, [])
