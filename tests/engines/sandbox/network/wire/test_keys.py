"""Keys: key agreement, signatures and key derivation against published and recorded values."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from lidbook_sandbox.network.wire.keys import KeyPair, hkdf, verify

from .vectors import unhex, vectors

PRIME = 2**255 - 19


def edwards(public: bytes, signature: bytes) -> tuple[Ed25519PublicKey, bytes]:
    """The Ed25519 key and signature of an XEdDSA pair, by the birational map: y = (u - 1) / (u + 1)."""
    u = int.from_bytes(public, "little") % PRIME
    y = (u - 1) * pow(u + 1, -1, PRIME) % PRIME
    sign = signature[63] & 0x80
    key = y.to_bytes(32, "little")
    return (
        Ed25519PublicKey.from_public_bytes(key[:31] + bytes([key[31] | sign])),
        signature[:63] + bytes([signature[63] & 0x7F]),
    )


@pytest.mark.parametrize(
    ("private", "public", "secret"),
    [
        pytest.param(
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
            id="RFC 7748, 5.2, first",
        ),
        pytest.param(
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
            id="RFC 7748, 5.2, second",
        ),
    ],
)
def test_key_agreement_gives_the_published_secrets(private: str, public: str, secret: str) -> None:
    assert KeyPair.of(bytes.fromhex(private)).dh(bytes.fromhex(public)).hex() == secret


@pytest.mark.parametrize(
    ("key", "salt", "info", "length", "made"),
    [
        pytest.param(
            "0b" * 22,
            "000102030405060708090a0b0c",
            "f0f1f2f3f4f5f6f7f8f9",
            42,
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
            id="RFC 5869, case 1",
        ),
        pytest.param(
            bytes(range(0x50)).hex(),
            bytes(range(0x60, 0xB0)).hex(),
            bytes(range(0xB0, 0x100)).hex(),
            82,
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
            "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
            id="RFC 5869, case 2",
        ),
        pytest.param(
            "0b" * 22,
            "",
            "",
            42,
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
            id="RFC 5869, case 3",
        ),
    ],
)
def test_derivation_gives_the_published_keys(key: str, salt: str, info: str, length: int, made: str) -> None:
    derived = hkdf(bytes.fromhex(key), length, salt=bytes.fromhex(salt), info=bytes.fromhex(info))
    assert derived.hex() == made


def test_the_signature_of_libsignals_own_tests_verifies() -> None:
    """The vector of `curve25519` in Signal's libsignal: an identity key over an ephemeral one."""
    public = bytes.fromhex("ab7e717d4a163b7d9a1d8071dfe9dcf8cdcd1cea3339b6356be84d887e322c64")
    message = bytes.fromhex("05edce9d9c415ca78cb7252e72c2c4a554d3eb29485a0e1d503118d1a82d99fb4a")
    signature = bytes.fromhex(
        "5de88ca9a89b4a115da79109c67c9c7464a3e4180274f1cb8c63c2984e286dfb"
        "ede82deb9dcd9fae0bfbb821569b3d9001bd8130cd11d486cef047bd60b86e88"
    )
    assert verify(public, message, signature)
    for at in range(64):
        broken = bytearray(signature)
        broken[at] ^= 1
        assert not verify(public, message, bytes(broken))


@pytest.mark.parametrize("by", ["libsignal", "ours"])
def test_signatures_that_crossed_to_and_from_gos_libsignal_verify(by: str) -> None:
    known = unhex(vectors("signatures")[by])
    assert verify(known["public"], known["message"], known["signature"])
    assert not verify(known["public"], known["message"] + b"!", known["signature"])


@settings(deadline=None, max_examples=40)
@given(private=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200))
def test_a_signature_verifies_here_and_as_plain_ed25519(private: bytes, message: bytes) -> None:
    pair = KeyPair.of(private)
    signature = pair.sign(message)
    assert verify(pair.public, message, signature)
    key, plain = edwards(pair.public, signature)
    key.verify(plain, message)
    with pytest.raises(InvalidSignature):
        key.verify(plain, message + b"!")


@settings(deadline=None)
@given(public=st.binary(max_size=40), message=st.binary(max_size=8), signature=st.binary(max_size=70))
def test_whatever_is_no_signature_is_false_and_never_an_error(public: bytes, message: bytes, signature: bytes) -> None:
    assert not verify(public, message, signature)


def test_both_sides_agree_on_one_secret() -> None:
    ours, theirs = KeyPair.generate(), KeyPair.generate()
    assert ours.dh(theirs.public) == theirs.dh(ours.public)


@pytest.mark.parametrize("public", [bytes(32), bytes([1]) + bytes(31), b"", bytes(33)])
def test_a_key_that_agrees_on_nothing_is_refused(public: bytes) -> None:
    with pytest.raises(ValueError):
        KeyPair.generate().dh(public)


def test_a_private_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 31"):
        KeyPair.of(bytes(31))


def test_a_private_key_is_never_shown() -> None:
    pair = KeyPair.generate()
    assert "private" not in repr(pair)
