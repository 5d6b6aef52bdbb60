"""WhatsApp's binary XML: `encode` and `decode` a whole plaintext frame, flag byte included.

Sent: dictionary codes for tags, attribute names and values, plain bytes for content (whatsmeow drops text that comes
packed), JIDs as JID tokens (whatsmeow compares them typed). Read: all that whatsmeow and Baileys send.
"""

from __future__ import annotations

import re
import zlib

from lidbook_sandbox.network.wire.errors import Malformed
from lidbook_sandbox.network.wire.jid import (
    HOSTED_LID_SERVER,
    HOSTED_SERVER,
    INTEROP_SERVER,
    LID_SERVER,
    MESSENGER_SERVER,
    USER_SERVER,
    Jid,
)
from lidbook_sandbox.network.wire.node import Node
from lidbook_sandbox.network.wire.tokens import DICTIONARIES, DICTIONARY_0, tokens

__all__ = ["Jid", "Malformed", "Node", "decode", "encode"]

COMPRESSED = 0x02
LIST_EMPTY = 0
INTEROP_JID, FB_JID, AD_JID = 245, 246, 247
LIST_8, LIST_16 = 248, 249
JID_PAIR, HEX_8, BINARY_8, BINARY_20, BINARY_32, NIBBLE_8 = 250, 251, 252, 253, 254, 255

LARGEST = 1 << 22
DEEPEST = 64

_DOMAINS = {USER_SERVER: 0, LID_SERVER: 1, HOSTED_SERVER: 128, HOSTED_LID_SERVER: 129}
_SERVERS = {domain: server for server, domain in _DOMAINS.items()}
_INTEROP_USER = re.compile(r"(0|[1-9][0-9]{0,4})-(.*)", re.DOTALL)
_ALPHABETS = {NIBBLE_8: "0123456789-.\0\0\0\0", HEX_8: "0123456789ABCDEF"}


def encode(node: Node) -> bytes:
    """The frame of `node`, uncompressed; raises `ValueError` for what the format cannot carry."""
    out = bytearray(b"\0")
    _write_node(out, node)
    return bytes(out)


def decode(data: bytes, *, limit: int = LARGEST) -> Node:
    """The node of a frame; raises `Malformed` for anything else, and for more than `limit` bytes once inflated."""
    if not data:
        raise Malformed("an empty frame")
    body = _inflate(data[1:], limit) if data[0] & COMPRESSED else data[1:]
    reader = _Reader(body)
    node = reader.node(0)
    if reader.at != len(body):
        raise Malformed(f"{len(body) - reader.at} bytes after the end of the node")
    return node


