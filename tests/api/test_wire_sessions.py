"""Sessions and pairing row by row, as WAHA's clients know them: statuses, bodies, and what is told where."""

import asyncio
import base64
import re
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


async def test_the_seven_statuses_are_documented(reader: httpx.AsyncClient) -> None:
    document = (await reader.get("/-json")).json()
    assert document["components"]["schemas"]["SessionStatus"]["enum"] == [
        "STOPPED", "STARTING", "SCAN_QR_CODE", "PASSKEY_REQUIRED", "PASSKEY_CONFIRMATION_REQUIRED", "WORKING", "FAILED",
    ]  # fmt: skip


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": None, "config": None, "apps": None, "start": None}])
async def test_a_name_that_is_made_is_a_ulid_in_lower_case(client: httpx.AsyncClient, body: dict[str, object]) -> None:
    response = await client.post("/api/sessions", json=body)
    assert response.status_code == 201
    assert re.fullmatch(r"session_[0-7][0-9a-hjkmnp-tv-z]{25}", response.json()["name"])
    assert response.json()["status"] != "STOPPED"


@pytest.mark.parametrize("name", ["a", "A-Z_09", "-", "_", "7", "x" * 54])
async def test_a_name_has_letters_digits_dashes_and_underscores(reader: httpx.AsyncClient, name: str) -> None:
    response = await reader.post("/api/sessions", json={"name": name, "start": False})
    assert (response.status_code, response.json()["name"]) == (201, name)
    assert (await reader.get(f"/api/sessions/{name}")).status_code == 200


@pytest.mark.parametrize("name", ["a.b", "a b", "a/b", "a@c.us", "é", "a\n", "x" * 55])
async def test_any_other_name_is_a_400(reader: httpx.AsyncClient, name: str) -> None:
    response = await reader.post("/api/sessions", json={"name": name, "start": False})
    assert (response.status_code, response.json()["error"], response.json()["statusCode"]) == (400, "Bad Request", 400)
    assert isinstance(response.json()["message"], list)


async def test_a_list_and_an_action_show_a_session_as_it_is_read(client: httpx.AsyncClient) -> None:
    session = (await client.get("/api/sessions/default")).json()
    assert (await client.get("/api/sessions")).json() == [session]
    started = await client.post("/api/sessions/default/start")
    assert (started.status_code, started.json()) == (201, session)
    assert session["engine"]["engine"] == "sandbox"
    assert (session["presence"], set(session["timestamps"])) == (None, {"activity"})
    assert "apps" not in session


@pytest.mark.parametrize("query", ["all=true", "all=True", "all=1"])
async def test_all_is_a_boolean_in_wahas_spellings(client: httpx.AsyncClient, query: str) -> None:
    await client.post("/api/sessions", json={"name": "idle", "start": False})
    assert len((await client.get(f"/api/sessions?{query}")).json()) == 2
    for other in ("all=false", "all=False", "all=0"):
        assert len((await client.get(f"/api/sessions?{other}")).json()) == 1


async def test_a_restart_starts_what_was_stopped(client: httpx.AsyncClient) -> None:
    await client.post("/api/sessions/default/stop")
    assert (await client.post("/api/sessions/default/restart")).status_code == 201
    await until(client, "default", "WORKING")


@pytest.mark.parametrize("body", [None, {}, {"apps": {"purge": True}}])
async def test_a_logout_starts_again_what_ran_and_leaves_alone_what_did_not(
    client: httpx.AsyncClient, body: dict[str, object] | None
) -> None:
    await client.put("/api/sessions/default", json={"config": {"metadata": {"a": "b"}}})
    await until(client, "default", "WORKING")
    response = await client.post("/api/sessions/default/logout", json=body)
    assert (response.status_code, response.json()["config"]) == (201, {"metadata": {"a": "b"}})
    await until(client, "default", "WORKING")
    await client.post("/api/sessions/default/stop")
    response = await client.post("/api/sessions/default/logout", json=body)
    assert (response.status_code, response.json()["status"], response.json()["me"]) == (201, "STOPPED", None)
    assert response.json()["config"] == {"metadata": {"a": "b"}}


async def test_the_old_stop_logs_out_when_asked_to(client: httpx.AsyncClient) -> None:
    for logout, linked in ((False, True), (True, False)):
        await client.post("/api/sessions/default/start")
        await until(client, "default", "WORKING")
        response = await client.post("/api/sessions/stop", json={"name": "default", "logout": logout})
        assert (response.status_code, response.content) == (201, b"")
        assert "content-type" not in response.headers
        session = (await client.get("/api/sessions/default")).json()
        assert (session["status"], session["me"] is not None) == ("STOPPED", linked)


