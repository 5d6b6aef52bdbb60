"""Binary XML: as whatsmeow writes and reads it, round trips, and malformed input that is only ever `Malformed`."""

import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidbook_sandbox.network.wire.binary import DEEPEST, Jid, Malformed, Node, decode, encode
from lidbook_sandbox.network.wire.tokens import tokens

from .vectors import vectors

WORDS = st.text(max_size=12) | st.sampled_from(sorted(tokens().codes)) | st.text("0123456789-.ABCDEF", max_size=20)
TAGS = WORDS.filter(bool)
USERS = st.text("0123456789", min_size=1, max_size=16)
JIDS = (
    st.builds(Jid, USERS, st.sampled_from(["s.whatsapp.net", "lid", "hosted", "hosted.lid"]), st.integers(0, 255))
    | st.builds(Jid, USERS | st.just(""), st.sampled_from(["g.us", "s.whatsapp.net", "broadcast", "newsletter"]))
    | st.builds(Jid, USERS, st.just("interop"))
    | st.builds(Jid, USERS, st.just("msgr"), st.integers(0, 65535))
    | st.builds(Jid, st.builds("{}-{}".format, st.integers(0, 65535), USERS), st.just("interop"), st.integers(0, 9))
)
ATTRIBUTES = st.dictionaries(WORDS, WORDS | JIDS, max_size=5)
NODES = st.recursive(
    st.builds(Node, TAGS, ATTRIBUTES, st.none() | st.binary(max_size=300)),
    lambda children: st.builds(Node, TAGS, ATTRIBUTES, st.lists(children, max_size=4)),
    max_leaves=12,
)


def described(node: Node) -> str:
    """A node in the words of the vectors' Go program."""
    out = f"<{node.tag}"
    for name, value in sorted(node.attributes.items()):
        out += f" {name}={'types.JID' if isinstance(value, Jid) else 'string'}({value})"
    match node.content:
        case list(children):
            inside = "".join(described(child) for child in children)
        case bytes(data):
            inside = f"x{data.hex()}"
        case other:
            inside = other or ""
    return f"{out}>{inside}</{node.tag}>"


def known(part: str) -> list[Any]:
    """One part of the vectors, as test parameters."""
    return [
        pytest.param(bytes.fromhex(one["hex"]), one["node"], id=one["node"][:50]) for one in vectors("binary")[part]
    ]


@pytest.mark.parametrize(("data", "node"), known("encoded"))
def test_what_whatsmeow_writes_is_read(data: bytes, node: str) -> None:
    node = node.replace("(5511912345678:1@interop)", "(7-5511912345678:1@interop)")  # Go's JID hides the integrator
    text = "+5511912345678@c.us"  # a string in Go, bytes on the wire
    node = node.replace(f"<contact>{text}</contact>", f"<contact>x{text.encode().hex()}</contact>")
    assert described(decode(data)) == node


@pytest.mark.parametrize(("data", "node"), known("baileys"))
def test_what_baileys_writes_is_read(data: bytes, node: str) -> None:
    assert described(decode(data)) == node


@pytest.mark.parametrize(("data", "node"), known("read"))
def test_what_whatsmeow_read_of_ours_is_written_the_same_again(data: bytes, node: str) -> None:
    assert described(decode(data)) == node
    assert encode(decode(data)) == data


@settings(deadline=None)
@given(node=NODES)
def test_a_node_comes_back_as_it_was(node: Node) -> None:
    assert decode(encode(node)) == node


@settings(deadline=None)
@given(node=NODES)
def test_a_compressed_frame_is_read(node: Node) -> None:
    assert decode(b"\2" + zlib.compress(encode(node)[1:])) == node


def test_text_is_sent_as_bytes() -> None:
    assert decode(encode(Node("status", {}, "result"))) == Node("status", {}, b"result")


@pytest.mark.parametrize("size", [0, 255, 256, (1 << 20) - 1, 1 << 20])
def test_content_of_every_length_class_comes_back(size: int) -> None:
    node = Node("enc", {}, bytes(size))
    assert decode(encode(node)) == node


