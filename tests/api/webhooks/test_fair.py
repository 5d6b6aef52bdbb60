"""Slow receivers, few and very many: nobody else waits for them."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import pytest

from lidbook.app import Lidbook
from lidbook.sessions.session import Session
from lidbook_api.webhooks import slots
from lidbook_api.webhooks.destinations import Destinations
from lidbook_api.webhooks.lane import LaneState
from lidbook_api.webhooks.receivers import Receiver as Where
from lidbook_api.webhooks.sender import Outcome, Result, Sender

from .conftest import Desk, Pauses, webhooks_of
from .receivers import Received, Receiver, answer, receiver

AT_ONCE = 3.0
"""Seconds in which an unrelated receiver has to hear of an event, on a busy machine."""
PATIENCE = 0.4
"""Seconds after which a receiver is slow, where a test has no second to wait."""


class Slow:
    """Answers when it is told to, at every path but `/fast`; with `in_turn` every other request is answered at once."""

    def __init__(self, *, in_turn: bool = False) -> None:
        self.free = asyncio.Event()
        self.in_turn = in_turn
        self._asked: dict[tuple[str, str], int] = defaultdict(int)

    async def __call__(self, received: Received) -> bytes:
        key = (received.event["session"], received.line)
        self._asked[key] += 1
        if " /fast " not in received.line and not (self.in_turn and self._asked[key] % 2):
            await self.free.wait()
        return answer()


@pytest.fixture
def slow() -> Slow:
    """One that answers nobody yet."""
    return Slow()


@pytest.fixture
async def hasty(lidbook: Lidbook) -> AsyncIterator[Desk]:
    """Webhooks whose patience is short."""
    pauses = Pauses()
    async with AsyncExitStack() as stack:
        webhooks = webhooks_of(lidbook, pauses, Sender(Destinations(), patience=PATIENCE), drain=0.1)
        await stack.enter_async_context(webhooks.running())
        yield Desk(lidbook, webhooks, pauses, stack)


def fast(receiver: Receiver) -> list[Received]:
    """What came to `/fast`."""
    return [received for received in receiver.received if " /fast " in received.line]


async def heard_after(desk: Desk, session: Session, receiver: Receiver) -> float:
    """Seconds until an event of `session` is heard at `/fast`."""
    before, began = len(fast(receiver)), time.monotonic()
    await desk.log(session, 1)
    await desk.until(lambda: len(fast(receiver)) > before)
    return time.monotonic() - began


async def slow_sessions(
    desk: Desk, receivers: Sequence[Receiver], sessions: int, webhooks: int, events: int = 1, *more: str
) -> list[Session]:
    """Sessions of so many webhooks each, spread over the receivers, with events for all of them; `more` are URLs."""
    made = []
    for number in range(sessions):
        urls = [f"{receivers[n % len(receivers)].url}/{n}" for n in range(webhooks)]
        entries: list[dict[str, object]] = [{"url": url} for url in (*urls, *more)]
        made.append(await desk.session(f"slow{number}", *entries))
    for session in made:
        await desk.log(session, events)
    return made


async def test_a_quick_url_does_not_wait_for_a_slow_one_of_the_same_host(desk: Desk, slow: Slow) -> None:
    there = await desk.receiver(slow)
    await slow_sessions(desk, [there], sessions=12, webhooks=1)
    other = await desk.session("quick", {"url": there.url.replace("/hook", "/fast")})
    await there.until(10)
    assert await heard_after(desk, other, there) < AT_ONCE
    slow.free.set()
    await there.until(13)


async def test_sessions_with_many_slow_webhooks_do_not_delay_another(desk: Desk, slow: Slow) -> None:
    many = [await desk.receiver(slow) for _ in range(21)]
    unrelated = await desk.receiver()
    other = await desk.session("quick", {"url": unrelated.url.replace("/hook", "/fast")})
    await slow_sessions(desk, many, sessions=3, webhooks=84)
    await desk.until(lambda: sum(len(each.received) for each in many) >= 60)
    assert await heard_after(desk, other, unrelated) < AT_ONCE
    slow.free.set()
    await desk.until(lambda: sum(len(each.received) for each in many) >= 252)


@pytest.mark.parametrize("in_turn", [False, True], ids=["slow", "quick and slow in turn"])
async def test_no_number_of_slow_webhooks_delays_another_session(hasty: Desk, *, in_turn: bool) -> None:
    """Seven hundred of them in twelve sessions; what is cut off for their number comes again, in order."""
    slow = Slow(in_turn=in_turn)
    many = [await hasty.receiver(slow) for _ in range(4)]
    unrelated = await hasty.receiver()
    url = unrelated.url.replace("/hook", "/fast").replace("127.0.0.1", "localhost")
    other = await hasty.session("quick", {"url": url})
    sessions = await slow_sessions(hasty, many, sessions=12, webhooks=60, events=2)
    overdue = hasty.webhooks._sender._slots._overdue
    waits: list[float] = []
    while sum(len(each.received) for each in many) < 720 or sum(map(len, overdue.values())) < slots.OVERDUE - 50:
        waits.append(await heard_after(hasty, other, unrelated))
    assert max(waits) < AT_ONCE
    slow.free.set()
    lanes = [lane for session in sessions for lane in hasty.webhooks._lanes[session.name].values()]
    await hasty.until(lambda: all(lane.seq == 2 for lane in lanes))
    heard: dict[tuple[str, str], list[int]] = defaultdict(list)
    for each in many:
        for received in each.received:
            heard[received.event["session"], f"{each.port}{received.line}"].append(received.seq)
    assert len(heard) == 720
    assert {tuple(dict.fromkeys(seqs)) for seqs in heard.values()} == {(1, 2)}
    assert all(seqs == sorted(seqs) for seqs in heard.values())


async def test_in_a_session_of_slow_webhooks_the_quick_one_has_its_turn(hasty: Desk, slow: Slow) -> None:
    many, unrelated = [await hasty.receiver(slow) for _ in range(4)], await hasty.receiver()
    (session,) = await slow_sessions(hasty, many, 1, 50, 1, unrelated.url.replace("/hook", "/fast"))
    await hasty.until(lambda: fast(unrelated))
    assert await heard_after(hasty, session, unrelated) < AT_ONCE


async def test_a_receiver_is_slow_from_its_second_slow_answer_to_its_next_quick_one(hasty: Desk, slow: Slow) -> None:
    hasty.webhooks._sender._slots._patience = PATIENCE / 2
    there = await hasty.receiver(slow)
    (session,) = await slow_sessions(hasty, [there], 1, 1, 0)
    ((url, lane),) = hasty.webhooks._lanes[session.name].items()
    was_slow = []
    for number, waits in enumerate((True, True, True, False, True), 1):
        slow.free = asyncio.Event()
        await hasty.log(session, 1)
        await there.until(number)
        if waits:
            await asyncio.sleep(PATIENCE / 2 + 0.02)
        slow.free.set()
        await hasty.idle(session, url)
        was_slow.append(lane.is_slow)
    assert was_slow == [False, True, True, False, False]


async def test_the_session_with_most_overdue_sends_pays_for_one_too_many(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "OVERDUE", 4)
    sender = Sender(Destinations(), patience=0.01)

    def send(session: str) -> "asyncio.Task[Outcome]":
        sending = sender.send(Where.of(there.url), [], b'{"session":"a"}', session=session, trusted=True)
        return asyncio.create_task(sending)

    async with receiver(slow) as there, asyncio.timeout(20):
        greedy = [send("greedy") for _ in range(3)]
        await there.until(3)
        modest = [send(name) for name in ("b", "c")]
        done, _ = await asyncio.wait([*greedy, *modest], return_when=asyncio.FIRST_COMPLETED)
        assert done == {greedy[-1]}
        outcome = greedy[-1].result()
        assert (outcome.result, outcome.was_slow) == (Result.DOWN, True)
        assert "no answer soon enough" in str(outcome.reason)
        fourth, fifth = send("d"), send("e")
        await asyncio.wait([greedy[1], fifth])
        assert not any(send.done() for send in (greedy[0], *modest, fourth)), "among equals it is the last one"
        slow.free.set()
        await asyncio.gather(*greedy, *modest, fourth, fifth)
    assert sender._slots._overdue == {}
    sender.close()


async def test_the_end_does_not_wait_for_those_that_wait_for_a_place(lidbook: Lidbook, slow: Slow) -> None:
    pauses = Pauses()
    sender = Sender(Destinations(), patience=PATIENCE)
    async with AsyncExitStack() as stack:
        webhooks = webhooks_of(lidbook, pauses, sender, drain=0.1)
        desk = Desk(lidbook, webhooks, pauses, stack)
        many = [await desk.receiver(slow) for _ in range(2)]
        async with webhooks.running():
            await slow_sessions(desk, many, 3, 84)
            await desk.until(lambda: sum(len(each.received) for each in many) >= 60)
            assert {lane.state for lane in webhooks.lanes()} == {LaneState.SENDING}
            began = time.monotonic()
        assert time.monotonic() - began < AT_ONCE
    for pool in (sender._slots._quick, sender._slots._slow):
        assert (pool._free, pool._sessions, pool._hosts, pool._waiting) == (200, {}, {}, {})
    assert sender._slots._overdue == {}
