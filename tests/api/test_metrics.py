"""Metrics: what is counted, who may see it, and what must never be in it."""

import asyncio
import re
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from lidbook import __version__
from lidbook.capabilities import Capability
from lidbook.session_config import SessionConfig
from lidbook.world.conditions import Kind as Trouble
from lidbook_api.metrics.catalogue import METRICS, Kind, Metric
from lidbook_api.metrics.meter import Meter
from lidbook_api.metrics.scrape import Metrics
from lidbook_api.services import Services
from lidbook_api.settings import ServerSettings

from .served import PoorEngine, Served, serve
from .sockets import closed, opened

KEY = "6c35dcbf31914c65a90f29e2ca1840d2"
ADMIN = {"X-Api-Key": KEY}
JOHN = "11231231231"
DOCUMENT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")


class Scrape:
    """One scrape, read by Prometheus' own parser."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = list(text_string_to_metric_families(text))
        self._samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """The value of one sample; 0 when there is none."""
        return self._samples.get((name, frozenset(labels.items())), 0.0)

    def labels(self, name: str) -> list[dict[str, str]]:
        """Labels of every sample of a name."""
        return [dict(labels) for known, labels in self._samples if known == name]


@dataclass(frozen=True, slots=True)
class Lane:
    """A webhook, as far as it is counted."""

    session: str
    host: str
    waiting: int
    sent: int
    failed: int


async def scrape(served: Served) -> Scrape:
    """What the server says now."""
    answer = await served.client.get("/metrics", headers=ADMIN)
    assert answer.status_code == 200, answer.text
    return Scrape(answer.text)


@pytest.fixture
async def locked(tmp_path: Path) -> AsyncIterator[Served]:
    """A server with a key."""
    async with serve(tmp_path / "data", settings=ServerSettings.model_construct(api_key=SecretStr(KEY))) as served:
        yield served


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that waits for its end."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def ended() -> "subprocess.Popen[bytes]":
    """A process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(10)
    return process


# who may see it


async def test_it_needs_an_admins_key(locked: Served) -> None:
    made = (await locked.client.post("/api/keys", json={"session": "default"}, headers=ADMIN)).json()
    answers = {
        None: await locked.client.get("/metrics"),
        "wrong": await locked.client.get("/metrics", headers={"X-Api-Key": "wrong"}),
        "session": await locked.client.get("/metrics", headers={"X-Api-Key": made["key"]}),
        "admin": await locked.client.get("/metrics", headers=ADMIN),
    }
    assert [answer.status_code for answer in answers.values()] == [401, 401, 403, 200]


async def test_it_is_plain_text_that_nobody_keeps(served: Served) -> None:
    answer = await served.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_setting_opens_it_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIDBOOK_METRICS_OPEN", "true")
    monkeypatch.setenv("LIDBOOK_API_KEY", KEY)
    async with serve(tmp_path, settings=ServerSettings()) as served:
        assert (await served.client.get("/metrics")).status_code == 200
        assert (await served.client.get("/api/sessions")).status_code == 401
        assert (await served.client.get("/health")).status_code == 401


# what there is


async def test_everything_is_exported_as_the_catalogue_says_and_nothing_else(served: Served) -> None:
    families = (await scrape(served)).families
    exported = [(f.name + ("_total" if f.type == "counter" else ""), f.type, f.documentation) for f in families]
    assert exported == [(metric.name, metric.kind.value, metric.help) for metric in METRICS]
    labels = {metric.name: set(metric.labels) for metric in METRICS}
    for family in families:
        for sample in family.samples:
            name = family.name if family.type == "histogram" else sample.name
            assert set(sample.labels) - {"le"} == labels[name]


def test_the_table_in_the_docs_is_the_catalogue() -> None:
    rows = re.findall(r"^\| `(lidbook_\w+)` \| (\w+) \| (.*?) \| (.+) \|$", DOCUMENT, re.MULTILINE)
    assert rows == [
        (metric.name, metric.kind.value, ", ".join(f"`{label}`" for label in metric.labels), metric.help)
        for metric in METRICS
    ]


def test_the_alerts_in_the_docs_use_metrics_and_labels_that_exist() -> None:
    rules = "\n".join(re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL))
    known = {metric.name: set(metric.labels) for metric in METRICS}
    known |= {f"{m.name}_{end}": {*m.labels, "le"} for m in METRICS for end in ("bucket", "sum", "count")}
    used = re.findall(r"(lidbook_\w+)(?:\{([^}]*)\})?", rules)
    assert rules.count("- alert:") == 5
    assert {name for name, _ in used} <= set(known)
    for name, selector in used:
        assert set(re.findall(r"(\w+)[!=]", selector)) <= known[name]


@pytest.mark.parametrize("metric", METRICS, ids=[metric.name for metric in METRICS])
def test_a_name_says_its_kind_and_its_unit(metric: Metric) -> None:
    assert metric.name.startswith("lidbook_")
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert metric.kind is not Kind.HISTOGRAM or metric.name.endswith("_seconds")
    assert metric.help.endswith(".")


# what moves


