"""The websocket: who is let in, what they hear, from where on, and what a slow one costs the others."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from lidbook.changelog import log
from lidbook.clock import now_ms
from lidbook.facts import Field, FieldFact, Source
from lidbook.hookspecs import Change, ChangeKind
from lidbook.identifiers import PhoneNumber
from lidbook.session_config import LIDBOOK_EVENTS
from lidbook_api.events import EventWriter
from lidbook_api.settings import ServerSettings

from .served import Served, serve
from .sockets import (
    CLOSE,
    CONTINUATION,
    PATIENCE,
    PING,
    PONG,
    TEXT,
    ByHand,
    Relay,
    closed,
    connected,
    event,
    frames,
    opened,
    text,
)

DOCUMENT = (Path(__file__).parents[2] / "docs" / "websocket.md").read_text(encoding="utf-8")
KEY = "6c35dcbf31914c65a90f29e2ca1840d2"
JOHN = "11231231231@c.us"
OURS = ",".join(LIDBOOK_EVENTS)


@pytest.fixture(scope="module")
async def locked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """A server with a key, and a second session."""
    settings = ServerSettings.model_construct(api_key=SecretStr(KEY))
    async with serve(tmp_path_factory.mktemp("locked"), settings=settings) as served:
        await served.session("other")
        yield served


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[Served]:
    """A server that pings often."""
    async with serve(tmp_path, settings=ServerSettings.model_construct(ws_ping_seconds=0.3)) as served:
        yield served


def writer(served: Served) -> EventWriter:
    """What writes a webhook's bodies."""
    events = served.app.state.services.events
    assert isinstance(events, EventWriter)
    return events


async def commit(served: Served, kinds: Sequence[ChangeKind], session: str = "default") -> list[Change]:
    """Changes of these kinds, about somebody whom the session knows."""
    found = served.lidbook.sessions.get(session)
    changes = await served.lidbook.database.write(
        lambda connection: [log.append(connection, found.id, 1, kind, JOHN, data={"n": 1}) for kind in kinds]
    )
    served.lidbook.hooks.tell_changes_committed(session, changes)
    return changes


async def meet(served: Served, people: int, session: str = "default") -> None:
    """So many people, each heard of for the first time, and now: an older name would not be in the whole book."""
    facts = [
        FieldFact(PhoneNumber(f"49151{n:07}"), Field.FULL_NAME, f"Person {n}", Source.ADDRESS_BOOK, now_ms())
        for n in range(people)
    ]
    await served.lidbook.sessions.get(session).directory.apply(facts)


async def forget(served: Served, session: str = "default") -> None:
    """The whole log, as if it had grown old."""
    found = served.lidbook.sessions.get(session)
    while not await served.lidbook.database.write(lambda connection: log.prune(connection, found.id, 1 << 60)):
        pass


async def gauge(served: Served, name: str) -> float:
    """A metric without labels."""
    scraped = (await served.client.get("/metrics", headers={"X-Api-Key": KEY})).text
    return next(f.samples[0].value for f in text_string_to_metric_families(scraped) if f.name == name)


