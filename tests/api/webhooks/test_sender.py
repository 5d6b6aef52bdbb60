"""One request on the wire: what is sent, what becomes of it, and that it goes nowhere else."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from lidbook_api.webhooks import sender as sending
from lidbook_api.webhooks.destinations import Destinations
from lidbook_api.webhooks.receivers import Receiver as Where
from lidbook_api.webhooks.sender import Outcome, Result, Sender
from lidbook_api.webhooks.slots import SLOW_PER_HOST
from lidbook_api.webhooks.wire import MAX_ANSWER, Headers

from .receivers import Answering, Received, Receiver, answer, receiver

CERTIFICATE = Path(__file__).parent / "localhost.pem"
BODY = b'{"a":1}'


class Out:
    """A sender, and receivers that are gone at the end of the test."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.stack = stack
        self.sender = Sender(Destinations())

    async def receiver(self, answering: Answering | None = None, tls: ssl.SSLContext | None = None) -> Receiver:
        return await self.stack.enter_async_context(receiver(answering, tls))

    async def send(
        self,
        url: str,
        headers: Headers = (),
        *,
        trusted: bool = True,
        body: bytes = BODY,
        session: str = "a",
        slow: bool = False,
    ) -> Outcome:
        return await self.sender.send(Where.of(url), list(headers), body, session=session, trusted=trusted, slow=slow)


@pytest.fixture
async def out() -> AsyncIterator[Out]:
    """A sender that may go to loopback."""
    async with AsyncExitStack() as stack:
        out = Out(stack)
        yield out
        out.sender.close()


def resolving(*answers: Sequence[str]) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """A resolver that answers with the next of these each time it is asked, and goes on with the last."""
    left = list(answers)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


async def test_a_request_is_what_http_wants_and_nothing_more(out: Out) -> None:
    there = await out.receiver()
    url = f"http://127.0.0.1:{there.port}/a b/ü?q=1&x=%20#fragment"
    assert await out.send(url, [(b"X-One", b"1")]) == Outcome(Result.TAKEN, 200)
    (received,) = there.received
    assert received.line == "POST /a%20b/%C3%BC?q=1&x=%20 HTTP/1.1"
    assert received.headers == {"host": f"127.0.0.1:{there.port}", "content-length": "7", "x-one": "1"}
    assert received.names == ("Host", "Content-Length", "X-One")
    assert received.body == BODY


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, Result.TAKEN),
        (201, Result.TAKEN),
        (204, Result.TAKEN),
        (299, Result.TAKEN),
        (301, Result.REFUSED),
        (304, Result.REFUSED),
        (400, Result.REFUSED),
        (401, Result.REFUSED),
        (404, Result.REFUSED),
        (410, Result.REFUSED),
        (500, Result.REFUSED),
        (501, Result.REFUSED),
        (429, Result.DOWN),
        (502, Result.DOWN),
        (503, Result.DOWN),
        (504, Result.DOWN),
        (520, Result.DOWN),
        (521, Result.DOWN),
        (527, Result.DOWN),
        (528, Result.REFUSED),
        (530, Result.DOWN),
    ],
)
async def test_a_status_says_taken_refused_or_not_now(out: Out, status: int, result: Result) -> None:
    there = await out.receiver(lambda _: answer(status, b"" if status in (204, 304) else b"x"))
    outcome = await out.send(there.url)
    assert (outcome.result, outcome.status) == (result, status)
    if result is not Result.TAKEN:
        assert f"answered {status}" in str(outcome.reason)


async def test_a_receiver_says_how_long_it_wants_to_be_left_alone(out: Out) -> None:
    there = await out.receiver(lambda _: answer(429, retry_after="17"))
    assert (await out.send(there.url)).retry_after == 17


async def test_a_redirect_is_not_followed(out: Out) -> None:
    other = await out.receiver()
    there = await out.receiver(lambda _: answer(307, location=other.url))
    outcome = await out.send(there.url)
    assert outcome.result is Result.REFUSED
    assert "redirects are not followed" in str(outcome.reason)
    assert other.received == []


