"""What a connection may cost before it has a whole request: bytes, headers, time and places."""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import orjson
import pytest

from lidbook_api.transport.descriptors import MOST_CONNECTIONS, connections
from lidbook_api.transport.door import Door, Patience
from lidbook_api.transport.refusals import MAX_HEAD, MAX_HEADERS

from .served import Served, serve
from .sockets import opened

HEAD = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"PUT /api/default/contacts/11231231231 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b'{"firstName": "A"}'
SLOW = (
    f"PUT /api/default/contacts/11231231231 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
)
POLL = b"GET /api/default/lids/999999999999999?wait=1.5 HTTP/1.1\r\nHost: localhost\r\n\r\n"
DOCUMENT = b"GET /swagger/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n"
IMPATIENT = Patience(head=0.3, body=0.6, look_every=0.05)
MB = 1024 * 1024
WAIT = 20


class Wire:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @asynccontextmanager
    async def opened(cls, served: Served, first: bytes = b"") -> AsyncIterator["Wire"]:
        """Connect, and send something."""
        url = httpx.URL(served.url)
        assert url.port is not None
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(first)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer."""
        async with asyncio.timeout(WAIT):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert length, head
            return int(head.split()[1]), await self.reader.readexactly(int(length[1]))

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        got = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(WAIT):
                while some := await self.reader.read(65536):
                    got += some
        return got

    async def flood(self, piece: bytes, most: int = 32 * MB) -> int:
        """Send the same again and again; returns how much the server let itself be sent."""
        sent = 0
        try:
            async with asyncio.timeout(WAIT):
                while sent < most:
                    self.writer.write(piece)
                    await self.writer.drain()
                    sent += len(piece)
        except ConnectionError:
            pass
        return sent


@asynccontextmanager
async def unread(served: Served, request: bytes) -> AsyncIterator[Wire]:
    """A connection whose client, and its kernel, take the first line of the answer and little more."""
    url = httpx.URL(served.url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (url.host, url.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
    writer.write(request)
    assert b"200 OK" in await reader.readline()
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


def says(answer: tuple[int, bytes]) -> tuple[int, str]:
    """Status and message, of an error in the usual shape."""
    body = orjson.loads(answer[1])
    assert body["statusCode"] == answer[0]
    return answer[0], body["message"]


# bytes


@pytest.mark.parametrize(
    ("begin", "piece", "refused"),
    [
        (HEAD, b"a:b\r\n" * 10_000, (431, "There are more than 128 headers")),
        (HEAD + b"A: ", b"x" * 50_000, (431, "The headers are larger than 64 KiB")),
        (HEAD, b"x" * 50_000, (431, "The headers are larger than 64 KiB")),
        (b"GET /", b"x" * 50_000, (414, "The URL is longer than 64 KiB")),
        (CHUNKED + b"1;a=", b"x" * 50_000, (400, "There are more than 64 KiB around the body")),
        (CHUNKED + b"0\r\n", b"ab: c\r\n" * 10_000, (400, "There are more than 64 KiB around the body")),
        (b"", b"\x16\x03\x01 no HTTP", (400, "This is no HTTP request")),
        (b"GET http://[ HTTP/1.1\r\n\r\n", b"x", (400, "This is no HTTP request")),
    ],
    ids=["headers", "value", "name", "url", "extension", "trailers", "no http", "no url"],
)
async def test_what_has_no_end_is_refused_in_words_and_hung_up_on(
    shared: Served, begin: bytes, piece: bytes, refused: tuple[int, str]
) -> None:
    async with Wire.opened(shared, begin + piece + piece) as wire:
        answer = await wire.answer()
        assert says(answer) == refused
        assert await wire.flood(piece) < 32 * MB


async def test_a_head_of_almost_64_kib_is_served_and_one_above_is_not(shared: Served) -> None:
    for size, status in ((MAX_HEAD - 2048, 200), (MAX_HEAD + 2048, 431)):
        async with Wire.opened(shared, HEAD + b"A: " + b"x" * size + b"\r\n\r\n") as wire:
            assert (await wire.answer())[0] == status


async def test_headers_are_counted(shared: Served) -> None:
    for count, status in ((MAX_HEADERS - 1, 200), (MAX_HEADERS, 431)):
        async with Wire.opened(shared, HEAD + b"A: b\r\n" * count + b"\r\n") as wire:
            assert (await wire.answer())[0] == status


async def test_the_bound_is_each_requests_own(shared: Served) -> None:
    async with Wire.opened(shared) as wire:
        for _ in range(5):
            wire.writer.write(HEAD + b"A: " + b"x" * (MAX_HEAD // 2) + b"\r\n\r\n")
            assert (await wire.answer())[0] == 200


@pytest.mark.parametrize("size", [1, 7, 1000, 1024, 5000, 10**6])
async def test_requests_in_a_row_are_answered_in_order_however_they_arrive(shared: Served, size: int) -> None:
    paths = [f"/api/contacts?contactId=1555000{number:04}" for number in range(40)]
    body = b'{"noName": "' + b"x" * 200 + b'"}'
    chunked = b"%x;ext=1\r\n%b\r\n0\r\nTrailer: 1\r\n\r\n" % (len(body), body)
    stream = b"".join(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() + CHUNKED + chunked for path in paths)
    stream *= 1 if size == 1 else 3
    async with Wire.opened(shared) as wire:

        async def send() -> None:
            for start in range(0, len(stream), size):
                wire.writer.write(stream[start : start + size])
                await wire.writer.drain()
                await asyncio.sleep(0)

        sending = asyncio.create_task(send())
        for path in paths * (1 if size == 1 else 3):
            status, answer = await wire.answer()
            assert (status, orjson.loads(answer)["number"]) == (200, path.rpartition("=")[2])
            assert orjson.loads((await wire.answer())[1])["message"] == ["firstName must be a string"]
        await sending


async def test_thousands_of_requests_at_once_wait_outside(shared: Served) -> None:
    async with Wire.opened(shared, (HEAD + b"\r\n") * 5000) as wire:
        for _ in range(5000):
            assert await wire.answer() == (200, b'{"message":"pong"}')


async def test_what_is_due_is_answered_before_a_refusal_ends_the_connection(shared: Served) -> None:
    async with Wire.opened(shared, POLL + HEAD + b"\r\n" + HEAD + b"A: " + b"x" * 2 * MAX_HEAD) as wire:
        assert (await wire.answer())[0] == 200
        assert await wire.answer() == (200, b'{"message":"pong"}')
        assert (await wire.answer())[0] == 431
        assert await wire.rest() == b""


async def test_a_trailer_is_no_header(served: Served) -> None:
    """Decided by the headers that it came with: a trailer would make a form of what was not."""
    form = b"11\r\nfirstName=trailer\r\n0\r\n"
    async with Wire.opened(served, CHUNKED + form + b"Content-Type: application/x-www-form-urlencoded\r\n\r\n") as wire:
        assert (await wire.answer())[0] == 400


async def test_what_follows_an_upgrade_that_is_not_made_is_no_request(shared: Served) -> None:
    """It may be a body, which an unknown upgrade hides from the parser: a proxy in front saw one request."""
    upgrade = HEAD + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 39\r\n\r\n"
    async with Wire.opened(shared, upgrade + HEAD + b"\r\n") as wire:
        assert await wire.answer() == (200, b'{"message":"pong"}')
        assert await wire.rest() == b""


# time


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[Served]:
    """A server that waits for nobody."""
    async with serve(tmp_path / "data", door=Door(patience=IMPATIENT)) as served:
        yield served


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"", None), (b"G", 408), (HEAD, 408), (HEAD + b"A: " + b"x" * 5000, 408), (SLOW, 408), (SLOW + BODY[:5], 408)],
    ids=["nothing", "one byte", "half a head", "a long half", "no body", "half a body"],
)
async def test_what_does_not_arrive_is_not_waited_for(impatient: Served, sent: bytes, status: int | None) -> None:
    async with Wire.opened(impatient, sent) as wire:
        if status is not None:
            assert says(await wire.answer()) == (408, "The request did not arrive in time")
        assert await wire.rest() == b""
    assert (await impatient.client.get("/ping")).status_code == 200


@pytest.mark.parametrize("half", [b"", HEAD])
async def test_a_connection_that_was_used_is_not_kept_for_ever(impatient: Served, half: bytes) -> None:
    async with Wire.opened(impatient, HEAD + b"\r\n" + half) as wire:
        assert await wire.answer() == (200, b'{"message":"pong"}')
        assert (await wire.rest()).startswith(b"HTTP/1.1 408" if half else b"")


async def test_a_head_that_trickles_in_is_not_waited_for(impatient: Served) -> None:
    async with Wire.opened(impatient, HEAD) as wire:

        async def trickle() -> None:
            while True:
                wire.writer.write(b"a: b\r\n")
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        assert (await wire.answer())[0] == 408
        trickling.cancel()


async def test_a_slow_body_that_goes_on_is_waited_for(impatient: Served) -> None:
    async with Wire.opened(impatient, SLOW) as wire:
        for place in range(len(BODY)):
            await asyncio.sleep(IMPATIENT.body / 8)
            wire.writer.write(BODY[place : place + 1])
        assert await wire.answer() == (200, b'{"success":true}')


async def test_the_rest_of_a_body_that_was_answered_is_not_waited_for(impatient: Served) -> None:
    async with Wire.opened(impatient, HEAD + b"Content-Length: 5\r\n\r\nx") as wire:
        assert await wire.answer() == (200, b'{"message":"pong"}')
        assert await wire.rest() == b""


async def test_a_client_that_waits_for_the_server_may_take_its_time(impatient: Served) -> None:
    async with Wire.opened(impatient, POLL) as wire:
        assert (await wire.answer())[0] == 200


async def test_a_websocket_stays(impatient: Served) -> None:
    async with opened(impatient.url) as client:
        await asyncio.sleep(3 * IMPATIENT.head)
        async with asyncio.timeout(WAIT):
            await (await client.ping())


# places


@asynccontextmanager
async def small(folder: Path, most: int) -> AsyncIterator[Served]:
    """A server with few places; connections of the client that made it ready are gone."""
    async with serve(folder, door=Door(most)) as served:
        yield served


async def test_when_it_is_full_who_has_waited_longest_for_nothing_goes(tmp_path: Path) -> None:
    async with small(tmp_path, 5) as served, Wire.opened(served, HEAD) as oldest, Wire.opened(served, SLOW) as second:
        for _ in range(3):
            async with Wire.opened(served, HEAD + b"\r\n") as wire:
                assert (await wire.answer())[0] == 200
        halves = [Wire.opened(served, HEAD) for _ in range(5)]
        for half in halves:
            await half.__aenter__()
            assert (await served.client.get("/ping", headers={"Connection": "close"})).status_code == 200
        assert await oldest.rest() == b""
        assert await second.rest() == b""
        for half in halves:
            await half.__aexit__(None, None, None)


async def test_when_it_is_full_whole_requests_and_websockets_stay(tmp_path: Path) -> None:
    async with (
        small(tmp_path, 3) as served,
        opened(served.url) as first,
        opened(served.url) as second,
        Wire.opened(served, POLL) as polling,
    ):
        async with Wire.opened(served, HEAD + b"\r\n") as refused:
            assert await refused.rest() == b""
        assert (await polling.answer())[0] == 200
        async with Wire.opened(served, HEAD + b"\r\n") as admitted:
            assert (await admitted.answer())[0] == 200
        for client in (first, second):
            async with asyncio.timeout(WAIT):
                await (await client.ping())


async def test_when_it_is_full_who_does_not_read_goes(tmp_path: Path) -> None:
    """Though the requests are whole, and so many that the server still has something to answer."""
    async with small(tmp_path, 3) as served, contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(unread(served, (DOCUMENT + b"\r\n") * 20))
        for _ in range(3):
            assert (await served.client.get("/ping", headers={"Connection": "close"})).status_code == 200


async def test_who_reads_slowly_is_served_where_there_is_room(impatient: Served) -> None:
    async with unread(impatient, (DOCUMENT + b"\r\n") * 2 + DOCUMENT + b"Connection: close\r\n\r\n") as wire:
        await asyncio.sleep(3 * IMPATIENT.body)
        rest = await wire.rest()
    assert rest.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize(
    ("descriptors", "fewest", "most"), [(64, 48, 48), (256, 192, 192), (1024, 768, 768), (1_048_576, 5096, 5096)]
)
def test_connections_leave_descriptors_for_everything_else(descriptors: int, fewest: int, most: int) -> None:
    assert fewest <= connections(descriptors, 1000) <= most
    assert connections(descriptors, 0) <= MOST_CONNECTIONS
