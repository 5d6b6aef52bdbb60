"""Identifiers: many written forms, one value; and never one kind made of the other."""

import re
import string
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lidbook.errors import InvalidGroupId, InvalidLid, InvalidPhoneNumber, InvalidUserId, LidbookError, NotAPerson
from lidbook.identifiers import (
    MAX_DIGITS,
    GroupId,
    Lid,
    PhoneNumber,
    check_dialable,
    parse_dialable,
    parse_group,
    parse_lid,
    parse_user,
    parse_wire,
    spellings,
)

Parser = Callable[[str], PhoneNumber | Lid | GroupId]
PARSERS: tuple[Parser, ...] = (parse_user, parse_dialable, parse_lid, parse_group)
WRITING = " -().\u00a0\u2011\u2013\u202f"


def digit_runs(shortest: int, longest: int) -> st.SearchStrategy[str]:
    return st.text(string.digits, min_size=shortest, max_size=longest).filter(lambda digits: digits.strip("0") != "")


phones = digit_runs(1, 15)
dialables = digit_runs(7, 15).filter(lambda digits: not digits.startswith("0"))
lids = digit_runs(1, MAX_DIGITS)


@st.composite
def decorated(draw: st.DrawFn, digits: str) -> str:
    """`digits` as people write them: marks between them, a plus in front, blanks and direction marks around."""
    marks = draw(st.lists(st.text(WRITING, max_size=2), min_size=len(digits), max_size=len(digits)))
    written = "".join(digit + mark for digit, mark in zip(digits, marks, strict=True))
    assume("(0)" not in written)  # a zero that is dialled at home only, and no digit of the number
    return draw(st.sampled_from(["", "+", " +", "\u202a+"])) + written + draw(st.sampled_from(["", " ", "\u202c"]))


@given(st.data(), phones)
def test_every_written_form_of_a_phone_is_the_same_value(data: st.DataObject, digits: str) -> None:
    written = data.draw(decorated(digits))
    device = data.draw(st.sampled_from(["", ":0", ":7", ":99"]))
    server = data.draw(st.sampled_from(["", "@c.us", "@C.US", "@s.whatsapp.net", "%40c.us", "%40s.whatsapp.net"]))
    assume(not (server and re.search(r"[0-9]\.[0-9]{1,2}[^0-9]*$", written)))  # an agent, as in 123.0:4@s.whatsapp.net

    assert parse_user(written + device + server) == PhoneNumber(digits)


@pytest.mark.parametrize(
    "text",
    [
        "5511987654321",
        "+5511987654321",
        "+55 (11) 98765-4321",
        "+55\u00a011\u00a098765\u20114321",
        "\u202a+55 11 98765-4321\u202c",
        "5511987654321@c.us",
        "5511987654321:12@s.whatsapp.net",
        "5511987654321%40c.us",
        "  5511987654321@c.us\n",
    ],
)
def test_the_forms_that_people_paste_are_understood(text: str) -> None:
    assert parse_user(text) == PhoneNumber("5511987654321")
    assert parse_dialable(text) == PhoneNumber("5511987654321")


@given(phones)
def test_a_phone_is_read_back_from_what_it_writes(digits: str) -> None:
    phone = PhoneNumber(digits)

    assert parse_user(str(phone)) == parse_wire(str(phone)) == phone


@given(dialables)
def test_an_international_number_may_be_dialled(digits: str) -> None:
    assert parse_dialable("+" + digits) == PhoneNumber(digits)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("0049 171 2345678", "leave out the leading 00: 491712345678"),
        ("0171 2345678", "country code in place of the leading 0"),
        ("110", "too short"),
        ("1234567890123456", "if it is a LID, add @lid"),
        ("1234567890@lid", "look it up with /lids/"),
    ],
)
def test_a_number_that_must_not_reach_the_server_is_answered_with_what_to_send(text: str, advice: str) -> None:
    with pytest.raises(InvalidPhoneNumber) as refused:
        parse_dialable(text)

    assert advice in refused.value.message
    assert text in refused.value.message