async def nobody_left(served: Served) -> None:
    """Wait until no websocket is open."""
    async with asyncio.timeout(PATIENCE):
        while await gauge(served, "lidbook_websocket_connections"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def somebody_there(served: Served) -> None:
    """Wait until a websocket is open."""
    async with asyncio.timeout(PATIENCE):
        while not await gauge(served, "lidbook_websocket_connections"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def key(served: Served, session: str, **actions: bool) -> Any:
    """A key for one session, as `POST /api/keys` shows it."""
    body = {"session": session, "actions": actions}
    answer = await served.client.post("/api/keys", json=body, headers={"X-Api-Key": KEY})
    assert answer.status_code == 201, answer.text
    return answer.json()


# what is sent


async def test_a_frame_is_the_event_byte_for_byte_and_in_the_logs_order(served: Served) -> None:
    session = served.lidbook.sessions.get("default")
    head = session.changes.head()
    async with opened(served.url, session="default", events=OURS) as client:
        await meet(served, 300)
        await served.client.post("/api/contacts/block", json={"contactId": JOHN, "session": "default"})
        frames = [await text(client) for _ in range(302)]
    changes = session.changes.after(head, 1000)
    kinds = [ChangeKind.CONTACT_CREATED] * 300 + [ChangeKind.CONTACT_UPDATED, ChangeKind.CONTACT_BLOCKED]
    assert [change.kind for change in changes] == kinds
    assert frames == [writer(served).write(session, change).body.decode() for change in changes]
    assert list(orjson.loads(frames[0])) == [
        "id", "timestamp", "event", "session", "me", "payload", "engine", "environment",
    ]  # fmt: skip


async def test_a_status_comes_with_the_last_three_of_them(served: Served) -> None:
    async with opened(served.url) as client:
        for way in ("stop", "start"):
            assert (await served.client.post(f"/api/sessions/default/{way}")).status_code == 201
        events = [await event(client) for _ in range(3)]
    assert [e["event"] for e in events] == ["session.status"] * 3
    payloads = [e["payload"] for e in events]
    assert [p["status"] for p in payloads] == ["STOPPED", "STARTING", "WORKING"]
    assert [s["status"] for s in payloads[-1]["statuses"]] == ["STOPPED", "STARTING", "WORKING"]
    assert all(set(s) == {"status", "timestamp"} for s in payloads[-1]["statuses"])
    assert {p["name"] for p in payloads} == {"default"}
    assert [p["seq"] for p in payloads] == sorted(p["seq"] for p in payloads)


@pytest.mark.parametrize("kind", ChangeKind)
async def test_an_event_is_sent_to_those_who_asked_for_it_and_to_no_others(served: Served, kind: ChangeKind) -> None:
    others = [name for name in (*LIDBOOK_EVENTS, "session.status") if name != kind.value]
    async with (
        opened(served.url, events=kind.value) as wanting,
        opened(served.url, events=",".join(others)) as wanting_others,
    ):
        await commit(served, [*ChangeKind, *ChangeKind])
        assert [(await event(wanting))["event"] for _ in range(2)] == [kind.value] * 2
        rest = [other.value for other in ChangeKind if other is not kind]
        assert [(await event(wanting_others))["event"] for _ in range(2 * len(rest))] == rest * 2


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({}, {"session.status"}),
        ({"events": "*"}, {"session.status"}),
        ({"events": ""}, {"session.status"}),
        ({"events": "contact.*"}, {name for name in LIDBOOK_EVENTS if name.startswith("contact.")}),
        ({"events": "lid.*"}, {"lid.mapped", "lid.resolved", "lid.superseded"}),
        ({"events": "group.*"}, {"group.refreshed"}),
        ({"events": "*,lid.resolved"}, {"session.status", "lid.resolved"}),
        ({"events": ["lid.mapped", "contact.created, contact.deleted", "message"]},
         {"lid.mapped", "contact.created", "contact.deleted"}),
        ({"events": "no.such.event,group.refreshed,session.*"}, {"group.refreshed"}),
    ],
)  # fmt: skip
async def test_events_are_a_list_repeated_or_with_commas(shared: Served, asked: dict[str, Any], sent: set[str]) -> None:
    async with opened(shared.url, **asked) as client:
        await commit(shared, [*ChangeKind, *ChangeKind])
        expected = [kind.value for kind in ChangeKind if kind.value in sent] * 2
        assert [(await event(client))["event"] for _ in expected] == expected


async def test_names_that_mean_nothing_ask_for_nothing(tmp_path: Path) -> None:
    async with serve(tmp_path) as served, opened(served.url, events=OURS) as witness:
        client = await connected(served.url, events="nothing,at.all,session.*")
        await commit(served, [*ChangeKind])
        await event(witness)
    assert await frames(client) == []


