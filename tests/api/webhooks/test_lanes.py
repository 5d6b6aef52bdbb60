"""Lanes: order, retries, dead letters, receivers that are away, and configs that change meanwhile."""

import asyncio
import sqlite3

import orjson
import pytest
from structlog.testing import capture_logs

from lidbook.changelog import dead_letters
from lidbook.changelog.log import prune
from lidbook.errors import UnknownEngine
from lidbook.hookspecs import ChangeKind
from lidbook_api.events import PRUNED
from lidbook_api.webhooks.lane import LaneState
from lidbook_api.webhooks.signing import signature

from .conftest import NOW, Desk, configured, written
from .receivers import Received, answer


class Answers:
    """Answers with one status after another, and 200 when there are none left."""

    def __init__(self, statuses: list[int], headers: dict[str, str] | None = None) -> None:
        self.statuses = list(statuses)
        self.headers = headers or {}

    def __call__(self, received: Received) -> bytes:
        return answer(self.statuses.pop(0), b"", **self.headers) if self.statuses else answer()


async def test_events_come_one_after_another_in_the_order_of_the_log(desk: Desk) -> None:
    at_once, most = 0, 0

    async def watch(received: Received) -> bytes:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return answer()

    there = await desk.receiver(watch)
    session = await desk.session("a", {"url": there.url})
    for count in (1, 30, 250, 3):
        await desk.log(session, count)
    await there.until(284)
    assert there.seqs == list(range(1, 285))
    assert most == 1
    lane = await desk.idle(session, there.url)
    assert (lane.sent, lane.failed, lane.waiting, lane.last_delivered_at) == (284, 0, 0, NOW)


async def test_a_webhook_begins_with_what_happens_after_it_was_set(desk: Desk) -> None:
    there = await desk.receiver()
    session = await desk.session("a")
    await desk.log(session, 5)
    await desk.lidbook.sessions.update("a", configured({"url": there.url}))
    await desk.log(session, 1)
    await there.until(1)
    await desk.idle(session, there.url)
    assert there.seqs == [6]


async def test_what_nobody_asked_for_is_passed_over(desk: Desk) -> None:
    there = await desk.receiver()
    session = await desk.session("a", {"url": there.url, "events": ["lid.*"]})
    await desk.log(session, 350)
    await desk.log(session, 1, ChangeKind.LID_MAPPED)
    await desk.log(session, 5)
    lane = await desk.idle(session, there.url)
    assert there.seqs == [351]
    assert (lane.seq, lane.sent) == (356, 1)


async def test_entries_that_are_not_told_are_passed_over(desk: Desk) -> None:
    there = await desk.receiver()
    session = await desk.session("a", {"url": there.url})

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE log SET quiet = 1 WHERE session = ?", (session.id,))

    await desk.webhooks._stop()
    await desk.log(session, 300)
    await desk.lidbook.database.write(work)
    desk.webhooks._configure("a")
    await desk.idle(session, there.url)
    assert there.received == []
    assert desk.letters(session) == []


async def test_two_entries_of_one_url_get_an_event_once_with_the_first_that_wants_it(desk: Desk) -> None:
    there = await desk.receiver()
    session = await desk.session(
        "a",
        {"url": there.url, "events": ["lid.mapped"], "hmac": {"key": "one"}},
        {"url": there.url, "events": ["lid.*", "contact.*"], "hmac": {"key": "two"}},
    )
    await desk.log(session, 1, ChangeKind.LID_MAPPED)
    await desk.log(session, 1, ChangeKind.LID_RESOLVED)
    await desk.log(session, 1, ChangeKind.CONTACT_DELETED)
    await there.until(3)
    await desk.idle(session, there.url)
    keys = [
        next(key for key in ("one", "two") if received.headers["x-webhook-hmac"] == signature(received.body, key))
        for received in there.received
    ]
    assert keys == ["one", "two", "two"]
    assert len(desk.webhooks.of(session)) == 1


async def test_two_urls_and_two_sessions_have_lanes_of_their_own(desk: Desk) -> None:
    one, two = await desk.receiver(), await desk.receiver()
    first = await desk.session("a", {"url": one.url}, {"url": two.url})
    second = await desk.session("b", {"url": one.url})
    await desk.log(first, 2)
    await desk.log(second, 3)
    await one.until(5)
    await two.until(2)
    assert two.seqs == [1, 2]
    by_session = {name: [r.seq for r in one.received if r.event["session"] == name] for name in ("a", "b")}
    assert by_session == {"a": [1, 2], "b": [1, 2, 3]}