async def test_a_connection_is_used_again_while_the_receiver_keeps_it(out: Out) -> None:
    there = await out.receiver()
    for _ in range(5):
        await out.send(there.url)
    assert (len(there.received), there.connections) == (5, 1)


async def test_a_receiver_that_closes_behind_every_answer_is_no_fault(out: Out) -> None:
    def hang_up(received: Received) -> bytes:
        for writer in list(there._writers):
            asyncio.get_running_loop().call_soon(writer.close)
        return answer()

    there = await out.receiver(hang_up)
    outcomes = [await out.send(there.url) for _ in range(20)]
    assert {outcome.result for outcome in outcomes} == {Result.TAKEN}
    said = await out.receiver(lambda _: answer(connection="close"))
    assert [(await out.send(said.url)).result for _ in range(3)] == [Result.TAKEN] * 3
    assert said.connections == 3


@pytest.mark.parametrize(
    "raw", [b"220 mail.example ESMTP\r\n\r\n", b"HTTP/1.1 200\r\nbad header\r\n\r\n", b"\x00" * 100]
)
async def test_what_is_no_http_is_no_answer(out: Out, raw: bytes) -> None:
    there = await out.receiver(lambda _: raw)
    outcome = await out.send(there.url)
    assert (outcome.result, outcome.status) == (Result.DOWN, None)
    assert "no HTTP" in str(outcome.reason)


async def test_a_receiver_that_says_nothing_or_is_not_there_is_down(out: Out) -> None:
    async def never(received: Received) -> bytes:
        await asyncio.Event().wait()
        return b""

    impatient = Sender(Destinations(), timeout=0.05)
    hanging = await out.receiver(never)
    silent = await impatient.send(Where.of(hanging.url), [], BODY, session="a", trusted=True)
    assert (silent.result, silent.reason) == (Result.DOWN, "no answer in time")
    gone = await out.receiver()
    await gone.close()
    refused = await out.send(gone.url)
    assert (refused.result, refused.reason) == (Result.DOWN, "no connection: Connection refused")
    nowhere = await out.send("http://no-such-host.invalid/")
    assert (nowhere.result, nowhere.reason) == (Result.DOWN, "its name does not resolve")


async def test_a_name_that_takes_too_long_to_resolve_is_down(out: Out) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    sender = Sender(Destinations(resolve=resolve), timeout=0.05)
    outcome = await sender.send(Where.of("http://slow/"), [], BODY, session="a", trusted=True)
    assert (outcome.result, outcome.reason) == (Result.DOWN, "no connection in time")