async def test_without_a_session_all_of_them_are_heard_and_with_one_only_that(served: Served) -> None:
    await served.session("other")
    async with opened(served.url, events="lid.*") as every, opened(served.url, session="other", events="lid.*") as one:
        await commit(served, [ChangeKind.LID_MAPPED], "default")
        await commit(served, [ChangeKind.LID_RESOLVED], "other")
        heard = {(e["session"], e["event"]) for e in [await event(every), await event(every)]}
        assert heard == {("default", "lid.mapped"), ("other", "lid.resolved")}
        assert (await event(one))["session"] == "other"


@pytest.mark.parametrize("asked", [{}, {"session": "later"}])
async def test_a_session_that_is_made_later_is_heard_from_its_beginning(served: Served, asked: dict[str, str]) -> None:
    async with opened(served.url, **asked) as client:
        await served.session("later")
        events = [await event(client) for _ in range(2)]
    assert [(e["session"], e["payload"]["status"]) for e in events] == [("later", "STARTING"), ("later", "WORKING")]
    assert events[0]["payload"]["seq"] == 1


async def test_a_deleted_session_falls_silent_and_another_of_its_name_begins_anew(served: Served) -> None:
    await served.session("gone")
    async with opened(served.url, events="lid.*") as client:
        await commit(served, [ChangeKind.LID_MAPPED], "gone")
        first = await event(client)
        await served.client.delete("/api/sessions/gone")
        await served.session("gone")
        [change] = await commit(served, [ChangeKind.LID_RESOLVED], "gone")
        heard = [await event(client)]
        while heard[-1]["event"] != "lid.resolved":
            heard.append(await event(client))
    numbers = [e["payload"]["seq"] for e in heard]
    assert numbers == sorted(numbers)
    assert numbers[0] < first["payload"]["seq"]
    assert numbers[-1] == change.seq


async def test_numbers_go_on_after_a_reset(served: Served) -> None:
    async with opened(served.url, events="*,lid.*", session="default") as client:
        [before] = await commit(served, [ChangeKind.LID_MAPPED])
        assert (await event(client))["payload"]["seq"] == before.seq
        assert (await served.client.post("/api/sessions/default/reset")).status_code == 201
        numbers = []
        while (e := await event(client))["payload"].get("status") != "WORKING":
            numbers.append(e["payload"]["seq"])
    assert numbers == sorted(numbers)
    assert numbers[0] > before.seq


# who is let in


@pytest.mark.parametrize("headers", [{}, {"X-Api-Key": "wrong"}, {"X-Api-Key": ""}])
async def test_without_a_good_key_it_is_closed_after_the_handshake(locked: Served, headers: dict[str, str]) -> None:
    async with opened(locked.url, headers=headers) as client:
        assert await closed(client) == (1008, "Unauthorized")


@pytest.mark.parametrize("name", ["x-api-key", "X-Api-Key", "X-API-KEY"])
async def test_the_key_is_taken_from_the_query_in_any_case(locked: Served, name: str) -> None:
    async with opened(locked.url, events="lid.*", **{name: KEY}) as client:
        await commit(locked, [ChangeKind.LID_MAPPED])
        assert (await event(client))["event"] == "lid.mapped"


async def test_a_sessions_key_hears_its_session_alone(locked: Served) -> None:
    made = await key(locked, "other")
    asked = {"x-api-key": made["key"], "events": "lid.*"}
    async with opened(locked.url, **asked) as narrowed, opened(locked.url, session="other", **asked) as named:
        for session in ("default", "other"):
            await commit(locked, [ChangeKind.LID_MAPPED], session)
        assert (await event(narrowed))["session"] == "other"
        assert (await event(named))["session"] == "other"


@pytest.mark.parametrize("session", ["default", "nobody"])
async def test_a_sessions_key_may_not_name_another_session(locked: Served, session: str) -> None:
    made = await key(locked, "other")
    async with opened(locked.url, session=session, **{"x-api-key": made["key"]}) as client:
        assert await closed(client) == (1008, "Forbidden")