@pytest.mark.parametrize(
    ("retries", "pauses"),
    [
        ({"policy": "constant", "delaySeconds": 3, "attempts": 3}, [3, 3, 3]),
        ({"policy": "linear", "delaySeconds": 3, "attempts": 3}, [3, 6, 9]),
        ({"policy": "exponential", "delaySeconds": 1, "attempts": 3}, [2.2, 4.4, 8.8]),
        ({"delaySeconds": 0, "attempts": 2}, [0, 0]),
        ({}, [2] * 15),
        (None, [2] * 15),
        ({"attempts": 0}, []),
    ],
)
async def test_a_refusal_is_tried_again_by_its_policy_and_then_a_dead_letter(
    desk: Desk, retries: object, pauses: list[float]
) -> None:
    attempts = len(pauses) + 1
    there = await desk.receiver(Answers([500] * attempts))
    session = await desk.session("a", {"url": there.url, "retries": retries})
    await desk.log(session, 2)
    await there.until(attempts + 1)
    lane = await desk.idle(session, there.url)
    assert desk.pauses.asked == pytest.approx(pauses)
    assert there.seqs == [1] * attempts + [2]
    assert len({received.headers["x-webhook-request-id"] for received in there.received[:attempts]}) == 1
    (letter,) = desk.letters(session)
    assert (letter.url, letter.seq, letter.at, letter.event) == (there.url, 1, NOW, "contact.created")
    assert (letter.attempts, letter.reason) == (attempts, "answered 500")
    found = dead_letters.find(desk.lidbook.database.reader, session.id, letter.id)
    assert found is not None
    assert found[1] == there.received[0].body
    assert letter.event_id == there.received[0].event["id"]
    assert (lane.sent, lane.failed, lane.last_error, lane.last_error_at) == (1, attempts, "answered 500", NOW)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410, 500])
async def test_every_answer_that_is_not_2xx_is_a_refusal(desk: Desk, status: int) -> None:
    there = await desk.receiver(Answers([status]))
    session = await desk.session("a", {"url": there.url})
    await desk.log(session, 1)
    await there.until(2)
    assert (await desk.idle(session, there.url)).sent == 1
    assert desk.letters(session) == []


async def test_retry_after_is_the_least_that_is_waited_for(desk: Desk) -> None:
    there = await desk.receiver(Answers([500, 429, 503], {"retry_after": "40"}))
    session = await desk.session("a", {"url": there.url, "retries": {"policy": "linear", "delaySeconds": 50}})
    await desk.log(session, 1)
    await there.until(4)
    await desk.idle(session, there.url)
    assert desk.pauses.asked == [50, 40, 40]


async def test_a_receiver_that_is_away_never_costs_an_event(desk: Desk) -> None:
    """However often it does not answer: only refusals are counted, and an absence begins the count of patience anew."""
    down = [503] * 40 + [500] * 2 + [502, 504, 429]
    there = await desk.receiver(Answers(down))
    session = await desk.session("a", {"url": there.url, "retries": {"attempts": 3, "delaySeconds": 1}})
    await desk.log(session, 3)
    await there.until(len(down) + 3)
    lane = await desk.idle(session, there.url)
    assert desk.letters(session) == []
    assert there.seqs == [1] * (len(down) + 1) + [2, 3]
    assert desk.pauses.asked[:9] == pytest.approx([1, 1, 1, 1.8, 3.6, 7.2, 14.4, 27, 27])
    assert desk.pauses.asked[40:] == [1] * 5
    assert lane.failed == len(down)


async def test_a_receiver_that_is_not_there_gets_everything_when_it_is(desk: Desk) -> None:
    there = await desk.receiver()
    await there.close()
    session = await desk.session("a", {"url": there.url})
    desk.pauses.hold()
    await desk.log(session, 3)
    await desk.pauses.until(1)
    lane = desk.lane(session, there.url)
    assert (lane.state, lane.waiting, lane.seq) == (LaneState.DOWN, 3, 0)
    assert lane.last_error == "no connection: Connection refused"
    await there.open()
    desk.pauses.release()
    await there.until(3)
    lane = await desk.idle(session, there.url)
    assert (there.seqs, lane.sent, lane.state) == ([1, 2, 3], 3, LaneState.IDLE)


