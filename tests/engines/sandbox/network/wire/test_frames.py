"""The byte stream: any cutting gives the same frames, and a wrong beginning is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidbook_sandbox.network.wire.errors import Malformed
from lidbook_sandbox.network.wire.frames import EDGE_ROUTING, INTRO, LARGEST, FrameReader, frame


@given(
    payloads=st.lists(st.binary(max_size=40), max_size=6),
    routing=st.none() | st.binary(max_size=20),
    cuts=st.lists(st.integers(1, 9), min_size=1),
)
def test_any_cutting_gives_the_same_frames(payloads: list[bytes], routing: bytes | None, cuts: list[int]) -> None:
    header = b"" if routing is None else EDGE_ROUTING + len(routing).to_bytes(3, "big") + routing
    stream = header + INTRO + b"".join(frame(payload) for payload in payloads)
    reader, got, turn = FrameReader(), [], 0
    while stream:
        size = cuts[turn % len(cuts)]
        got += reader.feed(stream[:size])
        stream, turn = stream[size:], turn + 1
    assert got == payloads
    assert reader.routing == routing


def test_a_server_s_direction_has_no_header() -> None:
    assert FrameReader(intro=False).feed(frame(b"abc")) == [b"abc"]


def test_the_length_is_three_bytes_big_endian() -> None:
    assert frame(bytes(0x10203))[:3] == b"\x01\x02\x03"


@pytest.mark.parametrize("start", [b"G", b"GET / HTTP/1.1", b"WA\x05\x03", b"EDGE", b"ED\x00\x02", b"\x00"])
def test_another_header_is_refused(start: bytes) -> None:
    with pytest.raises(Malformed, match="intro header"):
        FrameReader().feed(start)


def test_another_dictionary_version_is_refused() -> None:
    with pytest.raises(Malformed, match="version 2, and only 3"):
        FrameReader().feed(b"WA\x06\x02")


def test_a_second_routing_header_is_refused() -> None:
    routing = EDGE_ROUTING + b"\0\0\1x"
    with pytest.raises(Malformed, match="intro header"):
        FrameReader().feed(routing + routing + INTRO)


def test_a_frame_above_the_limit_is_refused_before_it_is_there() -> None:
    with pytest.raises(Malformed, match="a frame of 11 bytes, and at most 10"):
        FrameReader(limit=10).feed(INTRO + b"\0\0\x0b")


def test_a_frame_at_the_limit_is_taken() -> None:
    assert FrameReader(limit=10).feed(INTRO + frame(bytes(10))) == [bytes(10)]


def test_more_than_the_length_can_say_is_not_framed() -> None:
    with pytest.raises(ValueError, match="at most 16777215"):
        frame(bytes(LARGEST + 1))
