"""The user's own address book, from the file their phone or mail program exports."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lidbook.addressbook.card import (
    Card,
    Entry,
    NumberUse,
    Refused,
    RefusedKind,
    WrittenNumber,
    shown,
)
from lidbook.addressbook.csv_export import read_csv
from lidbook.addressbook.numbers import Unusable, infer_region, is_region, read_number, read_waid
from lidbook.addressbook.text import Format, blocks, sniff
from lidbook.addressbook.vcard import read_vcards
from lidbook.errors import InvalidWorld
from lidbook.identifiers import PhoneNumber

__all__ = ["AddressBook", "Card", "Refused", "RefusedKind", "read_addressbook"]

_NO_PERSONS_PHONE = {
    NumberUse.FAX: "is a fax number",
    NumberUse.PAGER: "is a pager",
    NumberUse.MACHINE: "is a telex or text telephone",
    NumberUse.ASSISTANT: "is the assistant's number",
}
_ORDER = {NumberUse.WHATSAPP: 0, NumberUse.MOBILE: 1}


@dataclass(frozen=True, slots=True)
class AddressBook:
    """What an export holds: the cards that can be used, and everything that cannot, each with its reason.

    Every card or row of the file is in `cards`, or in `refused` as a card; one used card may still have numbers there.
    """

    cards: tuple[Card, ...]
    refused: tuple[Refused, ...]
    """In the order of the file."""
    source: str
    """The file's name."""
    region: str | None
    """The country, as BR, that numbers without a country code were read in; None when none was given or found."""
    region_inferred: bool
    """Whether `region` is the country of most international numbers in the file, and not the caller's."""

    @property
    def numbers(self) -> int:
        """Usable phone numbers, over all cards; a number on two cards counts twice."""
        return sum(len(card.phones) for card in self.cards)

    @property
    def distinct_numbers(self) -> int:
        """Usable phone numbers, each counted once."""
        return len({phone for card in self.cards for phone in card.phones})

    @property
    def refused_cards(self) -> int:
        """Cards that could not be used, those without a usable number included."""
        return self._count(RefusedKind.CARD) + self.numberless_cards

    @property
    def numberless_cards(self) -> int:
        """Cards without a usable phone number."""
        return self._count(RefusedKind.NUMBERLESS)

    @property
    def refused_numbers(self) -> int:
        """Single phone numbers that could not be used, whether or not their card was."""
        return self._count(RefusedKind.NUMBER)

    @property
    def summary(self) -> str:
        """One line that accounts for every card of the file."""
        inferred = " (the country of most of its numbers)" if self.region_inferred else ""
        region = f"; numbers without a country code read as {self.region}{inferred}" if self.region else ""
        return (
            f"{self.source}: {len(self.cards)} cards used with {self.numbers} numbers, "
            f"{self.refused_cards} cards refused ({self.numberless_cards} without a usable number), "
            f"{self.refused_numbers} numbers refused{region}"
        )

    def _count(self, kind: RefusedKind) -> int:
        return sum(refused.kind is kind for refused in self.refused)


def read_addressbook(path: Path, *, region: str | None = None) -> AddressBook:
    """The address book in a vCard (2.1, 3.0, 4.0) or CSV (Google, Outlook, plain) file.

    `region` is the country, as BR, of the numbers written without a country code; when it is not given, it is the
    country of most of the file's international numbers. Blocks while it reads: about a second for 5,000 cards.
    Raises `InvalidWorld` when the file cannot be read or is neither format, and for a region that is none.
    """
    if region is not None and not is_region(region := region.upper()):
        raise InvalidWorld(f"{region} is not a country in two letters: give one such as BR")
    try:
        entries, refused = _entries(path)
    except OSError as error:
        raise InvalidWorld(f"{path} cannot be read: {error.strerror or error}") from error
    inferred = None if region else infer_region([text for entry in entries for text in _international(entry)])
    cards: list[Card] = []
    for entry in entries:
        card, faults = _card(entry, region or inferred)
        refused.extend(faults)
        if card is not None:
            cards.append(card)
    refused.sort(key=lambda one: one.line)
    return AddressBook(tuple(cards), tuple(refused), path.name, region or inferred, inferred is not None)


def _entries(path: Path) -> tuple[list[Entry], list[Refused]]:
    sniffed = sniff(path)
    source = blocks(path, sniffed)
    readings: Iterator[Entry | Refused]
    readings = read_vcards(source) if sniffed.format is Format.VCARD else read_csv(source, path.name)
    entries: list[Entry] = []
    refused: list[Refused] = []
    for reading in readings:
        if isinstance(reading, Entry):
            entries.append(reading)
        else:
            refused.append(reading)
    if sniffed.format is Format.VCARD and not entries and all(one.kind is RefusedKind.TEXT for one in refused):
        raise InvalidWorld(f"{path.name} holds no vCard: there is no line BEGIN:VCARD in it")
    return entries, refused


def _international(entry: Entry) -> Iterator[str]:
    for number in entry.numbers:
        waid = read_waid(number.waid) if number.waid else None
        yield number.text if waid is None else f"+{waid.digits}"


def _card(entry: Entry, region: str | None) -> tuple[Card | None, list[Refused]]:
    """The entry as a card, or None when no number of it can be used; and what is refused of it."""
    what = shown(entry.what)
    refused: list[Refused] = []
    usable: list[tuple[int, PhoneNumber]] = []
    for number in entry.numbers:
        reading = _phone(number, region)
        if isinstance(reading, Unusable):
            refused.append(
                Refused(number.line, what, reading.reason, reading.advice, RefusedKind.NUMBER, shown(number.text))
            )
        else:
            usable.append((_rank(number), reading))
    if not usable:
        reason = "has no phone number" if not refused else "has no phone number that can be used"
        refused.append(Refused(entry.line, what, reason, "add one in international form", RefusedKind.NUMBERLESS))
        return None, refused
    phones = tuple(dict.fromkeys(phone for _, phone in sorted(usable, key=lambda one: one[0])))
    full_name = entry.full_name or f"+{phones[0].digits}"
    return Card(entry.first_name, entry.last_name, full_name, phones, entry.line), refused


def _rank(number: WrittenNumber) -> int:
    return 0 if number.waid and read_waid(number.waid) else _ORDER.get(number.use, 2)


def _phone(number: WrittenNumber, region: str | None) -> PhoneNumber | Unusable:
    waid = read_waid(number.waid) if number.waid else None
    if waid is not None:
        return waid
    if number.use in _NO_PERSONS_PHONE:
        return Unusable(_NO_PERSONS_PHONE[number.use], "if it is a phone, give it another label")
    return read_number(number.text, region)
