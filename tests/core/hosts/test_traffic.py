"""What a host says: facts are acknowledged one after the other, and nobody waits for another session's."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.hosts.conftest import Opening
from core.hosts.misbehaving import facts
from core.hosts.stand_in import QUICK, Kept, StandIn, Studio
from lidbook.capabilities import Feed
from lidbook.engine import Network
from lidbook.errors import EngineDisconnected, LidbookError, LoggedOut, StorageFailed
from lidbook.facts import Field, FieldFact
from lidbook.hosts import HostedSettings
from lidbook.hosts.output import Output
from lidbook.hosts.tenant import Tenant
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.values import AboutAnswer, Person, SessionStatus, StatusReason

ADA = Person(PhoneNumber("15550199"), Lid("9199"))


async def test_facts_are_fed_batch_by_batch(studio: Studio) -> None:
    opened = await studio.working(1, "work", "feed")
    await studio.until(lambda: len(opened.written("acked")) >= 3)

    fed = [fact for batch in opened.context.batches for fact in batch]
    assert all(isinstance(fact, FieldFact) and fact.field is Field.FULL_NAME for fact in fed)
    assert opened.written("acked")[:3] == [0, 1, 2]
    assert len(opened.context.batches[0]) == 50


async def test_a_session_whose_facts_wait_holds_up_no_other(studio: Studio) -> None:
    blocked = studio.open(1, "work", "feed")
    blocked.context.gate.clear()
    await blocked.session.start()
    other = await studio.working(2, "work", "feed")
    await studio.until(lambda: len(other.context.batches) >= 5)

    assert blocked.context.batches == []
    assert await other.session.about([ADA]) == [AboutAnswer(ADA, "Busy")]
    assert await blocked.session.about([ADA]) == [AboutAnswer(ADA, "Busy")]
    assert await blocked.session.pairing_code(PhoneNumber("15550101")) == "ABCD-EFGH"
    blocked.context.gate.set()
    await studio.until(lambda: len(blocked.context.batches) >= 3)


async def test_a_sync_does_not_overtake_the_facts_that_were_sent_before_it(tmp_path: Path, anyio_backend: str) -> None:
    context = StandIn(tmp_path, "shop", HostedSettings(), lambda: None)
    fed_when_complete: list[int] = []

    async def sync(feed: Feed, **_: object) -> None:
        fed_when_complete.append(sum(map(len, context.batches)))

    context.sync = sync  # type: ignore[method-assign]
    tenant = Tenant(context, dict)
    feeding = asyncio.create_task(tenant.asked("facts", {"facts": [fact for n in range(60) for fact in facts(n)]}))
    complete = asyncio.create_task(tenant.asked("sync", {"feed": "contacts", "complete": True}))
    await asyncio.gather(feeding, complete)

    assert fed_when_complete == [3000]


async def test_a_session_is_stopped_while_its_facts_wait(studio: Studio) -> None:
    opened = studio.open(1, "work", "feed")
    opened.context.gate.clear()
    await opened.session.start()
    await studio.until(lambda: opened.context.is_working)
    await opened.session.stop()

    opened.context.gate.set()
    again = await studio.working(1, "work", "feed")
    await studio.until(lambda: len(again.context.batches) >= 2)
    assert opened.context.batches == []


async def test_a_host_that_waits_for_the_disk_is_not_killed_for_it(studio: Studio) -> None:
    other = await studio.working(2)
    opened = studio.open(1, "work", "feed", answers={"session.stop": "once fed"})
    opened.context.gate.clear()
    await opened.session.start()
    await studio.until(lambda: opened.context.is_working)
    await opened.session.stop()

    assert other.context.statuses == [(SessionStatus.WORKING, None)]
    assert opened.context.batches == []


async def test_more_than_one_facts_request_at_a_time_is_refused(studio: Studio) -> None:
    opened = studio.open(1, "work", "flood")
    opened.context.gate.clear()
    await opened.session.start()
    await studio.until(lambda: len(opened.written("flooded")) >= 99)
    opened.context.gate.set()
    await studio.until(lambda: len(opened.written("flooded")) == 100)

    answers = opened.written("flooded")
    assert [answer["error"]["data"]["code"] for answer in answers if "error" in answer] == ["invalid"] * 99
    assert len(opened.context.batches) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LoggedOut("another account's"), "logged_out"),
        (StorageFailed("the disk is full"), "storage_failed"),
        (EngineDisconnected("over"), "engine_disconnected"),
        (ValueError("report WORKING first"), "invalid"),
    ],
)
async def test_facts_that_the_core_refuses_are_refused(error: Exception, code: str, studio: Studio) -> None:
    opened = studio.open(1, "work", "flood")
    opened.context.refusal = error
    await opened.session.start()
    await studio.until(lambda: len(opened.written("flooded")) == 100)

    first = opened.written("flooded")[0]["error"]
    message = error.message if isinstance(error, LidbookError) else str(error)
    assert first in (
        {"code": -32000, "message": message, "data": {"code": code}},
        {"code": -32000, "message": "one facts request of a session at a time", "data": {"code": "invalid"}},
    )
    assert any(answer["error"]["data"]["code"] == code for answer in opened.written("flooded"))


async def test_a_failure_of_the_core_is_not_the_hosts(studio: Studio) -> None:
    opened = studio.open(1, "feed early")
    opened.context.refusal = RuntimeError("a bug")
    await opened.session.start()
    await studio.until(lambda: bool(opened.written("early")))

    assert opened.written("early")[0]["error"]["code"] == -32603


async def test_a_fact_that_cannot_be_is_named(studio: Studio) -> None:
    opened = await studio.working(1, "work", "feed nonsense")
    await studio.until(lambda: bool(opened.written("nonsense")))

    assert opened.written("nonsense")[0]["error"] == {
        "code": -32602,
        "message": "facts[50]: user must be <digits>@c.us or <digits>@lid",
    }
    assert opened.context.batches == []


async def test_a_status_that_cannot_be_ends_the_session(studio: Studio) -> None:
    opened = await studio.start(1, "invent")
    await studio.until(lambda: bool(opened.context.statuses))

    assert opened.context.status_now == (SessionStatus.FAILED, StatusReason.CRASHED)
    (detail,) = opened.context.details
    assert detail is not None
    assert detail.startswith("its host sent a status that cannot be: status must be one of STARTING, SCAN_QR_CODE")


async def test_a_vault_and_a_sync_belong_to_the_session(studio: Studio) -> None:
    opened = studio.open(1, "work", "vault")
    opened.context.kept.blobs["old"] = b"x"
    await opened.session.start()
    await studio.until(lambda: bool(opened.written("vault")))

    (answers,) = opened.written("vault")
    assert [answer.get("result") for answer in answers] == [{}, {"value": "AAEC"}, {"value": None}, None, {}]
    assert answers[3]["error"]["message"] == "blobs.creds must be base64"
    assert opened.context.kept.blobs == {"creds": b"\x00\x01\x02"}
    assert opened.context.synced == {Feed.LIDS, Feed.CONTACTS}


async def test_what_a_host_prints_disturbs_nobody(studio: Studio) -> None:
    opened = await studio.working(1, "print", "chatter", "work")

    assert await opened.session.about([ADA]) == [AboutAnswer(ADA, "Busy")]
    assert opened.context.statuses == [(SessionStatus.WORKING, None)]


async def test_what_a_host_logs_is_logged_for_its_session(studio: Studio) -> None:
    opened = await studio.working(1, "log", "work")

    assert opened.context.kept.said("look here") == [{"host_event": 1, "count": 2}]


async def test_a_host_sees_nothing_of_the_servers_environment(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIDBOOK_API_KEY", "key_secret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    with capture_logs() as logged:
        async with opening(environment={"HOST_HELLO": "env", "OWN": "1"}) as studio:
            opened = studio.open(1)
            there = Network("ws://127.0.0.1:1/ws", "http://127.0.0.1:1", b"\x01\xff", "http://127.0.0.1:2", "secret")
            opened.context.network = there
            await opened.session.start()
    environment, hello = json.loads(next(entry["library"] for entry in logged if "library" in entry))

    assert set(environment) <= {"PATH", "HOME", "LANG", "TMPDIR", "HOST_HELLO", "OWN", "LIDBOOK_HOST_FD", "LC_CTYPE"}
    assert environment["LANG"] == "C.UTF-8"
    assert environment["PATH"] == os.environ["PATH"]
    assert hello == {
        "protocol": 1,
        "engine": "misbehaving",
        "network": {
            "websocket": "ws://127.0.0.1:1/ws",
            "web_page": "http://127.0.0.1:1",
            "root_key": "01ff",
            "control_url": "http://127.0.0.1:2",
        },
        "log_level": "info",
    }


async def test_sessions_of_another_network_have_another_host(studio: Studio) -> None:
    here, there = await studio.working(1), studio.open(2)
    there.context.network = Network("ws://127.0.0.1:1/ws", "http://127.0.0.1:1", b"\x01", "http://127.0.0.1:2", "t")
    await there.session.start()

    assert studio.host_of(here) != studio.host_of(there)


class Printed:
    """The streams of a host, with a clock and a log."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log = Kept()
        self.output = Output(self.log, lambda: self.now)
        self.stderr = self.output.stream("stderr")

    def print(self, *parts: bytes) -> None:
        assert isinstance(self.stderr, asyncio.Protocol)
        for part in parts:
            self.stderr.data_received(part)

    @property
    def lines(self) -> list[object]:
        return [values["line"] for values in self.log.said("the host printed")]


