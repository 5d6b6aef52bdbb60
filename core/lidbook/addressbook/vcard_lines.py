"""Lines of a vCard file to whole cards, however they are folded, nested or left open.

Every `BEGIN:VCARD` becomes exactly one card, so that a bad line costs its card at most and never the cards after it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_LONGEST = 1 << 16
_FIRST = 200
_BOM = b"\xef\xbb\xbf"
_PROPERTY = re.compile(rb"(?:[A-Za-z0-9_-]+\.)?([A-Za-z][A-Za-z0-9_-]*)[ \t]*[;:]")
_TEL_WITHOUT_COLON = re.compile(rb"(?:[A-Za-z0-9_-]+\.)?TEL[; \t]", re.IGNORECASE)
_NEXT_PROPERTY = re.compile(
    rb"(?:item[0-9]+\.)?(?:N|FN|TEL|EMAIL|ADR|ORG|TITLE|ROLE|NOTE|URL|UID|REV|BDAY|PHOTO|NICKNAME|LABEL|VERSION|"
    rb"CATEGORIES|X-[A-Z-]+)[;:]"
)
_BINARY = re.compile(rb"^(?:[^:]*\.)?(?:PHOTO|LOGO|SOUND|KEY)\b|^[^:]*;(?:ENCODING=)?(?:BASE64|B)[;:]", re.IGNORECASE)
_NEXT_NUMBER = re.compile(rb"(?:item[0-9]+\.)?TEL[;:]")
_LINE_BREAK = (b"=0A=", b"=0D=", b"=0a=", b"=0d=")
_KEPT = frozenset(
    {b"N", b"FN", b"TEL", b"ORG", b"NICKNAME", b"EMAIL", b"VERSION", b"KIND", b"X-ABLABEL", b"AGENT"}
    | {b"X-ADDRESSBOOKSERVER-KIND"}
)


class Line(NamedTuple):
    r"""One property as it stands in the file: its folds are still in `raw`, each as a \n."""

    number: int
    name: bytes
    """In capitals, without its group; empty for a line that is no property."""
    raw: bytes
    """Cut short for properties that no reader here wants, pictures above all."""
    ended: bool
    """False when the file stops before the line does."""


@dataclass(frozen=True, slots=True)
class CardText:
    """The lines of one card that matter, as they stand in the file."""

    line: int
    lines: list[Line]
    first: bytes
    """Its first property but for VERSION, for calling a card that has no name."""
    closed: bool
    agent_of: int | None
    """The line on which the card begins whose AGENT (an assistant, in vCard 2.1) this is."""


@dataclass(frozen=True, slots=True)
class StrayText:
    """Lines outside any card: their number, and the first of them."""

    line: int
    count: int
    first: bytes


@dataclass(slots=True)
class _Open:
    """A card, or a run of stray lines, whose end has not come yet."""

    line: int
    agent_of: int | None = None
    first: bytes = b""
    lines: list[Line] = field(default_factory=list)
    count: int = 0

    def add(self, line: Line) -> None:
        self.count += 1
        if not self.first and line.name not in (b"", b"VERSION", b"PRODID"):
            self.first = line.raw[:_FIRST]
        if line.name in _KEPT:
            self.lines.append(line)

    def card(self, *, closed: bool) -> CardText:
        return CardText(self.line, self.lines, self.first, closed, self.agent_of)


def split_cards(physical: Iterable[bytes]) -> Iterator[CardText | StrayText]:
    """The cards of a file in the order in which they end, one in memory at a time.

    A `BEGIN` inside a card opens its agent where an `AGENT` line says so, and otherwise ends a card that was left open.
    """
    cards: list[_Open] = []
    stray: _Open | None = None
    agent_follows = False
    for line in logical_lines(physical):
        if line.name == b"BEGIN" and _is_vcard(line.raw):
            if stray is not None:
                yield StrayText(stray.line, stray.count, stray.first)
                stray = None
            agent_of = cards[-1].line if agent_follows else None
            while cards and agent_of is None:
                yield cards.pop().card(closed=False)
            cards.append(_Open(line.number, agent_of))
            agent_follows = False
        elif line.name == b"END" and _is_vcard(line.raw):
            agent_follows = False
            if cards:
                yield cards.pop().card(closed=True)
            elif stray is not None:
                yield StrayText(stray.line, stray.count, stray.first)
                stray = None
        elif cards:
            card = cards[-1]
            card.add(line)
            agent_follows = False
            if line.name == b"AGENT":
                value = _value(line.raw)
                agent_follows = not value
                if value == b"BEGIN:VCARD":
                    cards.append(_Open(line.number, card.line))
                elif value.startswith(b"BEGIN:VCARD"):
                    yield CardText(line.number, [], line.raw[:_FIRST], closed=True, agent_of=card.line)
        else:
            stray = stray or _Open(line.number, first=line.raw[:_FIRST])
            stray.add(line)
    while cards:
        yield cards.pop().card(closed=False)
    if stray is not None:
        yield StrayText(stray.line, stray.count, stray.first)


def logical_lines(physical: Iterable[bytes]) -> Iterator[Line]:
    """Properties with the lines they continue on: after a space or tab, and in quoted-printable after a `=`.

    A quoted-printable value whose last `=` promises more than comes does not swallow the line that follows, where that
    is plainly the next property.
    """
    start, name, pieces, size, last = 0, b"", [b""], 0, b""
    kept = ended = quoted = soft = skipped = binary = False
    for number, line in enumerate(physical, 1):
        if skipped and (line[0] in b" \t" or (binary and b":" not in line)):
            continue
        ended = line.endswith((b"\n", b"\r"))
        line = line.rstrip(b"\r\n")
        if number == 1 or line.startswith(_BOM):
            line = line.removeprefix(_BOM)
        if not line:
            soft = soft and kept
            continue
        if soft and (_is_boundary(line) or _is_next(line, last, kept=kept)):
            soft = False
        elif soft or line[0] in b" \t":
            if kept and size < _LONGEST:
                pieces.append(line)
                size += len(line)
            soft, last = quoted and line.rstrip().endswith(b"="), line
            continue
        if start:
            yield Line(start, name, b"\n".join(pieces), ended=True)
        match = _PROPERTY.match(line)
        name = match[1].upper() if match else _name_without_colon(line)
        kept = name in _KEPT
        start, pieces = number, [line if kept else line[:_FIRST]]
        size = len(line)
        quoted = b"QUOTED-PRINTABLE" in line[:_FIRST].upper()
        soft, last = quoted and line.rstrip().endswith(b"="), line
        skipped = not kept and not quoted
        binary = skipped and _BINARY.search(line[:_FIRST]) is not None
    if start:
        yield Line(start, name, b"\n".join(pieces), ended)


def _name_without_colon(line: bytes) -> bytes:
    return b"TEL" if _TEL_WITHOUT_COLON.match(line) else b""


def _is_next(line: bytes, last: bytes, *, kept: bool) -> bool:
    """Whether a line after a soft break is the next property all the same.

    In a note a line that begins with TEL is text when the note itself breaks its line there, as signatures do.
    """
    if last.rstrip().endswith(_LINE_BREAK):
        return False
    return (_NEXT_PROPERTY if kept else _NEXT_NUMBER).match(line) is not None


def _is_boundary(line: bytes) -> bool:
    return line[:1] in b"BbEe" and line.upper().startswith((b"BEGIN", b"END")) and _is_vcard(line)


def _is_vcard(line: bytes) -> bool:
    return _value(line) == b"VCARD"


def _value(line: bytes) -> bytes:
    return line.partition(b":")[2].strip().upper()
