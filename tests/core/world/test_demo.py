"""The demo world has somebody of every kind that a client must cope with."""

import pytest

from lidbook.facts import PictureState
from lidbook.identifiers import Lid, PhoneNumber, spellings
from lidbook.values import Person
from lidbook.world.live import LiveWorld
from lidbook.world.model import Addressing
from lidbook.world.service import WorldService
from lidbook.world.sources import WorldSource, open_source


@pytest.fixture
def service() -> WorldService:
    return WorldService(LiveWorld(open_source(WorldSource()).world))


def person(digits: str) -> Person:
    return Person(PhoneNumber(digits), None)


def test_it_is_small_and_every_account_in_it_works(service: WorldService) -> None:
    assert len(open_source(WorldSource("demo")).world.people) == 25
    assert service.account().phone == PhoneNumber("12025550100")
    other = WorldService(service.live, PhoneNumber("12025550114"))
    assert {saved.full_name for saved in other.address_book()} == {"Robin Work", "Niamh Byrne", "Amelia (choir)"}


def test_the_seeds_examples_are_in_it(service: WorldService) -> None:
    mappings = {mapping.lid: mapping.phone for mapping in service.lid_mappings()}
    assert mappings[Lid("123123123")] == PhoneNumber("123456789")
    (registration,) = service.check([PhoneNumber("11231231231")])
    assert registration.registered
    assert service.about([person("11231231231")])[0].about == "Hi, I use WhatsApp!"


def test_hidden_texts_and_pictures(service: WorldService) -> None:
    assert service.about([person("447700900102")])[0].about is None
    assert service.picture(person("447700900103")).state is PictureState.HIDDEN
    assert service.about([person("447700900104")])[0].about == ""
    assert service.picture(person("447700900104")).state is PictureState.NONE


@pytest.mark.parametrize("typed", ["5531988887777", "525550000001", "541155550101"])
def test_numbers_in_another_spelling_than_the_one_in_the_book(service: WorldService, typed: str) -> None:
    assert PhoneNumber(typed) in service.state.book
    (registration,) = service.check([PhoneNumber(typed)])
    assert registration.phone == spellings(PhoneNumber(typed))[1]


def test_members_known_by_lid_only_and_one_of_them_revealed_elsewhere(service: WorldService) -> None:
    groups = {group.subject: group for group in service.groups()}
    hidden = {p.lid for p in groups["Choir ♪"].participants if p.phone is None}
    shown = {p.lid for group in groups.values() for p in group.participants if p.phone is not None}
    assert len(hidden) == 3
    assert hidden & shown == {Lid("187700423915560")}
    assert any(group.addressing is Addressing.PN for group in service.live.state.groups.values())
    assert len(groups) == 3
    assert len(service.live.state.groups) == 4


def test_names_of_every_kind(service: WorldService) -> None:
    saved = {contact.person.id: contact for contact in service.address_book()}
    seen = {met.person.id: met for met in service.push_names()}
    shop = seen[PhoneNumber("61491570006")]
    assert (shop.verified_name, shop.business) == ("Harbour Books Pty Ltd", True)
    assert shop.person.id not in saved
    assert seen[Lid("221705938846150")].person.username == "quietfox"
    nameless = seen[PhoneNumber("12025550112")]
    assert (nameless.pushname, nameless.chat) == (None, True)
    assert nameless.person.id not in saved
    assert saved[PhoneNumber("447700900103")].last_name is None


def test_somebody_is_blocked_and_somebody_in_the_book_is_not_registered(service: WorldService) -> None:
    assert service.blocklist() == {PhoneNumber("12025550111"), Lid("153870249961178")}
    unregistered = [contact for contact in service.address_book() if contact.person.lid is None]
    assert len(unregistered) == 2
    assert not any(r.registered for r in service.check([PhoneNumber(c.person.id.digits) for c in unregistered]))


def test_every_number_is_fictional_or_an_example(service: WorldService) -> None:
    reserved = ("1202555 01", "4477009001", "61491570", "336399800", "467017406", "4915228817386")
    examples = {"11231231231", "123456789", "553188887777", "5511999990001", "5215550000001", "5491155550101"}
    for phone in service.live.state.phones:
        assert phone.digits.startswith(tuple(part.replace(" ", "") for part in reserved)) or phone.digits in examples
