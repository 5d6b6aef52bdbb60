"""A body that says it is JSON is parsed before anything is done, on every route that changes something, as in WAHA."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from lidbook_api.app import OPERATIONS
from lidbook_api.bodies import MAX_BODY, MAX_DISCARDED
from lidbook_api.operation import Operation
from lidbook_api.settings import ServerSettings

from .served import Served, serve

CHANGES = [operation for operation in OPERATIONS if operation.method != "GET"]
IDS = [f"{operation.method} {operation.path}" for operation in CHANGES]
BODILESS = [operation for operation in CHANGES if operation.body is None]
KEY = "6c35dcbf31914c65a90f29e2ca1840d2"
JSON = {"Content-Type": "application/json"}
START = "/api/sessions/default/start"
LOGOUT = "/api/sessions/default/logout"


@pytest.fixture(scope="module")
async def locked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """A server with a key, which the client sends, for requests that change nothing."""
    settings = ServerSettings.model_construct(api_key=SecretStr(KEY))
    async with serve(tmp_path_factory.mktemp("locked"), settings=settings) as served:
        served.client.headers["X-Api-Key"] = KEY
        yield served


def path(operation: Operation, session: str = "default") -> str:
    """Where it is, about somebody and something."""
    return operation.path.format(session=session, id="11231231231")


async def state(served: Served) -> tuple[object, ...]:
    """Everything that a change would be seen in."""
    session = served.lidbook.sessions.get("default")
    asked = [(await served.client.get(f"/api/{what}")).text for what in ("sessions?all=true", "keys")]
    return session.changes.head(), session.status, served.app.state.services.stopping.asked, *asked


async def send(
    client: httpx.AsyncClient, operation: Operation, body: bytes, session: str = "default", **headers: str
) -> httpx.Response:
    """A request with a body, whatever the operation makes of one."""
    named = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await client.request(operation.method, path(operation, session), content=body, headers=named)


def refused(response: httpx.Response) -> str:
    """What a 400 of the parser says, after a look at its shape."""
    assert response.status_code == 400, response.text
    body: dict[str, Any] = response.json()
    assert list(body) == ["message", "error", "statusCode"]
    assert (body["error"], body["statusCode"]) == ("Bad Request", 400)
    assert response.headers["lidbook-error"] == "invalid_request"
    message = body["message"]
    assert isinstance(message, str)
    return message


@pytest.mark.parametrize("operation", CHANGES, ids=IDS)
async def test_a_garbled_body_is_refused_before_anything_is_done(locked: Served, operation: Operation) -> None:
    before = await state(locked)
    for session in ("default", "nobody"):
        assert refused(await send(locked.client, operation, b"{broken", session)).startswith("The body is not JSON: ")
    assert await state(locked) == before


@pytest.mark.parametrize("operation", CHANGES, ids=IDS)
async def test_a_body_that_is_too_large_is_refused_before_anything_is_done(
    locked: Served, operation: Operation
) -> None:
    before = await state(locked)
    response = await send(locked.client, operation, b" " * (MAX_BODY + 1))
    assert response.status_code == 413
    assert response.json() == {
        "message": "The body is larger than 1024 KiB",
        "error": "Payload Too Large",
        "statusCode": 413,
    }
    assert await state(locked) == before


async def test_the_rest_of_an_endless_body_is_not_read(locked: Served) -> None:
    response = await locked.client.post(LOGOUT, content=b" " * (MAX_DISCARDED + 1), headers=JSON)
    assert (response.status_code, response.headers["connection"]) == (413, "close")


@pytest.mark.parametrize("operation", CHANGES, ids=IDS)
async def test_the_key_is_asked_for_before_the_body(locked: Served, operation: Operation) -> None:
    nobody = await send(locked.client, operation, b"{broken", X_Api_Key="wrong")
    assert nobody.status_code == 401
    nothing = dict.fromkeys(("read", "send", "control", "setting", "app", "delete"), False)
    made = await locked.client.post("/api/keys", json={"session": "default", "actions": nothing})
    response = await send(locked.client, operation, b"{broken", X_Api_Key=made.json()["key"])
    assert (response.status_code, response.json()) == (403, {"message": "Forbidden", "statusCode": 403})


@pytest.mark.parametrize("operation", CHANGES, ids=IDS)
async def test_what_is_neither_object_nor_list_is_refused(locked: Served, operation: Operation) -> None:
    for body in (b"12", b'"text"', b"null", b"true"):
        assert refused(await send(locked.client, operation, body)) == "The body must be a JSON object"


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON ;x=y"])
async def test_parameters_and_case_of_the_content_type_do_not_matter(locked: Served, kind: str) -> None:
    assert refused(await locked.client.post(LOGOUT, content=b"{broken", headers={"Content-Type": kind}))


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/octet-stream", None])
async def test_a_body_of_another_kind_is_nothing_to_a_route_without_one(locked: Served, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    response = await locked.client.post(START, content=b"{broken", headers=headers)
    assert (response.status_code, response.json()["status"]) == (201, "WORKING")


@pytest.mark.parametrize("body", [b"", b" \r\n", b"{}", b"[]", b'{"what": "ever"}'])
async def test_a_body_that_can_be_read_is_nothing_to_a_route_without_one(locked: Served, body: bytes) -> None:
    response = await locked.client.post(START, content=body, headers=JSON)
    assert (response.status_code, response.json()["status"]) == (201, "WORKING")


async def test_a_question_has_no_body_whatever_is_sent_with_it(locked: Served) -> None:
    response = await locked.client.request("GET", "/api/sessions/default", content=b"{broken", headers=JSON)
    assert response.status_code == 200


@pytest.mark.parametrize("strict", [False, True])
async def test_what_was_looked_at_is_there_for_the_route(tmp_path: Path, strict: bool) -> None:
    async with serve(tmp_path, settings=ServerSettings.model_construct(strict=strict)) as served:

        async def in_parts() -> AsyncIterator[bytes]:
            yield b'{"name": "in-parts", "start"'
            yield b": false}"

        response = await served.client.post("/api/sessions", content=in_parts(), headers=JSON)
        assert (response.status_code, response.json()["name"]) == (201, "in-parts")


def test_there_are_routes_of_both_kinds() -> None:
    assert {START.replace("default", "{session}"), LOGOUT.replace("default", "{session}")} <= {
        operation.path for operation in BODILESS
    }
    assert len(CHANGES) > len(BODILESS) + 5
