"""A world with many accounts, each with an address book of its own: for tests of many sessions at once."""

from lidbook.identifiers import Lid
from lidbook.world.generator import generate_world
from lidbook.world.model import BookEntry, Chat, World, WorldAccount, WorldPerson

SAVED = 20
"""Lines in each address book."""


def crowded_world(accounts: int) -> World:
    """A world in which so many people, the first that are registered, have an account.

    Each has the `SAVED` people who come after them in its address book, the first of whom are on its blocklist and in
    its chats, so that no two accounts have the same lists.
    """
    made = generate_world(accounts * 2 + 2 * SAVED, seed=7)
    people = [person for person in made.people if person.lid is not None and not person.hides_phone]
    return World(
        f"crowd-{accounts}",
        made.people,
        tuple(_account(owner, _after(people, place)) for place, owner in enumerate(people[:accounts])),
        made.groups,
    )


def _after(people: list[WorldPerson], place: int) -> list[WorldPerson]:
    return [people[(place + step) % len(people)] for step in range(1, SAVED + 1)]


def _account(owner: WorldPerson, near: list[WorldPerson]) -> WorldAccount:
    book = [_entry(owner, person, place) for place, person in enumerate(near)]
    return WorldAccount(
        _lid(owner),
        tuple(book),
        tuple(Chat(_lid(person), person.since) for person in near[:5]),
        seen=frozenset(_lid(person) for person in near),
        blocklist=frozenset({_lid(near[0])}),
    )


def _entry(owner: WorldPerson, person: WorldPerson, place: int) -> BookEntry:
    if person.phone is None:
        raise ValueError("nobody has the number of somebody without one")
    last = f"of {owner.pushname or 'Somebody'}"
    return BookEntry(person.phone, f"Friend {place}", last, f"Friend {place} {last}", person.since)


def _lid(person: WorldPerson) -> Lid:
    if person.lid is None:
        raise ValueError("whoever has an account is registered")
    return person.lid
