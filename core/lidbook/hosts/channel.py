"""JSON-RPC 2.0 over a socket, one message a line, both sides asking and answering in any order."""

import asyncio
import itertools
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Protocol

import orjson
from pydantic import JsonValue

from lidbook.engine import Log
from lidbook.hosts.output import presentable
from lidbook.hosts.reading import JsonObject, Malformed
from lidbook.hosts.refusals import INTERNAL, INVALID_PARAMS, Refusal, Refused, refusal_of

MAX_LINE: Final = 16 * 1024 * 1024
"""Bytes of a line; a longer one ends the channel."""
MOST_UNANSWERED: Final = 256
"""Requests of the other side that may wait for their answers to be sent; then nothing more of it is read."""
MOST_UNREAD: Final = 1024 * 1024
"""Bytes that the other side may have left unread; then nothing more of it is read."""
_IN_A_ROW: Final = 32
"""Messages taken before others get a turn: a side that floods its channel holds up nobody else."""


class ChannelClosed(Exception):
    """The other side is gone, or what it wrote was no message; says which."""


class Peer(Protocol):
    """Who answers what the other side asks, and hears what it tells."""

    async def asked(self, method: str, params: JsonObject) -> JsonObject:
        """Answer a request; each has a task of its own. Raises `Refused`, `Malformed`, or an error of Lidbook."""

    def told(self, method: str, params: JsonObject) -> None:
        """Hear a notification; in the order in which they came, and before any request that came after."""


