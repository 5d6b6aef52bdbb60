"""Keys over HTTP: WAHA's bodies and statuses, what is shown once, and what locks whom out."""

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from pydantic import SecretStr

from lidbook.session_config import SessionConfig
from lidbook_api.app import OPERATIONS
from lidbook_api.settings import ServerSettings

from .served import Served, serve
from .test_openapi import faults

ENVIRONMENT: Final = "6c35dcbf31914c65a90f29e2ca1840d2"
ADMIN: Final = {"isAdmin": True, "session": None, "isActive": True, "actions": None}
OF_DEFAULT: Final = {"isAdmin": False, "session": "default", "isActive": True}
EVERY_ACTION: Final = {"read": True, "send": True, "control": True, "setting": True, "app": True, "delete": False}
WAHAS_KEY: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "key": {"type": "string"},
        "isActive": {"type": "boolean"},
        "isAdmin": {"type": "boolean"},
        "session": {"type": ["string", "null"]},
        "actions": {
            "anyOf": [
                {"type": "null"},
                {
                    "type": "object",
                    "properties": {
                        name: {"type": "boolean"} for name in ("read", "send", "control", "setting", "app", "delete")
                    },
                },
            ]
        },
    },
    "required": ["id", "key", "isActive", "isAdmin"],
}
"""WAHA's published schema of a key, release 2026.7.1; its `nullable: true` became a type `null`."""
WAHAS_KEYS: Final = ["id", "key", "isActive", "isAdmin", "session", "actions"]


@pytest.fixture
async def locked(tmp_path: Path) -> AsyncIterator[Served]:
    """A server with a key in the environment, which the client sends."""
    settings = ServerSettings.model_construct(api_key=SecretStr(ENVIRONMENT))
    async with serve(tmp_path / "data", settings=settings) as served:
        served.client.headers["X-Api-Key"] = ENVIRONMENT
        yield served


@pytest.fixture
def keys(locked: Served) -> httpx.AsyncClient:
    """The client of a server with a key in the environment."""
    return locked.client


