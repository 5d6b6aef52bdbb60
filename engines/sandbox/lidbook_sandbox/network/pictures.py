"""Profile pictures: where they are, and the image behind each address, a plain square in a colour of its own."""

import hashlib
import re
import struct
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from lidbook.facts import PictureState
from lidbook.identifiers import UserId
from lidbook.values import Person
from lidbook.world.live import LiveWorld
from lidbook.world.service import WorldService
from lidbook_sandbox.network.lines import person_of
from lidbook_sandbox.network.stanzas import refusal, result, user_of
from lidbook_sandbox.network.wire.node import Node

ROUTE: Final = "/v/t61/{picture:[A-Za-z0-9._-]+}.jpg"
SIDE: Final = 64
"""Pixels."""
_QUANTUM: Final = 8


def address(service: WorldService, user: UserId, base: str) -> tuple[PictureState, str | None]:
    """What there is to see of somebody's picture, and its address under `base`: path and query are the world's."""
    picture = service.picture(Person(*person_of(user)))
    if picture.url is None:
        return picture.state, None
    parts = urlsplit(picture.url)
    return picture.state, f"{base}{parts.path}?{parts.query}"


def answer_picture(service: WorldService, query: Node, base: str) -> Node:
    """The answer to `w:profile:picture`; `status=304` where the client has this very picture already."""
    asked = query.child("picture")
    if asked is None:
        return refusal(query, 400, "bad-request")
    user = user_of(query.jid("target"))
    if user is None:
        return refusal(query, 404, "item-not-found")
    state, url = address(service, user, base)
    if state is PictureState.HIDDEN:
        return refusal(query, 401, "not-authorized")
    if url is None:
        return refusal(query, 404, "item-not-found")
    parts = urlsplit(url)
    identifier = parts.path.rpartition("/")[2].removesuffix(".jpg")
    if asked.string("id") == identifier:
        return result(query, Node("picture", {"status": "304"}))
    kind = asked.string("type") or "image"
    direct = f"{parts.path}?{parts.query}"
    return result(query, Node("picture", {"id": identifier, "type": kind, "url": url, "direct_path": direct}))


def picture_route(live: LiveWorld) -> web.RouteDef:
    """Where pictures are fetched; refused once the address has expired, as WhatsApp does."""

    async def fetch(request: web.Request) -> web.Response:
        expiry = request.query.get("oe", "")
        if not re.fullmatch("[0-9a-f]{1,12}", expiry) or int(expiry, 16) * 1000 < live.time():
            raise web.HTTPForbidden(text="URL signature expired")
        return web.Response(body=jpeg(request.match_info["picture"]), content_type="image/jpeg")

    return web.get(ROUTE, fetch)


def jpeg(identifier: str) -> bytes:
    """A square JPEG in one colour, the same for the same id."""
    red, green, blue = hashlib.sha256(identifier.encode()).digest()[:3]
    components = (
        round(0.299 * red + 0.587 * green + 0.114 * blue) - 128,
        round(-0.1687 * red - 0.3313 * green + 0.5 * blue),
        round(0.5 * red - 0.4187 * green - 0.0813 * blue),
    )
    frame = struct.pack(">BHHB", 8, SIDE, SIDE, 3) + b"".join(bytes((number, 0x11, 0)) for number in (1, 2, 3))
    scan = b"\x03" + b"".join(bytes((number, 0)) for number in (1, 2, 3)) + bytes((0, 63, 0))
    return (
        b"\xff\xd8"
        + _segment(0xE0, b"JFIF\0" + bytes((1, 1, 0, 0, 1, 0, 1, 0, 0)))
        + _segment(0xDB, bytes((0, *[_QUANTUM] * 64)))
        + _segment(0xC0, frame)
        + _segment(0xC4, bytes((0x00, 0, 0, 0, 12, *[0] * 12, *range(12))))
        + _segment(0xC4, bytes((0x10, 1, *[0] * 15, 0)))
        + _segment(0xDA, scan)
        + _entropy(components)
        + b"\xff\xd9"
    )


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _entropy(components: tuple[int, ...]) -> bytes:
    """The coefficients: each component's level once, then blocks without a difference; one-bit ends of block."""
    bits = "".join(_level(level) + "0" for level in components)
    bits += ("0000" + "0") * 3 * ((SIDE // 8) ** 2 - 1)
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return data.replace(b"\xff", b"\xff\x00")


def _level(level: int) -> str:
    """A level by its number of bits (four bits of code), and these bits, those of negative ones inverted."""
    size = abs(level).bit_length()
    value = level if level >= 0 else level + (1 << size) - 1
    return f"{size:04b}" + (f"{value:0{size}b}" if size else "")
