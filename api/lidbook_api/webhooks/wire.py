"""One connection to a receiver: a request goes out, a status comes back, and then the next request may go.

h11 speaks HTTP; this moves the bytes. The lanes send one small request after another, for which general clients spend
several times as long as the receiver.
"""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import h11

from lidbook_api.webhooks.receivers import Receiver

MAX_ANSWER: Final = 64 * 1024
"""Bytes of an answer's body that are read, and dropped, so that the connection can be used again."""

Headers = Sequence[tuple[bytes, bytes]]


class Broken(Exception):
    """The connection ended, or what came is no HTTP, before there was a status; the message says which."""


class Unwritable(Exception):
    """The request cannot be put on the wire, however often one tries."""


@dataclass(frozen=True, slots=True)
class Status:
    """The part of an answer that counts."""

    code: int
    retry_after: str | None


class Wire(asyncio.Protocol):
    """A connection. Whatever comes while nothing was asked ends it."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._asking = False
        self._fault: Exception | None = None

    @property
    def is_usable(self) -> bool:
        """Whether another request can go out."""
        return self._transport is not None and not self._transport.is_closing() and self._http.our_state is h11.IDLE

    async def post(self, receiver: Receiver, headers: Headers, body: bytes) -> Status:
        """Send a request and return the status of the answer. Raises `Broken`, `Unwritable`."""
        if self._transport is None or not self.is_usable:
            raise Broken("the connection is closed")
        own = [(b"Host", receiver.authority.encode("ascii")), (b"Content-Length", b"%d" % len(body))]
        try:
            request = h11.Request(method=b"POST", target=receiver.target.encode("ascii"), headers=[*own, *headers])
            parts = [self._http.send(part) for part in (request, h11.Data(data=body), h11.EndOfMessage())]
        except h11.LocalProtocolError as error:
            raise Unwritable(str(error)) from error
        self._asking = True
        self._transport.write(b"".join(part for part in parts if part))
        try:
            while True:
                event = await self._event()
                if isinstance(event, h11.Response):
                    asked = next((value for name, value in event.headers if name == b"retry-after"), None)
                    return Status(event.status_code, None if asked is None else asked.decode("latin-1"))
                if isinstance(event, h11.ConnectionClosed):
                    raise Broken("the connection was closed without an answer")
        except h11.RemoteProtocolError as error:
            if self._transport.is_closing() or self._fault is not None:
                raise Broken("the connection was closed without an answer") from error
            raise Broken(f"the answer is no HTTP: {error}") from error

    async def finish(self) -> None:
        """Read the rest of the answer, up to a limit; what goes on costs the connection and nothing else."""
        read = 0
        try:
            while read <= MAX_ANSWER:
                event = await self._event()
                if isinstance(event, h11.Data):
                    read += len(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    self._asking = False
                    self._http.start_next_cycle()
                    return
                else:
                    break
        except h11.ProtocolError:
            pass  # it says that it closes, or broke off: either way it cannot be used again
        self.close()

    def close(self) -> None:
        """End it, now."""
        if self._transport is not None:
            self._transport.abort()

    async def _event(self) -> h11.Event:
        while True:
            event = self._http.next_event()
            if event is h11.PAUSED:
                raise h11.RemoteProtocolError("something came behind the answer")
            if event is not h11.NEED_DATA:
                return cast("h11.Event", event)
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    # asyncio's

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._asking:
            self._http.receive_data(data)
            self._wake()
        else:
            self.close()

    def eof_received(self) -> bool:
        """The receiver sends no more."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._fault = exc
        if self._asking:
            self._http.receive_data(b"")
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def dial(receiver: Receiver, addresses: Sequence[str], tls: ssl.SSLContext | None, seconds: float) -> Wire:
    """A connection to the first of `addresses` that answers; TLS is about the name. Raises `OSError`, `TimeoutError`.

    All but the last get a share of the time each.
    """
    loop = asyncio.get_running_loop()

    async def connected(address: str) -> Wire:
        name = receiver.host if tls is not None else None
        _, wire = await loop.create_connection(Wire, address, receiver.port, ssl=tls, server_hostname=name)
        return wire

    async with asyncio.timeout(seconds):
        for address in addresses[:-1]:
            try:
                async with asyncio.timeout(seconds / len(addresses)):
                    return await connected(address)
            except OSError:
                continue  # what is wrong with the last one is told
        return await connected(addresses[-1])