async def test_only_so_much_of_an_answer_is_read(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(received: Received) -> bytes:
        return b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n" + b"x" * (MAX_ANSWER * 4)

    there = await out.receiver(endless)
    assert [(await out.send(there.url)).result for _ in range(2)] == [Result.TAKEN, Result.TAKEN]
    assert there.connections == 2
    monkeypatch.setattr(sending, "FINISH_TIMEOUT", 0.01)
    slow = await out.receiver(lambda _: b"HTTP/1.1 500 No\r\ncontent-length: 10\r\n\r\nx")
    assert (await out.send(slow.url)).result is Result.REFUSED


async def test_what_comes_unasked_is_nobodys_answer(out: Out) -> None:
    there = await out.receiver()
    await out.send(there.url)
    ((wire, _),) = next(iter(out.sender._idle.values()))
    for writer in there._writers:
        writer.write(answer(500) * 2)
    async with asyncio.timeout(5):
        while wire.is_usable:  # noqa: ASYNC110 - there is nothing that tells
            await asyncio.sleep(0.001)
    assert [(await out.send(there.url)).status for _ in range(3)] == [200, 200, 200]


async def test_a_header_that_cannot_be_written_is_never_sent(out: Out) -> None:
    there = await out.receiver()
    outcome = await out.send(there.url, [(b"X-One", b"1\r\nX-Two: 2")])
    assert outcome.result is Result.BLOCKED
    assert there.received == []


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to(out: Out) -> None:
    """The name leads to the receiver when it is looked at, and to a metadata service ever after."""
    there = await out.receiver()
    resolve = resolving(["127.0.0.1"], ["169.254.169.254"])
    sender = Sender(Destinations(resolve=resolve))
    rebinding = Where.of(f"http://rebinding.example:{there.port}/hook")
    first = await sender.send(rebinding, [], BODY, session="a", trusted=True)
    assert first.result is Result.TAKEN
    assert there.received[0].headers["host"] == f"rebinding.example:{there.port}"
    sender.close()
    second = await sender.send(rebinding, [], BODY, session="a", trusted=True)
    assert second.result is Result.BLOCKED
    assert "metadata service" in str(second.reason)
    assert len(there.received) == 1


async def test_a_private_address_is_for_the_trusted_even_when_a_connection_is_open(out: Out) -> None:
    there = await out.receiver()
    assert (await out.send(there.url, trusted=True)).result is Result.TAKEN
    outcome = await out.send(there.url, trusted=False)
    assert outcome.result is Result.BLOCKED
    assert "LIDBOOK_WEBHOOK_ALLOW" in str(outcome.reason)
    assert (len(there.received), there.connections) == (1, 1)
    allowed = Sender(Destinations.of(["127.0.0.0/8"]))
    assert (await allowed.send(Where.of(there.url), [], BODY, session="a", trusted=False)).result is Result.TAKEN
    allowed.close()


async def test_the_next_address_is_tried_when_one_does_not_answer(out: Out) -> None:
    there = await out.receiver()
    sender = Sender(Destinations(resolve=resolving(["127.0.0.9", "127.0.0.1"])))
    outcome = await sender.send(Where.of(f"http://two.example:{there.port}/"), [], BODY, session="a", trusted=True)
    assert outcome.result is Result.TAKEN
    sender.close()


async def test_a_certificate_has_to_be_good_for_the_name(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(CERTIFICATE)
    there = await out.receiver(tls=tls)
    unknown = await out.send(there.url)
    assert unknown.result is Result.DOWN
    assert "certificate is not good" in str(unknown.reason)
    lenient = Sender(Destinations(), verify_tls=False)
    assert (await lenient.send(Where.of(there.url), [], BODY, session="a", trusted=True)).result is Result.TAKEN
    lenient.close()
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    strict = Sender(Destinations(resolve=resolving(["127.0.0.1"])))
    known = Where.of(f"https://localhost:{there.port}/hook")
    assert (await strict.send(known, [], BODY, session="a", trusted=True)).result is Result.TAKEN
    other = await strict.send(Where.of(f"https://other.example:{there.port}/"), [], BODY, session="a", trusted=True)
    assert "certificate is not good" in str(other.reason)
    strict.close()
    plain = await out.receiver()
    impatient = Sender(Destinations(), timeout=0.05)
    garbled = await impatient.send(
        Where.of(plain.url.replace("http://", "https://")), [], BODY, session="a", trusted=True
    )
    assert garbled.result is Result.DOWN


async def test_one_host_never_has_more_than_its_share_of_the_slow(out: Out) -> None:
    free, most = asyncio.Event(), 0

    async def hold(received: Received) -> bytes:
        nonlocal most
        most = max(most, there.connections)
        await free.wait()
        return answer()

    there = await out.receiver(hold)
    sends = [asyncio.create_task(out.send(there.url, session=f"s{n}", slow=True)) for n in range(30)]
    await there.until(SLOW_PER_HOST)
    elsewhere = await out.receiver()
    assert (await out.send(elsewhere.url.replace("127.0.0.1", "localhost"), slow=True)).result is Result.TAKEN
    assert (len(there.received), there.connections) == (SLOW_PER_HOST, SLOW_PER_HOST)
    free.set()
    assert {outcome.result for outcome in await asyncio.gather(*sends)} == {Result.TAKEN}
    assert most == SLOW_PER_HOST


async def test_only_so_many_connections_are_kept_open(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "KEPT", 2)
    three = [await out.receiver() for _ in range(3)]
    for there in three * 2:
        assert (await out.send(there.url)).result is Result.TAKEN
    assert [there.connections for there in three] == [1, 1, 2]
