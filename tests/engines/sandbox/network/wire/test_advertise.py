"""ADV: a real client's countersignature, our own companion's, and every forgery."""

import pytest

from lidbook_sandbox.network.wire.advertise import Introduction, countersign, introduce
from lidbook_sandbox.network.wire.errors import BadSignature, Malformed
from lidbook_sandbox.network.wire.keys import KeyPair
from lidbook_sandbox.network.wire.wire_pb2 import (
    ADVDeviceIdentity,
    ADVSignedDeviceIdentity,
    ADVSignedDeviceIdentityHMAC,
)

from .vectors import unhex, vectors

SECRET = b"s" * 32


@pytest.fixture
def account() -> KeyPair:
    """The phone's identity."""
    return KeyPair.generate()


@pytest.fixture
def companion() -> KeyPair:
    """The companion's identity."""
    return KeyPair.generate()


def introduced(account: KeyPair, companion: KeyPair) -> Introduction:
    """A companion introduced as device 3."""
    return introduce(account, companion.public, SECRET, key_index=3, raw_id=7, timestamp=1_790_000_000)


def test_a_real_client_s_countersignature_confirms() -> None:
    known = unhex(vectors("pairing")["qr"])
    identity = KeyPair.of(known["companion_identity_private"])
    inner = ADVSignedDeviceIdentity.FromString(ADVSignedDeviceIdentityHMAC.FromString(known["box"]).details)
    introduction = Introduction(inner.details, inner.accountSignatureKey, identity.public, known["box"])
    introduction.confirm(known["signed"])
    introduction.confirm(countersign(identity, known["box"], known["adv_secret"]))


def test_a_companion_confirms_what_the_phone_says_of_it(account: KeyPair, companion: KeyPair) -> None:
    introduction = introduced(account, companion)
    introduction.confirm(countersign(companion, introduction.box, SECRET))
    details = ADVDeviceIdentity.FromString(introduction.details)
    assert (details.rawID, details.timestamp, details.keyIndex) == (7, 1_790_000_000, 3)


def test_a_companion_refuses_another_adv_secret(account: KeyPair, companion: KeyPair) -> None:
    with pytest.raises(BadSignature, match="HMAC"):
        countersign(companion, introduced(account, companion).box, b"t" * 32)


def test_a_companion_refuses_an_introduction_of_another(account: KeyPair, companion: KeyPair) -> None:
    with pytest.raises(BadSignature, match="account signature"):
        countersign(KeyPair.generate(), introduced(account, companion).box, SECRET)


def test_another_companion_s_signature_is_refused(account: KeyPair, companion: KeyPair) -> None:
    other = KeyPair.generate()
    signed = ADVSignedDeviceIdentity.FromString(countersign(other, introduced(account, other).box, SECRET))
    introduction = introduced(account, companion)
    signed.details = introduction.details
    with pytest.raises(BadSignature, match="device signature"):
        introduction.confirm(signed.SerializeToString())


def test_other_details_are_refused(account: KeyPair, companion: KeyPair) -> None:
    first = introduced(account, companion)
    second = introduce(account, companion.public, SECRET, key_index=4, raw_id=7, timestamp=1_790_000_000)
    with pytest.raises(BadSignature, match="other details"):
        first.confirm(countersign(companion, second.box, SECRET))


@pytest.mark.parametrize("data", [b"\xff\xff", b"\x0a\x05a"])
def test_what_is_no_device_identity_is_malformed(account: KeyPair, companion: KeyPair, data: bytes) -> None:
    with pytest.raises(Malformed, match="ADVSignedDeviceIdentity"):
        introduced(account, companion).confirm(data)
    with pytest.raises(Malformed, match="ADVSignedDeviceIdentityHMAC"):
        countersign(companion, data, SECRET)


def test_an_empty_answer_is_refused(account: KeyPair, companion: KeyPair) -> None:
    with pytest.raises(BadSignature):
        introduced(account, companion).confirm(b"")
