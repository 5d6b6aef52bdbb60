"""The dictionary is the clients' own."""

import hashlib

import pytest

from lidbook_sandbox.network.wire.binary import Node, decode, encode
from lidbook_sandbox.network.wire.tokens import tokens

from .vectors import vectors


def digest(words: tuple[str, ...]) -> str:
    """How a dictionary is told in the vectors."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def test_the_dictionary_is_whatsmeow_s() -> None:
    words = tokens()
    assert [digest(part) for part in (words.single, *words.double)] == vectors("binary")["tokens_sha256"]
    assert len(words.codes) == 235 + 4 * 256


@pytest.mark.parametrize("dictionary", range(5))
def test_every_token_is_written_as_its_code_and_read_back(dictionary: int) -> None:
    words = tokens()
    for at, word in enumerate((words.single, *words.double)[dictionary]):
        code = bytes([at + 1]) if dictionary == 0 else bytes([235 + dictionary, at])
        data = b"\0\xf8\x01" + code
        assert encode(Node(word)) == data
        assert decode(data) == Node(word)