async def test_sessions_are_counted_by_status(served: Served) -> None:
    before = await scrape(served)
    assert before.value("lidbook_build_info", version=__version__) == 1
    assert before.value("lidbook_session_status", session="default", engine="sandbox", status="WORKING") == 1
    assert before.value("lidbook_sessions", engine="sandbox", status="WORKING") == 1
    assert before.value("lidbook_sessions", engine="sandbox", status="FAILED") == 0
    await served.client.post("/api/sessions/default/stop")
    after = await scrape(served)
    assert after.labels("lidbook_session_status") == [{"session": "default", "engine": "sandbox", "status": "STOPPED"}]
    assert after.value("lidbook_sessions", engine="sandbox", status="WORKING") == 0
    assert after.value("lidbook_sessions", engine="sandbox", status="STOPPED") == 1
    assert after.value("lidbook_log_entries_total", session="default") == (
        before.value("lidbook_log_entries_total", session="default") + 1
    )


async def test_facts_are_counted_until_their_session_is_deleted(served: Served) -> None:
    assert (await scrape(served)).value("lidbook_facts_total", session="default", engine="sandbox") > 0
    await served.session("brief")
    fed = (await scrape(served)).value("lidbook_facts_total", session="brief", engine="sandbox")
    assert fed == (await scrape(served)).value("lidbook_facts_total", session="default", engine="sandbox")
    await served.client.delete("/api/sessions/brief")
    assert {"session": "brief", "engine": "sandbox"} not in (await scrape(served)).labels("lidbook_facts_total")


async def test_live_calls_are_timed_and_their_errors_told_apart(served: Served) -> None:
    check = f"/api/contacts/check-exists?phone={JOHN}&session=default&refresh=true"
    about = f"/api/contacts/about?contactId={JOHN}&session=default&refresh=true"
    assert (await served.client.get(check)).status_code == 200
    served.make(Trouble.RATE_LIMIT, Capability.CONTACTS_CHECK)
    served.make(Trouble.TIMEOUT, Capability.CONTACTS_ABOUT)
    assert (await served.client.get(check)).status_code == 429
    assert (await served.client.get(about)).status_code == 500
    told = await scrape(served)
    of_check = {"engine": "sandbox", "capability": "contacts.check"}
    of_about = {"engine": "sandbox", "capability": "contacts.about"}
    assert told.value("lidbook_live_call_seconds_count", **of_check) == 2
    assert told.value("lidbook_live_call_seconds_count", **of_about) == 1
    assert told.value("lidbook_live_call_seconds_sum", **of_about) >= 1
    assert told.value("lidbook_live_call_seconds_bucket", le="0.5", **of_about) == 0
    assert told.value("lidbook_live_call_seconds_bucket", le="+Inf", **of_about) == 1
    assert told.labels("lidbook_live_call_errors_total") == [
        {**of_check, "code": "rate_limited"},
        {**of_about, "code": "engine_timeout"},
    ]
    assert told.value("lidbook_budget_left_ratio", session="default", capability="contacts.check") == 0
    assert 0.9 < told.value("lidbook_budget_left_ratio", session="default", capability="contacts.about") <= 1
    assert len(told.labels("lidbook_budget_left_ratio")) == 2


async def test_requests_are_counted_by_the_template_of_their_path(served: Served) -> None:
    for method, path in (
        ("GET", "/api/default/contacts/11231231231@c.us"),
        ("GET", "/api/default/contacts/49151000@c.us"),
        ("HEAD", "/api/default/contacts/11231231231@c.us"),
        ("GET", "/api/nobody/contacts/11231231231@c.us"),
        ("GET", "/no/such/path"),
        ("PROPFIND", "/no/such/path"),
    ):
        await served.client.request(method, path)
    told = await scrape(served)
    route = "/api/{session}/contacts/{id}"
    name = "lidbook_http_requests_total"
    assert told.value(name, method="GET", route=route, status="200") == 2
    assert told.value(name, method="HEAD", route=route, status="200") == 1
    assert told.value(name, method="GET", route=route, status="422") == 1
    assert told.value(name, method="GET", route="unmatched", status="404") == 1
    assert told.value(name, method="OTHER", route="unmatched", status="404") == 1
    assert told.value("lidbook_http_request_seconds_count", route=route) == 4
    assert told.value("lidbook_http_request_seconds_bucket", route=route, le="+Inf") == 4
    assert told.value("lidbook_http_request_seconds_sum", route=route) > 0


async def test_a_dump_is_counted_when_it_is_over(served: Served) -> None:
    assert (await served.client.get("/api/contacts/all?session=default")).status_code == 200
    told = await scrape(served)
    assert told.value("lidbook_http_requests_total", method="GET", route="/api/contacts/all", status="200") == 1


async def test_those_without_a_good_key_are_counted(locked: Served) -> None:
    before = (await scrape(locked)).value("lidbook_unauthorized_total")
    await locked.client.get("/api/sessions")
    await locked.client.get("/api/sessions", headers={"X-Api-Key": "wrong"})
    async with opened(locked.url) as client:
        assert await closed(client) == (1008, "Unauthorized")
    told = await scrape(locked)
    assert told.value("lidbook_unauthorized_total") == before + 3
    assert told.value("lidbook_http_requests_total", method="GET", route="unmatched", status="401") == 2


