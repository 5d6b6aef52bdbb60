"""Sessions over HTTP, in WAHA's shapes."""

from typing import Any

import httpx
import pytest

from lidbook.capabilities import Feed
from lidbook.session_config import SessionConfig
from lidbook.values import SessionStatus

from .served import Served

KEYS = [
    "name",
    "status",
    "statusReason",
    "statusMessage",
    "config",
    "me",
    "presence",
    "timestamps",
    "engine",
    "sync",
]


async def test_a_session_has_every_key(reader: httpx.AsyncClient) -> None:
    session = (await reader.get("/api/sessions/default")).json()
    assert list(session) == KEYS
    assert (session["status"], session["statusReason"], session["config"]) == ("WORKING", None, {})
    assert session["me"] == {
        "id": "12025550100@c.us",
        "lid": "104900213377001@lid",
        "pushName": "Robin",
        "jid": "12025550100:1@s.whatsapp.net",
    }
    assert (await reader.get("/api/sessions/default/me")).json() == session["me"]


async def test_an_engine_that_nobody_named_is_said_loudly(reader: httpx.AsyncClient) -> None:
    response = await reader.get("/api/sessions/default")
    assert response.headers["lidbook-engine"] == "sandbox"
    assert response.json()["engine"]["engine"] == "sandbox"
    assert response.json()["engine"]["assumed"] is True
    assert "simulated" in response.json()["engine"]["note"]
    assert (await reader.get("/api/contacts?contactId=1")).headers["lidbook-engine"] == "sandbox"


async def test_only_running_sessions_are_listed_unless_all_are_asked_for(client: httpx.AsyncClient) -> None:
    await client.post("/api/sessions", json={"name": "idle", "start": False})
    running = (await client.get("/api/sessions")).json()
    everything = (await client.get("/api/sessions?all=true")).json()
    assert [session["name"] for session in running] == ["default"]
    assert [(session["name"], session["status"]) for session in everything] == [
        ("default", "WORKING"),
        ("idle", "STOPPED"),
    ]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("all=maybe", "all must be a boolean value"),
        ("expand=me", "each value in expand must be one of the following values: apps"),
    ],
)
async def test_listing_refuses_what_does_not_fit(reader: httpx.AsyncClient, query: str, message: str) -> None:
    response = await reader.get(f"/api/sessions?{query}")
    assert response.json() == {"message": [message], "error": "Bad Request", "statusCode": 400}


async def test_expanded_apps_are_an_empty_list(reader: httpx.AsyncClient) -> None:
    assert (await reader.get("/api/sessions?expand=apps")).json()[0]["apps"] == []
    assert (await reader.get("/api/sessions/default?expand=apps")).json()["apps"] == []


async def test_create_echoes_what_was_given_and_starts(client: httpx.AsyncClient) -> None:
    config = {"engine": "SANDBOX", "metadata": {"user.id": "123"}, "noweb": {"store": {"enabled": True}}}
    response = await client.post("/api/sessions", json={"name": "one", "config": config})
    assert response.status_code == 201
    assert list(response.json()) == KEYS
    assert response.json()["config"] == config
    assert response.json()["engine"]["assumed"] is False
    assert response.json()["status"] in ("STARTING", "WORKING")
    assert (await client.get("/api/contacts/all?session=one&limit=1")).status_code == 200


@pytest.mark.parametrize("body", [None, {}, {"name": None}, {"name": ""}])
async def test_a_session_without_a_name_gets_one(client: httpx.AsyncClient, body: object) -> None:
    response = await client.post("/api/sessions", json=body) if body is not None else await client.post("/api/sessions")
    assert response.status_code == 201
    assert response.json()["name"].startswith("session_")


