"""Many events: a receiver that was away for ten thousand gets them all; the end of a server loses none."""

import asyncio
import sqlite3
from contextlib import AsyncExitStack

from lidbook.app import Lidbook
from lidbook.hookspecs import ChangeKind
from lidbook_api.webhooks.lane import LaneState
from lidbook_api.webhooks.progress import Progress

from .conftest import Desk, Pauses, configured, webhooks_of, written
from .receivers import Received, Receiver, answer, receiver

MANY = 10_000


async def test_a_receiver_that_was_away_for_ten_thousand_events_gets_them_all_in_order(desk: Desk) -> None:
    there = await desk.receiver()
    await there.close()
    session = await desk.session("a", {"url": there.url, "hmac": {"key": "k"}})
    desk.pauses.hold()
    for _ in range(10):
        await desk.log(session, MANY // 10)
    await desk.pauses.until(1)
    lane = desk.lane(session, there.url)
    assert (lane.state, lane.waiting) == (LaneState.DOWN, MANY)
    await there.open()
    desk.pauses.release()
    await there.until(MANY, 120)
    assert there.seqs == list(range(1, MANY + 1))
    assert len({received.headers["x-webhook-request-id"] for received in there.received}) == MANY
    lane = await desk.idle(session, there.url)
    assert (lane.sent, lane.waiting, desk.letters(session)) == (MANY, 0, [])
    assert there.connections == 1


async def test_a_receiver_that_comes_and_goes_gets_everything_in_order(desk: Desk) -> None:
    """It answers a few times, takes an event without answering, and breaks the connection."""
    there = Receiver()
    seen = 0

    async def moody(received: Received) -> bytes:
        nonlocal seen
        seen += 1
        if seen % 7 == 0:
            for writer in list(there._writers):
                writer.transport.abort()
        return answer(503 if seen % 5 == 0 else 200)

    there.answering = moody
    await there.open()
    session = await desk.session("a", {"url": there.url})
    await desk.log(session, 500)
    await desk.until(lambda: desk.position(session, there.url) == 500)
    firsts = list(dict.fromkeys(there.seqs))
    assert firsts == list(range(1, 501))
    assert there.seqs == sorted(there.seqs), "an event came again after a later one"
    ids = {
        (received.seq, received.event["id"], received.headers["x-webhook-request-id"]) for received in there.received
    }
    assert len(ids) == 500, "a repetition had other ids"
    await there.close()


async def test_the_end_of_the_server_finishes_what_is_being_sent_and_begins_nothing_else(lidbook: Lidbook) -> None:
    arrived, free = asyncio.Event(), asyncio.Event()

    async def slow(received: Received) -> bytes:
        arrived.set()
        await free.wait()
        return answer()

    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(receiver(slow))
        session = await lidbook.sessions.create("a", configured({"url": there.url}), start=False)
        webhooks = webhooks_of(lidbook, Pauses())
        async with webhooks.running():
            await lidbook.database.write(lambda c: written(c, session.id, 3, ChangeKind.CONTACT_CREATED))
            webhooks._wake("a")
            await arrived.wait()
            asyncio.get_running_loop().call_later(0.01, free.set)
        assert there.seqs == [1]
        again = webhooks_of(lidbook, Pauses())
        async with again.running():
            await there.until(3)
        assert there.seqs == [1, 2, 3]


async def test_a_receiver_that_hangs_does_not_hold_up_the_end_for_ever(lidbook: Lidbook) -> None:
    async def never(received: Received) -> bytes:
        await asyncio.Event().wait()
        return b""

    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(receiver(never))
        session = await lidbook.sessions.create("a", configured({"url": there.url}), start=False)
        webhooks = webhooks_of(lidbook, Pauses(), drain=0.01)
        async with webhooks.running():
            await lidbook.database.write(lambda c: written(c, session.id, 1, ChangeKind.CONTACT_CREATED))
            webhooks._wake("a")
            await there.until(1)
        there.answering = lambda _: answer()
        again = webhooks_of(lidbook, Pauses())
        async with again.running():
            await there.until(2)
    first, second = there.received
    assert first.headers["x-webhook-request-id"] == second.headers["x-webhook-request-id"]
    assert first.event["id"] == second.event["id"]


async def test_positions_are_written_though_the_disk_was_full_for_a_moment(desk: Desk) -> None:
    session = await desk.session("a", {"url": "http://h/"})
    faults = [sqlite3.OperationalError("database or disk is full")]
    write = desk.lidbook.database.write

    async def failing(work: object, *more: object) -> object:
        if faults:
            raise faults.pop()
        return await write(work, *more)  # type: ignore[arg-type]

    progress = Progress(desk.lidbook.database, after_a_fault=0)
    desk.lidbook.database.write = failing  # type: ignore[method-assign, assignment]
    progress.note(session.id, "http://h/", 3)
    await asyncio.sleep(0)
    progress.note(session.id, "http://h/", 4)
    await progress.close()
    assert faults == []
    assert desk.position(session, "http://h/") == 4
