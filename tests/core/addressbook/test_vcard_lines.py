"""Lines to cards: folds, nesting, missing ends; no card is ever lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidbook.addressbook.card import Entry, RefusedKind
from lidbook.addressbook.text import physical_lines
from lidbook.addressbook.vcard import read_vcards
from lidbook.addressbook.vcard_lines import CardText, StrayText, logical_lines, split_cards


def split(data: bytes) -> list[CardText | StrayText]:
    return list(split_cards(physical_lines([data])))


def logical(data: bytes) -> list[tuple[int, bytes]]:
    return [(line.number, line.raw) for line in logical_lines(physical_lines([data]))]


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"bc "]), max_size=30), st.integers(1, 5))
def test_physical_lines_do_not_depend_on_how_the_file_is_cut_in_blocks(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces)
    cut = [data[start : start + size] for start in range(0, len(data), size)]
    lines = list(physical_lines(cut))
    assert [line.rstrip(b"\r\n") for line in lines] == data.splitlines()


def test_a_line_without_end_is_cut_and_the_next_one_is_whole() -> None:
    blocks = [b"x" * 500_000] * 10 + [b"tail\r", b"\nnext\n"]
    first, second = physical_lines(blocks)
    assert len(first) < 2_000_000
    assert second == b"next\n"


def test_a_fold_keeps_the_number_of_its_first_line() -> None:
    assert logical(b"A:1\r\nTEL:12\r\n 34\r\n\t56\r\nB:2\r\n") == [(1, b"A:1"), (2, b"TEL:12\n 34\n\t56"), (5, b"B:2")]


def test_a_soft_break_goes_on_in_the_next_line_for_quoted_printable_only() -> None:
    quoted = b"FN;ENCODING=QUOTED-PRINTABLE:=41=\r\n=42\r\nTEL:1=\r\n=43\r\n"
    assert logical(quoted) == [(1, b"FN;ENCODING=QUOTED-PRINTABLE:=41=\n=42"), (3, b"TEL:1="), (4, b"=43")]


@pytest.mark.parametrize("following", [b"TEL;CELL:+5511987654321", b"END:VCARD", b"BEGIN:VCARD", b"item1.TEL:1"])
def test_a_soft_break_that_promises_too_much_does_not_swallow_the_next_property(following: bytes) -> None:
    assert logical(b"FN;QUOTED-PRINTABLE:=41=\r\n\r\n" + following + b"\r\n")[1] == (3, following)


@pytest.mark.parametrize("gap", [b"", b"\r\n"])
def test_a_note_that_promises_too_much_does_not_swallow_the_next_number(gap: bytes) -> None:
    data = b"NOTE;QUOTED-PRINTABLE:=41=\r\n=42=\r\n" + gap + b"TEL;CELL:1\r\n"
    assert logical(data)[-1][1] == b"TEL;CELL:1"
    assert logical(b"NOTE;QUOTED-PRINTABLE:=41=\r\n\r\nFN:A\r\n")[-1][1] == b"FN:A"


def test_a_number_inside_a_note_is_text() -> None:
    assert len(logical(b"NOTE;ENCODING=QUOTED-PRINTABLE:Meier=0D=0A=\r\nTEL: 030 1234567=0D=0A=\r\nFAX: 1\r\n")) == 1


def test_pictures_are_cut_short_and_what_follows_them_is_whole() -> None:
    base64 = b"\r\n".join([b"A" * 72] * 50)
    heads = [b"PHOTO;ENCODING=BASE64;JPEG:", b"X-SOUND;BASE64:", b"LOGO;ENCODING=b:" + b"A" * 1000]
    for block in (base64, base64.replace(b"\n", b"\n ")):
        for head in heads:
            (photo, cut), tel = logical(head + b"\r\n" + block + b"\r\n\r\nTEL:1\r\n")
            assert (photo, cut, tel) == (1, head[:200], (53, b"TEL:1"))


def test_a_card_without_end_is_ended_by_the_next_one() -> None:
    first, second = split(b"BEGIN:VCARD\nFN:A\nBEGIN:VCARD\nFN:B\nEND:VCARD\n")
    assert isinstance(first, CardText)
    assert isinstance(second, CardText)
    assert (first.line, first.closed, [line.raw for line in first.lines]) == (1, False, [b"FN:A"])
    assert (second.line, second.closed, [line.raw for line in second.lines]) == (3, True, [b"FN:B"])


def test_an_agents_card_is_told_apart_and_its_owner_goes_on_after_it() -> None:
    agent, owner = split(b"BEGIN:VCARD\nFN:A\nAGENT:\nBEGIN:VCARD\nFN:B\nEND:VCARD\nTEL:1\nEND:VCARD\n")
    assert isinstance(agent, CardText)
    assert isinstance(owner, CardText)
    assert (agent.line, agent.agent_of, [line.raw for line in agent.lines]) == (4, 1, [b"FN:B"])
    assert (owner.agent_of, [line.raw for line in owner.lines]) == (None, [b"FN:A", b"AGENT:", b"TEL:1"])


def test_runs_of_lines_outside_cards_are_told_once_each() -> None:
    data = b"\nhello\nthere\nBEGIN:VCARD\nEND:VCARD\nEND:VCARD\nFN:Lost\nTEL:1\nEND:VCARD\nFN:Too\n"
    stray = [item for item in split(data) if isinstance(item, StrayText)]
    assert [(one.line, one.count, one.first) for one in stray] == [
        (2, 2, b"hello"),
        (7, 2, b"FN:Lost"),
        (10, 1, b"FN:Too"),
    ]


_LINES = st.sampled_from(
    [
        b"BEGIN:VCARD",
        b"BEGIN:VCARD",
        b"begin:vcard",
        b"END:VCARD",
        b"AGENT:",
        b"VERSION:2.1",
        b"VERSION:3.0",
        b"N:Silva;Ana",
        b"FN;ENCODING=QUOTED-PRINTABLE:=41=",
        b"NOTE;ENCODING=QUOTED-PRINTABLE:=41=",
        b"=42",
        b" folded",
        b"TEL:+5511987654321",
        b"TEL;CELL",
        b"PHOTO;ENCODING=b:AAAA",
        b"AAAA==",
        b'X;a="b:c',
        b"KIND:group",
        b"",
        b"no colon here",
        b"\xff\xfe:\x00",
    ]
)


@given(st.lists(st.tuples(_LINES, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=40))
def test_every_begin_line_is_one_entry_or_one_refused_card(lines: list[tuple[bytes, bytes]]) -> None:
    readings = list(read_vcards([b"".join(line + end for line, end in lines)]))
    begins = sum(line.upper() == b"BEGIN:VCARD" for line, _ in lines)
    assert begins == sum(isinstance(one, Entry) or one.kind is RefusedKind.CARD for one in readings)
