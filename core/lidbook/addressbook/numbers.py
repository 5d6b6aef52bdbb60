"""Phone numbers as people write them, to international form.

A number is accepted when its length is that of a phone in its country, not only when its range is known to be in use:
numbers on WhatsApp may be newer than the metadata of `phonenumbers`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType, ValidationResult

from lidbook.identifiers import MAX_PHONE_DIGITS, MIN_PHONE_DIGITS, PhoneNumber, spellings

_SURELY_INTERNATIONAL = 12
"""So many digits without a leading zero are no national number that anybody writes; fewer may be one."""
_MAYBE_INTERNATIONAL = 11
"""From so many digits on, a number that is none of the region's is tried as one with its country code."""

_LONGEST = 250
"""Characters that a number may take with all its spaces, brackets and notes."""

_ROUNDED = re.compile(r"\d([.,]\d+)?E\+?\d+", re.IGNORECASE)
_FLOAT = re.compile(r"(\d+)\.0+")
_HIDE_CALLER = re.compile(r"[*#]31[*#]")
_AFTER_PAUSE = re.compile(r"(?<=\d)\s*(?:[,;].*|[pw]\d.*)$", re.IGNORECASE | re.DOTALL)
_EXTENSION = re.compile(r"(?<=[\d)])\s*(?:ext(?:n|ension)?|x|ramal|#)\s*[.:=]?\s*\d{1,7}\s*$", re.IGNORECASE)
_OTHER_ENDING = re.compile(r"(?<=\d)\s*/\s*\d{1,3}$")
_PLUS = re.compile(r"\+(?=[^0-9]*[0-9])")
_WORDS_AROUND = re.compile(r"^[^0-9+(]+|[^0-9]+$")
_DIGIT = re.compile(r"[0-9]")
_NOT_DIGITS = re.compile(r"[^0-9]+")
_VANITY_TYPES = frozenset(
    {PhoneNumberType.TOLL_FREE, PhoneNumberType.SHARED_COST, PhoneNumberType.PREMIUM_RATE, PhoneNumberType.UAN}
)


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why a number cannot be used, and what to write instead. Both read on from the number itself."""

    reason: str
    advice: str


_IN_DIGITS = "write it in digits, country code first: +55 11 98765-4321"
_ONE_A_LINE = "give each number a line of its own"
_NO_COUNTRY = Unusable("has no country code", "add the country code: +55 11 98765-4321")
_NO_AREA = Unusable("has no area code", "add the area code, and the country code: +55 11 98765-4321")
_TOO_SHORT = Unusable(
    "is too short for a phone number", "short and service numbers have no WhatsApp; write the full one"
)
_TOO_LONG = Unusable("has more digits than a phone number of its country", f"check it, and {_ONE_A_LINE}")
_WRONG_LENGTH = Unusable("has a length that no phone number of its country has", "check its digits")
_NO_SUCH_COUNTRY = Unusable("begins with a country code that does not exist", "check the country code")
_NO_DIGITS = Unusable("has no digits", _IN_DIGITS)
_LETTERS = Unusable("has letters in it", _IN_DIGITS)


def is_region(region: str) -> bool:
    """Whether `region` is a country in two capital letters, such as BR."""
    return region in phonenumbers.SUPPORTED_REGIONS


def read_number(text: str, region: str | None) -> PhoneNumber | Unusable:
    """The number that `text` writes, in international form; extensions and dial pauses are dropped.

    `+…` and `00…` need no region. Anything else is read as dialled in `region`, but for 12 digits and more that make a
    valid number with a `+` in front, as WhatsApp ids do, and for 11 that do so and are none of the region's.
    """
    if len(text) > _LONGEST:
        return Unusable("is too long for a phone number", _IN_DIGITS)
    written = _plain(text)
    if _ROUNDED.fullmatch(written):
        return Unusable("was rounded by a spreadsheet", "make the column text and export again")
    if written.startswith(("*", "#")):
        return Unusable("is a service code, not a phone number", _IN_DIGITS)
    written = _OTHER_ENDING.sub("", _EXTENSION.sub("", _AFTER_PAUSE.sub("", written)))
    if any(char.isalpha() for char in written):
        vanity = _vanity(written, region)
        if vanity is not None:
            return vanity
        if not _DIGIT.search(written):
            return _NO_DIGITS
        written = _WORDS_AROUND.sub("", written)
        if any(char.isalpha() for char in written) or len(_NOT_DIGITS.sub("", written)) < MIN_PHONE_DIGITS:
            return _LETTERS
    numbers = [digits for part in _PLUS.split(written) if len(digits := _NOT_DIGITS.sub("", part)) >= MIN_PHONE_DIGITS]
    if len(numbers) > 1:
        return Unusable("holds more than one number", _ONE_A_LINE)
    plus = _PLUS.search(written)
    digits = _NOT_DIGITS.sub("", written[plus.end() :] if plus else written)
    return _from_digits(digits, region, plus=plus is not None, local=written.startswith("("))


def read_waid(text: str) -> PhoneNumber | None:
    """The number in WhatsApp's own `waid` parameter, digit for digit, or None when it is none."""
    digits = text.strip()
    fits = digits.isascii() and digits.isdigit() and MIN_PHONE_DIGITS <= len(digits) <= MAX_PHONE_DIGITS
    return PhoneNumber(digits) if fits and not digits.startswith("0") else None


def infer_region(texts: Sequence[str]) -> str | None:
    """The country of most of the numbers that name theirs; None when there is none, or no single winner.

    Countries that share a code, as the United States and Canada, are told apart where their numbers can be.
    """
    codes: Counter[int] = Counter()
    for text in texts:
        code = _country_code(text)
        if code is not None:
            codes[code] += 1
    ranked = codes.most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    winner = ranked[0][0]
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[winner]
    if len(regions) == 1:
        return regions[0]
    votes = Counter(_region_of(text) for text in texts if _country_code(text) == winner)
    votes.pop(None, None)
    return max(regions, key=lambda region: votes[region])