async def test_the_old_start_makes_starts_and_answers_with_name_status_and_config(client: httpx.AsyncClient) -> None:
    for _ in range(2):
        response = await client.post("/api/sessions/start", json={"name": "old", "config": {"debug": True}})
        assert response.status_code == 201
        assert (response.json()["name"], response.json()["config"]) == ("old", {"debug": True})
        assert response.json()["status"] in ("STARTING", "WORKING")
    await until(client, "old", "WORKING")


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


@pytest.fixture
async def waiting(tmp_path: Path) -> AsyncIterator[Served]:
    """A server with a session `new` that waits as long as a test takes."""
    async with serve(tmp_path / "data") as served:
        await served.session("new", until=SessionStatus.SCAN_QR_CODE, require_scan=True, account="12025550114")
        yield served


@pytest.mark.parametrize(("session", "status"), [("new", "SCAN_QR_CODE"), ("default", "WORKING")])
async def test_me_is_empty_until_there_is_somebody(waiting: Served, session: str, status: str) -> None:
    response = await waiting.client.get(f"/api/sessions/{session}/me")
    assert response.status_code == 200
    if status == "WORKING":
        assert {"id", "lid", "pushName"} <= set(response.json())
    else:
        assert (response.content, response.headers["content-length"]) == (b"", "0")
        assert "content-type" not in response.headers
    assert (await waiting.client.get(f"/api/sessions/{session}")).json()["status"] == status


async def test_a_code_to_scan_has_a_length_and_is_text_whatever_is_accepted(waiting: Served) -> None:
    image = await waiting.client.get("/api/new/auth/qr?format=image")
    assert int(image.headers["content-length"]) == len(image.content)
    for accept in ("*/*", "image/png", "application/json"):
        response = await waiting.client.get("/api/new/auth/qr?format=raw", headers={"Accept": accept})
        assert (response.status_code, list(response.json())) == (200, ["value"])


@pytest.mark.parametrize("more", [{}, {"method": None}])
async def test_a_code_to_type_is_two_times_four_letters(waiting: Served, more: dict[str, object]) -> None:
    response = await waiting.client.post("/api/new/auth/request-code", json={"phoneNumber": "12025550114", **more})
    assert response.status_code == 201, response.text
    assert list(response.json()) == ["code"]
    assert re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}", response.json()["code"])


async def test_a_code_to_type_is_only_for_a_session_that_waits(client: httpx.AsyncClient) -> None:
    await client.post("/api/sessions", json={"name": "poor", "config": {"engine": "poor"}})
    for name, status in (("poor", "STARTING"), ("default", "WORKING")):
        response = await client.post(f"/api/{name}/auth/request-code", json={"phoneNumber": "12025550100"})
        assert (response.status_code, response.json()) == (
            422,
            {
                "message": f"Can request code only in SCAN_QR_CODE status. The current status is {status}",
                "error": "Unprocessable Entity",
                "statusCode": 422,
            },
        )


async def test_a_screenshot_is_base64_for_those_who_accept_json_alone(waiting: Served) -> None:
    path = "/api/screenshot?session=new"
    response = await waiting.client.get(path, headers={"Accept": "application/json"})
    assert (response.status_code, list(response.json())) == (200, ["mimetype", "data"])
    assert base64.b64decode(response.json()["data"]).startswith(PNG)
    response = await waiting.client.get(path, headers={"Accept": "application/json, */*"})
    assert response.headers["content-type"] == "image/png"


async def test_a_screenshot_of_a_session_that_starts_is_a_422(client: httpx.AsyncClient) -> None:
    await client.post("/api/sessions", json={"name": "poor", "config": {"engine": "poor"}})
    response = await client.get("/api/screenshot?session=poor")
    assert (response.status_code, response.json()["error"]) == (422, "Unprocessable Entity")


async def test_a_screenshot_of_a_session_that_failed_is_wahas_422(served: Served) -> None:
    served.make(Kind.LOGOUT)
    await until(served.client, "default", "FAILED")
    response = await served.client.get("/api/screenshot")
    assert response.json() == {
        "message": "Unknown status - FAILED",
        "error": "Unprocessable Entity",
        "statusCode": 422,
    }
