"""A world around an address book: nobody lost, nobody twice, and the same again tomorrow."""

from pathlib import Path

import pytest

from lidbook.addressbook.book import AddressBook
from lidbook.addressbook.card import Card, Refused
from lidbook.errors import InvalidWorld
from lidbook.facts import Role
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.world.from_addressbook import world_from_addressbook
from lidbook.world.live import LiveWorld
from lidbook.world.service import WorldService
from lidbook.world.sources import WorldSource, open_source

BROKEN = Refused(line=9, what="Broken", reason="is cut off", advice="export it again")


def card(name: str, *numbers: str, line: int = 1) -> Card:
    first, _, last = name.partition(" ")
    return Card(first, last or None, name, tuple(PhoneNumber(number) for number in numbers), line)


def book(*cards: Card, refused: tuple[Refused, ...] = ()) -> AddressBook:
    return AddressBook(cards, refused, "my.vcf", None, region_inferred=False)


def many(count: int) -> AddressBook:
    return book(*(card(f"Person {n}", f"5531988{n:06d}", line=n + 1) for n in range(count)))


def test_every_number_of_a_card_is_a_person_of_that_name() -> None:
    imported = world_from_addressbook(book(card("Ana Silva", "12025550181", "442079460001")), "mine")
    service = WorldService(LiveWorld(imported.world))
    assert [line.full_name for line in service.address_book()] == ["Ana Silva", "Ana Silva"]
    assert imported.counts.people == imported.counts.numbers == 2


def test_a_number_on_two_cards_is_one_person_under_the_first_name() -> None:
    imported = world_from_addressbook(
        book(card("Ana", "5531988887777", line=3), card("Aninha", "553188887777", "12025550182", line=7)), "mine"
    )
    assert [entry.full_name for entry in imported.world.accounts[0].book] == ["Ana", "Aninha"]
    (merged,) = imported.counts.merged
    assert (merged.kept, merged.kept_line, merged.dropped, merged.dropped_line) == ("Ana", 3, "Aninha", 7)
    assert imported.counts.numbers == imported.counts.people + len(imported.counts.merged)


def test_everything_is_counted() -> None:
    counts = world_from_addressbook(book(card("Ana", "12025550181"), refused=(BROKEN,)), "mine").counts
    assert (counts.cards, counts.numbers, counts.people) == (1, 1, 1)
    assert counts.refused == (BROKEN,)


def test_it_is_the_same_world_again_and_people_stay_themselves_when_the_book_grows() -> None:
    first, again = world_from_addressbook(many(300), "m").world, world_from_addressbook(many(300), "m").world
    assert first == again
    grown = world_from_addressbook(book(card("New", "12025550183"), *many(300).cards), "m").world
    assert set(first.people[1:301]) <= set(grown.people)


def test_there_is_somebody_of_every_kind_and_some_are_spelt_otherwise_by_the_server() -> None:
    imported = world_from_addressbook(many(500), "m")
    service = WorldService(LiveWorld(imported.world))
    lines = list(service.address_book())
    assert len(lines) == 500
    assert 20 < sum(line.person.lid is None for line in lines) == imported.counts.not_registered < 70
    assert any(line.person.phone and len(line.person.phone.digits) == 12 for line in lines)
    assert all(len(entry.user.digits) == 13 for entry in imported.world.accounts[0].book)
    abouts = service.about([line.person for line in lines if line.person.lid is not None])
    assert {None, ""} < {answer.about for answer in abouts}
    assert len(list(service.lid_mappings())) == 500 - imported.counts.not_registered


def test_groups_hold_people_of_the_book_and_somebody_known_by_lid_only() -> None:
    service = WorldService(LiveWorld(world_from_addressbook(many(500), "m").world))
    groups = service.groups()
    assert len(groups) >= 4
    for group in groups:
        assert sum(p.phone is None for p in group.participants) == 1
        assert sum(p.role is Role.SUPERADMIN for p in group.participants) == 1


def test_lids_never_hold_the_number() -> None:
    for person in world_from_addressbook(many(500), "m").world.people:
        if person.lid is not None and person.phone is not None:
            assert person.phone.digits not in person.lid.digits


def test_the_account_is_a_fictional_number_that_is_not_in_the_book() -> None:
    world = world_from_addressbook(book(card("Fiction", "12025550100")), "mine").world
    assert WorldService(LiveWorld(world)).account().phone == PhoneNumber("12025550101")


@pytest.mark.parametrize("cards", [(), (card("Only", "12025550181"),)])
def test_small_and_empty_books_make_worlds_too(cards: tuple[Card, ...]) -> None:
    service = WorldService(LiveWorld(world_from_addressbook(book(*cards), "mine").world))
    assert len(list(service.address_book())) == len(cards)
    assert isinstance(service.account().lid, Lid)


def test_a_file_is_read_with_the_region_it_is_given(tmp_path: Path) -> None:
    file = tmp_path / "my contacts.vcf"
    file.write_text("BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nTEL:(31) 98888-7777\nEND:VCARD\n")
    loaded = open_source(WorldSource(str(file), region="BR"))
    assert loaded.world.accounts[0].book[0].user == PhoneNumber("5531988887777")
    assert loaded.counts is not None
    assert loaded.fingerprint != open_source(WorldSource(str(file), region="PT")).fingerprint
    assert WorldSource(str(file)).key.startswith("my-contacts-")


def test_the_fingerprint_follows_the_content_and_the_key_does_not(tmp_path: Path) -> None:
    file = tmp_path / "my.vcf"
    prints, keys = set(), set()
    for name in ("Ana", "Bea"):
        file.write_text(f"BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nTEL:+12025550181\nEND:VCARD\n")
        prints.add(open_source(WorldSource(str(file))).fingerprint)
        keys.add(WorldSource(str(file)).key)
    assert (len(prints), len(keys)) == (2, 1)


@pytest.mark.parametrize(("world", "people"), [("x.png", None), ("demo", 5), (None, -1)])
def test_sources_that_are_none_are_refused(world: str | None, people: int | None) -> None:
    with pytest.raises(InvalidWorld):
        WorldSource(world, people)


def test_made_up_worlds_are_told_apart_by_number_and_seed() -> None:
    sources = [WorldSource(people=5), WorldSource(people=5, seed=2), WorldSource(people=6)]
    assert len({source.key for source in sources}) == 3
    assert len({open_source(source).fingerprint for source in sources}) == 3
