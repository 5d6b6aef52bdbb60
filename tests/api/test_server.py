"""The server's own endpoints."""

import time
from pathlib import Path

import httpx
import pytest

from lidbook import __version__, features
from lidbook_api.routes import server

from .served import Served


async def test_ping(reader: httpx.AsyncClient) -> None:
    assert (await reader.get("/ping")).content == b'{"message":"pong"}'


@pytest.mark.parametrize("path", ["/api/server/version", "/api/version"])
async def test_version(reader: httpx.AsyncClient, path: str) -> None:
    version = (await reader.get(path)).json()
    assert list(version) == ["version", "engine", "tier", "browser", "platform", "worker"]
    assert (version["version"], version["engine"]) == (__version__, "sandbox")


async def test_uptime(reader: httpx.AsyncClient) -> None:
    status = (await reader.get("/api/server/status")).json()
    assert list(status) == ["startTimestamp", "uptime", "worker"]
    assert status["startTimestamp"] + status["uptime"] == pytest.approx(time.time() * 1000, abs=5_000)


async def test_health_tells_what_is_there(shared: Served) -> None:
    response = await shared.client.get("/health")
    body = response.json()
    assert (response.status_code, body["status"], body["error"]) == (200, "ok", {})
    assert body["details"] == body["info"]
    assert body["info"]["dataDir.space"]["path"] == str(shared.lidbook.settings.data_dir)
    assert body["info"]["sessions"] == {"status": "up", "WORKING": 1}
    assert body["info"]["engines"]["usable"] == ["poor", "sandbox"]


async def test_a_full_disk_is_not_healthy(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FREE_NEEDED", 2**62)
    response = await client.get("/health")
    body = response.json()
    assert (response.status_code, body["status"]) == (503, "error")
    assert list(body["error"]) == ["dataDir.space"]
    assert body["error"]["dataDir.space"]["status"] == "down"
    assert set(body["details"]) == {"dataDir.space", "sessions", "engines"}


async def test_a_data_dir_that_is_gone_is_not_healthy(served: Served, tmp_path: Path) -> None:
    served.lidbook.settings.data_dir.rename(tmp_path / "elsewhere")
    response = await served.client.get("/health")
    (tmp_path / "elsewhere").rename(served.lidbook.settings.data_dir)
    assert response.status_code == 503


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
