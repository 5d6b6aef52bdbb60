"""Two ends of a socket pair ask and answer each other, and an end that is no peer ends the channel."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from core.hosts.stand_in import Kept
from lidbook.hosts.channel import MAX_LINE, MOST_UNANSWERED, MOST_UNREAD, Channel, ChannelClosed
from lidbook.hosts.reading import JsonObject, text
from lidbook.hosts.refusals import Refused


class Answering:
    """Answers as it is asked to."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.count = 0
        self.gate = asyncio.Event()

    async def asked(self, method: str, params: JsonObject) -> JsonObject:
        self.count += 1
        match method:
            case "echo":
                return params
            case "wait":
                await self.gate.wait()
                return {}
            case "fail":
                raise RuntimeError("a bug")
            case "too long":
                return {"long": "x" * MAX_LINE}
            case _:
                text(params, "name")
                raise ValueError("cannot be")

    def told(self, method: str, params: JsonObject) -> None:
        self.heard.append(f"{method} {params}")


class Pair:
    """Both ends."""

    def __init__(self, ours: Channel, theirs: Channel, us: Answering, them: Answering) -> None:
        self.ours, self.theirs, self.us, self.them = ours, theirs, us, them


@pytest.fixture
async def pair(anyio_backend: str) -> AsyncIterator[Pair]:
    one, other = socket.socketpair()
    us, them = Answering(), Answering()
    pair = Pair(await Channel.over(one, us, Kept()), await Channel.over(other, them, Kept()), us, them)
    yield pair
    await pair.ours.close()
    await pair.theirs.close()


async def test_both_ends_ask_and_answers_come_in_any_order(pair: Pair) -> None:
    waiting = asyncio.create_task(pair.ours.request("wait", {}, 10))

    assert await pair.ours.request("echo", {"a": [1, None]}, 10) == {"a": [1, None]}
    assert await pair.theirs.request("echo", {}, 10) == {}
    assert not waiting.done()
    pair.them.gate.set()
    assert await waiting == {}


@pytest.mark.parametrize(("method", "code"), [("fail", -32603), ("nameless", -32602), ("too long", -32603)])
async def test_what_goes_wrong_is_told(method: str, code: int, pair: Pair) -> None:
    with pytest.raises(Refused) as refused:
        await pair.ours.request(method, {}, 10)
    assert refused.value.refusal.code == code


async def test_what_cannot_be_written_is_no_request(pair: Pair) -> None:
    with pytest.raises(ValueError, match="surrogates"):
        await pair.ours.request("echo", {"a": "\ud800"}, 10)
    with pytest.raises(ValueError, match="longer than"):
        await pair.ours.request("echo", {"a": "x" * MAX_LINE}, 10)
    assert await pair.ours.request("echo", {}, 10) == {}


async def test_a_line_may_be_nearly_as_long_as_the_longest(pair: Pair) -> None:
    long = "x" * (MAX_LINE - 100)

    assert await pair.ours.request("echo", {"a": long}, 10) == {"a": long}


async def test_an_answer_that_does_not_come_is_a_timeout(pair: Pair) -> None:
    with pytest.raises(TimeoutError):
        await pair.ours.request("wait", {}, 0.01)
    pair.them.gate.set()
    assert await pair.ours.request("echo", {}, 10) == {}


async def test_a_request_fails_when_the_other_end_goes(pair: Pair) -> None:
    waiting = asyncio.create_task(pair.ours.request("wait", {}, 10))
    await pair.ours.request("echo", {}, 10)
    await pair.theirs.close()

    with pytest.raises(ChannelClosed, match="its socket was closed"):
        await waiting
    with pytest.raises(ChannelClosed):
        await pair.ours.request("echo", {}, 10)


@pytest.fixture
async def raw(anyio_backend: str) -> AsyncIterator[tuple[Channel, Answering, socket.socket]]:
    """A channel whose other end writes what it likes."""
    one, other = socket.socketpair()
    us = Answering()
    channel = await Channel.over(one, us, Kept())
    with other:
        yield channel, us, other
        await channel.close()


Raw = tuple[Channel, Answering, socket.socket]