def test_lines_are_put_together_and_the_longest_cut() -> None:
    printed = Printed()
    printed.print(b"one\ntw", b"o\r\n\n", b"x" * 1500, b"x" * 1500 + b"\n", b"\xff\xfe", b"")
    printed.stderr.connection_lost(None)

    assert printed.lines == ["one", "two", "x" * 2000 + " … and 1000 bytes more", "\\xff\\xfe"]


def test_a_host_that_prints_without_end_is_not_logged_without_end() -> None:
    printed = Printed()
    printed.print(b"again\n" * 5000)
    assert len(printed.lines) == 50
    printed.now = 1.5
    printed.print(b"later\n")

    assert printed.lines[50:] == ["later"]
    assert printed.log.said("the host said more than is logged") == [{"dropped": 4950}]
    assert len(printed.output.report) == 200


@pytest.mark.parametrize(
    ("printed", "telling"),
    [
        (b"", None),
        (b"starting\nlast words\n\n", "last words"),
        (b"panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:3\n", "panic: boom"),
        (
            b"/x.js:1\nTypeError: x is not a function\n    at f (x.js:1)\n\nNode.js v24.1.0\n",
            "TypeError: x is not a function",
        ),
        (b"Traceback (most recent call last):\n  File x\nKeyError: 'a'\n", "KeyError: 'a'"),
        (b"panic: no contact 4915123456789@c.us\n", "panic: no contact 491…789@c.us"),
    ],
)
def test_the_telling_line_is_found(printed: bytes, telling: str | None) -> None:
    streams = Printed()
    streams.print(printed)

    assert streams.output.telling == telling