async def test_a_refused_event_shows_as_waiting(desk: Desk) -> None:
    there = await desk.receiver(Answers([400]))
    session = await desk.session("a", {"url": there.url})
    desk.pauses.hold()
    await desk.log(session, 2)
    await desk.pauses.until(1)
    assert desk.lane(session, there.url).state is LaneState.WAITING
    desk.pauses.release()
    await there.until(3)


async def test_where_a_webhook_may_not_go_is_a_dead_letter_without_a_second_try(desk: Desk) -> None:
    there = await desk.receiver()
    config = configured({"url": there.url})
    session = await desk.session("a")
    await desk.lidbook.sessions.update("a", config, set_by="session")
    await desk.log(session, 2)
    await desk.until(lambda: len(desk.letters(session)) == 2)
    assert [letter.attempts for letter in desk.letters(session)] == [1, 1]
    assert "LIDBOOK_WEBHOOK_ALLOW" in desk.letters(session)[0].reason
    assert (there.received, desk.pauses.asked) == ([], [])


async def test_a_key_that_is_changed_meanwhile_signs_the_next_attempt(desk: Desk) -> None:
    there = await desk.receiver(Answers([500]))
    session = await desk.session("a", {"url": there.url, "hmac": {"key": "old"}})
    desk.pauses.hold()
    await desk.log(session, 1)
    await desk.pauses.until(1)
    await desk.lidbook.sessions.update("a", configured({"url": there.url, "hmac": {"key": "new"}}))
    await there.until(2)
    await desk.idle(session, there.url)
    assert [signature(received.body, key) for received, key in zip(there.received, ("old", "new"), strict=True)] == [
        received.headers["x-webhook-hmac"] for received in there.received
    ]
    assert there.received[0].event["id"] == there.received[1].event["id"]


async def test_an_event_that_nobody_wants_any_more_is_given_up_quietly(desk: Desk) -> None:
    there = await desk.receiver(Answers([500] * 100))
    session = await desk.session("a", {"url": there.url})
    desk.pauses.hold()
    await desk.log(session, 1)
    await desk.pauses.until(1)
    await desk.lidbook.sessions.update("a", configured({"url": there.url, "events": ["lid.*"]}))
    lane = await desk.idle(session, there.url)
    assert (lane.seq, desk.letters(session), len(there.received)) == (1, [], 1)


async def test_a_url_that_is_taken_away_ends_its_lane_in_the_middle_of_a_send(desk: Desk) -> None:
    async def never(received: Received) -> bytes:
        await asyncio.Event().wait()
        return b""

    there, other = await desk.receiver(never), await desk.receiver()
    session = await desk.session("a", {"url": there.url}, {"url": other.url})
    await desk.log(session, 1)
    await there.until(1)
    await other.until(1)
    await desk.lidbook.sessions.update("a", configured({"url": other.url}))
    await desk.until(lambda: len(desk.webhooks._tasks) == 1)
    assert [lane.url for lane in desk.webhooks.lanes()] == [other.url]
    there.answering = lambda _: answer()
    await desk.lidbook.sessions.update("a", configured({"url": other.url}, {"url": there.url}))
    await desk.log(session, 1)
    await there.until(2)
    assert there.seqs == [1, 2]


async def test_a_deleted_session_takes_its_lanes_and_letters_with_it(desk: Desk) -> None:
    there = await desk.receiver(Answers([500] * 16))
    session = await desk.session("a", {"url": there.url})
    await desk.log(session, 2)
    await desk.until(lambda: desk.letters(session))
    await desk.lidbook.sessions.delete("a")
    await desk.until(lambda: not desk.webhooks._tasks)
    assert desk.letters(session) == []
    assert desk.webhooks.lanes() == []
    again = await desk.session("a", {"url": there.url})
    await desk.log(again, 1)
    await desk.idle(again, there.url)
    assert there.received[-1].event["payload"]["seq"] == 1


