"""The journal: what is appended is there again, and a crash costs at most the line it tore."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidbook.errors import InvalidWorld
from lidbook.facts import Role
from lidbook.identifiers import GroupId, Lid, PhoneNumber
from lidbook.world.changes import (
    AboutChanged,
    Blocked,
    Change,
    ContactRemoved,
    ContactSaved,
    Journal,
    MessageReceived,
    NumberChanged,
    NumberReassigned,
    PictureChanged,
    PrivacyChanged,
    PushnameChanged,
    RoleChanged,
    Unblocked,
    decode_change,
    encode_change,
)

ME, ANA, BEN = Lid("100000000000001"), Lid("100000000000002"), Lid("100000000000003")
PHONE, OTHER = PhoneNumber("12025550101"), PhoneNumber("12025550102")
EVERY_KIND: list[Change] = [
    ContactSaved(1, ME, PHONE, "Ana", None, "Ana", on_phone=False),
    ContactSaved(2, ME, ANA, None, "S\nilva", "Silva"),
    ContactRemoved(3, ME, PHONE),
    Blocked(4, ME, ANA, PHONE),
    Unblocked(5, ME, ANA),
    MessageReceived(6, ME, ANA),
    NumberChanged(7, ANA, PHONE, old_phone=OTHER),
    NumberReassigned(8, PHONE, BEN, old_lid=ANA, pushname="Ben"),
    PictureChanged(9, ANA, None),
    AboutChanged(10, ANA, ""),
    PushnameChanged(11, ANA, "Änni 🎈"),
    PrivacyChanged(12, ANA, hides_about=True, hides_picture=False, hides_phone=True),
    RoleChanged(13, GroupId("120363000000000001"), ANA, Role.LEFT),
]


@pytest.mark.parametrize("change", EVERY_KIND, ids=lambda change: type(change).__name__)
def test_every_kind_of_change_is_read_as_it_was_written(change: Change) -> None:
    line = encode_change(change)
    assert "\n" not in line
    assert decode_change(line) == change


@given(st.text())
def test_any_name_survives(name: str) -> None:
    change = ContactSaved(1, ME, PHONE, name, name, name)
    assert decode_change(encode_change(change)) == change


@pytest.mark.parametrize("line", ["", "{}", "[]", "null", '{"change":"Nonsense"}', '{"change":"Unblocked","at":1}'])
def test_anything_else_is_no_change(line: str) -> None:
    with pytest.raises(ValueError, match=r"not a change|Expecting value"):
        decode_change(line)


def test_a_journal_is_there_again_when_opened_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "changes.jsonl")
    for change in EVERY_KIND:
        journal.append(change)
    journal.sync()
    journal.close()
    again = Journal(tmp_path / "new" / "changes.jsonl")
    assert list(again.since(0)) == EVERY_KIND
    assert again.sequence == len(EVERY_KIND)
    assert list(again.since(11)) == EVERY_KIND[11:]
    again.close()


@pytest.mark.parametrize("torn", ['{"change":"Unbl', "\n", "\xff\xfe", encode_change(EVERY_KIND[4])])
def test_a_torn_last_line_is_dropped_and_everything_before_is_kept(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "changes.jsonl"
    whole = "".join(encode_change(change) + "\n" for change in EVERY_KIND[:3])
    path.write_bytes(whole.encode() + torn.encode("latin-1"))
    journal = Journal(path)
    assert list(journal.since(0)) == EVERY_KIND[:3]
    assert journal.dropped is not None
    journal.append(EVERY_KIND[3])
    journal.close()
    again = Journal(path)
    assert list(again.since(0)) == EVERY_KIND[:4]
    assert again.dropped is None
    again.close()


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_wherever_a_write_was_cut_off_only_that_change_is_missing(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "changes.jsonl"
    lines = [encode_change(change).encode() + b"\n" for change in EVERY_KIND[:3]]
    path.write_bytes(lines[0] + lines[1] + lines[2][:cut])
    journal = Journal(path)
    assert list(journal.since(0)) == EVERY_KIND[:2]
    journal.close()


def test_damage_in_the_middle_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "changes.jsonl"
    line = encode_change(EVERY_KIND[0])
    path.write_text(f"{line}\nnonsense\n{line}\n")
    with pytest.raises(InvalidWorld, match=r"line 2 of .* is damaged"):
        Journal(path)
    assert path.read_text() == f"{line}\nnonsense\n{line}\n"


def test_a_journal_without_a_file_keeps_changes_in_memory() -> None:
    journal = Journal()
    journal.append(EVERY_KIND[0])
    journal.sync()
    journal.close()
    assert list(journal.since(0)) == EVERY_KIND[:1]
