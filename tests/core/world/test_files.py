"""World files: read as written, and refused with a sentence that says what to write instead."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lidbook.errors import InvalidWorld
from lidbook.facts import Role
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.world.files import load_world, parse_world, save_world
from lidbook.world.generator import generate_world
from lidbook.world.lids import derive_lid
from lidbook.world.model import World
from lidbook.world.sources import WorldSource, open_source

ANA: dict[str, object] = {"phone": "+1 202 555 0101", "pushname": "Ana"}
BEN: dict[str, object] = {"phone": "+55 31 8888-7777", "pushname": "Ben"}
ACCOUNT: dict[str, object] = {"person": "+1 202 555 0101"}


def parse(people: list[dict[str, object]], *accounts: dict[str, object], **more: object) -> World:
    text = {"people": people, "accounts": list(accounts) or [ACCOUNT], **more}
    return parse_world(json.dumps(text).encode(), "my.json")


def test_a_missing_lid_follows_from_the_number() -> None:
    world = parse([ANA])
    assert world.people[0].lid == derive_lid(PhoneNumber("12025550101"))
    assert parse([ANA]).people == world.people


@pytest.mark.parametrize("name", ["+55 31 8888-7777", "5531988887777@c.us", "+55 (31) 98888-7777"])
def test_people_may_be_named_in_any_spelling(name: str) -> None:
    world = parse([ANA, BEN], {**ACCOUNT, "chats": [name]})
    assert world.accounts[0].chats[0].lid == world.people[1].lid


def test_an_address_book_keeps_the_number_as_it_was_typed() -> None:
    world = parse(
        [ANA, BEN], {**ACCOUNT, "addressBook": [{"phone": "+55 31 98888 7777", "firstName": "B", "lastName": "C"}]}
    )
    (entry,) = world.accounts[0].book
    assert (entry.user, entry.full_name) == (PhoneNumber("5531988887777"), "B C")


def test_the_owner_of_a_group_is_its_superadmin() -> None:
    group = {"id": "120363000000000001@g.us", "subject": "Us", "owner": "+1 202 555 0101", "members": ["553188887777"]}
    (read,) = parse([ANA, BEN], groups=[group]).groups
    assert [member.role for member in read.members] == [Role.SUPERADMIN, Role.PARTICIPANT]


def test_somebody_may_have_a_lid_only() -> None:
    assert parse([ANA, {"lid": "123123123@lid"}]).people[1].lid == Lid("123123123")


@pytest.mark.parametrize("made", [lambda: generate_world(300), lambda: open_source(WorldSource()).world])
def test_a_saved_world_is_read_back_the_same(tmp_path: Path, made: Callable[[], World]) -> None:
    world = made()
    save_world(world, tmp_path / "world.json")
    assert load_world(tmp_path / "world.json") == world


@pytest.mark.parametrize(
    ("people", "account", "message"),
    [
        ([ANA, {"phone": "0171 234567", "pushname": "Max"}], ACCOUNT, r"people\[1\] \(Max\): .*country code"),
        ([ANA, {"phone": "12025550101"}], ACCOUNT, r"people\[1\]: 12025550101 belongs to somebody else"),
        ([ANA, BEN, {"phone": "5531988887777"}], ACCOUNT, r"people\[2\]: .* belongs to somebody else"),
        ([ANA, {"lid": "5@lid"}, {"lid": "5@lid"}], ACCOUNT, r"people\[2\]: 5@lid belongs to somebody else"),
        ([ANA, {"pushname": "Ghost"}], ACCOUNT, r"people\[1\] \(Ghost\): there is neither a phone nor a lid"),
        ([ANA, {"lid": "5@lid", "registered": False}], ACCOUNT, r"people\[1\]: somebody who is not registered"),
        ([ANA, {"lid": "5@c.us"}], ACCOUNT, r"people\[1\]: 5@c.us is no|people\[1\]: .*too short"),
        ([{**ANA, "colour": "red"}], ACCOUNT, r"people\[0\]\.colour: Extra inputs"),
        ([{**ANA, "hides": ["age"]}], ACCOUNT, r"people\[0\]\.hides\[0\]: Input should be 'about'"),
        ([ANA], {"person": "+1 202 555 0199"}, r"accounts\[0\]\.person: .* is nobody registered"),
        ([ANA], {**ACCOUNT, "chats": ["77 12 99"]}, r"accounts\[0\]\.chats: .*too short"),
        ([ANA], {**ACCOUNT, "addressBook": [{"name": "X"}]}, r"addressBook\[0\]: an entry is under a phone or"),
        ([ANA], {**ACCOUNT, "blocklist": ["120363000000000001@g.us"]}, r"accounts\[0\]\.blocklist: .* a group"),
    ],
)
def test_faults_say_where_they_are_and_what_to_write(
    people: list[dict[str, object]], account: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidWorld, match=message) as caught:
        parse(people, account)
    assert caught.value.message.startswith("my.json")


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ({"id": "family", "subject": "F"}, r"groups\[0\] \(F\): .* no group id"),
        ({"id": "120363000000000001", "subject": "F", "members": ["12025550777"]}, r"groups\[0\] \(F\): .* nobody"),
    ],
)
def test_faults_in_groups_name_the_group(group: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidWorld, match=message):
        parse([ANA], groups=[group])


def test_twins_among_accounts_and_groups_are_refused() -> None:
    with pytest.raises(InvalidWorld, match="the same person is listed twice"):
        parse([ANA], ACCOUNT, ACCOUNT)
    group = {"id": "120363000000000001", "subject": "F"}
    with pytest.raises(InvalidWorld, match="same id"):
        parse([ANA], groups=[group, group])


@pytest.mark.parametrize("text", ["", "[]", "{", '{"people": []}', '{"people": [], "accounts": []}', "\xff"])
def test_what_is_no_world_at_all_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "w.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidWorld, match=r"w\.json is no world: "):
        load_world(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidWorld, match="No such file"):
        load_world(tmp_path / "none.json")