async def create(client: httpx.AsyncClient, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    """A new key, as it is shown once."""
    response = await client.post("/api/keys", json=body, headers=headers)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    assert faults(WAHAS_KEY, made) == []
    return made


async def status(client: httpx.AsyncClient, key: str, path: str = "/api/server/version") -> int:
    """What a request with a key is answered."""
    return (await client.get(path, headers={"X-Api-Key": key})).status_code


async def listed(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """All keys, as they are listed."""
    response = await client.get("/api/keys")
    assert response.status_code == 200
    found: list[dict[str, Any]] = response.json()
    for key in found:
        assert faults(WAHAS_KEY, key) == []
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """Everything in every file of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def schema(name: str, method: str = "POST") -> object:
    """The documented schema of an operation's answer."""
    return next(o.answer for o in OPERATIONS if o.path == name and o.method == method)


# bodies


async def test_a_key_has_wahas_keys_in_wahas_order_and_is_shown_once(keys: httpx.AsyncClient) -> None:
    made = await create(keys, OF_DEFAULT)
    assert list(made) == [*WAHAS_KEYS, "createdAt", "expiresAt"]
    assert re.fullmatch(r"key_id_[0-9a-z]{26}", made["id"])
    assert re.fullmatch(r"key_[0-9A-Za-z]{32}", made["key"])
    assert (made["isActive"], made["isAdmin"], made["session"]) == (True, False, "default")
    assert (made["actions"], made["expiresAt"]) == (None, None)
    assert abs(made["createdAt"] - time.time() * 1000) < 60_000
    assert faults(schema("/api/keys"), made) == []
    shown = await listed(keys)
    assert shown == [{**made, "key": f"{made['key'][:6]}…{made['key'][-2:]}"}]
    assert faults(schema("/api/keys", "GET"), shown) == []


async def test_no_answer_but_the_first_has_the_key(keys: httpx.AsyncClient) -> None:
    made = await create(keys, OF_DEFAULT)
    secret = made["key"][4:]
    answers = [
        await keys.get("/api/keys"),
        await keys.put(f"/api/keys/{made['id']}", json=ADMIN),
        await keys.get("/api/audit"),
        await keys.delete(f"/api/keys/{made['id']}"),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert secret not in answer.text
        assert secret[4:-4] not in answer.text


async def test_actions_that_are_not_named_take_their_defaults(keys: httpx.AsyncClient) -> None:
    made = await create(keys, {**OF_DEFAULT, "actions": {"send": False, "delete": True, "fly": True}})
    assert made["actions"] == {**EVERY_ACTION, "send": False, "delete": True}
    assert (await create(keys, {**OF_DEFAULT, "actions": {}}))["actions"] == EVERY_ACTION
    assert (await create(keys, {**ADMIN, "actions": {"read": False}}))["actions"] is None


async def test_a_key_that_a_client_brings_is_not_taken(keys: httpx.AsyncClient) -> None:
    made = await create(keys, {**ADMIN, "key": "123", "id": "mine"})
    assert made["key"] != "123"
    assert made["id"] != "mine"
    assert await status(keys, "123") == 401


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({**OF_DEFAULT, "isAdmin": "perhaps"}, "isAdmin must be a boolean value"),
        ({**OF_DEFAULT, "isActive": 2}, "isActive must be a boolean value"),
        ({**OF_DEFAULT, "session": ["default"]}, "session must be a string"),
        ({**OF_DEFAULT, "actions": "read"}, "actions must be an object"),
        ({**OF_DEFAULT, "actions": {"read": 1}}, "actions.read must be a boolean value"),
        ({**OF_DEFAULT, "expiresAt": "2030-01-01"}, "expiresAt must be a number of milliseconds since 1970, or null"),
        ({**OF_DEFAULT, "expiresAt": 1e300}, "expiresAt must be a number of milliseconds since 1970, or null"),
        ({**OF_DEFAULT, "expiresAt": True}, "expiresAt must be a number of milliseconds since 1970, or null"),
    ],
)
async def test_fields_that_do_not_fit_are_400_one_message_a_fault(
    keys: httpx.AsyncClient, body: dict[str, Any], message: str
) -> None:
    made = await create(keys, OF_DEFAULT)
    for method, path in (("POST", "/api/keys"), ("PUT", f"/api/keys/{made['id']}")):
        response = await keys.request(method, path, json=body)
        assert response.status_code == 400
        assert response.json() == {"message": [message], "error": "Bad Request", "statusCode": 400}


async def test_all_faults_are_told_at_once(keys: httpx.AsyncClient) -> None:
    response = await keys.post("/api/keys", json={"isAdmin": 1, "isActive": 1, "actions": {"read": 1, "send": "x"}})
    assert len(response.json()["message"]) == 4


@pytest.mark.parametrize("seconds", [-1, 0, 1_790_000_000])
async def test_an_expiry_in_the_past_or_in_seconds_is_refused(keys: httpx.AsyncClient, seconds: int) -> None:
    expiry = int(time.time() * 1000) - 1 if seconds == 0 else seconds
    response = await keys.post("/api/keys", json={**OF_DEFAULT, "expiresAt": expiry})
    assert response.status_code == 400
    assert response.json()["message"] == [
        "expiresAt must be in the future: a number of milliseconds since 1970, or null for never"
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"isAdmin": True, "session": "default"}, "leave session out"),
        ({"isAdmin": False, "session": None}, "needs a session"),
        ({}, "needs a session"),
        ({"session": ""}, "needs a session"),
        ({"session": "nobody"}, 'Session "nobody" does not exist'),
    ],
)
async def test_what_no_key_can_be_is_422(keys: httpx.AsyncClient, body: dict[str, Any], message: str) -> None:
    made = await create(keys, OF_DEFAULT)
    for method, path in (("POST", "/api/keys"), ("PUT", f"/api/keys/{made['id']}")):
        response = await keys.request(method, path, json=body)
        assert response.status_code == 422
        assert message in response.json()["message"]
        assert (response.json()["error"], response.json()["statusCode"]) == ("Unprocessable Entity", 422)
        assert response.headers["lidbook-error"] == "invalid_key"
    assert len(await listed(keys)) == 1


async def test_an_unknown_key_is_404(keys: httpx.AsyncClient) -> None:
    for method, path in (("PUT", "/api/keys/x"), ("DELETE", "/api/keys/x"), ("POST", "/api/keys/x/rotate")):
        response = await keys.request(method, path, json=ADMIN)
        assert response.status_code == 404
        assert response.json() == {"message": "API key not found", "error": "Not Found", "statusCode": 404}
        assert response.headers["lidbook-error"] == "key_not_found"


async def test_the_key_in_the_environment_is_not_one_of_them(keys: httpx.AsyncClient) -> None:
    assert await listed(keys) == []
    assert (await keys.delete("/api/keys/env")).status_code == 404


# changes


