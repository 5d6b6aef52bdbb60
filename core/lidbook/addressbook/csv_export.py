"""Rows of a CSV export, Google's or Outlook's or a plain one, to entries of an address book."""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from lidbook.addressbook.card import (
    Entry,
    NumberUse,
    Refused,
    WrittenNumber,
    clean_name,
    join_names,
    number_use,
    shown,
)
from lidbook.addressbook.text import decoded, physical_lines
from lidbook.errors import InvalidWorld

_DELIMITERS = (",", ";", "\t")
_LONGEST_ROW = 300
"""Most lines that one row may span. An unclosed quote is looked for no further, so that it costs its own line only."""
_MANY = re.compile(r"\s*:::\s*")
_GOOGLE_PHONE = re.compile(r"phone (\d+) - value")
_PHONE = re.compile(
    r"(?:.* )?(?:phone|fax|pager|callback|isdn|telex|mobile)(?: \d+)?"
    r"|(?:phone|mobile|cell|whatsapp|contact|telephone) (?:number|no\.?)(?: \d+)?"
    r"|number|tel|telephone|cell|whatsapp|telefone|telefono|teléfono|telefon|celular|handy|msisdn"
)
_FULL = frozenset({"name", "full name", "fullname", "display name", "contact", "contact name", "nome", "nombre", "nom"})
_FIRST = frozenset({"given name", "first name", "firstname"})
_MIDDLE = frozenset({"additional name", "middle name"})
_LAST = frozenset({"family name", "last name", "lastname", "surname"})
_PREFIX = frozenset({"name prefix"})
_SUFFIX = frozenset({"name suffix", "suffix"})
_INSTEAD = (
    "nickname",
    "file as",
    "organization name",
    "organization 1 - name",
    "company",
    "e-mail 1 - value",
    "e-mail address",
    "email",
)
"""What a person is called who has no name, in this order."""
_ACCEPTED = "a Google Contacts or Outlook export, or a table whose first row is, for example, name,phone"


@dataclass(frozen=True, slots=True)
class _PhoneColumn:
    value: int
    label: int | None
    use: NumberUse


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where in a row things stand. A column that is not there is None."""

    width: int
    full: int | None
    first: int | None
    middle: int | None
    last: int | None
    prefix: int | None
    suffix: int | None
    instead: tuple[int, ...]
    phones: tuple[_PhoneColumn, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class _BadRow:
    line: int
    text: str
    reason: str


def read_csv(source: Iterable[bytes], name: str) -> Iterator[Entry | Refused]:
    """The entries of a table given in blocks of bytes, one row in memory at a time; empty rows are left out.

    Raises `InvalidWorld` when the header names no column for the name, or none for a phone number; `name` is the
    file's, for that message.
    """
    lines = enumerate((_text(raw) for raw in physical_lines(source)), 1)
    header = next(
        ((number, text) for number, text in lines if text.strip() and not text.casefold().startswith("sep=")), None
    )
    if header is None:
        raise InvalidWorld(f"{name} has no rows: export the contacts again")
    # A header may itself hold a quoted line break, so it is read as a row like any other.
    delimiter, columns, rest = _header(chain([header], lines), name)
    for row in _rows(rest, delimiter, columns.width):
        if isinstance(row, _BadRow):
            yield Refused(
                row.line, shown(row.text), row.reason, "quote cells that hold a delimiter, a quote or a line break"
            )
        else:
            yield _entry(row, columns)


def _header(lines: Iterator[tuple[int, str]], name: str) -> tuple[str, _Columns, Iterator[tuple[int, str]]]:
    number, text = next(lines)
    while text.count('"') % 2 and text.count("\n") < _LONGEST_ROW:
        following = next(lines, None)
        if following is None:
            break
        text += following[1]
    tables = {delimiter: _parsed(text, delimiter, strict=False) or [] for delimiter in _DELIMITERS}
    for delimiter, cells in sorted(tables.items(), key=lambda table: -len(table[1])):
        columns = _columns(cells)
        if columns is not None:
            return delimiter, columns, lines
    widest = max(tables.values(), key=len)
    seen = shown(", ".join(cell.strip() for cell in widest))
    raise InvalidWorld(
        f"{name}: its header (line {number}) names no column for a name and a phone number; "
        f"it reads: {seen}. Accepted: {_ACCEPTED}"
    )


def _columns(header: list[str]) -> _Columns | None:
    """What the header's columns hold; None unless there is a name and a phone among them."""
    names = [cell.strip().casefold() for cell in header]
    place = {name: index for index, name in reversed(list(enumerate(names)))}

    def one_of(accepted: frozenset[str]) -> int | None:
        return next((place[name] for name in names if name in accepted), None)

    phones = tuple(_phone_columns(names, place))
    full, first, last = one_of(_FULL), one_of(_FIRST), one_of(_LAST)
    if not phones or (full is None and first is None and last is None):
        return None
    return _Columns(
        width=len(header),
        full=full,
        first=first,
        middle=one_of(_MIDDLE),
        last=last,
        prefix=one_of(_PREFIX),
        suffix=one_of(_SUFFIX),
        instead=tuple(place[name] for name in _INSTEAD if name in place),
        phones=phones,
    )