async def test_a_number_is_taken_as_a_name(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/sessions", json={"name": 5511, "start": False})).json()["name"] == "5511"
    assert (await client.get("/api/sessions/5511")).status_code == 200


async def test_a_name_that_is_taken_is_wahas_422(reader: httpx.AsyncClient) -> None:
    response = await reader.post("/api/sessions", json={"name": "default"})
    assert response.json() == {
        "message": "Session 'default' already exists. Use PUT to update it.",
        "error": "Unprocessable Entity",
        "statusCode": 422,
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "a b"}, "invalid_session_name"),
        ({"name": "x" * 55}, "invalid_session_name"),
        ({"name": "contacts"}, "invalid_session_name"),
        ({"name": ["a"]}, "invalid_request"),
        ({"name": "a", "start": "yes"}, "invalid_request"),
        ({"name": "a", "apps": [{"app": "chatwoot"}]}, "invalid_request"),
        ({"name": "a", "config": {"engine": "CARRIER-PIGEON"}}, "unknown_engine"),
        ({"name": "a", "config": {"engine": "sandbox", "settings": {"wrold": "demo"}}}, "invalid_config"),
        ({"name": "a", "config": {"debug": "yes"}}, "invalid_config"),
        ({"name": "a", "config": []}, "invalid_config"),
    ],
)
async def test_what_cannot_be_created_is_told_in_an_array(reader: httpx.AsyncClient, body: object, code: str) -> None:
    response = await reader.post("/api/sessions", json=body)
    assert (response.status_code, response.headers["lidbook-error"]) == (400, code)
    assert len(response.json()["message"]) == 1
    assert response.json()["error"] == "Bad Request"


async def test_an_unknown_engine_is_told_which_are_installed(reader: httpx.AsyncClient) -> None:
    response = await reader.post("/api/sessions", json={"name": "a", "config": {"engine": "GOWS"}})
    assert response.json()["message"] == ["config.engine 'GOWS' is not installed; installed: poor, sandbox"]


