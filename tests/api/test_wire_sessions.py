"""Sessions and pairing row by row, as WAHA's clients know them: statuses, bodies, and what is told where."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from lidbook.values import SessionStatus
from lidbook.world.conditions import Kind

from .served import Served, serve

NOT_FOUND = {"message": "Session not found", "error": "Not Found", "statusCode": 404}
PNG = b"\x89PNG\r\n\x1a\n"


async def until(client: httpx.AsyncClient, name: str, status: str) -> dict[str, object]:
    """The session, once it has this status."""
    async with asyncio.timeout(10):
        while True:
            session: dict[str, object] = (await client.get(f"/api/sessions/{name}")).json()
            if session["status"] == status:
                return session
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/sessions/nobody"),
        ("PUT", "/api/sessions/nobody"),
        ("POST", "/api/sessions/nobody/start"),
        ("POST", "/api/sessions/nobody/restart"),
        ("POST", "/api/sessions/nobody/logout"),
    ],
)
async def test_a_session_that_is_not_there_is_wahas_404(client: httpx.AsyncClient, method: str, path: str) -> None:
    response = await client.request(method, path, json={} if method == "PUT" else None)
    assert (response.status_code, response.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/sessions/idle/me", None),
        ("GET", "/api/sessions/nobody/me", None),
        ("POST", "/api/idle/auth/request-code", {"phoneNumber": "12025550100"}),
        ("GET", "/api/screenshot?session=idle", None),
    ],
)
async def test_what_needs_a_running_session_says_how_to_start_it(
    client: httpx.AsyncClient, method: str, path: str, body: object
) -> None:
    await client.post("/api/sessions", json={"name": "idle", "start": False})
    name = "nobody" if "nobody" in path else "idle"
    response = await client.request(method, path, json=body)
    assert response.status_code == 404
    assert response.json() == {
        "message": f"We didn't find a session with name '{name}'.\n"
        f"Please start it first by using POST /api/sessions/{name}/start request",
        "error": "Not Found",
        "statusCode": 404,
    }


async def test_contacts_of_a_stopped_session_are_wahas_422(client: httpx.AsyncClient) -> None:
    await client.post("/api/sessions", json={"name": "idle", "start": False})
    for path in ("/api/contacts/all?session=idle", "/api/idle/lids", "/api/idle/groups"):
        response = await client.get(path)
        assert response.status_code == 422
        assert response.json() == {
            "error": "Session status is not as expected. Try again later or restart the session",
            "session": "idle",
            "status": "STOPPED",
            "expected": ["WORKING"],
        }
    response = await client.get("/api/contacts/all?session=nobody")
    assert (response.status_code, response.json()) == (
        422,
        {"error": 'Session "nobody" does not exist', "session": "nobody"},
    )


async def test_a_session_is_started_unless_told_otherwise(client: httpx.AsyncClient) -> None:
    await client.post("/api/sessions", json={"name": "one"})
    await until(client, "one", "WORKING")
    created = await client.post("/api/sessions", json={"name": "two", "start": False})
    assert (created.status_code, created.json()["status"]) == (201, "STOPPED")


async def test_start_and_stop_are_idempotent(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        response = await client.post("/api/sessions/default/start")
        assert (response.status_code, response.json()["name"]) == (201, "default")
    for _ in range(2):
        response = await client.post("/api/sessions/default/stop")
        assert (response.status_code, response.json()["status"]) == (201, "STOPPED")


async def test_a_running_session_is_started_again_with_its_new_config(client: httpx.AsyncClient) -> None:
    config = {"metadata": {"user.id": "7"}, "webhooks": []}
    response = await client.put("/api/sessions/default", json={"config": config})
    assert (response.status_code, response.json()["config"]) == (200, config)
    session = await until(client, "default", "WORKING")
    assert session["config"] == config
    assert (await client.get("/api/contacts/all?limit=1")).status_code == 200


async def test_a_stopped_session_stays_stopped_with_its_new_config(client: httpx.AsyncClient) -> None:
    await client.post("/api/sessions/default/stop")
    response = await client.put("/api/sessions/default", json={"config": {"debug": True}})
    assert (response.status_code, response.json()["status"]) == (200, "STOPPED")


async def test_a_config_replaces_the_whole_one(client: httpx.AsyncClient) -> None:
    await client.put("/api/sessions/default", json={"config": {"metadata": {"a": "b"}, "debug": True}})
    await client.put("/api/sessions/default", json={"config": {"debug": False}})
    assert (await client.get("/api/sessions/default")).json()["config"] == {"debug": False}


async def test_a_session_that_was_removed_on_the_phone_has_failed_and_says_why(served: Served) -> None:
    served.make(Kind.LOGOUT)
    session = await until(served.client, "default", "FAILED")
    assert session["statusReason"] == "logged_out"
    assert "link it anew" in str(session["statusMessage"])
    assert session["me"] is None
    response = await served.client.get("/api/contacts/all")
    assert response.status_code == 422
    assert (response.json()["status"], response.headers["lidbook-reason"]) == ("FAILED", "logged_out")


async def test_a_session_without_network_is_starting_and_comes_back(served: Served) -> None:
    """Losing the network is no failure."""
    served.make(Kind.DISCONNECT)
    session = await until(served.client, "default", "STARTING")
    assert session["statusReason"] == "network"
    served.conditions().clear()
    await until(served.client, "default", "WORKING")


@pytest.fixture
async def scanning(tmp_path: Path) -> AsyncIterator[Served]:
    """A server with a session `new` that nobody has scanned yet."""
    async with serve(tmp_path / "data") as served:
        await served.session(
            "new", until=SessionStatus.SCAN_QR_CODE, require_scan=True, account="12025550114", qr_seconds=0.5
        )
        yield served


async def test_each_new_code_is_another_one_until_the_rounds_are_over(scanning: Served) -> None:
    client, codes = scanning.client, set()
    async with asyncio.timeout(20):
        while True:
            response = await client.get("/api/new/auth/qr?format=raw")
            if response.status_code == 422:
                break
            codes.add(response.json()["value"])
            await asyncio.sleep(0.05)
    assert len(codes) >= 3
    assert response.json()["expected"] == ["SCAN_QR_CODE"]
    session = await until(client, "new", "FAILED")
    assert session["statusReason"] == "qr_expired"
    assert "start the session" in str(session["statusMessage"])


async def test_the_code_is_an_image_for_everybody_but_those_who_accept_json_alone(scanning: Served) -> None:
    path = "/api/new/auth/qr"
    for accept in ("*/*", "image/png", "application/json, text/plain"):
        response = await scanning.client.get(path, headers={"Accept": accept})
        assert response.headers["content-type"] == "image/png"
        assert response.content.startswith(PNG)
    response = await scanning.client.get(path, headers={"Accept": "application/json"})
    assert response.json()["mimetype"] == "image/png"
    assert base64.b64decode(response.json()["data"]).startswith(PNG)
    response = await scanning.client.get(f"{path}?format=nonsense")
    assert response.headers["content-type"] == "image/png"


async def test_a_code_is_for_a_session_that_waits_for_one(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/default/auth/qr")
    assert (response.status_code, response.json()["expected"]) == (422, ["SCAN_QR_CODE"])
    response = await client.get("/api/nobody/auth/qr")
    assert (response.status_code, response.json()) == (
        422,
        {"error": 'Session "nobody" does not exist', "session": "nobody"},
    )
    response = await client.post("/api/default/auth/request-code", json={"phoneNumber": "12025550100"})
    assert response.status_code == 422
    assert response.json()["message"] == ("Can request code only in SCAN_QR_CODE status. The current status is WORKING")


async def test_a_screenshot_shows_the_code_and_later_says_that_there_is_no_browser(scanning: Served) -> None:
    response = await scanning.client.get("/api/screenshot?session=new")
    assert response.content.startswith(PNG)
    response = await scanning.client.get("/api/screenshot?session=default")
    assert response.status_code == 422
    assert response.json()["message"] == "Can not get screenshot for non chrome based engine."