def _inflate(data: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        body = inflater.decompress(data, limit)
    except zlib.error as error:
        raise Malformed("the compressed frame does not inflate") from error
    if not inflater.eof:
        raise Malformed(f"the compressed frame is cut off or inflates to more than {limit} bytes")
    return body


def _write_node(out: bytearray, node: Node) -> None:
    if not node.tag:
        raise ValueError("a node needs a tag")
    content = node.content is not None
    _write_list(out, 1 + 2 * len(node.attributes) + content)
    _write_string(out, node.tag)
    for name, value in node.attributes.items():
        _write_string(out, name)
        if isinstance(value, Jid):
            _write_jid(out, value)
        else:
            _write_string(out, value)
    match node.content:
        case None:
            pass
        case bytes(data):
            _write_bytes(out, data)
        case str(text):
            _write_bytes(out, text.encode())
        case children:
            _write_list(out, len(children))
            for child in children:
                _write_node(out, child)


def _write_list(out: bytearray, size: int) -> None:
    if size == 0:
        out.append(LIST_EMPTY)
    elif size < 1 << 8:
        out += bytes([LIST_8, size])
    elif size < 1 << 16:
        out.append(LIST_16)
        out += size.to_bytes(2, "big")
    else:
        raise ValueError(f"a list holds at most 65535 nodes, not {size}")


def _write_string(out: bytearray, text: str) -> None:
    code = tokens().codes.get(text)
    if code is None:
        _write_bytes(out, text.encode())
    else:
        out += code


def _write_bytes(out: bytearray, data: bytes) -> None:
    if len(data) < 1 << 8:
        out += bytes([BINARY_8, len(data)])
    elif len(data) < 1 << 20:
        out.append(BINARY_20)
        out += len(data).to_bytes(3, "big")
    else:
        out.append(BINARY_32)
        out += len(data).to_bytes(4, "big")
    out += data


def _write_jid(out: bytearray, jid: Jid) -> None:
    hosted = jid.server in (HOSTED_SERVER, HOSTED_LID_SERVER)
    if hosted or (jid.server in _DOMAINS and jid.device):
        if not 0 <= jid.device < 1 << 8:
            raise ValueError(f"a device number is one byte on the wire: {jid}")
        out += bytes([AD_JID, _DOMAINS[jid.server], jid.device])
        _write_string(out, jid.user)
    elif jid.server == MESSENGER_SERVER:
        out.append(FB_JID)
        _write_string(out, jid.user)
        out += jid.device.to_bytes(2, "big")
        _write_string(out, jid.server)
    elif jid.server == INTEROP_SERVER and (parts := _INTEROP_USER.fullmatch(jid.user)) and int(parts[1]) < 1 << 16:
        out.append(INTEROP_JID)
        _write_string(out, parts[2])
        out += jid.device.to_bytes(2, "big") + int(parts[1]).to_bytes(2, "big")
        _write_string(out, jid.server)
    elif jid.device:
        raise ValueError(f"a JID of {jid.server} has no devices: {jid}")
    else:
        out.append(JID_PAIR)
        if jid.user:
            _write_string(out, jid.user)
        else:
            out.append(LIST_EMPTY)
        _write_string(out, jid.server)


class _Reader:
    """Walks one frame; `at` is where it stands."""

    __slots__ = ("_data", "at")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def node(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise Malformed(f"nodes nested more than {DEEPEST} deep")
        size = self._list_size(self._byte())
        if size == 0:
            raise Malformed("a node without a tag")
        tag = self._string()
        if not tag:
            raise Malformed("a node without a tag")
        attributes: dict[str, str | Jid] = {}
        for _ in range((size - 1) // 2):
            name = self._string()
            attributes[name] = self._value(self._byte())
        return Node(tag, attributes, self._content(depth) if size % 2 == 0 else None)

    def _content(self, depth: int) -> bytes | str | list[Node]:
        tag = self._byte()
        match tag:
            case 0 | 248 | 249:
                return [self.node(depth + 1) for _ in range(self._list_size(tag))]
            case 252 | 253 | 254:
                return self._bytes(tag)
        return str(self._value(tag))

    def _string(self) -> str:
        value = self._value(self._byte())
        if not isinstance(value, str):
            raise Malformed(f"a JID where a string is expected, before byte {self.at}")
        return value

    def _value(self, tag: int) -> str | Jid:
        if tag in (BINARY_8, BINARY_20, BINARY_32):
            return self._text(self._bytes(tag))
        if tag == JID_PAIR:
            return self._jid_pair()
        if tag == AD_JID:
            return self._ad_jid()
        if tag in (FB_JID, INTEROP_JID):
            return self._foreign_jid(tag)
        if tag in _ALPHABETS:
            return self._packed(_ALPHABETS[tag])
        if tag == LIST_EMPTY:
            return ""
        return self._token(tag)

    def _token(self, tag: int) -> str:
        words = tokens()
        if 1 <= tag <= len(words.single):
            return words.single[tag - 1]
        if 0 <= tag - DICTIONARY_0 < DICTIONARIES:
            return words.double[tag - DICTIONARY_0][self._byte()]
        raise Malformed(f"token {tag} means nothing, before byte {self.at}")

    def _packed(self, alphabet: str) -> str:
        start = self._byte()
        text = "".join(alphabet[byte >> 4] + alphabet[byte & 15] for byte in self._raw(start & 0x7F))
        if start & 0x80:
            if not text:
                raise Malformed("a packed string of odd length without a character")
            text = text[:-1]
        if "\0" in text:
            raise Malformed("a packed string with a nibble that means nothing")
        return text

    def _jid_pair(self) -> Jid:
        user, server = self._string(), self._string()
        if not server:
            raise Malformed("a JID without a server")
        return Jid(user, server)

    def _ad_jid(self) -> Jid:
        domain, device = self._byte(), self._byte()
        if domain not in _SERVERS:
            raise Malformed(f"a JID of domain {domain}, which means nothing")
        return Jid(self._string(), _SERVERS[domain], device)

    def _foreign_jid(self, tag: int) -> Jid:
        """A Messenger or interoperability JID; the latter's integrator is kept before its user, as Baileys does."""
        user, device = self._string(), self._number(2)
        if tag == INTEROP_JID:
            user = f"{self._number(2)}-{user}"
        server = self._string()
        if server != (INTEROP_SERVER if tag == INTEROP_JID else MESSENGER_SERVER):
            raise Malformed(f"a JID of another network at {server!r}")
        return Jid(user, server, device)

    def _list_size(self, tag: int) -> int:
        match tag:
            case 0:
                return 0
            case 248:
                return self._byte()
            case 249:
                return self._number(2)
        raise Malformed(f"token {tag} where a list is expected, before byte {self.at}")

    def _bytes(self, tag: int) -> bytes:
        match tag:
            case 252:
                return self._raw(self._byte())
            case 253:
                return self._raw(self._number(3) & 0xFFFFF)
        return self._raw(self._number(4))

    def _text(self, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise Malformed(f"a string that is not UTF-8, before byte {self.at}") from error

    def _number(self, size: int) -> int:
        return int.from_bytes(self._raw(size), "big")

    def _byte(self) -> int:
        return self._raw(1)[0]

    def _raw(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self._data):
            raise Malformed("the frame ends in the middle of a node")
        data = self._data[self.at : end]
        self.at = end
        return data