class Channel:
    """One end of a socket pair."""

    def __init__(self, peer: Peer, log: Log, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.closed: Final[asyncio.Future[str]] = asyncio.get_running_loop().create_future()
        """Why the channel ended, as soon as it did."""
        self.is_broken = False
        """Whether it ended over a line that is no message."""
        self._peer = peer
        self._log = log
        self._reader = reader
        self._writer = writer
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[JsonObject]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._answered_one: asyncio.Future[None] | None = None
        """Of the reader, when it waits for answers to be sent."""
        self._reading = asyncio.create_task(self._read(), name="channel")

    @classmethod
    async def over(cls, end: socket.socket, peer: Peer, log: Log) -> "Channel":
        """A channel over one end of a socket pair, which belongs to it from now on."""
        end.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=end, limit=MAX_LINE)
        return cls(peer, log, reader, writer)

    @property
    def is_behind(self) -> bool:
        """Whether nothing is read because this side has answers to give; the other side read all that there were."""
        return self._answered_one is not None and not self._unread

    async def request(self, method: str, params: JsonObject, seconds: float) -> JsonObject:
        """What the other side answers; an answer that comes later than that is dropped.

        Raises `Refused`, `ChannelClosed`, `TimeoutError`; `ValueError` for what JSON cannot say.
        """
        number = next(self._ids)
        answer: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(seconds):
                await self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": dict(params)})
                return await answer
        finally:
            del self._waiting[number]
            if not answer.cancel() and not answer.cancelled():
                answer.exception()  # it may have ended with the channel while the request was still being written

    async def close(self) -> None:
        """End the channel after what was written went out: the other side sees the end of its socket."""
        self._end("it was closed")
        self._reading.cancel()
        await asyncio.wait({self._reading})
        self._writer.close()

    def abort(self) -> None:
        """End it at once; what was not sent is lost."""
        self._end("it was ended")
        self._reading.cancel()
        self._writer.transport.abort()

    async def _read(self) -> None:
        why = "its socket was closed"
        try:
            for taken in itertools.count(1):
                self._take(await self._reader.readuntil(b"\n"))
                if taken % _IN_A_ROW == 0:
                    await asyncio.sleep(0)
                await self._have_room()
        except asyncio.IncompleteReadError as error:
            if error.partial:
                why = "its socket was closed in the middle of a line"
        except asyncio.LimitOverrunError:
            self.is_broken, why = True, f"it wrote a line of more than {MAX_LINE >> 20} MiB"
        except Malformed as error:
            self.is_broken, why = True, f"it wrote a line that is no message: {error}"
        except OSError as error:
            why = f"its socket failed: {error}"
        finally:
            self._end(why)

    async def _have_room(self) -> None:
        """Wait while too much is unanswered, or unread: who asks and does not read costs no memory."""
        while True:
            if self._unread > MOST_UNREAD:
                await self._writer.drain()
            elif len(self._answering) >= MOST_UNANSWERED:
                self._answered_one = asyncio.get_running_loop().create_future()
                try:
                    await self._answered_one
                finally:
                    self._answered_one = None
            else:
                return

    @property
    def _unread(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    def _end(self, why: str) -> None:
        if self.closed.done():
            return
        self.closed.set_result(why)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ChannelClosed(why))

    def _take(self, line: bytes) -> None:
        try:
            message = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise Malformed(f"no JSON in UTF-8, {error}") from error
        match message:
            case {"jsonrpc": "2.0", "method": str(method)}:
                self._called(method, message)
            case {"jsonrpc": "2.0", "id": int(number), "result": dict() | None as result}:
                self._answered(number, result or {})
            case {"jsonrpc": "2.0", "id": int(number), "error": {"code": int(code), "message": str(said)} as error}:
                data = error.get("data")
                self._answered(number, Refused(Refusal(code, said, data if isinstance(data, dict) else {})))
            case _:
                raise Malformed("JSON that is no request, no notification and no answer of JSON-RPC 2.0")

    def _called(self, method: str, message: Mapping[str, JsonValue]) -> None:
        params = message.get("params", {})
        if not isinstance(params, dict):
            raise Malformed(f"the params of {presentable(method)} are no object")
        if "id" not in message:
            self._peer.told(method, params)
            return
        number = message["id"]
        if isinstance(number, bool) or not isinstance(number, int):
            raise Malformed(f"the id of {presentable(method)} is no whole number")
        task = asyncio.create_task(self._answer(number, method, params), name=f"answer {method}")
        self._answering.add(task)
        task.add_done_callback(self._is_answered)

    def _is_answered(self, task: asyncio.Task[None]) -> None:
        self._answering.discard(task)
        if self._answered_one is not None and not self._answered_one.done():
            self._answered_one.set_result(None)

    def _answered(self, number: int, answer: JsonObject | Refused) -> None:
        waiting = self._waiting.get(number)
        if waiting is None or waiting.done():
            self._log.debug("an answer came late", request=number)
        elif isinstance(answer, Refused):
            waiting.set_exception(answer)
        else:
            waiting.set_result(answer)

    async def _answer(self, number: int, method: str, params: JsonObject) -> None:
        reply: dict[str, JsonValue] = {"jsonrpc": "2.0", "id": number}
        try:
            reply["result"] = dict(await self._peer.asked(method, params))
        except Exception as error:  # noqa: BLE001 - each is told to the other side, what nobody foresaw is logged
            reply["error"] = _error(self._refusal(method, error))
        try:
            await self._send(reply)
        except ChannelClosed:
            self._log.debug("an answer came too late", method=method)
        except ValueError as error:
            self._log.error("an answer could not be written", method=method, error=str(error))
            refusal = Refusal(INTERNAL, "the answer could not be written")
            with suppress(ChannelClosed):
                await self._send({"jsonrpc": "2.0", "id": number, "error": _error(refusal)})

    def _refusal(self, method: str, error: Exception) -> Refusal:
        if isinstance(error, Refused):
            return error.refusal
        if isinstance(error, Malformed):
            return Refusal(INVALID_PARAMS, str(error))
        foreseen = refusal_of(error)
        if foreseen is None:
            self._log.error("a request could not be answered", method=method, exc_info=error)
            return Refusal(INTERNAL, "the core failed at this request, see the server's log")
        return foreseen

    async def _send(self, message: Mapping[str, JsonValue]) -> None:
        try:
            line = orjson.dumps(message) + b"\n"
        except orjson.JSONEncodeError as error:
            raise ValueError(str(error)) from error
        if len(line) > MAX_LINE:
            raise ValueError(f"a message of {len(line)} bytes is longer than the {MAX_LINE} of a line")
        if self.closed.done():
            raise ChannelClosed(self.closed.result())
        self._writer.write(line)
        try:
            await self._writer.drain()
        except ConnectionError as error:
            raise ChannelClosed("its socket was closed") from error


def _error(refusal: Refusal) -> dict[str, JsonValue]:
    error: dict[str, JsonValue] = {"code": refusal.code, "message": refusal.message}
    if refusal.data:
        error["data"] = dict(refusal.data)
    return error
