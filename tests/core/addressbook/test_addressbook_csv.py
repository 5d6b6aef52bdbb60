"""CSV exports: Google's two headers, Outlook's, a plain table; and rows that are none."""

import codecs
import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidbook.addressbook.book import AddressBook, RefusedKind, read_addressbook
from lidbook.addressbook.card import Entry, Refused, clean_name
from lidbook.addressbook.csv_export import read_csv
from lidbook.errors import InvalidWorld

DATA = Path(__file__).parent / "data"


def table(text: str | bytes) -> list[Entry | Refused]:
    """What is read of a table."""
    return list(read_csv([text.encode() if isinstance(text, str) else text], "my.csv"))


def used(text: str | bytes) -> list[tuple[str, list[str]]]:
    """The entries of a table whose rows are all used."""
    readings = table(text)
    entries = [reading for reading in readings if isinstance(reading, Entry)]
    assert len(entries) == len(readings)
    return [(entry.full_name, [number.text for number in entry.numbers]) for entry in entries]


def people(book: AddressBook) -> list[tuple[str | None, str | None, str, list[str]]]:
    return [(c.first_name, c.last_name, c.full_name, [phone.digits for phone in c.phones]) for c in book.cards]


def test_googles_header_until_2023_is_read() -> None:
    book = read_addressbook(DATA / "google-2018.csv", region="BR")
    assert people(book) == [
        ("Ana", "Silva", "Ana Clara Silva", ["5511987650001", "551132220001"]),
        ("Jörg", "Müller", "Jörg Müller", ["4915123456789"]),
        (None, None, "Padaria São José", ["551132220002"]),
        (None, None, "nameless@example.com", ["5511987650003"]),
    ]
    assert [(one.line, one.what, one.reason) for one in book.refused] == [
        (3, "Jörg Müller", "is a fax number"),
        (6, "Só e-mail", "has no phone number"),
    ]


def test_googles_header_from_2024_is_read() -> None:
    book = read_addressbook(DATA / "google-2024.csv")
    assert people(book) == [
        ("Ana", "Silva", "Dra. Ana Clara Silva", ["5511987650001", "551132220001"]),
        ("Zé 🌵", None, "Zé 🌵", ["5511987650002"]),
        (None, None, "Oficina", ["5511987650003"]),
    ]
    assert [(one.line, one.what, one.kind) for one in book.refused] == [(5, "Sem número", RefusedKind.NUMBERLESS)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_outlooks_header_is_read_in_its_delimiters_and_encodings(tmp_path: Path, encoding: str, delimiter: str) -> None:
    rows = csv.reader(io.StringIO((DATA / "outlook.csv").read_bytes().decode(), newline=""), delimiter=";")
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    path = tmp_path / "outlook.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    book = read_addressbook(path)
    assert people(book) == [
        ("Zoë", "Lüdenscheidt", "Zoë Lüdenscheidt", ["4915123456780", "49301234562"]),
        (None, None, "Söhne GmbH", ["49301234564"]),
        ("Karl", None, "Karl", ["49301234566"]),
    ]
    assert [(one.line, one.number, one.reason) for one in book.refused] == [
        (2, "+49 30 1234560", "is the assistant's number"),
        (2, "+49 30 1234561", "is a fax number"),
        (2, "+49 30 1234563", "is a telex or text telephone"),
        (3, "+49 30 1234565", "is a pager"),
    ]


@pytest.mark.parametrize(
    "header",
    ["name,phone", "Name,Phone Number", "NOME;TELEFONE", "Full Name\tWhatsApp", "First Name,Mobile", "name;mobile 2"],
)
def test_a_plain_table_is_read(header: str) -> None:
    delimiter = next(char for char in ",;\t" if char in header)
    assert used(f"{header}\nAna{delimiter}+5511987654321\n") == [("Ana", ["+5511987654321"])]


def test_a_spreadsheets_line_that_names_the_delimiter_is_skipped() -> None:
    assert used("sep=;\r\nname;phone\r\nAna;+5511987654321\r\n") == [("Ana", ["+5511987654321"])]


def test_a_header_may_hold_a_quoted_line_break() -> None:
    assert used('"some\nnotes",name,phone\nx,Ana,+5511987654321\n') == [("Ana", ["+5511987654321"])]


def test_columns_that_mean_nothing_here_are_ignored() -> None:
    assert used("phone,score,name\n1234567,5,Ana\n") == [("Ana", ["1234567"])]


@pytest.mark.parametrize("header", ["id,score", "name,score", "phone", "Anna,+5511987654321", "Phone 1 - Value"])
def test_a_header_without_a_name_or_a_phone_is_refused_with_what_it_reads(header: str) -> None:
    with pytest.raises(InvalidWorld) as error:
        table(f"{header}\nx,y\n")
    assert error.value.message.startswith("my.csv: its header (line 1)")
    assert header.replace(",", ", ") in error.value.message
    assert "name,phone" in error.value.message


def test_a_quoted_cell_may_hold_delimiters_quotes_and_line_breaks() -> None:
    assert used('name,phone,notes\n"Silva, ""Ana""",1234567,"one\n\ntwo"\nZé,7654321,\n') == [
        ('Silva, "Ana"', ["1234567"]),
        ("Zé", ["7654321"]),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("Ana", "has 1 column where the header has 3"),
        ("Ana,1234567", "has 2 columns where the header has 3"),
        ("Silva, Ana,1234567,", "has 4 columns where the header has 3"),
        ('"Ana,1234567,', "has a quote that is never closed"),
    ],
)
def test_a_bad_row_is_refused_with_its_line_and_the_later_rows_are_kept(row: str, reason: str) -> None:
    rest = "".join(f"P{index},7654{index:03d},\n" for index in range(400))
    readings = table(f'name,phone,notes\nFirst,1111111,"two\nlines"\n{row}\n{rest}')
    refused = [reading for reading in readings if isinstance(reading, Refused)]
    assert [(one.line, one.what, one.reason) for one in refused] == [(4, row, reason)]
    assert len(readings) - len(refused) == 401


