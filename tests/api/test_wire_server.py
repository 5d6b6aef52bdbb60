"""Liveness and the server's own endpoints row by row, as WAHA's clients know them."""

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from pydantic import SecretStr

from lidbook_api.settings import ServerSettings

from .programs import Start
from .served import Served, serve

KEY: Final = "6c35dcbf31914c65a90f29e2ca1840d2"
ADMIN: Final = {"X-Api-Key": KEY}
FORBIDDEN: Final = {"message": "Forbidden", "statusCode": 403}


@pytest.fixture
async def locked(tmp_path: Path) -> AsyncIterator[Served]:
    """A server with a key."""
    settings = ServerSettings.model_construct(api_key=SecretStr(KEY))
    async with serve(tmp_path / "data", settings=settings) as served:
        yield served


@pytest.mark.parametrize("headers", [{}, {"X-Api-Key": "wrong"}, ADMIN])
async def test_ping_answers_whatever_key_is_sent(locked: Served, headers: dict[str, str]) -> None:
    response = await locked.client.get("/ping", headers=headers)
    assert (response.status_code, response.json()) == (200, {"message": "pong"})
    assert response.headers["content-type"] == "application/json"


async def test_health_and_the_servers_inside_are_for_admins(locked: Served) -> None:
    made = await locked.client.post("/api/keys", json={"session": "default"}, headers=ADMIN)
    headers = {"X-Api-Key": made.json()["key"]}
    for method, path in (("GET", "/health"), ("GET", "/api/server/environment"), ("POST", "/api/server/stop")):
        response = await locked.client.request(method, path, headers=headers)
        assert (response.status_code, response.json()) == (403, FORBIDDEN), path
    for path in ("/api/server/version", "/api/version", "/api/server/status"):
        assert (await locked.client.get(path, headers=headers)).status_code == 200, path


async def test_a_version_has_values_of_wahas_kinds(reader: httpx.AsyncClient) -> None:
    version = (await reader.get("/api/server/version")).json()
    assert version == (await reader.get("/api/version")).json()
    assert version["tier"] in ("CORE", "PLUS")
    assert version["browser"] is None
    assert re.fullmatch(r"[a-z0-9]+/(x64|arm64|[a-z0-9_]+)", version["platform"])
    assert os.uname().machine != "x86_64" or version["platform"] == f"{os.uname().sysname.lower()}/x64"


async def test_the_server_tells_its_start_and_uptime_in_milliseconds(reader: httpx.AsyncClient) -> None:
    first, second = [(await reader.get("/api/server/status")).json() for _ in range(2)]
    assert first["startTimestamp"] == second["startTimestamp"] > 1_700_000_000_000
    assert 0 <= first["uptime"] <= second["uptime"]


async def test_without_all_the_environment_is_what_concerns_the_server(
    reader: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHATSAPP_DEFAULT_ENGINE", "NOWEB")
    monkeypatch.setenv("SOMEBODY_ELSES", "x")
    for query in ("", "?all=false", "?all=0", "?all=False"):
        shown = (await reader.get(f"/api/server/environment{query}")).json()
        assert shown["WHATSAPP_DEFAULT_ENGINE"] == "NOWEB"
        assert all(name == "DEBUG" or name.startswith(("LIDBOOK_", "WAHA_", "WHATSAPP_")) for name in shown)
    for query in ("?all=1", "?all=True"):
        assert (await reader.get(f"/api/server/environment{query}")).json()["SOMEBODY_ELSES"] == "x"


def test_a_server_that_is_told_to_stop_without_a_body_stops(start: Start) -> None:
    running = start()
    response = httpx.post(f"{running.url}/api/server/stop")
    assert (response.status_code, response.json()) == (201, {"stopping": True})
    assert running.ended()[0] == 0


def test_metrics_are_open_when_wahas_variable_says_so(start: Start) -> None:
    running = start(WAHA_API_KEY=KEY, WAHA_PROMETHEUS_ENABLED="true")
    response = httpx.get(f"{running.url}/metrics")
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert response.headers["content-type"].startswith("text/plain")
    assert httpx.get(f"{running.url}/api/version").status_code == 401
