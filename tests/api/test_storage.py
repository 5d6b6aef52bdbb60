"""A disk that takes nothing is said so, on every route that stores something; nothing is half done."""

import httpx
import pytest

from disks import refusing
from lidbook.values import SessionStatus

from .served import Served

CHANGES = [
    ("POST", "/api/sessions", {"name": "another"}),
    ("PUT", "/api/sessions/default", {"config": {"metadata": {"a": "b"}}}),
    ("POST", "/api/sessions/default/stop", None),
    ("POST", "/api/sessions/default/reset", None),
    ("DELETE", "/api/sessions/default", None),
    ("POST", "/api/keys", {"isAdmin": True}),
    ("POST", "/api/keys/{key}/rotate", None),
    ("DELETE", "/api/keys/{key}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES, ids=[f"{each[0]} {each[1]}" for each in CHANGES])
async def test_a_change_that_cannot_be_stored_is_503_and_not_made(
    client: httpx.AsyncClient, served: Served, method: str, path: str, body: object
) -> None:
    key = (await client.post("/api/keys", json={"isAdmin": True})).json()
    client.headers["X-Api-Key"] = key["key"]
    other = (await client.post("/api/keys", json={"isAdmin": True})).json()
    before = (await client.get("/api/sessions?all=true")).json()
    with refusing(served.lidbook.settings.data_dir):
        response = await client.request(method, path.format(key=other["id"]), json=body)
    assert (response.status_code, response.headers["lidbook-error"]) == (503, "storage_failed")
    assert response.json() == {
        "statusCode": 503,
        "error": "Service Unavailable",
        "message": "the disk that holds the data dir cannot be used: see the server's log",
    }
    after = (await client.get("/api/sessions?all=true")).json()
    assert [(each["name"], each["config"]) for each in after] == [(each["name"], each["config"]) for each in before]
    if path != "/api/keys":
        assert {each["id"] for each in (await client.get("/api/keys")).json()} == {key["id"], other["id"]}


async def test_a_contact_that_cannot_be_stored_is_no_success(client: httpx.AsyncClient, served: Served) -> None:
    with refusing(served.lidbook.settings.data_dir):
        response = await client.put("/api/default/contacts/12025550101", json={"firstName": "Jane"})
    codes = {503: "storage_failed", 500: "engine_disconnected"}  # the session may be the first to notice
    assert response.headers["lidbook-error"] == codes.get(response.status_code)


async def test_reading_goes_on_while_nothing_can_be_stored(client: httpx.AsyncClient, served: Served) -> None:
    with refusing(served.lidbook.settings.data_dir):
        assert (await client.get("/api/contacts/all?session=default")).status_code == 200
        assert (await client.get("/api/sessions/default")).json()["status"] == "WORKING"


async def test_a_session_that_was_restarted_meanwhile_works_again(client: httpx.AsyncClient, served: Served) -> None:
    session = served.lidbook.sessions.get("default")
    with refusing(served.lidbook.settings.data_dir):
        assert (await client.post("/api/sessions/default/restart")).status_code == 201
        await session.settled(5)
        assert session.status is not SessionStatus.FAILED
    assert await session.until(lambda status: status is SessionStatus.WORKING, 10)
