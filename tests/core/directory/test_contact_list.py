"""Whole address books: who is in one stays saved, whoever is not is saved no longer, whatever comes first."""

import sqlite3
from pathlib import Path
from typing import Any

import orjson
import pytest

from core.directory.conftest import Opened
from lidbook.directory.batch import CHUNK
from lidbook.directory.contact_list import mark
from lidbook.directory.database import upgrade
from lidbook.facts import ContactListFact, Fact, Field, FieldFact, LinkFact, Source
from lidbook.hookspecs import ChangeKind
from lidbook.identifiers import Lid, PhoneNumber, UserId

ANN, ANN_LID = PhoneNumber("15550101"), Lid("9001")
BEN, BEN_LID = PhoneNumber("15550102"), Lid("9002")
CYD = PhoneNumber("15550103")
TYPED, SHORT = PhoneNumber("5531988887777"), PhoneNumber("553188887777")


def named(user: UserId, name: str | None, at: int, field: Field = Field.FULL_NAME) -> FieldFact:
    return FieldFact(user, field, name, Source.ADDRESS_BOOK, at)


def book(at: int, *users: UserId) -> ContactListFact:
    return ContactListFact(frozenset(users), Source.ADDRESS_BOOK, at)


def contact(opened: Opened, user: UserId) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(opened.directory.contact(user))
    return document


def told(opened: Opened) -> list[tuple[ChangeKind, str]]:
    """What was announced since the last time."""
    changes = [(change.kind, change.subject) for change in opened.told]
    opened.told.clear()
    return changes


async def test_whoever_is_not_in_the_book_any_more_is_saved_no_longer(opened: Opened) -> None:
    pushed = FieldFact(BEN, Field.PUSHNAME, "Benny", Source.HISTORY, 1)
    await opened.directory.apply([named(ANN, "Ann", 1), named(BEN, "Ben", 1), named(CYD, "Cyd", 1), pushed])
    told(opened)
    await opened.directory.apply([book(2, ANN)])
    assert [contact(opened, user)["name"] for user in (ANN, BEN, CYD)] == ["Ann", None, None]
    assert [contact(opened, user)["isMyContact"] for user in (ANN, BEN, CYD)] == [True, False, False]
    assert contact(opened, BEN)["displayName"] == "Benny"
    assert told(opened) == [(ChangeKind.CONTACT_UPDATED, str(BEN)), (ChangeKind.CONTACT_DELETED, str(CYD))]
    assert await opened.directory.contacts_count() == 2


async def test_a_list_announces_what_the_deletion_of_the_names_would(opened: Opened) -> None:
    await opened.directory.apply([named(ANN, "Ann", 1), FieldFact(ANN, Field.CHAT, True, Source.HISTORY, 1)])
    opened.told.clear()
    await opened.directory.apply([named(ANN, None, 2)])
    (deletion,) = opened.told
    await opened.directory.apply([named(ANN, "Ann", 3)])
    opened.told.clear()
    await opened.directory.apply([book(4)])
    (removal,) = opened.told
    assert (removal.kind, removal.subject, removal.fields) == (deletion.kind, deletion.subject, deletion.fields)


async def test_an_empty_list_is_an_empty_book(opened: Opened) -> None:
    await opened.directory.apply([named(ANN, "Ann", 1), named(BEN, "Ben", 1), book(2)])
    assert await opened.directory.contacts_count() == 0


async def test_a_name_that_is_newer_than_the_list_needs_nobody_to_name_it(opened: Opened) -> None:
    await opened.directory.apply([book(2), named(ANN, "Ann", 3), named(BEN, "Ben", 2), named(CYD, "Cyd", 1)])
    assert [contact(opened, user)["name"] for user in (ANN, BEN, CYD)] == ["Ann", "Ben", None]


async def test_a_name_that_comes_after_its_list_counts(opened: Opened) -> None:
    await opened.directory.apply([book(5, ANN)])
    assert contact(opened, ANN)["isMyContact"] is False
    await opened.directory.apply([named(ANN, "Ann", 1), named(BEN, "Ben", 1)])
    assert [contact(opened, user)["name"] for user in (ANN, BEN)] == ["Ann", None]


async def test_whoever_was_removed_and_saved_again_has_none_of_the_old_names(opened: Opened) -> None:
    await opened.directory.apply([named(ANN, "Old", 1, Field.FIRST_NAME), named(ANN, "Old Name", 1), book(2)])
    await opened.directory.apply([named(ANN, "New", 3)])
    assert (contact(opened, ANN)["name"], contact(opened, ANN)["shortName"]) == ("New", None)


@pytest.mark.parametrize("linked_at", [1, 5])
async def test_being_named_by_the_one_identifier_keeps_names_of_the_other(opened: Opened, linked_at: int) -> None:
    link = LinkFact(ANN, ANN_LID, Source.HISTORY, linked_at)
    await opened.directory.apply([named(ANN_LID, "Ann", 1), named(BEN_LID, "Ben", 1), link, book(3, ANN)])
    assert contact(opened, ANN)["name"] == "Ann" == contact(opened, ANN_LID)["name"]
    assert contact(opened, BEN_LID)["name"] is None


