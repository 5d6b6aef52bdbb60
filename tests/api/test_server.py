"""The server's own endpoints."""

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from lidbook import __version__, features
from lidbook.directory.database import Database
from lidbook.values import SessionStatus
from lidbook_api import health
from lidbook_api.health import WriteProbe
from lidbook_api.process_environment import shown
from lidbook_api.settings import ServerSettings

from .served import Served, serve

KEY = "6c35dcbf31914c65a90f29e2ca1840d2"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty one."""
    database = Database(tmp_path / "lidbook.sqlite3")
    yield database
    database.close()


@contextmanager
def stuck(database: Database) -> Iterator[None]:
    """Nothing is written meanwhile, as on a disk that does not answer."""
    go_on, begun = threading.Event(), threading.Event()

    def work(_: sqlite3.Connection) -> None:
        begun.set()
        go_on.wait(30)

    writing = asyncio.ensure_future(database.write(work))
    try:
        yield
    finally:
        go_on.set()
        writing.add_done_callback(lambda done: done.exception())


async def test_ping(reader: httpx.AsyncClient) -> None:
    response = await reader.get("/ping")
    assert (response.status_code, response.content) == (200, b'{"message":"pong"}')


@pytest.mark.parametrize("path", ["/api/server/version", "/api/version"])
async def test_version(reader: httpx.AsyncClient, path: str) -> None:
    version = (await reader.get(path)).json()
    assert list(version) == ["version", "engine", "tier", "browser", "platform", "worker"]
    assert (version["version"], version["engine"], version["worker"]) == (__version__, "sandbox", {"id": None})
    assert "/" in version["platform"]


async def test_uptime(reader: httpx.AsyncClient) -> None:
    status = (await reader.get("/api/server/status")).json()
    assert list(status) == ["startTimestamp", "uptime", "worker"]
    assert status["startTimestamp"] + status["uptime"] == pytest.approx(time.time() * 1000, abs=5_000)
    assert status["worker"] == {"id": None}


async def test_uptime_does_not_follow_a_clock_that_is_set_back(
    reader: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    assert 0 <= (await reader.get("/api/server/status")).json()["uptime"] < 3_600_000


async def test_the_workers_id_is_shown_wherever_wahas_is(tmp_path: Path) -> None:
    async with serve(tmp_path, settings=ServerSettings.model_construct(worker_id="worker-7")) as served:
        assert (await served.client.get("/api/server/version")).json()["worker"] == {"id": "worker-7"}
        assert (await served.client.get("/api/server/status")).json()["worker"] == {"id": "worker-7"}
        assert served.app.state.environment["worker"] == {"id": "worker-7"}


# health


async def test_health_tells_what_is_there(shared: Served) -> None:
    response = await shared.client.get("/health")
    body = response.json()
    assert list(body) == ["status", "info", "error", "details"]
    assert (response.status_code, body["status"], body["error"]) == (200, "ok", {})
    assert body["details"] == body["info"]
    assert set(body["info"]) == {"dataDir.space", "database", "sessions", "engines", "plugins"}
    assert body["info"]["dataDir.space"]["path"] == str(shared.lidbook.settings.data_dir)
    assert body["info"]["database"] == {"status": "up"}
    assert body["info"]["sessions"] == {"status": "up", "WORKING": 1}
    assert body["info"]["engines"] == {
        "status": "up",
        "usable": ["poor", "sandbox"],
        "notReady": {},
        "broken": {},
    }
    assert body["info"]["plugins"]["broken"] == {}


async def test_sessions_are_counted_by_status(served: Served) -> None:
    await served.lidbook.sessions.stop("default")
    await served.session("other")
    body = (await served.client.get("/health")).json()
    assert body["info"]["sessions"] == {"status": "up", "STOPPED": 1, "WORKING": 1}


async def test_a_full_disk_is_not_healthy(tmp_path: Path) -> None:
    async with serve(tmp_path, settings=ServerSettings.model_construct(health_free_mb=2**40)) as served:
        response = await served.client.get("/health")
    body = response.json()
    assert (response.status_code, body["status"]) == (503, "error")
    assert list(body["error"]) == ["dataDir.space"]
    assert body["error"]["dataDir.space"]["status"] == "down"
    assert body["error"]["dataDir.space"]["neededBytes"] == 2**60
    assert set(body["details"]) == {"dataDir.space", "database", "sessions", "engines", "plugins"}


async def test_a_data_dir_that_is_gone_is_not_healthy(served: Served, tmp_path: Path) -> None:
    served.lidbook.settings.data_dir.rename(tmp_path / "elsewhere")
    response = await served.client.get("/health")
    (tmp_path / "elsewhere").rename(served.lidbook.settings.data_dir)
    assert response.status_code == 503
    assert "No such file" in response.json()["error"]["dataDir.space"]["message"]


async def test_a_database_that_takes_no_writes_is_not_healthy(served: Served) -> None:
    writers: list[sqlite3.Connection] = []
    await served.lidbook.database.write(writers.append)
    writers[0].execute("PRAGMA query_only = 1")
    response = await served.client.get("/health")
    assert (response.status_code, response.json()["status"]) == (503, "error")
    assert "readonly" in response.json()["error"]["database"]["message"]
    writers[0].execute("PRAGMA query_only = 0")
    assert (await served.client.get("/health")).status_code == 200


async def test_a_database_that_is_stuck_is_not_healthy_until_it_goes_on(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE", 0.05)
    with stuck(served.lidbook.database):
        response = await served.client.get("/health")
        assert response.status_code == 503
        assert response.json()["error"] == {
            "database": {"status": "down", "message": "nothing could be written for 0.05 seconds"}
        }
    monkeypatch.undo()
    assert (await served.client.get("/health")).status_code == 200


async def test_looking_again_and_again_piles_nothing_up(database: Database) -> None:
    probe = WriteProbe(database)
    beats = 0

    def count(statement: str) -> None:
        nonlocal beats
        beats += statement.startswith("UPDATE heartbeat")

    await database.write(lambda connection: connection.set_trace_callback(count))
    with stuck(database):
        for _ in range(5):
            assert await probe.fault(0.01) is not None
    assert await probe.fault(10) is None
    assert beats == 1
    assert await probe.fault(10) is None
    assert beats == 2


async def test_a_probe_can_be_closed_while_it_waits(database: Database) -> None:
    probe = WriteProbe(database)
    with stuck(database):
        assert await probe.fault(0.01) is not None
        await probe.close()


async def test_a_server_about_to_end_says_so(served: Served) -> None:
    served.app.state.services.stopping.begin()
    response = await served.client.get("/health")
    assert (response.status_code, response.json()["status"], response.json()["error"]) == (503, "shutting_down", {})


async def test_health_asks_for_an_admin_key(tmp_path: Path) -> None:
    async with serve(tmp_path, settings=ServerSettings.model_construct(api_key=SecretStr(KEY))) as served:
        assert (await served.client.get("/health")).status_code == 401
        assert (await served.client.get("/health", headers={"X-Api-Key": KEY})).status_code == 200
        assert (await served.client.get("/ping")).status_code == 200


# environment


async def test_the_environment_is_sorted_ours_and_masked(
    reader: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith(("LIDBOOK_", "WAHA_", "WHATSAPP_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WHATSAPP_HOOK_HMAC_KEY", "hunter2")
    monkeypatch.setenv("WAHA_API_KEY", "hunter2")
    monkeypatch.setenv("LIDBOOK_PORT", "3001")
    monkeypatch.setenv("DEBUG", "1")
    monkeypatch.setenv("SOMEBODY_ELSES", "x")
    response = await reader.get("/api/server/environment")
    assert response.status_code == 200
    assert response.json() == {
        "DEBUG": "1",
        "LIDBOOK_PORT": "3001",
        "WAHA_API_KEY": "***",
        "WHATSAPP_HOOK_HMAC_KEY": "***",
    }
    assert list(response.json()) == sorted(response.json())
    everything = (await reader.get("/api/server/environment?all=true")).json()
    assert everything["SOMEBODY_ELSES"] == "x"
    assert list(everything) == sorted(os.environ)
    assert (await reader.get("/api/server/environment?all=perhaps")).status_code == 400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_SECRET_ACCESS_KEY", "abc"),
        ("GITHUB_TOKEN", "abc"),
        ("WHATSAPP_PROXY_PASSWORD", "abc"),
        ("PGPASS", "abc"),
        ("waha_hmac", "abc"),
        ("WHATSAPP_HOOK_CUSTOM_HEADERS", "Authorization:abc"),
        ("HTTP_PROXY", "http://user:abc@proxy:3128"),
        ("LIDBOOK_DATABASE", "postgres://abc@host/db"),
        ("WHATSAPP_HOOK_URL", "https://example.com/hook?token=abc"),
        ("ANYTHING", "key_abcabcabcabcabcabcabcabcabcabcab"),
        ("ARGUMENTS", "--password=abc"),
    ],
)
def test_a_secret_is_blotted_out_as_a_whole(name: str, value: str) -> None:
    assert shown({name: value}, everything=True) == {name: "***"}


@pytest.mark.parametrize("value", ["https://example.com/hook", "127.0.0.1:3128", "NOWEB", "a@example.com", ""])
def test_what_is_no_secret_is_shown(value: str) -> None:
    assert shown({"WHATSAPP_HOOK_URL": value}, everything=False) == {"WHATSAPP_HOOK_URL": value}


def test_a_secret_that_is_not_set_is_not_hidden() -> None:
    assert shown({"WAHA_API_KEY": ""}, everything=False) == {"WAHA_API_KEY": ""}


# stop


async def test_a_server_inside_another_program_cannot_stop_itself(reader: httpx.AsyncClient) -> None:
    response = await reader.post("/api/server/stop", json={})
    assert (response.status_code, response.headers["lidbook-error"]) == (501, "cannot_stop")
    assert "runs inside another program" in response.json()["message"]
    assert (await reader.get("/health")).status_code == 200


@pytest.mark.parametrize(("body", "force"), [({}, False), ({"force": False}, False), ({"force": True}, True)])
async def test_stopping_is_answered_before_it_is_done(served: Served, body: dict[str, bool], force: bool) -> None:
    ended: list[bool] = []
    served.app.state.services.stopping.ends(ended.append)
    response = await served.client.post("/api/server/stop", json=body)
    assert (response.status_code, response.json()) == (201, {"stopping": True})
    assert ended == [force]
    assert (await served.client.get("/health")).json()["status"] == "shutting_down"


async def test_a_wrong_force_stops_nothing(served: Served) -> None:
    ended: list[bool] = []
    served.app.state.services.stopping.ends(ended.append)
    response = await served.client.post("/api/server/stop", json={"force": "perhaps"})
    assert (response.status_code, response.json()["message"]) == (400, ["force must be a boolean value"])
    assert ended == []


# engines


async def test_engines_are_listed_with_their_use(reader: httpx.AsyncClient) -> None:
    poor, sandbox = (await reader.get("/api/engines")).json()
    assert (poor["name"], poor["default"], poor["sessions"], poor["aliases"]) == ("poor", False, 0, ["NOWEB"])
    assert (sandbox["name"], sandbox["default"], sandbox["sessions"]) == ("sandbox", True, 1)


@pytest.mark.parametrize("name", ["sandbox", "SANDBOX"])
async def test_one_engine_shows_settings_runtime_and_capabilities(reader: httpx.AsyncClient, name: str) -> None:
    engine = (await reader.get(f"/api/engines/{name}")).json()
    assert engine["runtime"] == {"ready": True, "reason": None, "remedy": None}
    assert {"world", "people", "seed"} <= set(engine["settings"]["properties"])
    assert engine["capabilities"]["contacts.list"] == {"level": "full", "note": None}


async def test_an_alias_means_its_engine(reader: httpx.AsyncClient) -> None:
    assert (await reader.get("/api/engines/noweb")).json()["name"] == "poor"


async def test_an_unknown_engine_is_404_naming_the_installed(reader: httpx.AsyncClient) -> None:
    response = await reader.get("/api/engines/web")
    assert (response.status_code, response.headers["lidbook-error"]) == (404, "engine_not_found")
    assert "poor, sandbox" in response.json()["message"]


async def test_features_are_the_matrix(shared: Served) -> None:
    body = (await shared.client.get("/api/features")).json()
    assert body == features.to_json(features.installed(shared.lidbook.engines))
    assert body["matrix"]["poor"]["contacts.about"] == {"level": "absent", "note": "no contacts.about here"}


# Swagger UI


SWAGGER = ("/", "/-json", "/openapi.json", "/swagger/swagger-ui.css")


@pytest.mark.parametrize("path", SWAGGER)
async def test_swagger_can_be_switched_off(tmp_path: Path, path: str) -> None:
    async with serve(tmp_path, settings=ServerSettings.model_construct(swagger_enabled=False)) as served:
        response = await served.client.get(path)
        assert response.status_code == 404
        assert response.json()["message"] == f"Cannot GET {path}"


async def test_swagger_asks_for_the_login(tmp_path: Path) -> None:
    settings = ServerSettings.model_construct(swagger_username="ann", swagger_password=SecretStr("hüntér:2"))
    async with serve(tmp_path, settings=settings) as served:
        for path in SWAGGER:
            response = await served.client.get(path)
            assert (response.status_code, response.json()) == (401, {"message": "Unauthorized", "statusCode": 401})
            assert response.headers["www-authenticate"].startswith("Basic ")
            assert (await served.client.get(path, auth=("ann", "hunter2"))).status_code == 401
            assert (await served.client.get(path, auth=("ann", "hüntér:2"))).status_code == 200
        assert (await served.client.get("/ping")).status_code == 200


@pytest.mark.parametrize("given", ["Basic", "Basic ?", "Bearer YW5uOng=", "Basic " + "A" * 5000])
async def test_a_login_that_is_none_is_refused(tmp_path: Path, given: str) -> None:
    settings = ServerSettings.model_construct(swagger_password=SecretStr("hunter2"))
    async with serve(tmp_path, settings=settings) as served:
        assert (await served.client.get("/", headers={"Authorization": given})).status_code == 401


async def test_the_document_names_the_address_that_clients_use(tmp_path: Path) -> None:
    settings = ServerSettings.model_construct(base_url="https://lidbook.example/api-of-ours")
    async with serve(tmp_path, settings=settings) as served:
        document = (await served.client.get("/openapi.json")).json()
    assert document["servers"] == [{"url": "https://lidbook.example/api-of-ours"}, {"url": "/"}]


# strict mode


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server in WAHA's strict mode."""
    async with serve(tmp_path, settings=ServerSettings.model_construct(strict=True)) as served:
        yield served.client