def _phone_columns(names: list[str], place: dict[str, int]) -> Iterator[_PhoneColumn]:
    for index, name in enumerate(names):
        google = _GOOGLE_PHONE.fullmatch(name)
        if google:
            label = place.get(f"phone {google[1]} - label", place.get(f"phone {google[1]} - type"))
            yield _PhoneColumn(index, label, NumberUse.PHONE)
        elif _PHONE.fullmatch(name):
            yield _PhoneColumn(index, None, number_use(name))


def _entry(row: _Row, columns: _Columns) -> Entry:
    def cell(index: int | None) -> str:
        return "" if index is None else clean_name(row.cells[index])

    first, last = cell(columns.first), cell(columns.last)
    full = (
        cell(columns.full)
        or join_names((cell(columns.prefix), first, cell(columns.middle), last, cell(columns.suffix)))
        or next((name for index in columns.instead if (name := cell(index))), "")
    )
    numbers = tuple(
        WrittenNumber(text, row.line, number_use(row.cells[column.label]) if column.label is not None else column.use)
        for column in columns.phones
        for text in _MANY.split(row.cells[column.value].strip())
        if text
    )
    first_cell = next(text for text in row.cells if text.strip())
    return Entry(row.line, first or None, last or None, full, numbers, shown(first_cell))


def _rows(lines: Iterator[tuple[int, str]], delimiter: str, width: int) -> Iterator[_Row | _BadRow]:
    """Rows by their quotes: one is whole when it holds an even number of them.

    Where that leads to nothing sensible, the first line alone is judged and reading goes on with the second.
    """
    waiting: deque[tuple[int, str]] = deque()

    def following() -> tuple[int, str] | None:
        return waiting.popleft() if waiting else next(lines, None)

    while (line := following()) is not None:
        number, text = line
        taken = [line]
        odd = text.count('"') % 2 == 1
        while odd and len(taken) < _LONGEST_ROW and (more := following()) is not None:
            taken.append(more)
            odd = more[1].count('"') % 2 == 0
        cells = None if odd else _cells("".join(text for _, text in taken), delimiter, width, strict=True)
        if cells is None:
            waiting.extendleft(reversed(taken[1:]))
            cells = _cells(text, delimiter, width, strict=False)
        if cells is None:
            yield _BadRow(number, text, _complaint(text, delimiter, width))
        elif cells:
            yield _Row(number, cells)


def _cells(text: str, delimiter: str, width: int, *, strict: bool) -> list[str] | None:
    """The row's cells, as many as the header has; none when nothing is in them; None when the text is no such row.

    One cell too many is never taken for an empty last one: it is the sign of an unquoted comma that shifts the others.
    """
    cells = _parsed(text, delimiter, strict=strict)
    if cells is None:
        return None
    if not any(cell.strip() for cell in cells):
        return []
    return cells if len(cells) == width else None


def _parsed(text: str, delimiter: str, *, strict: bool) -> list[str] | None:
    """The cells of `text`; None where a line break outside of quotes makes it more than one row."""
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=strict), [])
    except csv.Error:
        return None


def _complaint(text: str, delimiter: str, width: int) -> str:
    found = len(_parsed(text, delimiter, strict=False) or [])
    if text.count('"') % 2 and found <= width:
        return "has a quote that is never closed"
    columns = "column" if found == 1 else "columns"
    return f"has {found} {columns} where the header has {width}"


def _text(raw: bytes) -> str:
    text = decoded(raw).replace("\0", "")
    return text.rstrip("\r\n") + "\n"