async def test_what_retention_took_away_is_one_dead_letter(desk: Desk) -> None:
    there = await desk.receiver(Answers([503]))
    session = await desk.session("a", {"url": there.url})
    desk.pauses.hold()
    await desk.log(session, 250)
    await desk.pauses.until(1)
    await desk.lidbook.database.write(lambda connection: prune(connection, session.id, NOW + 201))
    desk.pauses.release()
    await desk.idle(session, there.url)
    assert there.seqs == [1, *range(1, 101), *range(201, 251)]
    (letter,) = desk.letters(session)
    assert (letter.event, letter.seq, letter.attempts) == (PRUNED, 200, 0)
    assert letter.reason == "events 101 to 200 were pruned from the log before they could be sent"
    found = dead_letters.find(desk.lidbook.database.reader, session.id, letter.id)
    assert found is not None
    assert orjson.loads(found[1])["payload"] == {"from": 101, "to": 200, "seq": 200}


async def test_what_was_erased_with_its_account_is_not_sent(desk: Desk) -> None:
    there = await desk.receiver(Answers([503]))
    session = await desk.session("a", {"url": there.url})
    desk.pauses.hold()
    await desk.log(session, 5)
    await desk.pauses.until(1)
    await session.directory.erase()
    desk.pauses.release()
    await desk.idle(session, there.url)
    assert len(there.received) == 1
    assert desk.letters(session) == []


async def test_a_fault_of_ours_is_logged_and_the_event_sent_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    there = await desk.receiver()
    session = await desk.session("a", {"url": there.url})
    write = desk.webhooks._events.write
    faults = [RuntimeError("bug")]

    def failing(*given: object) -> object:
        if faults:
            raise faults.pop()
        return write(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(desk.webhooks._events, "write", failing)
    await desk.log(session, 2)
    await there.until(2)
    lane = await desk.idle(session, there.url)
    assert there.seqs == [1, 2]
    assert lane.last_error == "fault of the server: RuntimeError, see its log"


async def test_a_slow_receiver_delays_no_other(desk: Desk) -> None:
    free = asyncio.Event()

    async def slow(received: Received) -> bytes:
        await free.wait()
        return answer()

    hanging, quick = await desk.receiver(slow), await desk.receiver()
    sessions = [await desk.session(f"s{n}", {"url": hanging.url}, {"url": quick.url}) for n in range(30)]
    for session in sessions:
        await desk.log(session, 5)
    await quick.until(150)
    for session in sessions:
        await desk.idle(session, quick.url)
        assert [r.seq for r in quick.received if r.event["session"] == session.name] == [1, 2, 3, 4, 5]
        assert desk.lane(session, hanging.url).sent == 0
    free.set()
    await hanging.until(150)


async def test_an_update_that_is_refused_changes_no_lane(desk: Desk) -> None:
    there = await desk.receiver()
    session = await desk.session("a", {"url": there.url})
    with pytest.raises(UnknownEngine):
        await desk.lidbook.sessions.update("a", configured({"url": "http://elsewhere/"}, engine="nothing"))
    await desk.log(session, 1)
    await there.until(1)


async def test_it_does_not_matter_on_which_thread_the_core_tells(desk: Desk) -> None:
    there = await desk.receiver()
    session = await desk.session("a", {"url": there.url})
    await desk.idle(session, there.url)
    changes = await desk.lidbook.database.write(
        lambda connection: written(connection, session.id, 3, ChangeKind.CONTACT_CREATED)
    )
    await asyncio.to_thread(desk.lidbook.hooks.tell_changes_committed, "a", changes)
    await there.until(3)
    await desk.idle(session, there.url)


async def test_the_log_names_receivers_without_queries_keys_or_bodies(desk: Desk) -> None:
    there = await desk.receiver(Answers([503, 400]))
    with capture_logs() as lines:
        session = await desk.session(
            "a",
            {
                "url": there.url + "?token=hunter2",
                "hmac": {"key": "hunter2"},
                "customHeaders": [{"name": "Authorization", "value": "hunter2"}],
                "retries": {"attempts": 0},
            },
        )
        await desk.log(session, 2)
        await desk.idle(session, there.url + "?token=hunter2")
    told = {line["event"]: line for line in lines if line.get("receiver")}
    assert set(told) == {"webhook receiver does not answer", "webhook event became a dead letter"}
    assert {line["receiver"] for line in told.values()} == {there.url}
    assert "hunter2" not in str(lines)
    assert "1555000000" not in str(lines)
