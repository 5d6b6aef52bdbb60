"""Receivers of webhooks: real HTTP servers on loopback, small and quick, which answer as a test tells them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import orjson

Answering = Callable[["Received"], "bytes | Awaitable[bytes]"]


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    line: str
    headers: dict[str, str]
    """Names in lower case."""
    names: tuple[str, ...]
    """Names as they came."""
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The body."""
        document: dict[str, Any] = orjson.loads(self.body)
        return document

    @property
    def seq(self) -> int:
        """The event's number."""
        number: int = self.event["payload"]["seq"]
        return number


def answer(status: int = 200, body: bytes = b"ok", **headers: str) -> bytes:
    """An answer as it goes on the wire."""
    lines = [f"HTTP/1.1 {status} Whatever", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Receiver:
    """One of them. `answering` may be replaced at any time."""

    def __init__(self, answering: Answering | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.answering: Answering = answering or (lambda _: answer())
        self.received: list[Received] = []
        self.connections = 0
        self.port = 0
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._news = asyncio.Condition()

    @property
    def url(self) -> str:
        """Where it listens, or did."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}/hook"

    @property
    def seqs(self) -> list[int]:
        """Numbers of the events that came, in the order in which they came."""
        return [received.seq for received in self.received]

    async def open(self) -> None:
        """Listen, on the port it had before if it had one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Go away, in the middle of whatever there is."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def until(self, count: int, seconds: float = 20) -> list[Received]:
        """What came, once that is so many."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                pairs = [line.partition(": ")[::2] for line in head[1:] if line]
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers["content-length"]))
                received = Received(head[0], headers, tuple(name for name, _ in pairs), body)
                self.received.append(received)
                async with self._news:
                    self._news.notify_all()
                answered = self.answering(received)
                writer.write(answered if isinstance(answered, bytes) else await answered)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # asyncio's streams log a handler that was cancelled
        finally:
            self._writers.discard(writer)
            writer.close()


@asynccontextmanager
async def receiver(answering: Answering | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """One that listens."""
    listening = Receiver(answering, tls)
    await listening.open()
    try:
        yield listening
    finally:
        await listening.close()