async def test_a_put_replaces_everything_but_text_and_expiry(keys: httpx.AsyncClient) -> None:
    expires_at = int(time.time() * 1000) + 3_600_000
    made = await create(keys, {**OF_DEFAULT, "actions": {"read": False}, "expiresAt": expires_at})
    path = f"/api/keys/{made['id']}"
    changed = (await keys.put(path, json={"session": "default"})).json()
    assert (changed["actions"], changed["expiresAt"], changed["createdAt"]) == (None, expires_at, made["createdAt"])
    assert await status(keys, made["key"], "/api/sessions/default") == 200
    changed = (await keys.put(path, json={"isAdmin": True, "expiresAt": None})).json()
    assert (changed["isAdmin"], changed["session"], changed["expiresAt"]) == (True, None, None)
    assert await status(keys, made["key"], "/api/keys") == 200
    assert (await keys.put(path, json={**OF_DEFAULT, "isActive": False})).json()["isActive"] is False
    assert await status(keys, made["key"]) == 401
    assert faults(schema("/api/keys/{id}", "PUT"), changed) == []


async def test_a_deleted_key_is_answered_with_a_result_and_opens_nothing(keys: httpx.AsyncClient) -> None:
    made = await create(keys, OF_DEFAULT)
    response = await keys.delete(f"/api/keys/{made['id']}")
    assert (response.status_code, response.content) == (200, b'{"result":true}')
    assert await status(keys, made["key"]) == 401
    assert (await keys.delete(f"/api/keys/{made['id']}")).status_code == 404
    assert await listed(keys) == []


async def test_a_rotated_key_is_another_and_the_old_one_has_its_grace(keys: httpx.AsyncClient) -> None:
    made = await create(keys, OF_DEFAULT)
    path = f"/api/keys/{made['id']}/rotate"
    response = await keys.post(path, json={"graceSeconds": 3600})
    assert response.status_code == 201
    second = response.json()
    assert second == {**made, "key": second["key"]}
    assert second["key"] != made["key"]
    assert faults(schema("/api/keys/{id}/rotate"), second) == []
    assert [await status(keys, key) for key in (made["key"], second["key"])] == [200, 200]
    third = (await keys.post(path)).json()
    assert [await status(keys, key) for key in (made["key"], second["key"], third["key"])] == [401, 401, 200]


@pytest.mark.parametrize(
    ("grace", "message"),
    [
        (-1, "graceSeconds must not be less than 0"),
        (604_801, "graceSeconds must not be greater than 604800"),
        ("1h", "graceSeconds must be an integer number"),
        (0.5, "graceSeconds must be an integer number"),
        (False, "graceSeconds must be an integer number"),
    ],
)
async def test_a_grace_that_does_not_fit_changes_nothing(keys: httpx.AsyncClient, grace: object, message: str) -> None:
    made = await create(keys, OF_DEFAULT)
    response = await keys.post(f"/api/keys/{made['id']}/rotate", json={"graceSeconds": grace})
    assert (response.status_code, response.json()["message"]) == (400, [message])
    assert await status(keys, made["key"]) == 200


@pytest.mark.parametrize("kind", ["media", "control"])
async def test_a_session_has_one_key_of_a_kind_shown_the_first_time(keys: httpx.AsyncClient, kind: str) -> None:
    first = await keys.post(f"/api/keys/{kind}", json={"session": "default"})
    assert first.status_code == 201
    made = first.json()
    assert made["id"] == f"key_id_{kind}_default"
    assert made["actions"] == {**dict.fromkeys(EVERY_ACTION, False), "control": kind == "control"}
    assert faults(schema(f"/api/keys/{kind}"), made) == []
    again = await keys.post(f"/api/keys/{kind}", json={"session": "default"})
    assert again.status_code == 201
    assert again.json() == {**made, "key": f"{made['key'][:6]}…{made['key'][-2:]}"}
    assert await status(keys, made["key"], "/api/default/auth/qr") == (422 if kind == "control" else 403)
    assert await status(keys, made["key"], "/api/sessions/default") == 403
    rotated = (await keys.post(f"/api/keys/{made['id']}/rotate")).json()
    assert [await status(keys, key) for key in (made["key"], rotated["key"])] == [401, 200]


async def test_a_scoped_key_needs_a_session_that_is_there(keys: httpx.AsyncClient) -> None:
    response = await keys.post("/api/keys/media", json={"session": "nobody"})
    assert (response.status_code, response.json()["message"]) == (422, 'Session "nobody" does not exist')
    response = await keys.post("/api/keys/control", json={})
    assert (response.status_code, response.json()["message"]) == (400, "Session name is required")