async def test_a_key_without_reading_hears_nothing(locked: Served) -> None:
    made = await key(locked, "other", read=False)
    async with opened(locked.url, **{"x-api-key": made["key"]}) as client:
        assert await closed(client) == (1008, "Forbidden")


async def test_a_key_that_is_deleted_hears_nothing_more(locked: Served) -> None:
    made = await key(locked, "other")
    async with opened(locked.url, events="lid.*", **{"x-api-key": made["key"]}) as client:
        await commit(locked, [ChangeKind.LID_MAPPED], "other")
        await event(client)
        await locked.client.delete(f"/api/keys/{made['id']}", headers={"X-Api-Key": KEY})
        await commit(locked, [ChangeKind.LID_MAPPED], "other")
        assert await closed(client) == (1008, "Unauthorized")


async def test_a_silent_connections_key_is_looked_at_as_well(tmp_path: Path) -> None:
    settings = ServerSettings.model_construct(api_key=SecretStr(KEY), ws_ping_seconds=0.5)
    async with serve(tmp_path, settings=settings) as served:
        made = await key(served, "default")
        async with opened(served.url, **{"x-api-key": made["key"]}) as client:
            await served.client.delete(f"/api/keys/{made['id']}", headers={"X-Api-Key": KEY})
            assert await closed(client) == (1008, "Unauthorized")


async def test_a_sessions_key_ends_with_its_session_whatever_is_called_so_later(locked: Served) -> None:
    await locked.session("brief")
    made = await key(locked, "brief")
    client = await connected(locked.url, **{"x-api-key": made["key"]})
    await locked.client.delete("/api/sessions/brief", headers={"X-Api-Key": KEY})
    await locked.session("brief")
    told = [orjson.loads(frame)["payload"]["status"] for frame in await frames(client)]
    assert told in ([], ["STOPPED"])
    assert await closed(client) == (1008, "Unauthorized")


async def test_a_page_of_another_origin_hears_nothing_of_a_server_without_a_key(served: Served) -> None:
    async with opened(served.url, headers={"Origin": "http://evil.example"}) as client:
        assert await closed(client) == (1008, "Forbidden")


async def test_more_than_the_setting_allows_are_told_to_come_back(tmp_path: Path) -> None:
    async with serve(tmp_path, settings=ServerSettings.model_construct(ws_connections=1)) as served:
        async with opened(served.url), opened(served.url) as second:
            code, reason = await closed(second)
            assert (code, reason.partition(":")[0]) == (1013, "too many connections, LIDBOOK_WS_CONNECTIONS is 1")
        await nobody_left(served)
        async with opened(served.url) as third:
            await commit(served, [ChangeKind.SESSION_STATUS])
            await event(third)


