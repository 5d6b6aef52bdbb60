"""Cards of a vCard file, version 2.1, 3.0 or 4.0, to entries of an address book.

The reading is this package's own, because `vobject` gives up a whole card for one line it cannot read, and cuts a name
short at a comma that is not escaped, as no comma is in version 2.1. The tests ask it for a second opinion.
"""

import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from lidbook.addressbook.card import (
    Entry,
    NumberUse,
    Refused,
    RefusedKind,
    WrittenNumber,
    clean_name,
    join_names,
    number_use,
    shown,
)
from lidbook.addressbook.text import decoded, physical_lines
from lidbook.addressbook.vcard_lines import CardText, Line, StrayText, split_cards

_HEAD = re.compile(rb'((?:[^":]|"[^"]*")*):(.*)', re.DOTALL)
_PARAMETER = re.compile(r';((?:[^";]|"[^"]*")*)')
_SPLIT_CHARACTER = re.compile(rb"\n[ \t](?=[\x80-\xbf])")
_FOLD = re.compile(rb"\n[ \t]?")
_SOFT_BREAK = re.compile(rb"=[ \t]*\n")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_FIELD = re.compile(r"((?:\\.|[^\\;])*+\\?)(?:;|\Z)", re.DOTALL)
_LIST_COMMA = re.compile(r"(\\.)|,(?! )", re.DOTALL)
_APPLE_LABEL = re.compile(r"_\$!<(.*)>!\$_")
_TEL = re.compile(rb"TEL", re.IGNORECASE)
_URI_PARAMETER = re.compile(r";([a-z0-9-]+)=([^;]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Property:
    line: int
    name: str
    group: str
    types: str
    """All its types, and whatever else stands there without a name: `HOME FAX`."""
    parameters: dict[str, str]
    value: str
    ended: bool


def read_vcards(source: Iterable[bytes]) -> Iterator[Entry | Refused]:
    """The entries of a file given in blocks of bytes, one card in memory at a time; every card is yielded once."""
    for text in split_cards(physical_lines(source)):
        if isinstance(text, StrayText):
            lines = "is a line" if text.count == 1 else f"begins {text.count} lines"
            yield Refused(
                text.line,
                shown(decoded(text.first)),
                f"{lines} outside any card",
                "put BEGIN:VCARD before and END:VCARD after each card",
                RefusedKind.TEXT,
            )
        else:
            yield from _read_card(text)


def _read_card(card: CardText) -> Iterator[Entry | Refused]:
    properties = _properties(card)
    entry = _entry(card, properties)
    what = shown(entry.what)
    if card.agent_of is not None:
        yield Refused(
            card.line,
            what,
            "is an assistant noted on another card, not a contact",
            f"give them a card of their own, outside the one of line {card.agent_of}",
        )
        return
    if any(p.name.endswith("KIND") and p.value.strip().casefold() == "group" for p in properties):
        yield Refused(
            card.line, what, "is a group of cards, not a person", "nothing is missing: its members stand apart"
        )
        return
    cut = next((p for p in properties if p.name == "TEL" and not p.ended), None)
    if cut is not None and not card.closed:
        yield Refused(
            cut.line,
            what,
            "may be cut short, the file ends in it",
            "export the contacts again, or add END:VCARD when the number is whole",
            RefusedKind.NUMBER,
            shown(cut.value),
        )
        kept = tuple(number for number in entry.numbers if number.line != cut.line)
        entry = Entry(entry.line, entry.first_name, entry.last_name, entry.full_name, kept, entry.first_line)
    yield entry


def _entry(card: CardText, properties: list[_Property]) -> Entry:
    labels = {p.group: _label(p) for p in properties if p.name == "X-ABLABEL" and p.group}
    family, given, additional, prefix, suffix = _structured_name(properties)
    full = (
        next(_texts(properties, "FN"), "")
        or join_names((prefix, given, additional, family, suffix))
        or next(_texts(properties, "NICKNAME"), "")
        or next(_organisations(properties), "")
        or next(_texts(properties, "EMAIL"), "")
    )
    numbers = tuple(_number(p, labels.get(p.group, "")) for p in properties if p.name == "TEL")
    first_line = shown(decoded(card.first)) or "an empty card"
    return Entry(card.line, given or None, family or None, full, numbers, first_line)


def _structured_name(properties: list[_Property]) -> tuple[str, str, str, str, str]:
    """Family, given, additional, prefix, suffix, of the first `N` that says anything."""
    for prop in properties:
        if prop.name == "N":
            parts = [clean_name(_unlisted(field)) for field in _raw_fields(prop.value)]
            if any(parts):
                family, given, additional, prefix, suffix, *_ = [*parts, "", "", "", "", ""]
                return family, given, additional, prefix, suffix
    return "", "", "", "", ""


def _texts(properties: list[_Property], name: str) -> Iterator[str]:
    return (text for p in properties if p.name == name and (text := clean_name(_unescaped(p.value))))


def _organisations(properties: list[_Property]) -> Iterator[str]:
    fields = (field for p in properties if p.name == "ORG" for field in _raw_fields(p.value))
    return (name for field in fields if (name := clean_name(_unescaped(field))))


def _number(prop: _Property, label: str) -> WrittenNumber:
    use = number_use(label) if label else NumberUse.PHONE
    if use is NumberUse.PHONE:
        use = number_use(prop.types)
    return WrittenNumber(_dialled(_unescaped(prop.value)), prop.line, use, prop.parameters.get("WAID"))


def _dialled(value: str) -> str:
    """The number in a `tel:` URI, which stands in its context where it is a local one; other values as they are."""
    text = value.strip()
    if not text.casefold().startswith("tel:"):
        return text
    number, _, _ = text[4:].partition(";")
    context = {key.casefold(): rest for key, rest in _URI_PARAMETER.findall(text)}.get("phone-context", "")
    local = unquote(number)
    return f"{context}{local}" if context.startswith("+") and not local.startswith("+") else local


def _label(prop: _Property) -> str:
    label = _unescaped(prop.value).strip()
    apple = _APPLE_LABEL.fullmatch(label)
    return apple[1] if apple else label


def _properties(card: CardText) -> list[_Property]:
    version = next((_value_of(line.raw).strip() for line in card.lines if line.name == b"VERSION"), b"")
    return [_property(line, old=version == b"2.1") for line in card.lines]


def _property(line: Line, *, old: bool) -> _Property:
    raw = line.raw
    if b"\n" in raw:
        raw = _unfolded(raw, old=old)
    match = _HEAD.match(raw)
    head_raw, _, value_raw = (match[1], b":", match[2]) if match else raw.partition(b":")
    head = decoded(head_raw)
    if b":" not in raw:
        value_raw = _TEL.split(raw, maxsplit=1)[-1] if line.name == b"TEL" else b""
    name = head.partition(";")[0]
    parameters, types = _parameters(head)
    encoding = parameters.get("ENCODING", "").upper()
    if encoding == "QUOTED-PRINTABLE" or "QUOTED-PRINTABLE" in types.upper().split():
        value_raw = binascii.a2b_qp(value_raw)
    group, _, _ = name.rpartition(".")
    return _Property(
        line.number,
        line.name.decode("ascii"),
        group.upper(),
        types,
        parameters,
        decoded(value_raw, parameters.get("CHARSET")),
        line.ended,
    )


def _parameters(head: str) -> tuple[dict[str, str], str]:
    """Parameters by name in capitals; and the types with all that stands there bare, as vCard 2.1 writes them."""
    named: dict[str, str] = {}
    types: list[str] = []
    for text in _PARAMETER.findall(head):
        key, equals, value = text.partition("=")
        value = value.replace('"', "").strip()
        if not equals:
            types.append(key.strip())
        elif key.strip().upper() == "TYPE":
            types.extend(value.split(","))
        else:
            named[key.strip().upper()] = value
    return named, " ".join(types)


def _unfolded(raw: bytes, *, old: bool) -> bytes:
    """One line of a folded property.

    Version 2.1 folds at a space and keeps it, later ones insert one; a fold inside a character is of the later kind
    whatever the version says.
    """
    if b"QUOTED-PRINTABLE" in raw.upper():
        raw = _SOFT_BREAK.sub(b"", raw)
    return _SPLIT_CHARACTER.sub(b"", raw).replace(b"\n", b"") if old else _FOLD.sub(b"", raw)


def _value_of(raw: bytes) -> bytes:
    return raw.partition(b":")[2]


def _raw_fields(value: str) -> list[str]:
    """The parts between semicolons that are not escaped, still escaped themselves."""
    return [match[1] for match in _FIELD.finditer(value)]


def _unlisted(field: str) -> str:
    """A part of a name as people say it: `Philip,Paul` are two names, `Acme, Inc.` is one."""
    return _unescaped(_LIST_COMMA.sub(lambda match: match[1] or " ", field))


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda match: "\n" if match[1] in "nN" else match[1], value)
