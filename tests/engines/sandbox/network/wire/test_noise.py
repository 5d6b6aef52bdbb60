"""The Noise handshake: the published vectors of XX, a real client's handshake, and everything refused."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidbook_sandbox.network.wire.certificates import chain, check_chain
from lidbook_sandbox.network.wire.errors import HandshakeRefused
from lidbook_sandbox.network.wire.frames import FrameReader
from lidbook_sandbox.network.wire.keys import DJB, KeyPair, verify
from lidbook_sandbox.network.wire.noise import Finished, Initiator, Responder, SymmetricState
from lidbook_sandbox.network.wire.wire_pb2 import ClientPayload, HandshakeMessage

from .vectors import unhex, vectors

PUBLISHED = [
    pytest.param(
        ("", "", ""),
        (
            "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254",
            (
                "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d484665393019dbd6f438795da206db0886610"
                "b26108e424142c2e9b5fd1f7ea70cde8767ce62d7e3c0e9bcefe4ab872c0505b9e824df091b74ffe10a2b32809cab21f"
            ),
            (
                "e610eadc4b00c17708bf223f29a66f02342fbedf6c0044736544b9271821ae40e70144cecd9d265dffdc5bb8e051c3f8"
                "3db32a425e04d8f510c58a43325fbc56"
            ),
        ),
        id="empty payloads",
    ),
    pytest.param(
        ("746573745f6d73675f30", "746573745f6d73675f31", "746573745f6d73675f32"),
        (
            "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254746573745f6d73675f30",
            (
                "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d484665393019dbd6f438795da206db0886610"
                "b26108e424142c2e9b5fd1f7ea70cde8c9f29dcec8d3ab554f4a5330657867fe4917917195c8cf360e08d6dc5f71baf8"
                "75ec6e3bfc7afda4c9c2"
            ),
            (
                "e610eadc4b00c17708bf223f29a66f02342fbedf6c0044736544b9271821ae40232c55cd96d1350af861f6a04978f7d5"
                "e070c07602c6b84d25a331242a71c50ae31dd4c164267fd48bd2"
            ),
        ),
        id="payloads",
    ),
]
TRANSPORT = (
    ("79656c6c6f777375626d6172696e65", "9ea1da1ec3bfecfffab213e537ed1791bfa887dd9c631351b3f63d6315ab9a"),
    ("7375626d6172696e6579656c6c6f77", "217c5111fad7afde33bd28abaff3def88a57ab50515115d23a10f28621f842"),
)


def pair(first: int) -> KeyPair:
    """The vectors' keys: 32 bytes counting up."""
    return KeyPair.of(bytes(range(first, first + 32)))


@pytest.mark.parametrize(("payloads", "messages"), PUBLISHED)
def test_the_state_gives_the_published_vectors_of_xx(
    payloads: tuple[str, str, str], messages: tuple[str, str, str]
) -> None:
    """Noise_XX_25519_AESGCM_SHA256 of the vectors that flynn/noise publishes.

    Played with the state alone, because WhatsApp does not mix the (empty) payload of the first message in.
    """
    first, second, third = (bytes.fromhex(payload) for payload in payloads)
    client, server = pair(0x00), pair(0x01)
    client_ephemeral, server_ephemeral = pair(0x20), pair(0x41)

    state = SymmetricState(b"")
    state.mix_hash(client_ephemeral.public)
    state.mix_hash(first)
    assert (client_ephemeral.public + first).hex() == messages[0]

    state.mix_hash(server_ephemeral.public)
    state.mix_key(server_ephemeral, client_ephemeral.public)
    static = state.encrypt(server.public)
    state.mix_key(server, client_ephemeral.public)
    assert (server_ephemeral.public + static + state.encrypt(second)).hex() == messages[1]

    static = state.encrypt(client.public)
    state.mix_key(client, server_ephemeral.public)
    assert (static + state.encrypt(third)).hex() == messages[2]

    for cipher, (plaintext, ciphertext) in zip(state.split(), TRANSPORT, strict=True):
        assert cipher.encrypt(bytes.fromhex(plaintext)).hex() == ciphertext


