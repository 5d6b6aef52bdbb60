"""A messy address book, the same bytes every time: `python tests/core/addressbook/messy_vcf.py 3000 > my.vcf`.

It says itself what a reader must make of it: every kind of card comes with the number of usable and unusable numbers
that it was written to have, so the expectation owes nothing to the reader.
"""

import argparse
import base64
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

GIVEN = [
    "Ana",
    "João",
    "Zoë",
    "Łukasz",
    "Ναταλία",
    "Мария",
    "יעל",
    "فاطمة",
    "美咲",
    "Nguyễn",
    "Bjørn",
    "Ana 🌸 Clara",
    "👩‍👩‍👧",
]
FAMILY = [
    "Silva",
    "D'Ávila",
    "Müller-Lüdenscheidt",
    "Søndergård",
    "כהן",
    "الزهراء",
    "田中",
    "Smith, Jr.",
    "O;Neil",
    "Back\\slash",
]
COMPANIES = ["Padaria São José", "Müller & Söhne GmbH", "Oficina do Zé; Peças, Serviços"]
MIDDLE_CARD = (
    "BEGIN:VCARD",
    "VERSION:3.0",
    "N;this line has no colon",
    "TEL;TYPE=CELL",
    '"unclosed;quote',
    "END:VCARD",
)


@dataclass(frozen=True, slots=True)
class Messy:
    """The file, and what it holds."""

    data: bytes
    begins: int
    """Lines that read BEGIN:VCARD."""
    used: int
    numbers: int
    """Usable numbers on used cards, each once a card."""
    numberless: int
    refused_cards: int
    """Cards refused for another reason than their numbers."""
    refused_numbers: int


@dataclass(slots=True)
class _Written:
    """One card as lines without ends, and what was put into it."""

    lines: list[str]
    numbers: int = 0
    refused_numbers: int = 0
    refused_cards: int = 0
    begins: int = 1
    used: bool = True
    charset: str = "utf-8"
    end: bytes = b"\r\n"


@dataclass(slots=True)
class _Writer:
    """Draws names and numbers; no number is drawn twice."""

    random: random.Random
    photo_bytes: int
    serial: int = 0

    def name(self) -> tuple[str, str]:
        return self.random.choice(GIVEN), self.random.choice(FAMILY)

    def subscriber(self) -> str:
        """Seven digits of a subscriber."""
        self.serial += 1
        return f"{(self.serial * 7919) % 10_000_000:07d}"

    def area(self) -> str:
        return self.random.choice(["11", "21", "31", "51", "85"])

    def number(self) -> str:
        """A usable number, in one of the ways people write them; two of three are Brazilian."""
        tail, area = self.subscriber(), self.area()
        return self.random.choice(
            [
                f"+55 {area} 98{tail[:3]}-{tail[3:]}",
                f"+55{area}98{tail}",
                f"({area}) 98{tail[:3]}-{tail[3:]}",
                f"0{area}98{tail}",
                f"+55 {area} 8{tail[:3]}-{tail[3:]}",
                f"({area}) 8{tail[:3]}-{tail[3:]}",
                f"0055 {area} 98{tail}",
                f"+1 (212) {int(tail[:3]) % 800 + 200}-{tail[3:]}",
                f"+49 (0) 151 2{tail}",
            ]
        )

    def photo(self) -> str:
        return base64.b64encode(self.random.randbytes(self.photo_bytes)).decode()


def messy_vcf(cards: int, *, seed: int = 1, photo_bytes: int = 600) -> Messy:
    """`cards` cards of all versions mixed, with exactly one broken in the middle, and the counts of what is in them."""
    writer = _Writer(random.Random(seed), photo_bytes)
    written: list[_Written] = []
    for index in range(cards):
        if index == cards // 2:
            written.append(_Written(list(MIDDLE_CARD), refused_numbers=1, used=False))
        elif index % 50 == 49:
            written.append(written[-1])
        else:
            kind = writer.random.choices([kind for kind, _ in _KINDS], [weight for _, weight in _KINDS])[0]
            written.append(kind(writer))
    return Messy(
        data=b"".join(line.encode(card.charset) + card.end for card in written for line in card.lines),
        begins=sum(card.begins for card in written),
        used=sum(card.used for card in written),
        numbers=sum(card.numbers for card in written if card.used),
        numberless=sum(not card.used and not card.refused_cards for card in written),
        refused_cards=sum(card.refused_cards for card in written),
        refused_numbers=sum(card.refused_numbers for card in written),
    )