async def test_strict_mode_refuses_what_nobody_knows(strict: httpx.AsyncClient) -> None:
    body = {
        "name": "a",
        "surprise": 1,
        "config": {
            "metadata": {"any": "thing"},
            "proxy": {"server": "a:1", "port": 1},
            "webhooks": [{"url": "x", "u": 1}],
        },
    }
    response = await strict.post("/api/sessions", json=body)
    assert response.status_code == 400
    assert response.json()["message"] == [
        "property surprise should not exist",
        "config.proxy.property port should not exist",
        "config.webhooks.0.property u should not exist",
    ]
    response = await strict.get("/api/server/environment?al=true")
    assert (response.status_code, response.json()["message"]) == (400, ["property al should not exist"])
    response = await strict.put("/api/default/contacts/11231231231", json={"firstName": "J", "first": "J"})
    assert (response.status_code, response.json()["message"]) == (400, ["property first should not exist"])


async def test_strict_mode_takes_what_is_known(strict: httpx.AsyncClient) -> None:
    body = {"name": "a", "start": False, "config": {"metadata": {"any": "thing"}, "settings": {"people": 3}}}
    assert (await strict.post("/api/sessions", json=body)).status_code == 201
    assert (await strict.put("/api/default/contacts/11231231231", json={"firstName": "J"})).status_code == 200
    assert (await strict.get("/api/sessions?all=true")).status_code == 200
    assert (await strict.get("/api/contacts/all?session=default&whatever=1")).status_code == 200


async def test_otherwise_what_nobody_knows_is_passed_over(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/sessions", json={"name": "a", "surprise": 1})).status_code == 201
    session = (await client.get("/api/sessions/a")).json()
    assert session["status"] in {SessionStatus.WORKING, SessionStatus.STARTING}