async def test_a_request_that_is_still_being_written_when_the_other_end_goes_fails_once(raw: Raw) -> None:
    channel, _us, other = raw
    unheard: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, told: unheard.append(told["message"]))
    waiting = asyncio.create_task(channel.request("echo", {"a": "x" * (MAX_LINE - 100)}, 10))
    await channel_rests()
    other.close()

    with pytest.raises(ChannelClosed, match="its socket"):
        await waiting
    del waiting
    gc.collect()
    await asyncio.sleep(0)
    assert unheard == []


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense\n",
        b"\n",
        b"{\xff}\n",
        b"[]\n",
        b"1\n",
        b'{"jsonrpc": "1.0", "method": "echo"}\n',
        b'{"jsonrpc": "2.0"}\n',
        b'{"jsonrpc": "2.0", "method": "echo", "params": []}\n',
        b'{"jsonrpc": "2.0", "method": "echo", "id": "one"}\n',
        b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "what?"}}\n',
        b'{"jsonrpc": "2.0", "id": 1, "result": 5}\n',
        b'{"jsonrpc": "2.0", "method": "echo", "params": {"a": NaN}}\n',
    ],
)
async def test_a_line_that_is_no_message_ends_the_channel(line: bytes, raw: Raw) -> None:
    channel, us, other = raw
    other.sendall(line)

    assert "it wrote a line that is no message" in await channel.closed
    assert channel.is_broken
    assert us.heard == []


@pytest.mark.parametrize("rest", [b'"params":[]', b'"id":"one"'])
async def test_of_what_is_no_message_little_is_shown_and_no_number(rest: bytes, raw: Raw) -> None:
    channel, _, other = raw
    other.sendall(b'{"jsonrpc":"2.0","method":"4915123456789@c.us %s",%s}\n' % (b"x" * 20_000, rest))

    why = await channel.closed
    assert "491…789@c.us" in why
    assert len(why) < 500


async def test_an_answer_nobody_asked_for_is_nothing(raw: Raw) -> None:
    channel, us, other = raw
    other.sendall(b'{"jsonrpc":"2.0","id":77,"result":{}}\n{"jsonrpc":"2.0","method":"hey"}\n')
    await eventually(lambda: us.heard == ["hey {}"])

    assert not channel.closed.done()


async def test_half_a_line_is_no_message(raw: Raw) -> None:
    channel, _, other = raw
    other.sendall(b'{"jsonrpc"')
    other.shutdown(socket.SHUT_RDWR)

    assert await channel.closed == "its socket was closed in the middle of a line"
    assert not channel.is_broken


async def test_notifications_are_heard_in_their_order_however_many_there_are(raw: Raw) -> None:
    _, us, other = raw
    lines = b"".join(b'{"jsonrpc":"2.0","method":"%d"}\n' % number for number in range(1000))
    await asyncio.to_thread(other.sendall, lines)
    await eventually(lambda: len(us.heard) == 1000)

    assert us.heard == [f"{number} {{}}" for number in range(1000)]


def asking(method: str, count: int, params: str = "{}") -> bytes:
    return b"".join(
        b'{"jsonrpc":"2.0","id":%d,"method":"%s","params":%s}\n' % (number, method.encode(), params.encode())
        for number in range(count)
    )


async def answers_read(other: socket.socket, count: int) -> int:
    """How many answers come, of so many that are waited for."""

    def read() -> int:
        with other.makefile("rb") as lines:
            return sum(1 for _ in zip(range(count), lines, strict=False))

    other.settimeout(10)
    return await asyncio.to_thread(read)


async def test_of_one_who_asks_more_than_can_be_answered_no_more_is_read_until_then(raw: Raw) -> None:
    channel, us, other = raw
    await asyncio.to_thread(other.sendall, asking("wait", 1000))
    await eventually(lambda: channel.is_behind)
    await channel_rests()

    assert us.count == MOST_UNANSWERED
    us.gate.set()
    assert await answers_read(other, 1000) == 1000
    assert not channel.is_behind


async def test_of_one_who_does_not_read_no_more_is_read_until_then(raw: Raw) -> None:
    channel, us, other = raw
    length = 50_000
    sending = asyncio.create_task(asyncio.to_thread(other.sendall, asking("echo", 200, f'{{"a":"{"x" * length}"}}')))
    await eventually(lambda: us.count * length > MOST_UNREAD)
    await channel_rests()

    assert us.count * length < 3 * MOST_UNREAD
    assert not channel.is_behind
    assert await answers_read(other, 200) == 200
    await sending


async def channel_rests() -> None:
    """Long enough for a channel to have read on, if it did."""
    for _ in range(1000):
        await asyncio.sleep(0)


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