@pytest.mark.parametrize("size", [0, 255, 256, 65535])
def test_a_list_of_every_length_class_comes_back(size: int) -> None:
    node = Node("list", {}, [Node("key")] * size)
    assert decode(encode(node)) == node


@pytest.mark.parametrize(
    ("packed", "text"),
    [("ff 82 26 1f", "261"), ("ff 03 12 3a b4", "123-.4"), ("fb 02 de ad", "DEAD"), ("fb 81 ff", "F"), ("ff 00", "")],
)
def test_packed_strings_are_read(packed: str, text: str) -> None:
    assert decode(b"\0\xf8\x02\x08" + bytes.fromhex(packed)) == Node("id", {}, text)


def test_baileys_jid_content_is_read_as_its_text() -> None:
    """Baileys packs content that looks like a JID as one."""
    assert decode(bytes.fromhex("00 f8 02 11 fa ff 02 12 34 03")).text == "1234@s.whatsapp.net"


@settings(deadline=None, max_examples=400)
@given(data=st.binary(max_size=60) | st.binary(max_size=60).map(lambda data: b"\0\xf8" + data))
def test_any_bytes_are_a_node_or_malformed(data: bytes) -> None:
    try:
        node = decode(data)
    except Malformed:
        return
    assert decode(encode(node)).tag == node.tag


@settings(deadline=None, max_examples=400)
@given(node=NODES, at=st.integers(0, 10_000), byte=st.integers(0, 255), cut=st.booleans())
def test_a_spoilt_frame_is_a_node_or_malformed(node: Node, at: int, byte: int, cut: bool) -> None:
    data = bytearray(encode(node))
    at %= len(data)
    if cut:
        del data[at:]
    else:
        data[at] = byte
    try:
        decode(bytes(data))
    except Malformed:
        return


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "empty frame"),
        ("00", "ends in the middle"),
        ("00 00", "without a tag"),
        ("00 f8 00", "without a tag"),
        ("00 f8 01 fc 00", "without a tag"),
        ("00 f8 01 00", "without a tag"),
        ("00 f8 01 08 08", "1 bytes after the end"),
        ("00 fc 01 61", "where a list is expected"),
        ("00 f8 01 f4", "token 244 means nothing"),
        ("00 f8 01 f8 01 08", "token 248 means nothing"),
        ("00 f8 01 fc 02 ff fe", "not UTF-8"),
        ("00 f8 01 fa 00 03", "a JID where a string"),
        ("00 f8 03 08 06 fa 03 00", "without a server"),
        ("00 f8 03 08 06 f7 02 01 08", "domain 2"),
        ("00 f8 03 08 06 f6 08 00 01 03", "another network"),
        ("00 f8 02 08 ff 80", "odd length"),
        ("00 f8 02 08 ff 01 c1", "nibble that means nothing"),
        ("00 f8 02 08 fe 7f ff ff ff", "ends in the middle"),
        ("02 00 00", "does not inflate"),
    ],
)
def test_malformed_frames_say_what_is_wrong(data: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        decode(bytes.fromhex(data))


def test_a_zip_bomb_is_refused_at_the_limit() -> None:
    with pytest.raises(Malformed, match="inflates to more than 1000 bytes"):
        decode(b"\2" + zlib.compress(bytes(1 << 24)), limit=1000)


def test_a_compressed_frame_that_is_cut_off_is_refused() -> None:
    with pytest.raises(Malformed, match="cut off"):
        decode(b"\2" + zlib.compress(encode(Node("iq"))[1:])[:-3])


def test_nesting_has_an_end() -> None:
    node = Node("x1")
    for _ in range(DEEPEST):
        node = Node("x1", {}, [node])
    assert decode(encode(node)) == node
    with pytest.raises(Malformed, match="nested more than"):
        decode(encode(Node("x1", {}, [node])))


@pytest.mark.parametrize(
    "node",
    [
        Node(""),
        Node("list", {}, [Node("key")] * 65536),
        Node("user", {"jid": Jid("1", "s.whatsapp.net", 256)}),
        Node("user", {"jid": Jid("1", "g.us", 1)}),
    ],
)
def test_what_the_format_cannot_carry_is_not_written(node: Node) -> None:
    with pytest.raises(ValueError):
        encode(node)