def escaped(text: str) -> str:
    """A value as vCard 3.0 and 4.0 write it."""
    for char in "\\;,":
        text = text.replace(char, "\\" + char)
    return text.replace("\n", "\\n")


def folded(line: str, width: int = 75) -> list[str]:
    """A line folded as vCard 3.0 folds it, at `width` octets, never inside a character."""
    pieces, piece, size = [], "", 0
    for char in line:
        octets = len(char.encode())
        if size + octets > width:
            pieces.append(piece)
            piece, size = " ", 1
        piece, size = piece + char, size + octets
    return [*pieces, piece]


def quoted_printable(head: str, text: str, width: int = 76) -> list[str]:
    """A property in quoted-printable, every octet escaped, with soft breaks as vCard 2.1 has them."""
    tokens = [f"={octet:02X}" for octet in text.encode()]
    lines, line = [], f"{head};CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:"
    for token in tokens:
        if len(line) + len(token) + 1 > width:
            lines.append(line + "=")
            line = ""
        line += token
    return [*lines, line]


def _card(version: str, *lines: str) -> list[str]:
    return ["BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD"]


def _names(given: str, family: str) -> list[str]:
    return [
        *folded(f"N:{escaped(family)};{escaped(given)};;;"),
        *folded(f"FN:{escaped(f'{given} {family}')}"),
    ]


def _version_3(writer: _Writer) -> _Written:
    lines = [*_names(*writer.name()), f"TEL;TYPE=CELL,VOICE:{writer.number()}", "NOTE:met at\\nthe fair\\, in May"]
    return _Written(_card("3.0", *lines), numbers=1)


def _version_3_photo(writer: _Writer) -> _Written:
    photo = folded(f"PHOTO;ENCODING=b;TYPE=JPEG:{writer.photo()}")
    lines = [*_names(*writer.name()), *photo, f"TEL;type=CELL;type=pref:{writer.number()}"]
    return _Written(_card("3.0", *lines), numbers=1)


def _version_4(writer: _Writer) -> _Written:
    number = f"+55-{writer.area()}-98{writer.subscriber()}"
    lines = [*_names(*writer.name()), f'TEL;VALUE=uri;TYPE="cell,voice":tel:{number};ext=5']
    return _Written(_card("4.0", *lines), numbers=1, end=b"\n")


def _version_21(writer: _Writer) -> _Written:
    given, family = writer.name()
    lines = [
        *quoted_printable("N", f"{escaped(family)};{escaped(given)};;;"),
        *quoted_printable("FN", f"{given} {family}".replace("\\", "\\\\")),
        f"TEL;CELL;PREF:{writer.number()}",
    ]
    return _Written(_card("2.1", *lines), numbers=1)


def _version_21_photo(writer: _Writer) -> _Written:
    photo = writer.photo()
    block = [photo[start : start + 72] for start in range(0, len(photo), 72)]
    lines = ["N:Foto;Com;;;", "PHOTO;ENCODING=BASE64;JPEG:", *block, "", f"TEL;HOME:{writer.number()}"]
    return _Written(_card("2.1", *lines), numbers=1)


def _version_21_latin(writer: _Writer) -> _Written:
    lines = ["N;CHARSET=ISO-8859-1:Conceição;José;;;", f"TEL;CELL:{writer.number()}"]
    return _Written(_card("2.1", *lines), numbers=1, charset="latin-1")


def _agent(writer: _Writer) -> _Written:
    agent = _card("2.1", "N:Assistente;A;;;", f"TEL:{writer.number()}")
    lines = ["N:Chefe;O;;;", "AGENT:", *agent, f"TEL;CELL:{writer.number()}"]
    return _Written(_card("2.1", *lines), numbers=1, refused_cards=1, begins=2)


def _several(writer: _Writer) -> _Written:
    count = writer.random.randint(2, 4)
    types = ["HOME", "WORK", "CELL", "OTHER"]
    lines = [*_names(*writer.name()), *(f"TEL;TYPE={types[index]}:{writer.number()}" for index in range(count))]
    return _Written(_card("3.0", *lines), numbers=count)


