"""A whole messy export: nothing is lost, whatever stands in it."""

import pytest

from lidbook.addressbook.book import AddressBook, RefusedKind, read_addressbook

from .messy_vcf import Messy, messy_vcf


@pytest.fixture(scope="module")
def messy() -> Messy:
    """The export of three thousand cards."""
    return messy_vcf(3000)


@pytest.fixture(scope="module")
def book(messy: Messy, tmp_path_factory: pytest.TempPathFactory) -> AddressBook:
    """What is read of it."""
    path = tmp_path_factory.mktemp("messy") / "contacts.vcf"
    path.write_bytes(messy.data)
    return read_addressbook(path)


def test_the_export_is_the_same_bytes_every_time(messy: Messy) -> None:
    assert messy_vcf(3000).data == messy.data


def test_every_card_is_used_or_refused_as_it_was_written_to_be(messy: Messy, book: AddressBook) -> None:
    assert len(book.cards) == messy.used
    assert book.numbers == messy.numbers
    assert book.numberless_cards == messy.numberless
    assert book.refused_cards == messy.numberless + messy.refused_cards
    assert book.refused_numbers == messy.refused_numbers


def test_the_counts_are_these(book: AddressBook) -> None:
    assert (len(book.cards), book.numbers, book.refused_cards, book.numberless_cards, book.refused_numbers) == (
        2792,
        3200,
        230,
        193,
        368,
    )


def test_every_begin_line_is_a_card_or_a_refused_card(messy: Messy, book: AddressBook) -> None:
    assert messy.data.count(b"BEGIN:VCARD") == messy.begins == len(book.cards) + book.refused_cards


def test_the_broken_card_in_the_middle_is_named_and_costs_nobody_else(messy: Messy, book: AddressBook) -> None:
    normal = messy.data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    line = normal[: normal.index(b"N;this line has no colon")].count(b"\n") - 1
    refused = [one for one in book.refused if line <= one.line < line + 6]
    assert [(one.kind, one.reason) for one in refused] == [
        (RefusedKind.NUMBERLESS, "has no phone number that can be used"),
        (RefusedKind.NUMBER, "has no digits"),
    ]
    assert {one.what for one in refused} == {"N;this line has no colon"}
    assert sum(card.line > line for card in book.cards) > 1300


def test_every_refusal_says_where_what_why_and_what_to_do(book: AddressBook) -> None:
    for one in book.refused:
        assert one.line > 0
        assert one.what
        assert one.reason
        assert one.advice
        assert (one.number is not None) == (one.kind is RefusedKind.NUMBER)


def test_numbers_without_a_country_code_are_read_in_the_country_of_most(book: AddressBook) -> None:
    assert (book.region, book.region_inferred) == ("BR", True)


def test_every_used_card_has_a_name_and_a_number(book: AddressBook) -> None:
    assert all(card.full_name and card.phones for card in book.cards)
