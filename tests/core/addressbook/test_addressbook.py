"""Files of an address book: which are read, as what, and what is said of the others."""

import codecs
from pathlib import Path

import pytest

from lidbook.addressbook.book import AddressBook, Card, Refused, RefusedKind, read_addressbook
from lidbook.errors import InvalidWorld

ANA = "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Conceição;Ana;;;\r\nFN:Ana Conceição\r\nTEL:+55 11 98765-4321\r\nEND:VCARD\r\n"
DATA = Path(__file__).parent / "data"


def written(folder: Path, content: str | bytes, name: str = "my.vcf") -> Path:
    """A file with that content."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def names(book: AddressBook) -> list[str]:
    return [card.full_name for card in book.cards]


def digits(card: Card) -> list[str]:
    return [phone.digits for phone in card.phones]


def cards(*bodies: str) -> str:
    """A file of vCards 3.0 with these lines between their ends."""
    return "".join(f"BEGIN:VCARD\nVERSION:3.0\n{body}\nEND:VCARD\n" for body in bodies)


@pytest.mark.parametrize(
    "content",
    [
        ANA.encode(),
        codecs.BOM_UTF8 + ANA.encode(),
        codecs.BOM_UTF16_LE + ANA.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + ANA.encode("utf-16-be"),
        ANA.encode("utf-16-le"),
        ANA.encode("utf-16-be"),
        ANA.encode("cp1252"),
        ANA.replace("\r\n", "\n").encode(),
        ANA.replace("\r\n", "\r").encode(),
        ANA.replace("\r\n", "\r\r\n").encode(),
        b"\r\n\r\n" + ANA.encode(),
        ANA.replace("BEGIN:VCARD", "begin : vcard").replace("END:VCARD", "End:vCard").encode(),
        ANA.replace("\r\nTEL:", "\r\ntel:").encode(),
    ],
    ids=["utf-8", "bom", "le-bom", "be-bom", "le", "be", "cp1252", "lf", "cr", "crcrlf", "blank", "case", "name-case"],
)
def test_a_card_reads_the_same_in_every_encoding_and_line_end(tmp_path: Path, content: bytes) -> None:
    book = read_addressbook(written(tmp_path, content))
    assert [(c.first_name, c.last_name, c.full_name, digits(c)) for c in book.cards] == [
        ("Ana", "Conceição", "Ana Conceição", ["5511987654321"])
    ]
    assert book.refused == ()


def test_two_exports_in_one_file_each_with_its_mark_are_both_read(tmp_path: Path) -> None:
    book = read_addressbook(written(tmp_path, codecs.BOM_UTF8 + ANA.encode() + codecs.BOM_UTF8 + ANA.encode()))
    assert names(book) == ["Ana Conceição"] * 2
    assert (book.numbers, book.distinct_numbers) == (2, 1)


@pytest.mark.parametrize("name", ["my.vcf", "my.VCARD", "my.txt", "my", "my.csv"])
def test_content_that_begins_as_a_card_is_a_card_whatever_the_file_is_called(tmp_path: Path, name: str) -> None:
    assert names(read_addressbook(written(tmp_path, ANA, name))) == ["Ana Conceição"]


@pytest.mark.parametrize("name", ["my.vcf", "my.txt"])
def test_text_before_the_first_card_is_refused_and_the_card_is_used(tmp_path: Path, name: str) -> None:
    book = read_addressbook(written(tmp_path, "exported by phone\n\n" + ANA, name))
    assert names(book) == ["Ana Conceição"]
    assert [(one.line, one.what, one.kind) for one in book.refused] == [(1, "exported by phone", RefusedKind.TEXT)]
    assert book.refused_cards == 0


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b"", "my.vcf", "is empty"),
        (b"", "my.csv", "is empty"),
        (b"\n\n", "my.csv", "has no rows"),
        (b"hello\nthere\n", "my.vcf", "no line BEGIN:VCARD"),
        (b"hello there", "my.txt", "neither a vCard nor a CSV"),
        (b"PK\x03\x04rest", "my.csv", "spreadsheet or a zip"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", "my.vcf", "is not text"),
        (b'{"people": [], "groups": []}', "my.json", "Accepted: a Google Contacts or Outlook export"),
    ],
)
def test_any_other_file_is_refused_with_its_name_and_the_reason(
    tmp_path: Path, content: bytes, name: str, says: str
) -> None:
    with pytest.raises(InvalidWorld, match=says) as error:
        read_addressbook(written(tmp_path, content, name))
    assert name in error.value.message


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidWorld, match="cannot be read: No such file"):
        read_addressbook(tmp_path / "no.vcf")
    with pytest.raises(InvalidWorld, match="cannot be read: Is a directory"):
        read_addressbook(tmp_path)


def test_a_region_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidWorld, match="BRAZIL is not a country in two letters"):
        read_addressbook(written(tmp_path, ANA), region="Brazil")


def test_the_given_region_reads_national_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, cards("FN:Karl\nTEL:0151 23456789"))
    book = read_addressbook(path, region="de")
    assert [digits(card) for card in book.cards] == [["4915123456789"]]
    assert (book.region, book.region_inferred) == ("DE", False)


def test_the_region_is_that_of_most_international_numbers(tmp_path: Path) -> None:
    bodies = ["FN:A\nTEL:+55 11 98765-4321", "FN:B\nTEL:0055 21 98765-4321", "FN:C\nTEL:+1 212 555 0100"]
    book = read_addressbook(written(tmp_path, cards(*bodies, "FN:D\nTEL:(11) 98765-4322")))
    assert digits(book.cards[3]) == ["5511987654322"]
    assert (book.region, book.region_inferred) == ("BR", True)
    assert "read as BR (the country of most of its numbers)" in book.summary


def test_whatsapp_ids_count_for_the_region(tmp_path: Path) -> None:
    bodies = ["FN:A\nTEL;waid=5511987654321:98765-4321", "FN:B\nTEL:(11) 98765-4322"]
    assert digits(read_addressbook(written(tmp_path, cards(*bodies))).cards[1]) == ["5511987654322"]


@pytest.mark.parametrize("others", [[], ["FN:A\nTEL:+55 11 98765-4321", "FN:B\nTEL:+1 212 555 0100"]])
def test_without_a_clear_region_a_national_number_is_refused(tmp_path: Path, others: list[str]) -> None:
    book = read_addressbook(written(tmp_path, cards(*others, "FN:Ana\nTEL:(11) 98765-4322")))
    assert book.region is None
    assert len(book.cards) == len(others)
    number, card = sorted(book.refused, key=lambda one: one.kind is RefusedKind.NUMBERLESS)
    assert (number.what, number.number, number.reason) == ("Ana", "(11) 98765-4322", "has no country code")
    assert "add the country code" in number.advice
    assert (card.kind, card.reason) == (RefusedKind.NUMBERLESS, "has no phone number that can be used")


def test_countries_that_share_a_code_are_told_apart(tmp_path: Path) -> None:
    book = read_addressbook(written(tmp_path, cards("FN:A\nTEL:+1 416 555 0100", "FN:B\nTEL:(416) 555-0101")))
    assert (book.region, [digits(card) for card in book.cards]) == ("CA", [["14165550100"], ["14165550101"]])


def test_phones_come_once_each_whatsapp_first_then_mobiles(tmp_path: Path) -> None:
    body = """\