def _with_fax(writer: _Writer) -> _Written:
    lines = [*_names(*writer.name()), f"TEL;TYPE=CELL:{writer.number()}", f"TEL;TYPE=WORK,FAX:{writer.number()}"]
    return _Written(_card("3.0", *lines), numbers=1, refused_numbers=1)


def _repeated(writer: _Writer) -> _Written:
    tail, area = writer.subscriber(), writer.area()
    lines = [*_names(*writer.name()), f"TEL:+55{area}98{tail}", f"TEL;TYPE=HOME:({area}) 98{tail[:3]}-{tail[3:]}"]
    return _Written(_card("3.0", *lines), numbers=1)


def _apple(writer: _Writer) -> _Written:
    given, family = writer.name()
    lines = [
        *_names(given, family),
        f"item1.TEL;type=pref:\u202a{writer.number()}\u202c",
        "item1.X-ABLabel:_$!<Other>!$_",
        f"item2.TEL:{writer.number()}",
        "item2.X-ABLabel:_$!<HomeFAX>!$_",
    ]
    return _Written(_card("3.0", *lines), numbers=1, refused_numbers=1)


def _whatsapp(writer: _Writer) -> _Written:
    tail = writer.subscriber()
    lines = [*_names(*writer.name()), f"TEL;type=CELL;waid=55118{tail}:+55 11 98{tail[:3]}-{tail[3:]}"]
    return _Written(_card("3.0", *lines), numbers=1)


def _company(writer: _Writer) -> _Written:
    company = escaped(writer.random.choice(COMPANIES))
    return _Written(_card("3.0", "N:;;;;", "FN:", f"ORG:{company};", f"TEL:{writer.number()}"), numbers=1)


def _nameless(writer: _Writer) -> _Written:
    return _Written(_card("3.0", "N:;;;;", f"TEL:{writer.number()}"), numbers=1, end=b"\r")


def _without_end(writer: _Writer) -> _Written:
    return _Written(_card("3.0", *_names(*writer.name()), f"TEL:{writer.number()}")[:-1], numbers=1)


def _bad_line(writer: _Writer) -> _Written:
    lines = [*_names(*writer.name()), "\x0cwhat is this line", f"TEL:{writer.number()}", "NOTE;=broken"]
    return _Written(_card("3.0", *lines), numbers=1)


def _numberless(writer: _Writer) -> _Written:
    return _Written(_card("3.0", *_names(*writer.name()), "EMAIL:someone@example.com"), used=False)


def _short_code(writer: _Writer) -> _Written:
    return _Written(_card("3.0", "FN:Saldo", "TEL:*144#", "TEL:190"), refused_numbers=2, used=False)


def _no_area(writer: _Writer) -> _Written:
    tail = writer.subscriber()
    lines = [*_names(*writer.name()), f"TEL:98{tail[:3]}-{tail[3:]}", f"TEL:{writer.number()}"]
    return _Written(_card("3.0", *lines), numbers=1, refused_numbers=1)


def _group(writer: _Writer) -> _Written:
    return _Written(_card("4.0", "KIND:group", "FN:Família", "MEMBER:urn:uuid:1"), refused_cards=1, used=False)


_KINDS: Sequence[tuple[Callable[[_Writer], _Written], int]] = (
    (_version_3, 30),
    (_version_3_photo, 20),
    (_version_4, 12),
    (_version_21, 15),
    (_version_21_photo, 5),
    (_version_21_latin, 3),
    (_agent, 1),
    (_several, 10),
    (_with_fax, 4),
    (_repeated, 4),
    (_apple, 4),
    (_whatsapp, 4),
    (_company, 4),
    (_nameless, 2),
    (_without_end, 1),
    (_bad_line, 2),
    (_numberless, 6),
    (_short_code, 2),
    (_no_area, 2),
    (_group, 1),
)


def main() -> None:
    """Write the file to standard output."""
    parser = argparse.ArgumentParser(description="Write a realistic messy vCard file to standard output.")
    parser.add_argument("cards", type=int, nargs="?", default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--photo-bytes", type=int, default=600, help="size of each picture")
    arguments = parser.parse_args()
    sys.stdout.buffer.write(messy_vcf(arguments.cards, seed=arguments.seed, photo_bytes=arguments.photo_bytes).data)


if __name__ == "__main__":
    main()