def test_of_a_long_dump_the_beginning_is_kept_as_well() -> None:
    printed = Printed()
    printed.print(b"before\npanic: boom\n" + b"".join(b"goroutine %d\n" % number for number in range(5000)))

    assert printed.output.telling == "panic: boom"
    report = printed.output.report
    assert report[:2] == ("panic: boom", "goroutine 0")
    assert report[59:62] == ("goroutine 58", "… 4741 lines …", "goroutine 4800")
    assert report[-1] == "goroutine 4999"
    assert len(report) == 261


@pytest.mark.parametrize("lines", [198, 199, 200, 201, 258, 259, 260, 261])
def test_a_report_has_no_line_twice_and_none_is_missing_unsaid(lines: int) -> None:
    printed = Printed()
    printed.print(b"panic: boom\n" + b"".join(b"%d\n" % number for number in range(lines)))
    report = printed.output.report
    left_out = [line for line in report if "lines …" in line]

    assert len(set(report)) == len(report)
    said = int(left_out[0].split()[1]) if left_out else 0
    assert len(report) - len(left_out) + said == lines + 1


def test_what_went_wrong_long_ago_is_not_why_a_host_fell() -> None:
    printed = Printed()
    printed.print(b"OldError: long ago\n" + b"fine\n" * 300)
    printed.now = 60.0
    printed.print(b"last words\n")

    assert printed.output.telling == "last words"
    assert set(printed.output.report) == {"fine", "last words"}


async def test_a_feeding_host_that_falls_feeds_again(opening: Opening) -> None:
    async with opening(timings=QUICK) as studio:
        opened = await studio.working(1, "work", "feed")
        await studio.until(lambda: len(opened.written("acked")) >= 3)
        opened.context.gate.clear()
        fed = len(opened.context.batches)
        os.kill(studio.host_of(opened), 9)
        await studio.until(
            lambda: (
                opened.context.statuses[1:]
                == [(SessionStatus.STARTING, StatusReason.CRASHED), (SessionStatus.WORKING, None)]
            )
        )
        opened.context.gate.set()
        await studio.until(lambda: len(opened.context.batches) >= fed + 4)

        assert opened.written("acked") == list(range(len(opened.written("acked"))))