FN:Ana
TEL;TYPE=HOME:+55 11 3222-0001
TEL;TYPE=CELL:+55 11 98765-0002
TEL;TYPE=WORK:+5511 98765 0002
TEL;TYPE=VOICE;waid=551187650003:+55 11 98765-0003
item1.TEL:+55 11 98765-0004
item1.X-ABLabel:WhatsApp"""
    (card,) = read_addressbook(written(tmp_path, cards(body))).cards
    assert digits(card) == ["551187650003", "5511987650004", "5511987650002", "551132220001"]


def test_a_number_that_whatsapp_writes_wrongly_falls_back_to_the_written_one(tmp_path: Path) -> None:
    (card,) = read_addressbook(written(tmp_path, cards("FN:A\nTEL;waid=unknown:+55 11 98765-4321"))).cards
    assert digits(card) == ["5511987654321"]


@pytest.mark.parametrize(
    ("types", "reason"),
    [
        (";TYPE=FAX", "is a fax number"),
        (";TYPE=HOME,FAX", "is a fax number"),
        (";WORK;FAX", "is a fax number"),
        (";type=PAGER", "is a pager"),
        (';TYPE="work,textphone"', "is a telex or text telephone"),
        (";TYPE=X-ASSISTANT", "is the assistant's number"),
    ],
)
def test_a_number_nobody_answers_on_is_refused(tmp_path: Path, types: str, reason: str) -> None:
    book = read_addressbook(written(tmp_path, cards(f"FN:Ana\nTEL{types}:+55 11 3222-0001\nTEL:+5511987654321")))
    assert [digits(card) for card in book.cards] == [["5511987654321"]]
    assert [(one.line, one.reason, one.kind) for one in book.refused] == [(4, reason, RefusedKind.NUMBER)]


@pytest.mark.parametrize("types", [";TYPE=CELL,FAX", ";TYPE=FAX,VOICE", ";HOME;VOICE;FAX", ";TYPE=HOME", ""])
def test_a_number_that_carries_voice_is_used_even_if_it_faxes_too(tmp_path: Path, types: str) -> None:
    book = read_addressbook(written(tmp_path, cards(f"FN:Ana\nTEL{types}:+55 11 3222-0001")))
    assert ([digits(card) for card in book.cards], book.refused) == ([["551132220001"]], ())


def test_cards_without_a_number_are_counted_and_named(tmp_path: Path) -> None:
    bodies = ["FN:Só E-mail\nEMAIL:a@example.com", "NOTE:nobody", "FN:Saldo\nTEL:*144#"]
    book = read_addressbook(written(tmp_path, cards(*bodies)))
    assert (book.cards, book.numberless_cards, book.refused_cards, book.refused_numbers) == ((), 3, 3, 1)
    assert [str(one) for one in book.refused if one.kind is RefusedKind.NUMBERLESS] == [
        "line 1: Só E-mail: has no phone number; add one in international form",
        "line 6: NOTE:nobody: has no phone number; add one in international form",
        "line 10: Saldo: has no phone number that can be used; add one in international form",
    ]


def test_a_refused_number_is_told_in_one_line() -> None:
    one = Refused(7, "Ana", "has letters in it", "write it in digits", RefusedKind.NUMBER, "call me")
    assert str(one) == 'line 7: Ana, "call me": has letters in it; write it in digits'


def test_the_summary_accounts_for_every_card(tmp_path: Path) -> None:
    book = read_addressbook(written(tmp_path, ANA + cards("FN:Nobody", "FN:Ze\nTEL:12")))
    assert book.summary == (
        "my.vcf: 1 cards used with 1 numbers, 2 cards refused (2 without a usable number), 1 numbers refused; "
        "numbers without a country code read as BR (the country of most of its numbers)"
    )


def test_an_iphone_export_is_read() -> None:
    book = read_addressbook(DATA / "iphone.vcf")
    assert [(card.full_name, digits(card)) for card in book.cards] == [
        ("Beatriz Oliveira", ["5521987650001", "552132220001"]),
        ("Clínica Vida", ["552132220002"]),
        ("Mãe ❤️", ["552187650004"]),
    ]
    assert [(one.what, one.reason) for one in book.refused] == [("Clínica Vida", "is a fax number")]


def test_an_android_export_is_read() -> None:
    book = read_addressbook(DATA / "android.vcf")
    assert [(card.first_name, card.last_name, card.full_name, digits(card)) for card in book.cards] == [
        ("José", "Conceição", "José Conceição", ["5511987650001", "551132220001"]),
        ("Pizza 24h", None, "Pizza 24h", ["5511987650002"]),
    ]
    assert [(one.what, one.reason) for one in book.refused] == [
        ("Pizza 24h", "is a fax number"),
        ("Saldo", "has no phone number that can be used"),
        ("Saldo", "is a service code, not a phone number"),
    ]
