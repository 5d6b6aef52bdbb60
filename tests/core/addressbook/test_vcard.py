"""Cards to entries: names, numbers, versions, encodings; and what vobject makes of the same cards."""

import pytest
import vobject
from hypothesis import given
from hypothesis import strategies as st

from lidbook.addressbook.card import Entry, NumberUse, Refused, RefusedKind, clean_name
from lidbook.addressbook.vcard import read_vcards

from .messy_vcf import escaped, folded, messy_vcf, quoted_printable

ANY_NAME = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60)


def card(*lines: str, version: str = "3.0") -> bytes:
    return "\r\n".join(["BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD", ""]).encode()


def entry(data: bytes) -> Entry:
    """The one entry of a card that is used."""
    (reading,) = read_vcards([data])
    assert isinstance(reading, Entry)
    return reading


def refused(data: bytes) -> list[Refused]:
    return [reading for reading in read_vcards([data]) if isinstance(reading, Refused)]


@pytest.mark.parametrize(
    ("version", "lines", "names"),
    [
        ("3.0", ["N:Silva;Ana;Clara;Dra.;PhD", "FN:Ana Silva"], ("Ana", "Silva", "Ana Silva")),
        ("3.0", ["N:Silva;Ana;Clara;Dra.;PhD"], ("Ana", "Silva", "Dra. Ana Clara Silva PhD")),
        ("3.0", ["FN:Ana Silva"], (None, None, "Ana Silva")),
        ("3.0", ["N:;Ana;;;", "FN:"], ("Ana", None, "Ana")),
        ("3.0", ["N:Silva"], (None, "Silva", "Silva")),
        ("3.0", ["N:;;;;", "FN: ", "ORG:Padaria;Vendas"], (None, None, "Padaria")),
        ("3.0", ["ORG:;Vendas"], (None, None, "Vendas")),
        ("3.0", ["ORG:Padaria", "NICKNAME:Ju"], (None, None, "Ju")),
        ("3.0", ["EMAIL;TYPE=HOME:ana@example.com"], (None, None, "ana@example.com")),
        ("3.0", ["FN:\t Ana \x07 Silva\x00 "], (None, None, "Ana Silva")),
        ("3.0", ["FN:\u200e\ufeff", "N:Silva;Ana"], ("Ana", "Silva", "Ana Silva")),
        ("3.0", [r"FN:Silva\, Ana\; \\ \nfilha"], (None, None, r"Silva, Ana; \ filha")),
        ("3.0", [r"N:O\;Neil;A\,B;;;"], ("A,B", "O;Neil", "A,B O;Neil")),
        ("3.0", ["N:Stevenson;John;Philip,Paul;Dr.;Jr."], ("John", "Stevenson", "Dr. John Philip Paul Stevenson Jr.")),
        ("3.0", ["N:Acme, Inc.;;;;"], (None, "Acme, Inc.", "Acme, Inc.")),
        ("3.0", ["N:;;;;", "N:Silva;Ana;;;"], ("Ana", "Silva", "Ana Silva")),
        ("3.0", ["FN:Ana", "FN:Other"], (None, None, "Ana")),
        ("3.0", ["fn:Ana"], (None, None, "Ana")),
        ("3.0", ["item1.FN:Ana"], (None, None, "Ana")),
        ("3.0", ['FN;X-NOTE="a:b;c":Ana'], (None, None, "Ana")),
        ("3.0", ['FN;X-NOTE="open:Ana'], (None, None, "Ana")),
        ("3.0", ["FN:An", " a Sil", "\tva"], (None, None, "Ana Silva")),
        ("3.0", ["FN:👩‍👩‍👧 يعل"], (None, None, "👩‍👩‍👧 يعل")),
        ("3.0", ["FN:" + "x" * 300], (None, None, "x" * 300)),
        ("2.1", ["FN:Ana", " Silva"], (None, None, "Ana Silva")),
        ("2.1", ["N:Smith, Jr.;Bob"], ("Bob", "Smith, Jr.", "Bob Smith, Jr.")),
        ("2.1", [r"N:O\;Neil;Bob"], ("Bob", "O;Neil", "Bob O;Neil")),
        ("2.1", ["FN;QUOTED-PRINTABLE:=41na=20S=", "ilva"], (None, None, "Ana Silva")),
        ("2.1", ["FN;ENCODING=quoted-printable;CHARSET=ISO-8859-1:Concei=E7=E3o"], (None, None, "Conceição")),
        ("2.1", ["FN;CHARSET=Shift_JIS;ENCODING=QUOTED-PRINTABLE:=94=FC=8D=E7"], (None, None, "美咲")),
        ("2.1", ["FN;CHARSET=NOT-A-CHARSET;ENCODING=QUOTED-PRINTABLE:=C3=A9"], (None, None, "é")),
        ("2.1", ["FN;CHARSET=unicode_escape:C\\x"], (None, None, "Cx")),
        ("2.1", ["FN;ENCODING=QUOTED-PRINTABLE:=E7 =ZZ ="], (None, None, "ç =ZZ")),
        ("2.1", ["N;ENCODING=QUOTED-PRINTABLE:=41=", ""], (None, "A", "A")),
        (
            "4.0",
            ['N;SORT-AS="Harten,Rene":van der Harten;Rene,J.;;;'],
            ("Rene J.", "van der Harten", "Rene J. van der Harten"),
        ),
        ("4.0", ["FN;PREF=1;LANGUAGE=pt:Ana\\, mãe"], (None, None, "Ana, mãe")),
    ],
)
def test_names(version: str, lines: list[str], names: tuple[str | None, str | None, str]) -> None:
    read = entry(card(*lines, "TEL:1234567", version=version))
    assert (read.first_name, read.last_name, read.full_name) == names
    assert [number.text for number in read.numbers] == ["1234567"]