def _plain(text: str) -> str:
    """`text` in ASCII digits, without invisible marks: iPhones wrap pasted numbers in them."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(
            str(unicodedata.decimal(char)) if char.isdecimal() else char
            for char in text
            if unicodedata.category(char) not in {"Cf", "Cc"}
        )
    written = text.strip()
    number = _FLOAT.fullmatch(written)
    return number[1] if number else _HIDE_CALLER.sub("", written, count=1)


def _from_digits(digits: str, region: str | None, *, plus: bool, local: bool) -> PhoneNumber | Unusable:
    if not digits:
        return _NO_DIGITS
    if len(digits.removeprefix("00")) < MIN_PHONE_DIGITS:
        return _TOO_SHORT
    if plus:
        return _accept(_parsed("+" + digits.removeprefix("00"), None))
    if digits.startswith("00"):
        return _dialled_abroad(digits, region)
    if not local and not digits.startswith("0") and len(digits) >= _SURELY_INTERNATIONAL:
        abroad = PhoneNumber(digits)
        if len(digits) <= MAX_PHONE_DIGITS and _has_valid_spelling(abroad):
            return abroad
    if region is None:
        return _NO_COUNTRY if len(digits) <= MAX_PHONE_DIGITS else _TOO_LONG
    national = _parsed(digits, region)
    if _valid(national) is None and not local and len(digits) >= _MAYBE_INTERNATIONAL:
        return _valid(_parsed("+" + digits, None)) or _accept(national)
    return _accept(national)


def _dialled_abroad(digits: str, region: str | None) -> PhoneNumber | Unusable:
    """`00…`: the country code follows, or in some countries first the code of a carrier."""
    abroad = _parsed("+" + digits[2:], None)
    by_carrier = None
    if _valid(abroad) is None and region is not None:
        by_carrier = _valid(_parsed(digits, region))
    return by_carrier or _accept(abroad)


def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | Unusable:
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException as error:
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
            return _NO_SUCH_COUNTRY if text.startswith("+") else _NO_COUNTRY
        if error.error_type == NumberParseException.TOO_LONG:
            return _TOO_LONG
        if error.error_type in (NumberParseException.TOO_SHORT_NSN, NumberParseException.TOO_SHORT_AFTER_IDD):
            return _TOO_SHORT
        return Unusable("cannot be read as a phone number", _IN_DIGITS)


def _valid(number: phonenumbers.PhoneNumber | Unusable) -> PhoneNumber | None:
    if isinstance(number, Unusable) or not phonenumbers.is_valid_number(number):
        return None
    return _digits(number)


def _accept(number: phonenumbers.PhoneNumber | Unusable) -> PhoneNumber | Unusable:
    """The number, unless its length rules it out.

    The length must be that of a mobile or a landline of the country, so that a Brazilian number without its area code
    is not taken for a whole one.
    """
    if isinstance(number, Unusable):
        return number
    phone = _digits(number)
    if len(phone.digits) > MAX_PHONE_DIGITS:
        return _TOO_LONG
    if len(phone.digits) < MIN_PHONE_DIGITS:
        return _TOO_SHORT
    lengths = {
        phonenumbers.is_possible_number_for_type_with_reason(number, kind)
        for kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE)
    }
    if ValidationResult.IS_POSSIBLE in lengths or phonenumbers.is_valid_number(number):
        return phone
    if _has_valid_spelling(phone):
        return phone
    if ValidationResult.IS_POSSIBLE_LOCAL_ONLY in lengths:
        return _NO_AREA
    if ValidationResult.TOO_SHORT in lengths:
        return _TOO_SHORT
    if ValidationResult.TOO_LONG in lengths:
        return _TOO_LONG
    return _WRONG_LENGTH


def _has_valid_spelling(phone: PhoneNumber) -> bool:
    """Whether the number is one under any spelling: accounts keep the one that their country has since given up."""
    return any(_valid(_parsed(f"+{spelling.digits}", None)) for spelling in spellings(phone))


def _digits(number: phonenumbers.PhoneNumber) -> PhoneNumber:
    return PhoneNumber(f"{number.country_code}{phonenumbers.national_significant_number(number)}")


def _vanity(text: str, region: str | None) -> PhoneNumber | None:
    """`1-800-FLOWERS` by the letters on the keys: only where that makes a valid number of the kind sold that way.

    Elsewhere letters are a note behind the number, and turning them into digits would dial a stranger.
    """
    number = _parsed(text, region)
    if isinstance(number, Unusable) or not phonenumbers.is_alpha_number(text):
        return None
    if number.country_code == 1 or phonenumbers.number_type(number) in _VANITY_TYPES:
        return _valid(number)
    return None


def _country_code(text: str) -> int | None:
    """The country code a number is written with, told by its first digits alone."""
    written = _plain(text[:_LONGEST])
    digits = _NOT_DIGITS.sub("", written)
    if digits.startswith("00"):
        digits = digits[2:]
    elif "+" not in written:
        return None
    if len(digits) < MIN_PHONE_DIGITS:
        return None
    for length in (1, 2, 3):
        code = int(digits[:length])
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code)
        if regions is not None:
            return None if regions[0] == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY else code
    return None


def _region_of(text: str) -> str | None:
    digits = _NOT_DIGITS.sub("", _plain(text)).removeprefix("00")
    number = _parsed("+" + digits, None)
    return None if isinstance(number, Unusable) else phonenumbers.region_code_for_number(number)
