"""Keep-alive HTTP/1.1 connections that ask one thing after another and take the time; they do not look into bodies."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Final, cast

_HEAD_ENDS: Final = b"\r\n\r\n"
_STREAM_ENDS: Final = b"\r\n0\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length:"


class Broken(Exception):
    """A server closed a connection, or answered in a way that no server measured here should."""


def request(path: str, key: str) -> bytes:
    """A GET as it goes on the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Api-Key: {key}\r\nAccept: application/json\r\n\r\n".encode()


class Clock:
    """One measured stretch of time, and what was seen in it."""

    __slots__ = ("answers", "done", "latencies", "refused", "since", "size", "until")

    def __init__(self, warm_up: float, seconds: float, done: Callable[[BaseException | None], None]) -> None:
        self.since = time.perf_counter() + warm_up
        self.until = self.since + seconds
        self.latencies: list[float] = []
        self.answers = 0
        """Answers of any time, the warm-up's too."""
        self.refused = 0
        self.size = 0
        self.done = done


class Asking(asyncio.Protocol):
    """Sends the next request when the last one is answered, until the clock has run down. Answers name their length."""

    __slots__ = ("_clock", "_held", "_missing", "_requests", "_sent", "_transport")

    def __init__(self, clock: Clock, requests: Iterator[bytes]) -> None:
        self._clock = clock
        self._requests = requests
        self._held = b""
        self._missing = 0
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the first thing."""
        self._transport = cast("asyncio.Transport", transport)
        self._sent = time.perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        """Count down to the end of the body; then ask the next thing."""
        if self._missing:
            self._missing -= len(data)
        else:
            if self._held:
                data = self._held + data
            end = data.find(_HEAD_ENDS)
            if end < 0:
                self._held = data
                return
            self._held = b""
            head = data[: end + 2]
            self._missing = _length(head) - (len(data) - end - 4)
            if not head.startswith(b"HTTP/1.1 200"):
                self._clock.refused += 1
        if not self._missing:
            self._answered()
        elif self._missing < 0:
            self._clock.done(Broken("more came than was announced"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed by the server, unless this side did."""
        if self._transport is not None:
            self._transport = None
            self._clock.done(exc or Broken("the server closed the connection"))

    def _answered(self) -> None:
        clock, now = self._clock, time.perf_counter()
        clock.answers += 1
        if now < clock.until and self._transport is not None:
            if self._sent >= clock.since:
                clock.latencies.append(now - self._sent)
            self._sent = now
            self._transport.write(next(self._requests))
            return
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()
        clock.done(None)


class Reading(asyncio.Protocol):
    """Asks for one long, chunked answer when told to, reads to its end and keeps nothing of it."""

    __slots__ = ("_done", "_tail", "_transport", "size")

    def __init__(self, done: "asyncio.Future[float]") -> None:
        self._done = done
        self._tail = b""
        self._transport: asyncio.Transport | None = None
        self.size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected; `ask` sends the request."""
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, raw: bytes) -> None:
        """Send the request."""
        assert self._transport is not None
        self._transport.write(raw)

    def data_received(self, data: bytes) -> None:
        """Look for the end; `done` gets the time at which it came."""
        if not self.size and not data.startswith(b"HTTP/1.1 200"):
            self._fail(Broken(data[:200].decode("latin-1")))
            return
        self.size += len(data)
        self._tail = (self._tail + data[-len(_STREAM_ENDS) :])[-len(_STREAM_ENDS) :]
        if self._tail == _STREAM_ENDS and not self._done.done():
            self._done.set_result(time.perf_counter())
            assert self._transport is not None
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed before the end is a failure."""
        self._fail(exc or Broken("the server closed the connection in the middle"))

    def _fail(self, error: BaseException) -> None:
        if not self._done.done():
            self._done.set_exception(error)


def _length(head: bytes) -> int:
    head = head.lower()
    start = head.find(_LENGTH)
    if start < 0:
        raise Broken("the answer does not say how long it is")
    start += len(_LENGTH)
    return int(head[start : head.index(b"\r\n", start)])
