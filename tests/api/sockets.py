"""Websocket clients for tests: a real library's, and one by hand that reads only when it is told to."""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

CONTINUATION, TEXT, CLOSE, PING, PONG = 0, 1, 8, 9, 10
PATIENCE = 20


def address(url: str, **query: object) -> str:
    """Where the websocket of a server is; a list repeats its parameter."""
    return url.replace("http", "ws", 1) + "/ws?" + urlencode(query, doseq=True)


@asynccontextmanager
async def opened(url: str, *, headers: Any = None, **query: object) -> AsyncIterator[ClientConnection]:
    """A connection that was accepted; everything that is committed from here on is sent."""
    async with await connected(url, headers=headers, **query) as client:
        yield client


async def connected(url: str, *, headers: Any = None, **query: object) -> ClientConnection:
    """The same, for one that outlives its server."""
    return await connect(address(url, **query), additional_headers=headers, max_size=None, max_queue=None)


async def text(client: ClientConnection) -> str:
    """The next frame, which must be a text frame."""
    async with asyncio.timeout(PATIENCE):
        frame = await client.recv()
    assert isinstance(frame, str)
    return frame


async def event(client: ClientConnection) -> dict[str, Any]:
    """The next event."""
    envelope = orjson.loads(await text(client))
    assert isinstance(envelope, dict)
    return envelope


async def frames(client: ClientConnection) -> list[str | bytes]:
    """What is sent until the server closes."""
    got = []
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                got.append(await client.recv())
    except ConnectionClosed:
        return got


async def closed(client: ClientConnection) -> tuple[int, str]:
    """Code and reason with which the server closes, after whatever it still sends."""
    await frames(client)
    close = client.protocol.close_rcvd
    assert close is not None
    return close.code, close.reason


class ByHand:
    """One connection whose kernel holds little, and whose reader reads no further than it is asked to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.head = b""
        """What the handshake was answered with."""

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str, **query: object) -> AsyncIterator["ByHand"]:
        """Shake hands."""
        where = urlsplit(address(url, **query))
        assert where.hostname is not None
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (where.hostname, where.port))
        reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
        client = cls(reader, writer)
        try:
            writer.write(
                f"GET {where.path}?{where.query} HTTP/1.1\r\nHost: {where.netloc}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n".encode()
            )
            async with asyncio.timeout(PATIENCE):
                client.head = await reader.readuntil(b"\r\n\r\n")
            yield client
        finally:
            writer.close()

    async def frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame. Raises `IncompleteReadError` when the connection is over."""
        async with asyncio.timeout(PATIENCE):
            head = await self._reader.readexactly(2)
            length = head[1] & 127
            if length == 126:
                length = struct.unpack("!H", await self._reader.readexactly(2))[0]
            elif length == 127:
                length = struct.unpack("!Q", await self._reader.readexactly(8))[0]
            return head[0] & 15, await self._reader.readexactly(length)

    def send(self, opcode: int, payload: bytes, *, final: bool = True) -> None:
        """Write a short frame."""
        self._writer.write(_masked(opcode, payload, final=final))

    async def repeat(self, opcode: int, payload: bytes, *, times: int) -> None:
        """Write the same piece of a message again and again, as fast as the server takes it, then wait to be left."""
        async with asyncio.timeout(PATIENCE):
            hundred = _masked(opcode, payload, final=opcode >= CLOSE) * 100
            for _ in range(times // 100):
                self._writer.write(hundred)
                await self._writer.drain()
        await self.read_on()

    async def read_on(self) -> None:
        """Read until the connection is over, which is an error."""
        while True:
            await self.frame()


def _masked(opcode: int, payload: bytes, *, final: bool) -> bytes:
    """A frame as clients write it, with a payload of at most 125 bytes."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes([opcode | (128 if final else 0), 128 | len(payload)]) + mask + masked


class Relay:
    """An address that stays the same while the server behind it is another one."""

    def __init__(self) -> None:
        self.host = ""
        """Host and port."""
        self._url = ""

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> AsyncIterator["Relay"]:
        """Listen."""
        relay = cls()
        async with await asyncio.start_server(relay._pass_on, "127.0.0.1", 0) as server:
            relay.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield relay

    def leads_to(self, url: str) -> None:
        """Where further connections go."""
        self._url = url

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        where = urlsplit(self._url)
        try:
            there, back = await asyncio.open_connection(where.hostname, where.port)
        except ConnectionRefusedError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except ConnectionError:
        pass  # as good as an end
    finally:
        writer.close()
