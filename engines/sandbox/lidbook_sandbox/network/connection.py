"""One WebSocket: the Noise handshake, then stanzas in both directions, until one side has had enough."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Final, Protocol

from aiohttp import WSMsgType, web
from google.protobuf.message import DecodeError

from lidbook_sandbox.network.faults import Malformation
from lidbook_sandbox.network.stanzas import Attributes
from lidbook_sandbox.network.wire import binary
from lidbook_sandbox.network.wire.errors import HandshakeRefused, WireError
from lidbook_sandbox.network.wire.frames import FrameReader, frame
from lidbook_sandbox.network.wire.node import Node
from lidbook_sandbox.network.wire.noise import Cipher, Responder
from lidbook_sandbox.network.wire.wire_pb2 import ClientPayload

HANDSHAKE: Final = 20.0
"""Seconds a client has for its part of the handshake."""
GRACE: Final = 2.0
"""Seconds a client has to close by itself after it was told to go: whatsmeow loses what comes together with the end."""

logger = logging.getLogger("lidbook.sandbox.network")


class Role(Protocol):
    """What a connection turned out to be: a device that logs in, or one that wants to be linked."""

    def opened(self) -> None:
        """The handshake is over."""

    async def audible(self) -> None:
        """Return as soon as the client may hear anything."""

    def received(self, stanza: Node) -> None:
        """The client sent a stanza."""

    def closed(self) -> None:
        """There is no connection any more."""


Roles = Callable[["Connection", ClientPayload], Role]


class Connection:
    """Hands stanzas to the role that `roles` finds for the client's payload."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, responder: Responder, roles: Roles
    ) -> None:
        self.client_static = b""
        self._socket = socket
        self._transport = transport
        self._responder = responder
        self._roles = roles
        self._outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._send_cipher: Cipher | None = None
        self._role: Role | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Until the connection ends."""
        try:
            await self._serve()
        except WireError as error:
            logger.warning("a connection was ended: %s", error)
        finally:
            await self._end()

    # What roles do

    def send(self, stanza: Node) -> None:
        """Send a stanza once everything before it is sent and the client may hear it."""
        self._outgoing.put_nowait(binary.encode(stanza))

    def send_raw(self, plaintext: bytes) -> None:
        """Send a frame that decrypts to these bytes, whatever they are."""
        self._outgoing.put_nowait(plaintext)

    def malform(self, kind: Malformation) -> None:
        """Send wrong bytes."""
        match kind:
            case Malformation.CRASH:
                self.send_raw(b"")
            case Malformation.GARBAGE:
                self.send_raw(b"\x00\xf8\x03\xfc\x02")
            case Malformation.BAD_TAG:
                self.spawn(self._send_frame(bytes(48)))

    def fail(self, code: str | None, conflict: str | None) -> None:
        """Send a stream error; close if the client does not do so itself."""
        attributes: Attributes = {} if code is None else {"code": code}
        children = [] if conflict is None else [Node("conflict", {"type": conflict})]
        self.send(Node("stream:error", attributes, children or None))
        self.close_after(GRACE)

    def refuse(self, reason: int, **more: str) -> None:
        """Refuse a login."""
        self.send(Node("failure", {"reason": str(reason), "location": "lla", **more}))
        self.close_after(GRACE)

    def close(self) -> None:
        """Close once everything before this is sent."""
        self._outgoing.put_nowait(None)

    def close_after(self, delay: float) -> None:
        """Close, unless the client does so within so many seconds."""
        self.spawn(self._close_later(delay))

    def abort(self) -> None:
        """Cut the connection, with whatever is still unsent."""
        if self._transport is not None:
            self._transport.abort()

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Let something run for as long as the connection lasts; its failure ends the connection."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    # The stream

    async def _serve(self) -> None:
        frames = self._frames()
        try:
            async with asyncio.timeout(HANDSHAKE):
                receive, payload = await self._handshake(frames)
        except TimeoutError as error:
            raise HandshakeRefused(f"no handshake within {HANDSHAKE:g} s") from error
        except StopAsyncIteration:
            return
        self._role = self._roles(self, payload)
        self.spawn(self._write(self._role))
        self._role.opened()
        async for payload_frame in frames:
            self._role.received(binary.decode(receive.decrypt(payload_frame)))

    async def _handshake(self, frames: AsyncIterator[bytes]) -> tuple[Cipher, ClientPayload]:
        answer = self._responder.answer(await anext(frames))
        await self._send_frame(answer)
        finished = self._responder.finish(await anext(frames))
        self.client_static = finished.client_static
        self._send_cipher = finished.send
        try:
            return finished.receive, ClientPayload.FromString(finished.payload)
        except DecodeError as error:
            raise HandshakeRefused("the client's payload is not a ClientPayload") from error

    async def _frames(self) -> AsyncIterator[bytes]:
        reader = FrameReader()
        async for message in self._socket:
            if message.type is WSMsgType.BINARY:
                for payload in reader.feed(message.data):
                    yield payload
            elif message.type is WSMsgType.ERROR:
                return

    async def _write(self, role: Role) -> None:
        while (plaintext := await self._outgoing.get()) is not None:
            await role.audible()
            if self._send_cipher is None:
                raise HandshakeRefused("nothing can be sent before the handshake")
            await self._send_frame(self._send_cipher.encrypt(plaintext))
        await role.audible()
        await self._socket.close()

    async def _send_frame(self, payload: bytes) -> None:
        """One frame a message: whatsmeow miscounts frames that are split over two."""
        if self._socket.closed:
            return
        try:
            await self._socket.send_bytes(frame(payload))
        except ConnectionError:
            self.abort()

    async def _close_later(self, delay: float) -> None:
        await asyncio.sleep(delay)
        self.close()

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a connection failed", exc_info=error)
            self.abort()

    async def _end(self) -> None:
        if self._role is not None:
            self._role.closed()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if not self._socket.closed:
            await self._socket.close()
