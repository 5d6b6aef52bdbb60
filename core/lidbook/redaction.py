"""What must not stand in a log: phone numbers one could call, secrets, and characters that fake a line."""

import re
from typing import Final

HIDDEN: Final = "***"
"""What is shown in place of a secret."""

_SHOWN: Final = 3
"""Digits left at most at either end of a number: enough to recognise, not to call."""

_PLUS: Final = r"(?:[+\uff0b]|%(?:25)*2[bB])"
_BETWEEN: Final = r"(?:[ \u00a0\u202f()\-\u2010-\u2015]|%(?:25)*(?:20|28|29|2[dD]))"
"""What people write between the digits of a number, plain or percent-encoded."""
_AT: Final = r"(?:@|%(?:25)*40)(?:c\.us|s\.whatsapp\.net|lid|g\.us|hosted|broadcast|newsletter)"

_DAY: Final = r"(?:19|20)\d\d-[01]\d-[0-3]\d"

_NUMBER: Final = re.compile(
    rf"""
    (?P<kept>
        (?<![0-9A-Za-z])[0-9a-fA-F]{{8}}(?:-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}(?![0-9A-Za-z])  # UUID
      | \b{_DAY}(?:[T ]\d\d(?::?\d\d){{1,2}}(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?(?![\d-])
      | \b(?:19|20)\d\d[01]\d[0-3]\d[-T_][0-2]\d[0-5]\d[0-5]\d(?!\d)
      | (?<!\d)\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?![\d.])                                         # an IP address
      | (?<![\d.])1[5-9]\d{{8}}\.\d+                                                            # seconds since 1970
      | (?<=\d\.)\d+                                                              # of a version, or behind a point
    )
    | (?P<id>\d{{5,}})(?=(?:[._]\d+)?(?::\d+)?{_AT})
    | (?P<called>{_PLUS}(?:{_BETWEEN}|[./]){{0,2}}\d(?:(?!\s?{_DAY})(?:{_BETWEEN}|[./]){{0,3}}\d){{6,14}})(?!\d)
    | (?P<word>(?<![0-9A-Za-z%])[0-9A-Za-z]{{16,}})(?![0-9A-Za-z])
    | (?P<written>(?<![\w.:\-])\(?\d{{1,5}}(?:{_BETWEEN}{{1,3}}\d{{2,8}}){{1,6}})(?![\w:]|[.-]\d)
    | (?P<escape>%[0-9A-Fa-f]{{2}})
    | (?P<run>\d{{9,}})
    """,
    re.VERBOSE,
)
_RUN: Final = re.compile(r"\d{9,}")
_DATE: Final = re.compile(rf"\b{_DAY}\b")
_MOMENT: Final = re.compile(r"1[5-9]\d{11}(?:\d{3}|\d{6})?")
"""Milliseconds, microseconds or nanoseconds since 1970; no phone number of 13 digits begins so."""
_HEX: Final = re.compile(r"[0-9a-fA-F]+")
_ULID: Final = re.compile(r"[0-7][0-9a-hjkmnp-tv-zA-HJKMNP-TV-Z]{25}")
_LETTERS_OF_AN_ID: Final = 0.2
"""Share of letters from which on a long hexadecimal word is an id, and no number with a letter or two before it."""
_DIGITS_WRITTEN: Final = range(9, 16)

_SECRET_NAMES: Final = frozenset(
    {
        "apikey",
        "auth",
        "authorization",
        "cookie",
        "credential",
        "credentials",
        "creds",
        "hmac",
        "key",
        "passphrase",
        "passwd",
        "password",
        "qr",
        "secret",
        "token",
    }
)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRETS: Final = (
    (re.compile(r"\bkey_[0-9A-Za-z]{32}(?![0-9A-Za-z])"), f"key_{HIDDEN}"),
    (re.compile(r"(?i)\b((?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?(?:\w+\s+)?)[^\s\"',;&]+"), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"(?i)((?<![a-z])(?:(?:x|lidbook|waha|whatsapp)[_-])?"
            r"(?:api[_-]?key|password|passwd|secret|token|hmac)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;&]+"
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(?<=://)[^\s/@\"'<>]+(?=@)"), HIDDEN),
)


def shortened(text: str) -> str:
    """`text` with every phone number and LID, however written, reduced to its first and last three digits.

    Times, UUIDs and other ids, versions and addresses stay as they are.
    """
    return _NUMBER.sub(_shorten, text)


def abridged(digits: str) -> str:
    """A number's first and last digits."""
    shown = min(_SHOWN, len(digits) // 3)
    return f"{digits[:shown]}…{digits[-shown:]}"


def masked(text: str) -> str:
    """`text` without the API keys, passwords and tokens that can be told as such."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def names_a_secret(name: str) -> bool:
    """Whether what goes by this name is nobody's business: `api_key`, `X-Api-Key`, `hmacSecret`; but not `key_id`."""
    return last_word(name) in _SECRET_NAMES


def last_word(name: str) -> str:
    """What a name is about, in lower case: `bytes` of `freeBytes`, `key` of `X-Api-Key`."""
    return re.split(r"[^a-z0-9]+", _CAMEL.sub("_", name).lower())[-1]


def printable(text: str) -> str:
    """`text` on one line, with whatever would move the cursor, colour the rest or turn it round shown as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _shorten(match: re.Match[str]) -> str:
    text = match[0]
    match match.lastgroup:
        case "kept" | "escape":
            return text
        case "word":
            return text if _is_id(text) else _RUN.sub(_shorten_run, text)
        case "written":
            digits = _digits(text)
            if len(digits) not in _DIGITS_WRITTEN or _DATE.search(text):
                return _RUN.sub(_shorten_run, text)
            return text[: text.index(digits[0])] + abridged(digits)
        case "called":
            digits = _digits(text)
            return "+" + abridged(digits)
        case "run":
            return _shorten_run(match)
        case _:
            return abridged(text)


def _shorten_run(match: re.Match[str]) -> str:
    return match[0] if _MOMENT.fullmatch(match[0]) else abridged(match[0])


def _is_id(word: str) -> bool:
    if _ULID.fullmatch(word):
        return not word.isdecimal()
    letters = sum(c.isalpha() for c in word)
    return letters >= len(word) * _LETTERS_OF_AN_ID and bool(_HEX.fullmatch(word))


def _digits(text: str) -> str:
    """The digits of a number as written, without those of percent escapes."""
    return "".join(c for c in re.sub(r"%(?:25)*[0-9A-Fa-f]{2}", "", text) if c.isdigit())