def test_a_card_without_a_name_is_called_by_its_first_line() -> None:
    read = entry(card("TEL:1234567"))
    assert (read.full_name, read.what) == ("", "TEL:1234567")
    assert entry(card()).what == "an empty card"


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"FN:Concei\xe7\xe3o", "Conceição"),
        (b"FN;CHARSET=windows-1251:\xcc\xe0\xf0\xe8\xff", "Мария"),
        (b"FN;CHARSET=ISO-8859-1:Concei\xc3\xa7\xc3\xa3o", "Conceição"),
        (b"FN;CHARSET=GB2312:\xd2\xbb\xd2\xbb", "一一"),
        (b"FN;CHARSET=ISO-2022-JP:\x1b$BH~:i\x1b(B", "美咲"),
        (b"FN:\x81\x8d", "\ufffd\ufffd"),
        (b"FN:caf\xc3\r\n \xa9", "café"),
    ],
)
def test_names_in_old_encodings(raw: bytes, name: str) -> None:
    for version in (b"2.1", b"3.0"):
        data = b"BEGIN:VCARD\r\nVERSION:" + version + b"\r\n" + raw + b"\r\nEND:VCARD\r\n"
        assert entry(data).full_name == name


@pytest.mark.parametrize(
    ("line", "text", "use", "waid"),
    [
        ("TEL:1234567", "1234567", NumberUse.PHONE, None),
        ("TEL;CELL;PREF:1234567", "1234567", NumberUse.MOBILE, None),
        ("TEL;TYPE=iPhone,VOICE:1234567", "1234567", NumberUse.MOBILE, None),
        ("TEL;HOME;FAX:1234567", "1234567", NumberUse.FAX, None),
        ("item1.TEL;type=pref:1234567", "1234567", NumberUse.PHONE, None),
        ('TEL;VALUE=uri;TYPE="cell,home";PREF=1:tel:+1-201-555-0123;ext=5', "+1-201-555-0123", NumberUse.MOBILE, None),
        ("TEL;VALUE=uri:TEL:555-0123;phone-context=+1-201", "+1-201555-0123", NumberUse.PHONE, None),
        ("TEL;VALUE=uri:tel:555-0123;phone-context=example.com", "555-0123", NumberUse.PHONE, None),
        ("TEL;VALUE=uri:tel:%2B12015550123", "+12015550123", NumberUse.PHONE, None),
        ("TEL;type=CELL;waid=12015550123:+1 (201) 555-0123", "+1 (201) 555-0123", NumberUse.MOBILE, "12015550123"),
        (r"TEL:+1\;ext=5", "+1;ext=5", NumberUse.PHONE, None),
        ("TEL;ENCODING=QUOTED-PRINTABLE:=31=32=33", "123", NumberUse.PHONE, None),
        ("TEL;CELL +55 11 98765-4321", ";CELL +55 11 98765-4321", NumberUse.MOBILE, None),
        ("TEL:12", "12", NumberUse.PHONE, None),
    ],
)
def test_numbers(line: str, text: str, use: NumberUse, waid: str | None) -> None:
    (number,) = entry(card("FN:Ana", line)).numbers
    assert (number.text, number.line, number.use, number.waid) == (text, 4, use, waid)


@pytest.mark.parametrize(
    ("label", "use"),
    [
        ("_$!<Mobile>!$_", NumberUse.MOBILE),
        ("_$!<HomeFAX>!$_", NumberUse.FAX),
        ("Telefax", NumberUse.FAX),
        ("Pager", NumberUse.PAGER),
        ("WhatsApp Business", NumberUse.WHATSAPP),
        ("Celular", NumberUse.MOBILE),
        ("Assistant", NumberUse.ASSISTANT),
        ("Faxineira", NumberUse.PHONE),
    ],
)
def test_apples_labels_belong_to_the_number_of_their_group(label: str, use: NumberUse) -> None:
    read = entry(card("FN:Ana", "item1.TEL:1", "item2.TEL:2", f"ITEM2.X-ABLabel:{label}"))
    assert [number.use for number in read.numbers] == [NumberUse.PHONE, use]