def test_a_real_clients_handshake_is_answered_the_same_again() -> None:
    known = vectors("handshake")
    frames = known.pop("client_frames")
    sent = known.pop("sent")
    known.pop("made")
    values = unhex(known)
    static = KeyPair.of(values["static"])

    assert FrameReader().feed(values["first"]) == [bytes.fromhex(frames[0])]
    responder = Responder(static, values["chain"], ephemeral=lambda: KeyPair.of(values["ephemeral"]))
    assert responder.answer(bytes.fromhex(frames[0])) == values["answer"]
    finished = responder.finish(bytes.fromhex(frames[1]))

    assert finished.client_static == KeyPair.of(values["noise_private"]).public
    registration = ClientPayload.FromString(finished.payload).devicePairingData
    assert registration.eIdent == KeyPair.of(values["identity_private"]).public
    assert verify(registration.eIdent, DJB + registration.eSkeyVal, registration.eSkeySig)
    assert finished.send.encrypt(bytes.fromhex(sent[0])).hex() == sent[1]
    assert finished.receive.decrypt(bytes.fromhex(frames[2]))
    assert finished.receive.decrypt(bytes.fromhex(frames[3]))


def meet(payload: bytes = b"payload") -> tuple[Finished, Initiator, bytes, KeyPair]:
    """A whole handshake between both of our sides: what the server has, the client, its last message and its key."""
    root, intermediate, static, client = (KeyPair.generate() for _ in range(4))
    responder = Responder(static, chain(root, intermediate, static.public))
    initiator = Initiator(client)
    seen, certificates = initiator.read(responder.answer(initiator.hello()))
    check_chain(certificates, root.public, seen)
    last, _, _ = initiator.finish(payload)
    return responder.finish(last), initiator, last, client


def test_both_sides_meet() -> None:
    finished, _, _, client = meet(b"hello")
    assert finished.client_static == client.public
    assert finished.payload == b"hello"


def test_each_direction_has_its_own_counter() -> None:
    responder = Responder(KeyPair.generate(), b"chain")
    initiator = Initiator(KeyPair.generate())
    initiator.read(responder.answer(initiator.hello()))
    last, receive, send = initiator.finish(b"")
    finished = responder.finish(last)
    for number in range(3):
        assert finished.receive.decrypt(send.encrypt(bytes([number]))) == bytes([number])
    assert receive.decrypt(finished.send.encrypt(b"back")) == b"back"


def test_a_frame_out_of_order_is_refused() -> None:
    responder = Responder(KeyPair.generate(), b"chain")
    initiator = Initiator(KeyPair.generate())
    initiator.read(responder.answer(initiator.hello()))
    last, _, send = initiator.finish(b"")
    finished = responder.finish(last)
    send.encrypt(b"lost")
    with pytest.raises(HandshakeRefused, match="lost or out of order"):
        finished.receive.decrypt(send.encrypt(b"next"))


def test_another_prologue_is_refused() -> None:
    responder = Responder(KeyPair.generate(), b"chain", prologue=b"WA\x06\x02")
    initiator = Initiator(KeyPair.generate())
    with pytest.raises(HandshakeRefused):
        initiator.read(responder.answer(initiator.hello()))


def zero_ephemeral(_: bytes) -> bytes:
    """A hello whose key agrees on nothing with anybody."""
    return HandshakeMessage(clientHello=HandshakeMessage.ClientHello(ephemeral=bytes(32))).SerializeToString()


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: b"\xff\xff", id="no protobuf"),
        pytest.param(lambda hello: hello[:-1], id="cut off"),
        pytest.param(zero_ephemeral, id="useless key"),
        pytest.param(lambda _: HandshakeMessage(clientFinish={}).SerializeToString(), id="another message"),
    ],
)
def test_a_spoilt_hello_is_refused(spoil: Callable[[bytes], bytes]) -> None:
    hello = Initiator(KeyPair.generate()).hello()
    with pytest.raises(HandshakeRefused):
        Responder(KeyPair.generate(), b"chain").answer(spoil(hello))


@settings(deadline=None, max_examples=50)
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_changed_bit_in_the_finish_changes_nothing_or_is_refused(at: int, bit: int) -> None:
    """Protobuf has bits that mean nothing (an unknown field's); what is accepted is what was sent."""
    client = KeyPair.generate()
    responder, initiator = Responder(KeyPair.generate(), b"chain"), Initiator(client)
    initiator.read(responder.answer(initiator.hello()))
    last = bytearray(initiator.finish(b"the payload")[0])
    last[at % len(last)] ^= 1 << bit
    try:
        finished = responder.finish(bytes(last))
    except HandshakeRefused:
        return
    assert (finished.client_static, finished.payload) == (client.public, b"the payload")


@settings(deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_refused_as_a_handshake(data: bytes) -> None:
    responder = Responder(KeyPair.generate(), b"chain")
    responder.answer(Initiator(KeyPair.generate()).hello())
    with pytest.raises(HandshakeRefused):
        responder.finish(data)


def test_a_client_refuses_a_servers_hello_without_a_key() -> None:
    with pytest.raises(HandshakeRefused, match="no ephemeral key"):
        Initiator(KeyPair.generate()).read(HandshakeMessage(serverHello={}).SerializeToString())
