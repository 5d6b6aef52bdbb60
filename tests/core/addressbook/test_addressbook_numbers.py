"""Phone numbers as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidbook.addressbook.numbers import Unusable, infer_region, is_region, read_number, read_waid
from lidbook.identifiers import PhoneNumber, check_dialable


@pytest.mark.parametrize(
    ("text", "region", "digits"),
    [
        ("+55 11 98765-4321", None, "5511987654321"),
        ("+5511987654321", "US", "5511987654321"),
        ("++55 11 98765 4321", None, "5511987654321"),
        ("(+55) 11 98765-4321", None, "5511987654321"),
        ("0055 11 98765 4321", "BR", "5511987654321"),
        ("0055 11 98765 4321", None, "5511987654321"),
        ("+0055 11 98765 4321", None, "5511987654321"),
        ("(11) 98765-4321", "BR", "5511987654321"),
        ("011 98765-4321", "BR", "5511987654321"),
        ("0 15 11 98765-4321", "BR", "5511987654321"),
        ("011 44 20 7946 0958", "US", "442079460958"),
        ("0011 1 212 555 0100", "AU", "12125550100"),
        ("+55 11 8765-4321", None, "551187654321"),
        ("(11) 8765-4321", "BR", "551187654321"),
        ("5511987654321", None, "5511987654321"),
        ("551187654321", None, "551187654321"),
        ("551187654321", "BR", "551187654321"),
        ("5184654321", "BR", "555184654321"),
        ("4915112345678", "BR", "4915112345678"),
        ("14155552671", "BR", "14155552671"),
        ("5511987654321@s.whatsapp.net", None, "5511987654321"),
        ("+521 55 1234 5678", None, "5215512345678"),
        ("5215512345678", None, "5215512345678"),
        ("+52 55 1234 5678", None, "525512345678"),
        ("+54 9 11 2345-6789", None, "5491123456789"),
        ("+54 11 15 2345 6789", None, "5491123456789"),
        ("+49 (0) 151 23456789", None, "4915123456789"),
        ("+44 (0)7911 123456", None, "447911123456"),
        ("+39 06 698 12345", None, "390669812345"),
        ("+290 22222", None, "29022222"),
        ("+800 1234 5678", None, "80012345678"),
        ("1-800-FLOWERS", "US", "18003569377"),
        ("+1 800 FLOWERS", None, "18003569377"),
        ("+1 900 555 0123", None, "19005550123"),
        ("0800 729 0722", "BR", "558007290722"),
        ("+1 201 555 0123 ext. 5", None, "12015550123"),
        ("+1 201 555 0123x5", None, "12015550123"),
        ("+1 201 555 0123,,5#", None, "12015550123"),
        ("+1 201 555 0123;ext=5", None, "12015550123"),
        ("+1 201 555 0123p55", None, "12015550123"),
        ("+55 11 3222-0001 ramal 12", None, "551132220001"),
        ("030 1234567/68", "DE", "49301234567"),
        ("+1 415 555 2671 home", None, "14155552671"),
        ("+49301234567 (Oma)", None, "49301234567"),
        ("Tel. 030 1234567", "DE", "49301234567"),
        ("#31#+4915112345678", None, "4915112345678"),
        ("\u202a+55\u00a011 98765\u20114321\u202c", None, "5511987654321"),
        ("＋５５１１９８７６５４３２１", None, "5511987654321"),
        ("٠٥٠١٢٣٤٥٦٧", "SA", "966501234567"),
        ("5511987654321.0", None, "5511987654321"),
    ],
)
def test_a_number_is_read_into_international_form(text: str, region: str | None, digits: str) -> None:
    assert read_number(text, region) == PhoneNumber(digits)


@pytest.mark.parametrize(
    ("text", "region", "reason"),
    [
        ("", "BR", "has no digits"),
        ("Anna", None, "has no digits"),
        ("call 5 times", "BR", "has letters in it"),
        ("11 98765-4321 e 11 98765-4322", "BR", "has letters in it"),
        ("1-800-FLOWERS", None, "has letters in it"),
        ("(11) 98765-4321", None, "has no country code"),
        ("11987654321", None, "has no country code"),
        ("98765-4321", "BR", "has no area code"),
        ("8765-4321", "BR", "has no area code"),
        ("+55 98765-4321", None, "has no area code"),
        ("555-2671", "US", "has no area code"),
        ("190", "BR", "is too short for a phone number"),
        ("+49", None, "is too short for a phone number"),
        ("*144#", "BR", "is a service code, not a phone number"),
        ("+999 123456789", None, "begins with a country code that does not exist"),
        ("+0 123456789", None, "begins with a country code that does not exist"),
        ("+55 11 98765-4321 / +55 11 98765-4322", None, "holds more than one number"),
        ("11 98765-4321 / 11 98765-4322", "BR", "has more digits than a phone number of its country"),
        ("12345678901234567", None, "has more digits than a phone number of its country"),
        ("5.51199E+12", "BR", "was rounded by a spreadsheet"),
        ("5,51199E+12", "BR", "was rounded by a spreadsheet"),
        ("1 " * 5000, "BR", "is too long for a phone number"),
    ],
)
def test_a_number_that_cannot_be_used_says_why(text: str, region: str | None, reason: str) -> None:
    reading = read_number(text, region)
    assert isinstance(reading, Unusable)
    assert reading.reason == reason
    assert reading.advice


@given(st.text(alphabet="0123456789+-() /.,;*#xpE٣５\u202aab", max_size=40), st.sampled_from([None, "BR", "US", "IT"]))
def test_whatever_is_read_can_be_dialled(text: str, region: str | None) -> None:
    reading = read_number(text, region)
    if isinstance(reading, PhoneNumber):
        check_dialable(reading)


@given(st.text(max_size=60))
def test_no_text_stops_the_reading(text: str) -> None:
    assert isinstance(read_number(text, "BR"), PhoneNumber | Unusable)


@given(
    st.sampled_from([11, 19, 21, 28, 31, 38, 41, 49, 51, 55, 61, 69, 71, 79, 81, 89, 91, 99]),
    st.integers(60000000, 99999999),
)
def test_brazilian_numbers_keep_the_digits_they_are_written_with(area: int, tail: int) -> None:
    for digits in (f"55{area}{tail}", f"55{area}9{tail}"):
        assert read_number(f"+{digits}", None) == PhoneNumber(digits)


@pytest.mark.parametrize("text", ["", "unknown", "012345678", "123456", "1234567890123456", "+5511987654321"])
def test_a_waid_is_bare_digits_or_nothing(text: str) -> None:
    assert read_waid(text) is None


def test_a_waid_is_taken_digit_for_digit() -> None:
    assert read_waid(" 12015550123 ") == PhoneNumber("12015550123")


def test_the_region_of_most_wins_and_a_tie_names_none() -> None:
    assert infer_region(["+55 11 98765-4321", "0055 21 98765-4321", "+1 212 555 0100", "(11) 98765-4321"]) == "BR"
    assert infer_region(["+55 11 98765-4321", "+1 212 555 0100"]) is None
    assert infer_region(["(11) 98765-4321", "190", "+55", "+800 1234 5678", "+999 1234567"]) is None
    assert infer_region([]) is None


def test_a_region_is_two_capital_letters() -> None:
    assert is_region("BR")
    assert not is_region("br")
    assert not is_region("XX")