async def test_websockets_are_counted_while_they_are_open(served: Served) -> None:
    assert (await scrape(served)).value("lidbook_websocket_connections") == 0
    async with opened(served.url), opened(served.url):
        told = await scrape(served)
        assert told.value("lidbook_websocket_connections") == 2
        assert told.value("lidbook_websocket_lag_events") == 0


async def test_webhooks_are_counted_by_session_and_host(served: Served) -> None:
    services = served.app.state.services
    assert isinstance(services, Services)
    lanes = [
        Lane("default", "a.example", 5, 10, 1),
        Lane("default", "a.example", 1, 2, 3),
        Lane("default", "b.example", 0, 7, 0),
    ]
    metrics = Metrics(served.lidbook, Meter(), services.audit, services.sockets, lambda: lanes)
    told = Scrape((await metrics.text()).decode())
    a, b = {"session": "default", "host": "a.example"}, {"session": "default", "host": "b.example"}
    assert [told.value("lidbook_webhook_backlog_events", **labels) for labels in (a, b)] == [6, 0]
    assert [told.value("lidbook_webhook_sent_total", **labels) for labels in (a, b)] == [12, 7]
    assert [told.value("lidbook_webhook_failed_total", **labels) for labels in (a, b)] == [4, 0]


async def test_a_receiver_that_is_away_shows_as_failures_and_a_backlog(served: Served) -> None:
    with socket.socket() as nobody:  # bound, and never listening
        nobody.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{nobody.getsockname()[1]}"
        config = {"engine": "sandbox", "webhooks": [{"url": f"http://{host}/", "events": ["session.status"]}]}
        await served.lidbook.sessions.create("hooked", SessionConfig.parse(config))
        labels = {"session": "hooked", "host": host}
        async with asyncio.timeout(10):
            while not (told := await scrape(served)).value("lidbook_webhook_failed_total", **labels):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert told.value("lidbook_webhook_backlog_events", **labels) > 0
        assert told.value("lidbook_webhook_sent_total", **labels) == 0


async def test_waiting_writes_are_counted(served: Served) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        begun.set()
        go_on.wait(10)

    writes = [asyncio.create_task(served.lidbook.database.write(hold))]
    assert await asyncio.to_thread(begun.wait, 10)
    writes += [asyncio.create_task(served.lidbook.database.write(lambda _: None)) for _ in range(3)]
    told = await scrape(served)
    go_on.set()
    await asyncio.gather(*writes)
    assert told.value("lidbook_writer_queue_jobs") == 3
    assert (await scrape(served)).value("lidbook_writer_queue_jobs") == 0


async def test_the_servers_own_process_and_files_are_measured(served: Served) -> None:
    told = await scrape(served)
    assert told.value("lidbook_process_resident_bytes") > 10 * 1024 * 1024
    assert told.value("lidbook_process_cpu_seconds_total") > 0
    assert told.value("lidbook_process_open_fds") > 3
    assert told.value("lidbook_database_bytes") >= served.lidbook.database.path.stat().st_size
    assert told.labels("lidbook_host_resident_bytes") == []


async def test_an_engines_processes_are_measured_and_those_that_ended_are_left_out(
    served: Served, child: "subprocess.Popen[bytes]", ended: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PoorEngine, "processes", lambda _: {"first": child.pid, "second": ended.pid})
    await served.lidbook.sessions.create("poor", SessionConfig(engine="poor"))
    told = await scrape(served)
    assert told.labels("lidbook_host_resident_bytes") == [{"engine": "poor", "host": "first"}]
    assert told.value("lidbook_host_resident_bytes", engine="poor", host="first") > 1024 * 1024


async def test_an_engine_that_fails_to_name_its_processes_hides_nothing_else(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: PoorEngine) -> dict[str, int]:
        raise RuntimeError("lost them")

    monkeypatch.setattr(PoorEngine, "processes", fails)
    await served.lidbook.sessions.create("poor", SessionConfig(engine="poor"))
    assert (await scrape(served)).value("lidbook_sessions", engine="sandbox", status="WORKING") == 1
    assert "lost them" in "".join(capsys.readouterr())


async def test_neither_numbers_nor_keys_are_in_it(locked: Served) -> None:
    await locked.client.get(f"/api/default/contacts/{JOHN}@c.us", headers=ADMIN)
    await locked.client.get(f"/api/contacts/about?contactId={JOHN}&session=default&x-api-key={KEY}")
    await locked.client.get(f"/{JOHN}/{KEY}")
    await locked.client.get(f"/api/{KEY}/lids/{JOHN}", headers={"X-Api-Key": KEY[:-1]})
    await locked.client.get(f"/api/{JOHN}/lids", headers=ADMIN)
    text = (await scrape(locked)).text
    assert JOHN not in text
    assert KEY not in text
    assert not re.search(r"\"\d{7,}", text)
