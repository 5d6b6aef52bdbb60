"""Keys row by row, as WAHA's clients and operators know them: where a key is looked for, and what one is made with."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from pydantic import SecretStr

from lidbook_api.settings import ServerSettings

from .programs import Start
from .served import Served, serve
from .sockets import closed, opened

KEY: Final = "6c35dcbf31914c65a90f29e2ca1840d2"
OTHER: Final = "b1d1a2f4f4a74c1f8b7f7d7e0c9a5e63"


@pytest.fixture
async def locked(tmp_path: Path) -> AsyncIterator[Served]:
    """A server with a key, in strict mode, where an unknown parameter of the query is a 400."""
    settings = ServerSettings.model_construct(api_key=SecretStr(KEY), strict=True)
    async with serve(tmp_path / "data", settings=settings) as served:
        yield served


@pytest.fixture
def admin(locked: Served) -> httpx.AsyncClient:
    """A client that sends the key."""
    locked.client.headers["X-Api-Key"] = KEY
    return locked.client


async def made(admin: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    """A new key."""
    response = await admin.post("/api/keys", json=body)
    assert response.status_code == 201, response.text
    key: dict[str, Any] = response.json()
    return key


# 2.1: where a key is looked for


@pytest.mark.parametrize("name", ["X-Api-Key", "x-api-key", "X-API-KEY"])
async def test_the_name_of_the_header_is_read_in_any_case(locked: Served, name: str) -> None:
    assert (await locked.client.get("/api/keys", headers={name: KEY})).status_code == 200


async def test_a_key_in_the_query_is_no_parameter_of_the_operation(locked: Served) -> None:
    for path in ("/api/server/environment", "/api/sessions?all=true", "/api/sessions/default"):
        response = await locked.client.get(path, params={"x-api-key": KEY, **httpx.URL(path).params})
        assert response.status_code == 200, response.text


async def test_a_key_in_the_query_opens_a_post_too(locked: Served) -> None:
    body = {"name": "new", "start": False}
    assert (await locked.client.post("/api/sessions", params={"x-api-key": KEY}, json=body)).status_code == 201


@pytest.mark.parametrize(
    "keys",
    [[OTHER, KEY], [""], [KEY[:-1]]],
)
async def test_a_websocket_is_opened_by_the_first_key_in_its_query(locked: Served, keys: Sequence[str]) -> None:
    async with opened(locked.url, **{"x-api-key": keys}) as client:
        assert await closed(client) == (1008, "Unauthorized")
    async with opened(locked.url, **{"x-api-key": [KEY, OTHER]}) as client:
        await (await client.ping())


@pytest.mark.parametrize("path", ["/api/keys", "/api/nothing", "/health", "/api/version", "/api/contacts/all"])
async def test_401_is_the_same_two_words_wherever_it_is_said(locked: Served, path: str) -> None:
    for query in ("", f"?x-api-key={OTHER}", f"?X-API-KEY={KEY}"):
        response = await locked.client.get(path + query)
        assert (response.status_code, response.content) == (401, b'{"message":"Unauthorized","statusCode":401}')
        assert response.headers["content-type"] == "application/json"


def test_the_variables_of_the_environment_count_as_they_do_for_waha(start: Start) -> None:
    running = start(WAHA_API_KEY=OTHER, WHATSAPP_API_KEY=KEY, WHATSAPP_API_KEY_EXCLUDE_PATH="health,api/version")

    def status(path: str, key: str = "") -> int:
        return httpx.get(running.url + path, headers={"X-Api-Key": key}).status_code

    assert [status("/api/keys", key) for key in (KEY, OTHER, "")] == [200, 401, 401]
    assert [status(path) for path in ("/health", "/api/version", "/api/server/version")] == [200, 200, 401]
    assert [status(path) for path in ("/ping", "/", "/-json")] == [200, 200, 200]


# 2.2 and 2.3: what a key is made with


async def test_a_key_of_which_little_is_said_takes_wahas_defaults(admin: httpx.AsyncClient) -> None:
    key = await made(admin, {"session": "default"})
    assert (key["isAdmin"], key["isActive"], key["session"], key["actions"]) == (False, True, "default", None)
    key = await made(admin, {"isAdmin": True})
    assert (key["isAdmin"], key["isActive"], key["session"], key["actions"]) == (True, True, None, None)
    assert (await made(admin, {"session": "default", "actions": None, "isAdmin": None}))["isAdmin"] is False


async def test_without_actions_a_key_may_do_all_but_delete(admin: httpx.AsyncClient) -> None:
    headers = {"X-Api-Key": (await made(admin, {"session": "default"}))["key"]}
    for method, path, body, status in (
        ("GET", "/api/default/lids", None, 200),
        ("PUT", "/api/default/contacts/11231231231", {"firstName": "Jane"}, 200),
        ("PUT", "/api/sessions/default", {"config": {}}, 200),
        ("DELETE", "/api/sessions/default", None, 403),
        ("POST", "/api/sessions/default/restart", None, 201),
        ("GET", "/api/keys", None, 403),
    ):
        response = await admin.request(method, path, json=body, headers=headers)
        assert response.status_code == status, (method, path, response.text)


@pytest.mark.parametrize(
    ("kind", "opened"),
    [
        ("media", {}),
        ("control", {"/api/default/auth/qr": 422, "/api/screenshot": 422}),
    ],
)
async def test_a_scoped_key_opens_its_kind_and_what_any_key_opens(
    admin: httpx.AsyncClient, kind: str, opened: dict[str, int]
) -> None:
    response = await admin.post(f"/api/keys/{kind}", json={"session": "default"})
    key = response.json()
    assert (response.status_code, key["id"]) == (201, f"key_id_{kind}_default")
    headers = {"X-Api-Key": key["key"]}
    for path in ("/api/sessions", "/api/server/version", "/api/version", "/api/server/status"):
        assert (await admin.get(path, headers=headers)).status_code == 200, path
    for path in ("/api/default/auth/qr", "/api/screenshot", "/api/contacts/all", "/api/sessions/default", "/health"):
        response = await admin.get(path, headers=headers)
        assert response.status_code == opened.get(path, 403), path
        if response.status_code == 403:
            assert response.json() == {"message": "Forbidden", "statusCode": 403}