async def test_wahas_name_of_an_engine_means_that_engine(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/sessions", json={"name": "a", "config": {"engine": "NOWEB"}, "start": False})
    assert response.json()["engine"]["engine"] == "poor"


async def test_update_replaces_the_config_and_keeps_the_engine(client: httpx.AsyncClient) -> None:
    await client.post("/api/sessions", json={"name": "a", "config": {"engine": "sandbox", "debug": True}})
    response = await client.put("/api/sessions/a", json={"config": {"metadata": {"a": "b"}}})
    assert response.status_code == 200
    assert response.json()["config"] == {"metadata": {"a": "b"}}
    assert response.json()["engine"]["engine"] == "sandbox"
    assert (await client.get("/api/contacts/all?session=a&limit=1")).status_code == 200


async def test_delete_is_empty_and_idempotent(client: httpx.AsyncClient) -> None:
    await client.post("/api/sessions", json={"name": "a", "start": False})
    for _ in range(2):
        response = await client.delete("/api/sessions/a")
        assert (response.status_code, response.content) == (200, b"")
        assert "content-type" not in response.headers
    assert (await client.get("/api/sessions/a")).status_code == 404


async def test_stop_start_and_restart_are_201_and_idempotent(client: httpx.AsyncClient) -> None:
    for action, statuses in (
        ("stop", {"STOPPED"}),
        ("stop", {"STOPPED"}),
        ("start", {"STARTING", "WORKING"}),
        ("start", {"STARTING", "WORKING"}),
        ("restart", {"STARTING", "WORKING"}),
    ):
        response = await client.post(f"/api/sessions/default/{action}")
        assert response.status_code == 201, action
        assert response.json()["status"] in statuses
    assert (await client.get("/api/contacts/all?limit=1")).status_code == 200


async def test_stop_of_an_unknown_session_is_201_and_empty(reader: httpx.AsyncClient) -> None:
    response = await reader.post("/api/sessions/nobody/stop")
    assert (response.status_code, response.content) == (201, b"")


async def test_logout_forgets_the_account_and_keeps_the_config(served: Served) -> None:
    await served.session("a", until=SessionStatus.WORKING)
    response = await served.client.post("/api/sessions/a/logout")
    assert response.status_code == 201
    assert response.json()["config"]["engine"] == "sandbox"


async def test_me_of_a_session_without_account_is_empty(served: Served) -> None:
    await served.session("a", until=SessionStatus.SCAN_QR_CODE, require_scan=True)
    response = await served.client.get("/api/sessions/a/me")
    assert (response.status_code, response.content) == (200, b"")
    assert "content-type" not in response.headers


async def post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> httpx.Response:
    """A POST that succeeds."""
    response = await client.post(path, json=body)
    assert response.status_code == 201, response.text
    return response


async def test_wahas_old_routes(client: httpx.AsyncClient) -> None:
    started = await post(client, "/api/sessions/start", {"name": "old", "config": {"debug": True}})
    assert (started.json()["name"], started.json()["config"]) == ("old", {"debug": True})
    assert (await post(client, "/api/sessions/start", {"name": "old"})).json()["config"] == {"debug": True}
    assert (await post(client, "/api/sessions/stop", {"name": "old"})).content == b""
    assert (await client.get("/api/sessions/old")).json()["status"] == "STOPPED"
    assert (await post(client, "/api/sessions/stop", {"name": "nobody", "logout": True})).content == b""
    assert (await post(client, "/api/sessions/logout", {"name": "old"})).content == b""


@pytest.mark.parametrize("path", ["start", "stop", "logout"])
async def test_wahas_old_routes_need_a_name(reader: httpx.AsyncClient, path: str) -> None:
    response = await reader.post(f"/api/sessions/{path}", json={})
    assert response.json() == {"message": "Session name is required", "error": "Bad Request", "statusCode": 400}


async def test_a_session_says_how_far_its_sync_has_come(reader: httpx.AsyncClient) -> None:
    sync = (await reader.get("/api/sessions/default")).json()["sync"]
    assert sync["contacts"] == {"expected": 15, "received": 15, "complete": True}
    assert all(feed["complete"] for feed in sync.values())


async def test_lists_say_that_they_are_not_whole_yet(served: Served) -> None:
    directory = served.lidbook.sessions.get("default").directory
    assert "lidbook-sync" not in (await served.client.get("/api/contacts/all?limit=1")).headers
    await directory.erase()
    assert (await served.client.get("/api/contacts/all?limit=1")).headers["lidbook-sync"] == "incomplete"
    await directory.sync(Feed.CONTACTS, expected=10, received=0, complete=False)
    assert (await served.client.get("/api/contacts/all?limit=1")).headers["lidbook-sync"] == "incomplete"
    assert (await served.client.get("/api/default/lids")).headers["lidbook-sync"] == "incomplete"
    await directory.sync(Feed.CONTACTS, expected=10, received=10, complete=True)
    assert "lidbook-sync" not in (await served.client.get("/api/contacts/all?limit=1")).headers


async def test_lists_are_not_whole_before_the_engine_has_said_anything_about_its_sync(served: Served) -> None:
    never_fed = {"staleReads": True}
    for name, engine in (("sandboxed", "sandbox"), ("feedless", "poor")):
        config = SessionConfig.parse({"engine": engine, **never_fed})
        await served.lidbook.sessions.create(name, config, start=False)
    response = await served.client.get("/api/contacts/all?session=sandboxed")
    assert (response.status_code, response.json(), response.headers["lidbook-sync"]) == (200, [], "incomplete")
    response = await served.client.get("/api/contacts/all?session=feedless")
    assert (response.status_code, "lidbook-sync" in response.headers) == (501, False), "it feeds no contacts at all"


async def test_another_account_is_let_in_by_a_reset(served: Served) -> None:
    session = served.lidbook.sessions.get("default")
    await served.client.put("/api/sessions/default", json={"config": {"settings": {"people": 5}}})
    assert await session.until(lambda status: status is SessionStatus.FAILED, 10)
    shown = (await served.client.get("/api/sessions/default")).json()
    assert shown["statusReason"] == "account_changed"
    assert "reset" in shown["statusMessage"]
    refused = await served.client.get("/api/contacts/all")
    assert (refused.status_code, refused.headers["lidbook-reason"]) == (422, "account_changed")
    assert (await served.client.post("/api/sessions/default/reset")).status_code == 201
    assert (await served.client.get("/api/contacts/all?limit=1")).status_code == 200
    assert (await served.client.post("/api/sessions/nobody/reset")).status_code == 404


@pytest.mark.parametrize("blank", ["", "  "])
async def test_a_blank_engine_is_no_engine_named(served: Served, blank: str) -> None:
    await served.client.post("/api/sessions", json={"name": "p", "start": False, "config": {"engine": "poor"}})
    changed = await served.client.put("/api/sessions/p", json={"config": {"engine": blank}})
    assert changed.json()["engine"]["engine"] == "poor"
    made = await served.client.post("/api/sessions", json={"name": "q", "start": False, "config": {"engine": blank}})
    assert made.json()["engine"]["assumed"] is True
