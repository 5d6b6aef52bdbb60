"""Made-up worlds: always the same, of every kind of person, quickly."""

import subprocess
import sys

import pytest

from lidbook.facts import Role
from lidbook.identifiers import PhoneNumber, check_dialable, spellings
from lidbook.world.generator import MAX_MEMBERS, generate_world
from lidbook.world.live import LiveWorld
from lidbook.world.model import World
from lidbook.world.service import WorldService


@pytest.fixture(scope="module")
def world() -> World:
    return generate_world(10_000)


def test_the_same_numbers_give_the_same_world_in_another_process() -> None:
    script = (
        "import hashlib; from lidbook.world.generator import generate_world; from lidbook.world.live import LiveWorld\n"
        "from lidbook.world.service import WorldService\n"
        "world = generate_world(500, 7); service = WorldService(LiveWorld(world))\n"
        "accounts = [(a.lid, a.book, a.chats, sorted(a.seen)) for a in world.accounts]\n"
        "text = repr((world.people, world.groups, accounts))\n"
        "text += repr(list(service.introductions()))\n"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop()) == 65


def test_another_seed_gives_other_people() -> None:
    assert generate_world(50, seed=1).people != generate_world(50, seed=2).people


@pytest.mark.parametrize("people", [0, 1, 2, 3, 10])
def test_small_worlds_are_possible(people: int) -> None:
    world = generate_world(people)
    assert len(world.people) == people + 1
    assert WorldService(LiveWorld(world)).account().phone == world.people[0].phone


def test_a_world_of_fewer_than_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="no fewer than 0"):
        generate_world(-1)


def test_numbers_are_dialable_and_nobody_shares_one_in_any_spelling(world: World) -> None:
    taken: set[PhoneNumber] = set()
    for person in world.people:
        assert person.phone is not None
        check_dialable(person.phone)
        assert taken.isdisjoint(spellings(person.phone))
        taken.update(spellings(person.phone))


def test_lids_are_14_or_15_digits_and_tell_nothing_of_the_phone(world: World) -> None:
    lids = [person.lid for person in world.people if person.lid is not None]
    assert len(set(lids)) == len(lids)
    assert {len(lid.digits) for lid in lids} == {14, 15}
    assert not any(p.phone and p.lid and p.phone.digits in p.lid.digits for p in world.people)


def test_there_is_somebody_of_every_kind(world: World) -> None:
    people, account = world.people, world.accounts[0]
    share = {
        "in the book": len(account.book) / len(people),
        "not registered": sum(not p.registered for p in people) / len(people),
        "business": sum(p.business for p in people) / len(people),
        "blocked": len(account.blocklist) / len(people),
    }
    assert 0.6 < share["in the book"] < 0.75
    assert 0.02 < share["not registered"] < 0.05
    assert 0.03 < share["business"] < 0.07
    assert 0.001 < share["blocked"] < 0.003
    assert any(p.verified_name and p.business for p in people)
    assert any(p.username for p in people)
    assert any(p.hides_about for p in people)
    assert any(p.hides_picture for p in people)
    assert any(p.hides_phone for p in people)
    assert any(not p.pushname for p in people)
    assert any(p.picture is None for p in people)


@pytest.mark.parametrize(("country", "with_digit", "without"), [("55", 13, 12), ("52", 13, 12)])
def test_some_are_registered_under_another_spelling_than_the_one_in_the_book(
    world: World, country: str, with_digit: int, without: int
) -> None:
    lengths = {len(p.phone.digits) for p in world.people if p.phone is not None and p.phone.digits.startswith(country)}
    assert {with_digit, without} <= lengths
    registered = {p.phone for p in world.people}
    typed = {entry.user for entry in world.accounts[0].book}
    assert any(user.digits.startswith(country) for user in typed - registered)


def test_groups_are_of_many_sizes_and_the_account_is_in_them(world: World) -> None:
    me = world.accounts[0].lid
    sizes = [len(group.members) for group in world.groups]
    assert len(world.groups) in range(45, 52)
    assert min(sizes) < 20
    assert max(sizes) > 100
    assert max(sizes) <= MAX_MEMBERS
    roles = [member.role for group in world.groups for member in group.members if member.lid == me]
    assert len(roles) == len(world.groups)
    assert {Role.ADMIN, Role.PARTICIPANT} == set(roles)


def test_two_accounts_see_different_people(world: World) -> None:
    live = LiveWorld(world)
    second = live.person(world.accounts[1].lid).phone
    books = [{c.person.id for c in WorldService(live, phone).address_book()} for phone in (None, second)]
    assert books[0] != books[1]
    assert books[1]
