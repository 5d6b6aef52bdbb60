"""A receiver that is down behind a proxy, or broken, is told from one that does not want an event."""

from collections.abc import Callable
from typing import Any

import pytest

from lidbook.sessions.session import Session
from lidbook_api.webhooks.lane import ATTEMPTS_AT_ONE, BROKEN_AFTER, LaneState

from .conftest import Desk
from .receivers import Received, Receiver, answer

ONCE = {"attempts": 0, "delaySeconds": 1}


class Status:
    """Answers with whatever status is set, or what a function says of the event's number."""

    def __init__(self, status: int | Callable[[int], int]) -> None:
        self.status = status

    def __call__(self, received: Received) -> bytes:
        status = self.status if isinstance(self.status, int) else self.status(received.event["payload"].get("seq", 0))
        return answer(status)


async def broken(desk: Desk, status: Status, count: int, **webhook: Any) -> tuple[Receiver, Session]:
    """A lane that gave up `BROKEN_AFTER` events and waits with the next one, of `count`."""
    there = await desk.receiver(status)
    session = await desk.session("a", {"url": there.url, "retries": ONCE, **webhook})
    desk.pauses.hold()
    await desk.log(session, count)
    await desk.pauses.until(1)
    return there, session


@pytest.mark.parametrize("status", [520, 521, 522, 523, 524, 525, 526, 527, 530])
async def test_what_cloudflare_says_of_an_origin_that_is_down_costs_no_event(desk: Desk, status: int) -> None:
    answering = Status(status)
    there = await desk.receiver(answering)
    session = await desk.session("a", {"url": there.url, "retries": ONCE})
    desk.pauses.hold()
    await desk.log(session, 3)
    await desk.pauses.until(1)
    lane = desk.lane(session, there.url)
    assert (lane.state, lane.waiting, lane.last_error) == (LaneState.DOWN, 3, f"answered {status}")
    answering.status = 200
    desk.pauses.release()
    await desk.idle(session, there.url)
    assert there.seqs == [1, 1, 2, 3]
    assert desk.letters(session) == []


async def test_a_receiver_that_fails_with_everything_is_down_and_keeps_its_place(desk: Desk) -> None:
    answering = Status(500)
    there, session = await broken(desk, answering, 100)
    lane = desk.lane(session, there.url)
    assert (lane.state, lane.seq, lane.last_error) == (LaneState.DOWN, BROKEN_AFTER, "answered 500")
    assert [letter.seq for letter in desk.letters(session)] == list(range(1, BROKEN_AFTER + 1))
    answering.status = 200
    desk.pauses.release()
    await desk.idle(session, there.url)
    assert there.seqs == [*range(1, BROKEN_AFTER + 2), *range(BROKEN_AFTER + 1, 101)]
    assert len(desk.letters(session)) == BROKEN_AFTER


async def test_one_event_that_is_taken_or_refused_in_between_shows_that_the_receiver_works(desk: Desk) -> None:
    def status(seq: int) -> int:
        return {0: 200, 1: 400}.get(seq % 10, 500)

    there = await desk.receiver(Status(status))
    session = await desk.session("a", {"url": there.url, "retries": ONCE})
    await desk.log(session, 100)
    await desk.idle(session, there.url)
    assert there.seqs == list(range(1, 101))
    assert len(desk.letters(session)) == 90
    assert desk.pauses.asked == []


async def test_one_event_does_not_hold_up_a_broken_receiver_for_ever(desk: Desk) -> None:
    """The event at which it waits is one that breaks it, and all the others would be taken."""
    first = BROKEN_AFTER + 1
    there, session = await broken(desk, Status(lambda seq: 500 if seq <= first else 200), first + 5)
    desk.pauses.release()
    await desk.idle(session, there.url)
    assert there.seqs.count(first) == ATTEMPTS_AT_ONE
    assert there.seqs[-5:] == list(range(first + 1, first + 6))
    assert len(desk.letters(session)) == first
    assert sum(desk.pauses.asked) >= 3000


async def test_a_test_that_is_taken_says_that_a_broken_receiver_works_again(desk: Desk) -> None:
    first = BROKEN_AFTER + 1
    there, session = await broken(desk, Status(lambda seq: 500 if 0 < seq <= first else 200), first + 1)
    await desk.webhooks.test(session, there.url)
    desk.pauses.release()
    await desk.idle(session, there.url)
    numbers = [received.seq for received in there.received if received.event["event"] != "webhook.test"]
    assert numbers == [*range(1, first + 1), first, first + 1]
    assert len(desk.letters(session)) == first