@pytest.mark.parametrize("line", ["KIND:group", "KIND:Group", "X-ADDRESSBOOKSERVER-KIND:group"])
def test_a_group_of_cards_is_refused(line: str) -> None:
    (one,) = refused(card("FN:Família", line, "MEMBER:urn:uuid:1"))
    assert (one.kind, one.what, one.reason) == (RefusedKind.CARD, "Família", "is a group of cards, not a person")


@pytest.mark.parametrize(
    "agent",
    [
        ["AGENT:", "BEGIN:VCARD", "FN:Assistant", "TEL:2", "END:VCARD"],
        ["AGENT:BEGIN:VCARD", "FN:Assistant", "TEL:2", "END:VCARD"],
        [r"AGENT:BEGIN:VCARD\nFN:Assistant\nTEL:2\nEND:VCARD\n"],
    ],
)
def test_an_assistant_inside_a_card_is_refused_and_the_card_is_whole(agent: list[str]) -> None:
    readings = list(read_vcards([card("FN:Boss", *agent, "TEL:1", version="2.1")]))
    (one,) = [reading for reading in readings if isinstance(reading, Refused)]
    assert "Assistant" in one.what
    assert (one.kind, one.reason) == (RefusedKind.CARD, "is an assistant noted on another card, not a contact")
    (boss,) = [reading for reading in readings if isinstance(reading, Entry)]
    assert (boss.full_name, [number.text for number in boss.numbers]) == ("Boss", ["1"])


def test_a_number_that_the_file_ends_in_is_refused_and_the_numbers_before_it_are_kept() -> None:
    data = b"BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nTEL:+5511987654321\nTEL:+551198765"
    cut, kept = read_vcards([data])
    assert isinstance(cut, Refused)
    assert (cut.line, cut.what, cut.number, cut.reason) == (
        5,
        "Ana",
        "+551198765",
        "may be cut short, the file ends in it",
    )
    assert isinstance(kept, Entry)
    assert [number.text for number in kept.numbers] == ["+5511987654321"]


def test_a_last_card_without_end_is_used_when_its_last_line_is_whole() -> None:
    assert [number.text for number in entry(b"BEGIN:VCARD\nFN:Ana\nTEL:1234567\n").numbers] == ["1234567"]


def test_a_line_that_cannot_be_read_costs_nothing_else() -> None:
    read = entry(card("FN:Ana", "\x0cwhat is this", 'X;"', ":", ";", "N;no colon", "TEL:1234567"))
    assert (read.full_name, read.last_name, len(read.numbers)) == ("Ana", None, 1)


def test_the_number_of_lines_without_a_card_is_told() -> None:
    one, more = refused(b"FN:A\nBEGIN:VCARD\nVERSION:3.0\nKIND:group\nEND:VCARD\nFN:B\nTEL:1\n")[::2]
    assert (one.reason, more.reason) == ("is a line outside any card", "begins 2 lines outside any card")
    assert {one.kind, more.kind} == {RefusedKind.TEXT}


@given(ANY_NAME, ANY_NAME, st.integers(20, 76))
def test_any_name_survives_quoted_printable(given_name: str, family: str, width: int) -> None:
    structured = f"{escaped(family)};{escaped(given_name)};;;"
    lines = quoted_printable("N", structured, max(width, 60))
    read = entry(card(*lines, *quoted_printable("FN", escaped(given_name), max(width, 60)), version="2.1"))
    assert (read.first_name or "", read.last_name or "") == (clean_name(given_name), clean_name(family))
    assert clean_name(given_name) in read.full_name


@given(ANY_NAME, ANY_NAME, st.integers(10, 75), st.sampled_from(["3.0", "4.0"]))
def test_any_name_survives_escapes_and_folds(given_name: str, family: str, width: int, version: str) -> None:
    raw = [name.replace("\r", " ") for name in (given_name, family)]
    lines = folded(f"N:{escaped(raw[1])};{escaped(raw[0])};;;", width)
    read = entry(card(*lines, version=version))
    assert (read.first_name or "", read.last_name or "") == (clean_name(raw[0]), clean_name(raw[1]))


def test_vobject_agrees_on_the_cards_that_it_can_read() -> None:
    compared = 0
    for text in messy_vcf(400, photo_bytes=0).data.split(b"END:VCARD\r\n"):
        readings = list(read_vcards([text + b"END:VCARD\r\n"]))
        if b"VERSION:3.0" not in text or text.count(b"BEGIN:VCARD") != 1 or not isinstance(readings[0], Entry):
            continue
        try:
            theirs = vobject.readOne((text + b"END:VCARD\r\n").decode())
        except vobject.base.ParseError:
            continue
        ours = readings[0]
        if "fn" in theirs.contents and theirs.fn.value:
            assert ours.full_name == theirs.fn.value
        if "n" in theirs.contents:
            assert (ours.first_name or "", ours.last_name or "") == (theirs.n.value.given, theirs.n.value.family)
        assert [number.text for number in ours.numbers] == [tel.value for tel in theirs.contents.get("tel", [])]
        compared += 1
    assert compared > 150