# sessions and restarts


async def test_keys_go_with_their_session_and_not_with_a_rename_or_restart_of_it(locked: Served) -> None:
    keys, sessions = locked.client, locked.lidbook.sessions
    await sessions.create("short", SessionConfig(), start=False)
    made = await create(keys, {"session": "short"})
    await sessions.start("short")
    await sessions.restart("short")
    assert await status(keys, made["key"]) == 200
    await sessions.delete("short")
    assert await status(keys, made["key"]) == 401
    assert await listed(keys) == []
    await sessions.create("short", SessionConfig(), start=False)
    assert await status(keys, made["key"]) == 401


async def test_keys_work_after_a_restart(tmp_path: Path) -> None:
    async with serve(tmp_path) as served:
        admin = await create(served.client, ADMIN)
        header = {"X-Api-Key": admin["key"]}
        short = await create(served.client, OF_DEFAULT, **header)
        shown = (await served.client.get("/api/keys", headers=header)).json()
        await served.lidbook.sessions.delete("default")
    async with serve(tmp_path) as served:
        assert (await served.client.get("/api/keys")).status_code == 401
        assert (await served.client.get("/api/keys", headers=header)).json() == shown[:1]
        assert await status(served.client, short["key"]) == 401


# the first key and the last


async def test_the_first_key_locks_the_server_and_must_be_an_admins(served: Served) -> None:
    client = served.client
    assert (await client.get("/api/sessions")).status_code == 200
    for path, body in (
        ("/api/keys", OF_DEFAULT),
        ("/api/keys", {**ADMIN, "isActive": False}),
        ("/api/keys/control", {"session": "default"}),
        ("/api/keys/media", {"session": "default"}),
    ):
        response = await client.post(path, json=body)
        assert response.status_code == 422
        assert "make an active admin key first" in response.json()["message"]
    assert (await client.get("/api/sessions")).status_code == 200
    made = await create(client, ADMIN)
    assert (await client.get("/api/sessions")).status_code == 401
    assert await status(client, made["key"]) == 200
    response = await client.get("/api/sessions", headers={"X-Api-Key": made["key"], "Host": "lidbook.example"})
    assert response.status_code == 200, "with a key, any host and origin may ask"


async def test_the_last_admin_key_cannot_be_deleted_deactivated_or_demoted(served: Served) -> None:
    client = served.client
    made = await create(client, ADMIN)
    client.headers["X-Api-Key"] = made["key"]
    await create(client, {**ADMIN, "isActive": False})
    path = f"/api/keys/{made['id']}"
    for response in (
        await client.delete(path),
        await client.put(path, json={**ADMIN, "isActive": False}),
        await client.put(path, json=OF_DEFAULT),
    ):
        assert response.status_code == 422
        assert response.headers["lidbook-error"] == "last_admin_key"
        assert "POST /api/keys" in response.json()["message"]
    assert await status(client, made["key"], "/api/keys") == 200
    await create(client, ADMIN)
    assert (await client.delete(path)).status_code == 200


async def test_with_a_key_in_the_environment_all_others_may_go(keys: httpx.AsyncClient) -> None:
    made = await create(keys, ADMIN)
    assert (await keys.put(f"/api/keys/{made['id']}", json={**ADMIN, "isActive": False})).status_code == 200
    assert (await keys.delete(f"/api/keys/{made['id']}")).status_code == 200


# what is on disk


async def test_no_file_has_a_key_in_it(tmp_path: Path) -> None:
    texts: list[str] = []
    async with serve(tmp_path) as served:
        client = served.client
        made = await create(client, ADMIN)
        client.headers["X-Api-Key"] = made["key"]
        texts.append(made["key"])
        for body in (OF_DEFAULT, ADMIN):
            made = await create(client, body)
            rotated = (await client.post(f"/api/keys/{made['id']}/rotate", json={"graceSeconds": 60})).json()
            texts += [made["key"], rotated["key"]]
            assert await status(client, made["key"]) == 200
        await client.get("/api/sessions", params={"x-api-key": texts[0]})
        await client.get(f"/api/{texts[0]}/contacts/1")
        written = contents(tmp_path)
        assert {"lidbook.sqlite3", "lidbook.sqlite3-wal"} <= written.keys()
        assert [name for name, held in written.items() for text in texts if text[4:].encode() in held] == []
    assert [name for name, held in contents(tmp_path).items() for text in texts if text[4:].encode() in held] == []