async def test_the_key_is_not_logged(
    locked: Served, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level("DEBUG"):
        async with opened(locked.url, **{"x-api-key": KEY}):
            pass
    written = "".join(capsys.readouterr())
    ours = [record for record in caplog.records if not record.name.startswith("websockets.client")]
    assert all(KEY not in record.getMessage() for record in ours)
    assert KEY not in written


# from where on


async def test_since_replays_what_was_missed_with_the_same_ids_after_a_restart(tmp_path: Path) -> None:
    async with serve(tmp_path) as served, opened(served.url, events="contact.*", session="default") as client:
        await meet(served, 30)
        before = [await text(client) for _ in range(30)]
    async with serve(tmp_path) as served:
        known = orjson.loads(before[9])["payload"]["seq"]
        async with opened(served.url, events="contact.*", session="default", since=known) as client:
            after = [await text(client) for _ in range(20)]
            await commit(served, [ChangeKind.CONTACT_UPDATED])
            assert (await event(client))["event"] == "contact.updated"
    assert [orjson.loads(frame)["id"] for frame in after] == [orjson.loads(frame)["id"] for frame in before[10:]]


async def test_since_nothing_replays_the_whole_log(served: Served) -> None:
    session = served.lidbook.sessions.get("default")
    changes = session.changes.after(0, 1000)
    assert changes
    async with opened(served.url, events=f"*,{OURS}", session="default", since=0) as client:
        assert [(await event(client))["payload"]["seq"] for _ in changes] == [change.seq for change in changes]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"since": 1}, "since counts in one session's log: name it as well, as session=default"),
        ({"since": 1, "session": "*"}, "since counts in one session's log: name it as well, as session=default"),
        ({"since": "x", "session": "default"}, "since must be a whole number"),
        ({"since": "-1", "session": "default"}, "since must be a whole number"),
        ({"since": "", "session": "default"}, "since must be a whole number"),
        ({"since": "9" * 19, "session": "default"}, "since must be a whole number"),
        ({"since": [1, 2], "session": "default"}, "since must be a whole number"),
        ({"since": 10**6, "session": "default"}, "since is ahead of the log, whose newest is "),
        ({"since": 1, "session": "nobody"}, "since is ahead of the log, whose newest is 0: "),
        ({"session": ["default", "other"]}, "session may be given once"),
    ],
)
async def test_what_cannot_be_replayed_is_refused(shared: Served, asked: dict[str, Any], reason: str) -> None:
    async with opened(shared.url, **asked) as client:
        code, said = await closed(client)
    assert code == 1008
    assert said.startswith(reason)


async def test_since_before_what_is_kept_is_refused_with_the_oldest_number(served: Served) -> None:
    session = served.lidbook.sessions.get("default")
    await forget(served)
    pruned = session.changes.pruned()
    [kept] = await commit(served, [ChangeKind.LID_MAPPED])
    async with opened(served.url, session="default", since=pruned - 1) as client:
        assert await closed(client) == (1008, f"since is pruned, oldest is {kept.seq}: read the contacts anew")
    async with opened(served.url, session="default", since=pruned, events="lid.*") as client:
        assert (await event(client))["payload"]["seq"] == kept.seq


# slow, rude and leaving clients


async def test_one_that_never_reads_delays_nobody_and_piles_nothing_up(served: Served) -> None:
    people = 12_000
    async with ByHand.opened(served.url, events="contact.*") as stuck:
        async with opened(served.url, events="contact.*") as reading:
            await meet(served, people)
            numbers = [(await event(reading))["payload"]["seq"] for _ in range(people)]
        assert numbers == list(range(numbers[0], numbers[0] + people))
        assert await gauge(served, "lidbook_websocket_lag_events") > people / 2
        read = [orjson.loads((await stuck.frame())[1])["payload"]["seq"] for _ in range(people)]
        assert read == numbers


async def test_one_that_the_logs_retention_overtakes_is_told_so(served: Served) -> None:
    async with ByHand.opened(served.url, events="contact.*") as stuck:
        await meet(served, 12_000)
        await stuck.frame()
        await forget(served)
        await commit(served, [ChangeKind.LID_MAPPED])
        frames = 0
        while (frame := await stuck.frame())[0] == TEXT:
            frames += 1
    assert frame[0] == CLOSE
    assert int.from_bytes(frame[1][:2]) == 1013
    assert frame[1][2:].startswith(b"too slow")
    assert frames < 12_000


async def test_one_that_answers_no_ping_is_dropped_and_one_that_does_is_kept(impatient: Served) -> None:
    async with opened(impatient.url, events="lid.*") as polite, ByHand.opened(impatient.url) as rude:
        async with ByHand.opened(impatient.url) as answering:
            for _ in range(3):
                opcode, payload = await answering.frame()
                assert opcode == PING
                answering.send(PONG, payload)
        assert (await rude.frame())[0] == PING
        opcode, payload = await rude.frame()
        assert (opcode, int.from_bytes(payload[:2])) == (CLOSE, 1011)
        await commit(impatient, [ChangeKind.LID_MAPPED])
        assert (await event(polite))["event"] == "lid.mapped"


