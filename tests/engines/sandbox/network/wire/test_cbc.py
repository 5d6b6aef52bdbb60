"""AES-256-CBC: the published vector, round trips, and what does not decrypt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidbook_sandbox.network.wire import cbc
from lidbook_sandbox.network.wire.errors import Malformed

KEY = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
IV = bytes(range(16))


def test_the_first_blocks_are_the_published_ones() -> None:
    """NIST SP 800-38A, F.2.5 (CBC-AES256.Encrypt), the first two blocks; a block of padding follows."""
    plaintext = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
    ciphertext = cbc.encrypt(KEY, IV, plaintext)
    assert ciphertext[:32].hex() == "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
    assert len(ciphertext) == 48


@given(plaintext=st.binary(max_size=100))
def test_a_plaintext_comes_back(plaintext: bytes) -> None:
    assert cbc.decrypt(KEY, IV, cbc.encrypt(KEY, IV, plaintext)) == plaintext


@pytest.mark.parametrize("ciphertext", [b"", bytes(15), bytes(16), bytes(33)])
def test_wrong_lengths_and_padding_are_malformed(ciphertext: bytes) -> None:
    with pytest.raises(Malformed, match="length or padding"):
        cbc.decrypt(KEY, IV, ciphertext)
