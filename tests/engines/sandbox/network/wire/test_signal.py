"""The phone's Signal sessions: what a real client decrypted, and what our test companion does."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidbook_sandbox.network.wire.errors import BadSignature, Malformed
from lidbook_sandbox.network.wire.keys import KeyPair
from lidbook_sandbox.network.wire.signal import PhoneSession, unpad
from lidbook_sandbox.network.wire.wire_pb2 import Message, PreKeySignalMessage, ProtocolMessage

from .companion import Companion
from .vectors import vectors


def test_the_test_companion_reads_what_a_real_client_read() -> None:
    known = vectors("signal")
    companion = Companion(
        KeyPair.of(bytes.fromhex(known["companion_identity_private"])),
        KeyPair.of(bytes.fromhex(known["signed_prekey_private"])),
        {int(number): KeyPair.of(bytes.fromhex(private)) for number, private in known["prekey_privates"].items()},
    )
    for one in known["messages"]:
        assert companion.decrypt(bytes.fromhex(one["message"])).hex() == one["plaintext"]
    first = Message.FromString(bytes.fromhex(known["messages"][0]["plaintext"]))
    assert first.protocolMessage.type == ProtocolMessage.APP_STATE_SYNC_KEY_SHARE


@pytest.mark.parametrize("prekey", [7, None])
def test_a_companion_reads_one_message_after_another(prekey: int | None) -> None:
    phone, companion = KeyPair.generate(), Companion.generate()
    session = PhoneSession.begin(phone, companion.bundle(prekey), registration_id=4242)
    for number in range(4):
        data = session.encrypt(f"message {number}".encode())
        assert companion.decrypt(data) == f"message {number}".encode()
        outer = PreKeySignalMessage.FromString(data[1:])
        assert outer.registrationId == 4242
        assert outer.identityKey == b"\x05" + phone.public
        assert outer.HasField("preKeyId") is (prekey is not None)


@pytest.mark.parametrize("prekey", [7, None])
def test_a_kept_session_goes_on_where_it_was(prekey: int | None) -> None:
    companion = Companion.generate()
    session = PhoneSession.begin(KeyPair.generate(), companion.bundle(prekey))
    session.encrypt(b"first")
    again = PhoneSession.from_bytes(session.to_bytes())
    assert again == session
    assert companion.decrypt(again.encrypt(b"second")) == b"second"


@pytest.mark.parametrize("data", [b"", b"{}", bytes(175)])
def test_what_is_no_kept_session_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="begin another"):
        PhoneSession.from_bytes(data)


def test_a_bundle_that_its_identity_did_not_sign_is_refused() -> None:
    companion = Companion.generate()
    bundle = dataclasses.replace(companion.bundle(), identity=KeyPair.generate().public)
    with pytest.raises(BadSignature, match="signed pre-key"):
        PhoneSession.begin(KeyPair.generate(), bundle)


def test_a_bundle_with_a_useless_key_is_refused() -> None:
    bundle = dataclasses.replace(Companion.generate().bundle(), prekey=bytes(32))
    with pytest.raises(Malformed, match="not a usable"):
        PhoneSession.begin(KeyPair.generate(), bundle)


def test_a_session_shows_no_keys() -> None:
    session = PhoneSession.begin(KeyPair.generate(), Companion.generate().bundle())
    assert "chain_key" not in repr(session)


@settings(deadline=None, max_examples=60)
@given(message=st.binary(max_size=200))
def test_padding_is_one_to_fifteen_bytes_and_comes_off(message: bytes) -> None:
    companion = Companion.generate()
    assert companion.decrypt(PhoneSession.begin(KeyPair.generate(), companion.bundle()).encrypt(message)) == message


@pytest.mark.parametrize("data", [b"", b"\0", b"ab\x04"])
def test_a_message_without_padding_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed, match="without padding"):
        unpad(data)