async def test_one_that_neither_reads_nor_answers_pings_does_not_stay(impatient: Served) -> None:
    async with ByHand.opened(impatient.url, events="contact.*"):
        await meet(impatient, 5000)
        await nobody_left(impatient)


async def test_what_a_client_says_is_ignored(served: Served) -> None:
    async with opened(served.url, events="lid.*") as client:
        await client.send("hello")
        await client.send(b"\x00\xff")
        await commit(served, [ChangeKind.LID_MAPPED])
        assert (await event(client))["event"] == "lid.mapped"


async def test_a_message_may_not_be_long(served: Served) -> None:
    async with opened(served.url) as client:
        await client.send("x" * (64 * 1024 + 1))
        assert (await closed(client))[0] == 1009


async def test_one_that_pings_without_reading_the_answers_is_cut_off(served: Served) -> None:
    async with ByHand.opened(served.url) as flooding:
        with pytest.raises(ConnectionError):
            await flooding.repeat(PING, b"x" * 125, times=1_000_000)


async def test_a_message_in_endless_pieces_is_cut_off(served: Served) -> None:
    async with ByHand.opened(served.url) as client:
        client.send(TEXT, b"", final=False)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.repeat(CONTINUATION, b"", times=1000)


async def test_nothing_is_compressed(served: Served) -> None:
    async with ByHand.opened(served.url) as client:
        assert client.head.startswith(b"HTTP/1.1 101")
        assert b"permessage-deflate" not in client.head


async def test_a_server_that_stops_says_so_and_is_not_held_up(tmp_path: Path) -> None:
    async with serve(tmp_path) as served:
        client = await connected(served.url)
        async with AsyncExitStack() as stack:
            stuck = await stack.enter_async_context(ByHand.opened(served.url, events="contact.*"))
            await meet(served, 12_000)
            await stuck.frame()
            left = stack.pop_all()
    async with left:
        assert await closed(client) == (1012, "")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await stuck.read_on()


def test_its_limits_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (ServerSettings().ws_connections, ServerSettings().ws_ping_seconds) == (1000, 60)
    monkeypatch.setenv("LIDBOOK_WS_CONNECTIONS", "5")
    monkeypatch.setenv("LIDBOOK_WS_PING_SECONDS", "7.5")
    assert (ServerSettings().ws_connections, ServerSettings().ws_ping_seconds) == (5, 7.5)


# the documentation


async def test_the_example_in_the_docs_goes_on_where_it_was_with_another_server(tmp_path: Path) -> None:
    example: dict[str, Any] = {"__name__": "example"}
    exec("\n".join(re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)), example)  # noqa: S102
    settings = ServerSettings.model_construct(api_key=SecretStr(KEY))
    async with Relay.opened() as relay, asyncio.timeout(PATIENCE):
        async with serve(tmp_path, settings=settings) as served:
            relay.leads_to(served.url)
            events = example["events"](example["URL"].replace("localhost:3000", relay.host), KEY)
            waiting = asyncio.create_task(anext(events))
            await somebody_there(served)
            await meet(served, 1)
            got = [await waiting]
            missing = asyncio.create_task(anext(events))
        async with serve(tmp_path, settings=settings) as served:
            relay.leads_to(served.url)
            got += [await missing, await anext(events), await anext(events)]
            await events.aclose()
    assert [e["payload"].get("status") for e in got] == [None, "STOPPED", "STARTING", "WORKING"]
    assert len({e["id"] for e in got}) == 4


async def test_a_reason_in_the_docs_is_one_that_is_given(served: Served) -> None:
    session = served.lidbook.sessions.get("default")
    await forget(served)
    for since, number in ((0, session.changes.pruned() + 1), (10**6, session.changes.head())):
        async with opened(served.url, session="default", since=since) as client:
            _, reason = await closed(client)
        assert f"`{reason.replace(str(number), 'N')}`" in DOCUMENT