async def test_a_link_that_comes_after_the_list_gives_the_name_back(opened: Opened) -> None:
    await opened.directory.apply([named(ANN_LID, "Ann", 1), book(3, ANN)])
    assert contact(opened, ANN_LID)["name"] is None
    await opened.directory.apply([LinkFact(ANN, ANN_LID, Source.MESSAGE, 4)])
    assert contact(opened, ANN)["name"] == "Ann"


@pytest.mark.parametrize("list_first", [True, False])
async def test_a_book_in_another_spelling_names_the_person_all_the_same(opened: Opened, list_first: bool) -> None:
    alias = FieldFact(TYPED, Field.ALIAS, str(SHORT), Source.SERVER, 4)
    facts: list[Fact] = [named(TYPED, "Bia", 1), alias]
    for fact in [book(3, TYPED), *facts] if list_first else [*facts, book(3, TYPED)]:
        await opened.directory.apply([fact])
    assert contact(opened, SHORT)["name"] == "Bia"


async def test_an_older_list_takes_nothing_away(opened: Opened) -> None:
    await opened.directory.apply([named(ANN, "Ann", 1), named(BEN, "Ben", 1), book(5, ANN, BEN)])
    told(opened)
    await opened.directory.apply([book(4, ANN)])
    assert told(opened) == []
    assert contact(opened, BEN)["name"] == "Ben"


async def test_two_lists_of_one_moment_count_together(opened: Opened) -> None:
    await opened.directory.apply([named(ANN, "Ann", 1), named(BEN, "Ben", 1), named(CYD, "Cyd", 1)])
    await opened.directory.apply([book(5, ANN)])
    await opened.directory.apply([book(5, BEN)])
    assert [contact(opened, user)["name"] for user in (ANN, BEN, CYD)] == ["Ann", "Ben", None]


async def test_names_of_other_sources_stay(opened: Opened) -> None:
    verified = FieldFact(ANN, Field.VERIFIED_NAME, "Ann Ltd", Source.SERVER, 1)
    held = FieldFact(BEN, Field.FULL_NAME, "Ben", Source.SERVER, 1)
    await opened.directory.apply([verified, held, named(ANN, "Ann", 1), book(2)])
    assert (contact(opened, ANN)["name"], contact(opened, BEN)["name"]) == ("Ann Ltd", "Ben")


async def test_a_long_list_is_taken_in_portions_and_moves_nobody_to_and_fro(opened: Opened) -> None:
    people = [PhoneNumber(str(15_550_000_000 + number)) for number in range(2 * CHUNK + 3)]
    await opened.directory.apply([named(user, "Somebody", 1) for user in people])
    await opened.directory.contacts_page(limit=1)
    told(opened)
    await opened.directory.apply([book(2, *people[1:])])
    assert told(opened) == [(ChangeKind.CONTACT_DELETED, str(people[0]))]
    await opened.directory.apply([book(3, *people)])
    assert told(opened) == [(ChangeKind.CONTACT_CREATED, str(people[0]))]
    assert await opened.directory.contacts_count() == len(people)
    await opened.directory.apply([book(4)])
    assert len(told(opened)) == len(people)
    assert await opened.directory.contacts_count() == 0


async def test_a_list_that_names_the_same_people_writes_no_person_anew(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[set[str]] = []

    def noted(*given: Any) -> set[str]:
        looked_at.append(mark(*given))
        return looked_at[-1]

    monkeypatch.setattr("lidbook.directory.contact_list.mark", noted)
    await opened.directory.apply(
        [named(ANN, "Ann", 1), LinkFact(ANN, ANN_LID, Source.HISTORY, 1), named(BEN, "Ben", 1)]
    )
    await opened.directory.apply([book(2, ANN, ANN_LID)])
    await opened.directory.apply([book(3, ANN, ANN_LID)])
    await opened.directory.apply([book(4, ANN, BEN)])
    assert looked_at == [set(), set(), {str(BEN)}]


async def test_what_was_erased_has_no_list(opened: Opened) -> None:
    await opened.directory.apply([book(5)])
    assert opened.directory.lists().contacts_at == 5
    await opened.directory.erase()
    await opened.directory.apply([named(ANN, "Ann", 1)])
    assert contact(opened, ANN)["name"] == "Ann"


def test_the_schema_upgrade_leaves_a_directory_without_a_list(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "old.sqlite3", isolation_level=None) as connection:
        upgrade(connection)
        connection.execute("DROP TABLE link")
        connection.execute("ALTER TABLE directory DROP COLUMN contacts_at")
        connection.execute("PRAGMA user_version = 4")
        connection.execute("INSERT INTO directory (session, blocklist_at) VALUES (1, 7)")
        upgrade(connection)
        assert connection.execute("SELECT blocklist_at, contacts_at FROM directory").fetchone() == (7, 0)
    connection.close()