def test_two_rows_with_an_unclosed_quote_each_cost_only_themselves() -> None:
    readings = table('name,phone\n"A,1\nB,7654321\n"C,2\nD,7654322\n')
    assert [reading.what for reading in readings] == ['"A,1', "B", '"C,2', "D"]


def test_a_quote_that_is_never_closed_in_the_last_cell_costs_nothing() -> None:
    assert used('name,phone,notes\nAna,1234567,"a note\nZé,7654321,\n') == [("Ana", ["1234567"]), ("Zé", ["7654321"])]


def test_a_quote_inside_an_unquoted_cell_is_a_character() -> None:
    assert used('name,phone\nZé 5" tela,1234567\nAna,7654321\n') == [
        ('Zé 5" tela', ["1234567"]),
        ("Ana", ["7654321"]),
    ]


def test_rows_with_nothing_in_them_are_left_out() -> None:
    assert used("name,phone\n\n,\nAna,1234567\n \n,,,\n") == [("Ana", ["1234567"])]


def test_separators_that_are_no_line_ends_in_csv_stay_in_their_cell() -> None:
    assert used("name,phone\nAna\u2028Silva\x85,1234567\n") == [("Ana Silva", ["1234567"])]


def test_a_spreadsheets_rounded_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text("name,phone\nAna,5.51199E+12\nZé,+5511987654321\n", encoding="utf-8")
    book = read_addressbook(path)
    assert [(one.what, one.reason) for one in book.refused if one.kind is RefusedKind.NUMBER] == [
        ("Ana", "was rounded by a spreadsheet")
    ]


def test_line_ends_may_be_mixed() -> None:
    raw = codecs.BOM_UTF8.removeprefix(codecs.BOM_UTF8) + b"name,phone\rA,1234567\r\nB,1234568\nC,1234569"
    assert used(raw) == [("A", ["1234567"]), ("B", ["1234568"]), ("C", ["1234569"])]


@given(st.lists(st.tuples(st.text(min_size=1), st.text(max_size=20)), min_size=1, max_size=6))
def test_any_name_survives_a_written_table(rows: list[tuple[str, str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(["name", "notes", "phone"])
    clean = [(name.replace("\0", ""), notes.replace("\0", "")) for name, notes in rows]
    writer.writerows((name, notes, "+5511987654321") for name, notes in clean)
    names = [name for name, _ in used(text.getvalue().encode("utf-8", "replace"))]
    assert names == [clean_name(name.encode("utf-8", "replace").decode()) for name, _ in clean]
