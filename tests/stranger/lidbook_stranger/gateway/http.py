"""HTTP/1.1 as far as a gateway needs it: one exchange a connection, JSON both ways, long answers in chunks."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


class HangUp(Exception):
    """End the connection without an answer, as a network does that goes away."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent."""

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lines:
    """A long answer, one JSON document a line; produced no faster than it is read."""

    lines: AsyncIterator[object]


Handler = Callable[[Request], Awaitable[Reply | Lines]]


class HttpServer:
    """Serves a handler on a loopback port."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self, port: int = 0) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    async def close(self) -> None:
        """Listen no more, and end what is under way."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)
        if self._server is not None:
            await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.ensure_future(self._exchange(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request and its answer; a client that hangs up is not worked for any longer."""
        try:
            request = await _read(reader)
            working = asyncio.ensure_future(self._answer(request, writer))
            leaving = asyncio.ensure_future(reader.read(1))
            try:
                await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (working, leaving):
                    task.cancel()
                await asyncio.gather(working, leaving, return_exceptions=True)
            if not working.cancelled():
                working.result()
        except (HangUp, ConnectionError, EOFError, ValueError):
            writer.transport.abort()
        finally:
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        answer = await self._handler(request)
        if isinstance(answer, Reply):
            content = b"" if answer.body is None else json.dumps(answer.body).encode()
            writer.write(_head(answer.status, {**answer.headers, "Content-Length": str(len(content))}) + content)
            await writer.drain()
            return
        writer.write(_head(200, {"Transfer-Encoding": "chunked"}))
        async for line in answer.lines:
            content = json.dumps(line).encode() + b"\n"
            writer.write(b"%x\r\n%b\r\n" % (len(content), content))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "Content-Type: application/json", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


async def _read(reader: asyncio.StreamReader) -> Request:
    """One request. Raises `ValueError` for what is none."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    content = await reader.readexactly(int(headers.get("content-length", "0")))
    split = urlsplit(target)
    path = tuple(unquote(part) for part in split.path.strip("/").split("/"))
    return Request(method, path, dict(parse_qsl(split.query)), headers, json.loads(content) if content else None)
