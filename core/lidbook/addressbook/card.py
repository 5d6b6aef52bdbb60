"""What reading an address book yields: cards, what was refused, and the half-read entry between the two."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lidbook.identifiers import PhoneNumber

SHOWN = 80
"""Longest piece of the user's file that a message repeats, in characters."""

_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ud800-\udfff]")
_SPACES = re.compile("[\t-\r\x85\u2028\u2029 ]+")
_UNSEEN = frozenset({"Cf", "Zs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Card:
    """One person of the user's address book: at least one phone number, and a name that is never empty.

    `phones` is without repetition and best first: numbers marked as WhatsApp's own, then mobiles, then the others, each
    in the order of the file. First and last name are None where the file gives the whole name only.
    """

    first_name: str | None
    last_name: str | None
    full_name: str
    phones: tuple[PhoneNumber, ...]
    line: int


class RefusedKind(StrEnum):
    """How much was refused."""

    CARD = "card"
    """A whole card, or row, that cannot be read or is no person."""
    NUMBERLESS = "numberless"
    """A whole card, or row, without a usable phone number."""
    NUMBER = "number"
    """One phone number; the rest of its card may have been used."""
    TEXT = "text"
    """Lines that stand outside any card."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What could not be used: where it stands (line of the file, from 1), whose it is, why, and how to mend it."""

    line: int
    what: str
    """The card's name, or its first line where it has none."""
    reason: str
    advice: str
    kind: RefusedKind = RefusedKind.CARD
    number: str | None = None
    """The number as it is written in the file, for `RefusedKind.NUMBER`."""

    def __str__(self) -> str:
        """One line for a report: `line 12: Ana Silva, "12345": is too short; write …`."""
        number = "" if self.number is None else f', "{self.number}"'
        return f"line {self.line}: {self.what}{number}: {self.reason}; {self.advice}"


class NumberUse(StrEnum):
    """What the file says a number is for."""

    WHATSAPP = "whatsapp"
    """The person's WhatsApp account."""
    MOBILE = "mobile"
    """A mobile phone."""
    PHONE = "phone"
    """Any other phone, or nothing is said."""
    FAX = "fax"
    """A fax machine, and no voice line."""
    PAGER = "pager"
    """A pager."""
    MACHINE = "machine"
    """A telex or text telephone."""
    ASSISTANT = "assistant"
    """Somebody else's number: the assistant's."""


@dataclass(frozen=True, slots=True)
class WrittenNumber:
    """A phone number as the file writes it; `waid` is what WhatsApp's own export says the account's number is."""

    text: str
    line: int
    use: NumberUse = NumberUse.PHONE
    waid: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A card or row with its names read and its numbers not yet: those may need the region of the whole file."""

    line: int
    first_name: str | None
    last_name: str | None
    full_name: str
    numbers: tuple[WrittenNumber, ...]
    first_line: str
    """What to call the entry when it has no name."""

    @property
    def what(self) -> str:
        """How messages name it."""
        return self.full_name or self.first_line


def clean_name(text: str) -> str:
    """`text` as one trimmed line without control characters; `""` when nothing of it can be seen.

    Joiners and direction marks inside a name stay: emoji, Arabic and Hebrew need them.
    """
    name = _SPACES.sub(" ", _CONTROLS.sub("", text)).strip()
    if all(unicodedata.category(char) in _UNSEEN for char in name):
        return ""
    return name


def join_names(parts: Iterable[str]) -> str:
    """The non-empty parts of a name, in the order given."""
    return " ".join(part for part in parts if part)


def shown(text: str) -> str:
    """`text` as a message may repeat it: one line, not too long."""
    line = clean_name(text)
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"


def number_use(words: str) -> NumberUse:
    """The use that a label, a column's name or a list of vCard types speaks of; lines that carry voice are phones."""
    text = words.casefold()
    if "whatsapp" in text:
        return NumberUse.WHATSAPP
    if "assistant" in text:
        return NumberUse.ASSISTANT
    found = set(re.findall(r"[^\W\d_]+", text))
    if found & _MOBILE_WORDS:
        return NumberUse.MOBILE
    if found & _VOICE_WORDS:
        return NumberUse.PHONE
    if any(word.endswith("fax") for word in found):
        return NumberUse.FAX
    if "pager" in found:
        return NumberUse.PAGER
    if found & _MACHINE_WORDS:
        return NumberUse.MACHINE
    return NumberUse.PHONE


_MOBILE_WORDS = frozenset({"cell", "mobile", "iphone", "mobil", "handy", "celular", "móvil", "movil", "portable"})
_VOICE_WORDS = frozenset({"voice", "msg", "text", "sms"})
_MACHINE_WORDS = frozenset({"telex", "tty", "tdd", "textphone", "modem", "bbs"})
