"""WhatsApp's dictionary of strings (version 3): 235 of one byte, four times 256 of two bytes.

`tokens.txt` holds them one a line, in the order of their codes; whatsmeow and Baileys carry the same list.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

VERSION = 3
SINGLE = 235
DOUBLE = 256
DICTIONARY_0 = 236
DICTIONARIES = 4


@dataclass(frozen=True, slots=True)
class Tokens:
    """The dictionary in both directions; a code is one byte, or a dictionary's tag and one byte."""

    single: tuple[str, ...]
    double: tuple[tuple[str, ...], ...]
    codes: dict[str, bytes]


@cache
def tokens() -> Tokens:
    """The dictionary, read once."""
    lines = files(__package__).joinpath("tokens.txt").read_text("utf-8").splitlines()
    single = tuple(lines[:SINGLE])
    double = tuple(tuple(lines[SINGLE + DOUBLE * n : SINGLE + DOUBLE * (n + 1)]) for n in range(DICTIONARIES))
    codes = {word: bytes([DICTIONARY_0 + n, at]) for n, words in enumerate(double) for at, word in enumerate(words)}
    codes |= {word: bytes([at]) for at, word in enumerate(single, start=1)}
    return Tokens(single, double, codes)