def test_a_parsed_number_is_checked_without_its_text() -> None:
    with pytest.raises(InvalidPhoneNumber, match="'110'"):
        check_dialable(PhoneNumber("110"))


@pytest.mark.parametrize("digits", ["1", "0171234567", "00491712345678", "1234567890123456"])
def test_a_plain_lookup_stays_lenient(digits: str) -> None:
    assert parse_user(digits) == PhoneNumber(digits)


@given(st.data(), lids)
def test_every_written_form_of_a_lid_is_the_same_value(data: st.DataObject, digits: str) -> None:
    device = data.draw(st.sampled_from(["", ":0", ":7"]))

    assert parse_user(digits + device + data.draw(st.sampled_from(["@lid", "@LID", "%40lid"]))) == Lid(digits)
    assert parse_lid(digits + device + data.draw(st.sampled_from(["", "@lid", "%40lid"]))) == Lid(digits)
    assert parse_wire(digits + "@lid") == Lid(digits)


@given(st.data(), lids)
def test_a_lid_never_becomes_a_phone_nor_a_phone_a_lid(data: st.DataObject, digits: str) -> None:
    assert not isinstance(parse_user(data.draw(decorated(digits)) + "@lid"), PhoneNumber)
    assert not isinstance(parse_user(data.draw(decorated(digits))), Lid)
    assert len({PhoneNumber(digits), Lid(digits)}) == 2
    with pytest.raises(InvalidPhoneNumber):
        parse_dialable(digits + "@lid")


@pytest.mark.parametrize(
    "text", ["123@c.us", "123@s.whatsapp.net", "123@LID", "123@g.us", "123@", "", "@lid", "abc", "1@lid@lid", "1" * 21]
)
def test_anything_but_a_lid_is_refused_in_wahas_words(text: str) -> None:
    with pytest.raises(InvalidLid) as refused:
        parse_lid(text)

    assert refused.value.message == "Invalid LID - it must end with @lid"
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("120363025246125486@g.us", "120363025246125486"),
        ("120363025246125486", "120363025246125486"),
        ("5511987654321-1546300800@G.US", "5511987654321-1546300800"),
        (" 120363025246125486%40g.us ", "120363025246125486"),
    ],
)
def test_a_group_is_known_by_its_id_with_or_without_suffix(text: str, local: str) -> None:
    assert parse_group(text) == GroupId(local)
    assert str(parse_group(text)) == local + "@g.us"


@pytest.mark.parametrize(
    "text", ["", "@g.us", "1234", "12345-@g.us", "120363025246125486@c.us", "abcdef@g.us", "1" * 26]
)
def test_what_is_no_group_is_refused(text: str) -> None:
    with pytest.raises(InvalidGroupId):
        parse_group(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("120363025246125486@g.us", "a group"),
        ("status@broadcast", "a broadcast list"),
        ("120363025246125486@newsletter", "a channel"),
        ("13135550002@bot", "an assistant"),
        ("0@c.us", "the service account"),
        ("0@s.whatsapp.net", "the service account"),
        ("0", "the service account"),
        ("000", "the service account"),
        ("+0:1", "the service account"),
    ],
)
def test_what_is_no_person_is_called_by_its_name(text: str, kind: str) -> None:
    with pytest.raises(NotAPerson) as refused:
        parse_user(text)

    assert f"names {kind}, not a person" in refused.value.message


@pytest.mark.parametrize("text", ["", " ", "@", "+", "@c.us", "@lid", ":5", "a", "1a", "1@x", "1@c.us@lid", "1_2@lid"])
def test_what_names_nobody_is_refused_with_the_forms_that_do(text: str) -> None:
    with pytest.raises(InvalidUserId, match="send digits in international form"):
        parse_user(text)


