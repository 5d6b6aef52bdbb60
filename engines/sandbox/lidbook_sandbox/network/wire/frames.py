"""The byte stream inside the WebSocket: an intro header once from the client, then frames with a 3-byte length.

A frame may span WebSocket messages and a message may hold several; but send each frame as one message: whatsmeow
miscounts the bytes of a frame that arrives in parts.
"""

from __future__ import annotations

from lidbook_sandbox.network.wire.errors import Malformed
from lidbook_sandbox.network.wire.tokens import VERSION

MAGIC = b"WA\x06"
INTRO = MAGIC + bytes([VERSION])
"""What a client sends first: "WA", the protocol version, the version of the token dictionary."""
EDGE_ROUTING = b"ED\x00\x01"
"""Before the intro header, when the server once told the client its routing: then a length and that many bytes."""

LENGTH_SIZE = 3
LARGEST = (1 << 24) - 1


def frame(payload: bytes) -> bytes:
    """`payload` with its length before it; raises `ValueError` above 16 MiB, which the length cannot express."""
    if len(payload) > LARGEST:
        raise ValueError(f"a frame holds at most {LARGEST} bytes, not {len(payload)}")
    return len(payload).to_bytes(LENGTH_SIZE, "big") + payload


class FrameReader:
    """Cuts what arrives into frames; holds at most one unfinished frame of `limit` bytes.

    `intro=False` reads the server's direction, which has no header. After `Malformed` the stream is lost.
    """

    def __init__(self, *, intro: bool = True, limit: int = 1 << 22) -> None:
        self._buffer = bytearray()
        self._header = intro
        self._limit = limit
        self.routing: bytes | None = None
        """The routing information of an edge-routing header, when the client sent one."""

    def feed(self, data: bytes) -> list[bytes]:
        """The frames completed by `data`, in order; raises `Malformed` for a wrong header and for oversized frames."""
        self._buffer += data
        if self._header and not self._take_header():
            return []
        frames: list[bytes] = []
        while (payload := self._take(0)) is not None:
            frames.append(payload)
        return frames

    def _take_header(self) -> bool:
        """Whether the header is complete and taken off the buffer."""
        buffer = self._buffer
        if self.routing is None and _begins(buffer, EDGE_ROUTING):
            if (routing := self._take(len(EDGE_ROUTING))) is None:
                return False
            self.routing = routing
        if not _begins(buffer, MAGIC):
            raise Malformed("the stream does not begin with WhatsApp's intro header")
        if len(buffer) < len(INTRO):
            return False
        if buffer[len(MAGIC)] != VERSION:
            raise Malformed(f"token dictionary version {buffer[len(MAGIC)]}, and only {VERSION} is spoken")
        del buffer[: len(INTRO)]
        self._header = False
        return True

    def _take(self, start: int) -> bytes | None:
        """The length-prefixed bytes at `start`, taken off the buffer with all before them, once they are complete."""
        buffer = self._buffer
        body = start + LENGTH_SIZE
        if len(buffer) < body:
            return None
        length = int.from_bytes(buffer[start:body], "big")
        if length > self._limit:
            raise Malformed(f"a frame of {length} bytes, and at most {self._limit} are taken")
        if len(buffer) < body + length:
            return None
        payload = bytes(buffer[body : body + length])
        del buffer[: body + length]
        return payload


def _begins(buffer: bytearray, header: bytes) -> bool:
    """Whether the buffer begins with `header`, or could once more bytes come."""
    return header.startswith(bytes(buffer[: len(header)]))