@pytest.mark.parametrize(
    "digits", ["٤٩١٧١٢٣٤٥٦٧٨", "४९१७१२३४५६७८", "４９１７１２３４５６７８", "¹²³⁴⁵⁶⁷⁸", "49171234567٨"]
)
@pytest.mark.parametrize("parse", PARSERS)
def test_digits_of_other_scripts_are_refused_not_mixed_up(parse: Parser, digits: str) -> None:
    for text in (digits, digits + "@lid", digits + "@c.us", digits + "@g.us"):
        with pytest.raises(LidbookError):
            parse(text)


@given(st.one_of(st.text(max_size=80), st.text("0123456789+ -:@clidusg.%40\x00\u202e\u0664", max_size=40)))
def test_any_text_is_an_identifier_that_reads_back_or_a_refusal_without_control_characters(text: str) -> None:
    for parse in PARSERS:
        refused = parsed = None
        try:
            parsed = parse(text)
        except LidbookError as error:
            refused = error
        if refused is not None:
            assert refused.status in (400, 422)
            assert refused.message.isprintable()
        elif parsed is not None:
            assert str(parsed) == str(parse(str(parsed)))
            assert str(parsed).isascii()


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("text", ["1" * 100_000, "+" * 100_000, "x" * 100_000, "1" * 100_000 + "@lid"])
def test_a_very_long_text_is_refused_and_shown_short(parse: Parser, text: str) -> None:
    with pytest.raises(LidbookError) as refused:
        parse(text)

    assert len(refused.value.message) < 250


def test_the_longest_identifier_is_as_long_as_promised() -> None:
    assert parse_user("1" * MAX_DIGITS) == PhoneNumber("1" * MAX_DIGITS)
    with pytest.raises(InvalidUserId):
        parse_user("1" * (MAX_DIGITS + 1))


national = st.one_of(
    st.builds("55{}{}".format, digit_runs(2, 2), digit_runs(8, 9)),
    st.builds("52{}{}".format, st.sampled_from(["", "1"]), digit_runs(10, 10)),
    st.builds("54{}{}".format, st.sampled_from(["", "9"]), digit_runs(10, 10)),
    dialables,
)


@given(national)
def test_spellings_go_both_ways(digits: str) -> None:
    phone = PhoneNumber(digits)
    found = spellings(phone)

    assert found[0] == phone
    assert len(set(found)) == len(found) <= 2
    for other in found:
        assert set(spellings(other)) == set(found)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("551187654321", "5511987654321"),
        ("558166554433", "5581966554433"),
        ("525512345678", "5215512345678"),
        ("541123456789", "5491123456789"),
    ],
)
def test_a_subscriber_is_looked_for_under_the_old_and_the_new_spelling(old: str, new: str) -> None:
    assert spellings(PhoneNumber(old)) == (PhoneNumber(old), PhoneNumber(new))
    assert spellings(PhoneNumber(new)) == (PhoneNumber(new), PhoneNumber(old))


@pytest.mark.parametrize(
    ("digits", "reason"),
    [
        ("551133334444", "a landline never had a ninth digit"),
        ("5511933334444", "without its nine it would be somebody's landline"),
        ("5511", "too short to be anybody's"),
        ("491712345678", "Germany has one spelling"),
    ],
)
def test_a_number_with_one_spelling_is_not_mistaken_for_a_strangers(digits: str, reason: str) -> None:
    assert spellings(PhoneNumber(digits)) == (PhoneNumber(digits),), reason


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("+44 (0)7700 900101", "447700900101"),
        ("+44(0) 7700-900101", "447700900101"),
        ("+49 (0) 151 2345678", "491512345678"),
        ("11231231231.0:1@s.whatsapp.net", "11231231231"),
        ("11231231231.12@s.whatsapp.net", "11231231231"),
        ("1.123.123.1231", "11231231231"),
    ],
)
def test_a_zero_for_dialling_at_home_and_an_agent_are_no_part_of_the_number(text: str, digits: str) -> None:
    assert parse_user(text) == PhoneNumber(digits)


@pytest.mark.parametrize("text", ["-447700900101", "447700900101:abc@c.us", "1:2:3@c.us", "447700900101:@c.us"])
def test_what_looks_like_a_number_but_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidUserId):
        parse_user(text)
