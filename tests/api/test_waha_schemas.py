"""Bodies satisfy WAHA's own published schemas, with their mistakes corrected.

`waha_openapi.json` is the part of WAHA's OpenAPI document, release 2026.7.1, that Lidbook serves. What differs from the
published document is in `CORRECTIONS`, and nothing else does.
"""

import json
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

WAHA: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("waha_openapi.json").read_text("utf-8"))
NULLABLE: Final = ["string", "null"]

CORRECTIONS: Final[list[tuple[str, object, str]]] = [
    ("LidToPhoneNumber/properties/lid/type", NULLABLE, "documented as null for a phone number without a known LID"),
    ("LidToPhoneNumber/properties/pn/type", NULLABLE, "documented as null for a LID without a known phone number"),
    ("WANumberExistResult/properties/chatId/type", NULLABLE, "one of WAHA's engines sends null when not registered"),
    ("GroupParticipant/properties/pn/type", NULLABLE, "one of WAHA's engines sends null for a LID"),
    ("MeInfo/properties/pushName/type", NULLABLE, "an account may have no push name"),
    (
        "SessionInfo/properties/me",
        {"anyOf": [{"$ref": "#/components/schemas/MeInfo"}, {"type": "null"}]},
        "null until the session is linked",
    ),
    (
        "SessionInfo/properties/presence",
        {"type": NULLABLE, "enum": ["online", "offline", None]},
        "declared an object; it is a word or null",
    ),
    (
        "SessionInfo/properties/timestamps/properties/activity",
        {"type": ["number", "null"]},
        "`required: true` is no JSON Schema, and `nullable` means nothing in OpenAPI 3.1",
    ),
    (
        "WAHAEnvironment/properties/worker/properties/id",
        {"type": NULLABLE},
        "`required: true` is no JSON Schema, and `nullable` means nothing in OpenAPI 3.1",
    ),
    ("WAHAEnvironment/properties/browser/type", NULLABLE, "null for engines without a browser"),
    ("WorkerInfo/properties/id/type", NULLABLE, "null for a server that is not one of several"),
    ("WebhookConfig/properties/events/items/type", "string", "declared objects; they are names"),
]
"""Path under `components/schemas`, what stands there now, why. Beside these: every `nullable: true`, which OpenAPI 3.1
does not know, became a type `null`; and `GET /api/{session}/groups`, declared an object, is an array."""

QUERY: Final = "contactId=11231231231&phone=11231231231"
ANSWERED: Final = [
    ("GET", "/api/checkNumberStatus", "200"),
    ("GET", "/api/contacts/check-exists", "200"),
    ("GET", "/api/{session}/lids", "200"),
    ("GET", "/api/{session}/lids/count", "200"),
    ("GET", "/api/{session}/lids/{lid}", "200"),
    ("GET", "/api/{session}/lids/pn/{phoneNumber}", "200"),
    ("GET", "/api/{session}/groups", "200"),
    ("GET", "/api/{session}/groups/count", "200"),
    ("GET", "/api/{session}/groups/{id}/participants/v2", "200"),
    ("GET", "/api/sessions", "200"),
    ("GET", "/api/sessions/{session}", "200"),
    ("GET", "/api/sessions/{session}/me", "200"),
    ("GET", "/ping", "200"),
    ("GET", "/health", "200"),
    ("GET", "/api/server/version", "200"),
    ("GET", "/api/server/status", "200"),
    ("GET", "/api/version", "200"),
    ("PUT", "/api/{session}/contacts/{chatId}", "200"),
    ("POST", "/api/sessions", "201"),
    ("PUT", "/api/sessions/{session}", "200"),
    ("POST", "/api/sessions/{session}/start", "201"),
    ("POST", "/api/sessions/{session}/stop", "201"),
    ("POST", "/api/sessions/{session}/logout", "201"),
    ("POST", "/api/sessions/{session}/restart", "201"),
    ("POST", "/api/sessions/start", "201"),
]
"""Every operation of the document that has a JSON answer."""

BODIES: Final[dict[str, dict[str, object]]] = {
    "/api/{session}/contacts/{chatId}": {"firstName": "John", "lastName": "Doe"},
    "/api/sessions": {
        "name": "another",
        "config": {
            "metadata": {"user.id": "123"},
            "proxy": {"server": "localhost:3128"},
            "ignore": {"status": True},
            "client": {"deviceName": "MacOS", "browserName": "Firefox"},
            "noweb": {"markOnline": True, "store": {"enabled": True, "fullSync": False}},
            "gows": {"storage": {"messages": None, "groups": True}},
            "webjs": {"tagsEventsOn": False},
            "webhooks": [{"url": "https://example.com/hook", "events": ["message", "session.status"]}],
        },
    },
    "/api/sessions/{session}": {"config": {"debug": True}},
    "/api/sessions/start": {"name": "default"},
}


def operations() -> list[tuple[str, str, str]]:
    """Method, path and status of every operation in the document with a JSON answer."""
    return [
        (method.upper(), path, status)
        for path, methods in WAHA["paths"].items()
        for method, operation in methods.items()
        for status, response in operation["responses"].items()
        if status.startswith("2") and "application/json" in (response.get("content") or {})
    ]


def at(pointer: str) -> Any:
    """What stands at a path under `components/schemas`."""
    value = WAHA["components"]["schemas"]
    for part in pointer.split("/"):
        value = value[part]
    return value


def test_every_operation_with_an_answer_is_tested() -> None:
    assert sorted(ANSWERED) == sorted(operations())


@pytest.mark.parametrize(("pointer", "corrected", "reason"), CORRECTIONS, ids=[c[0] for c in CORRECTIONS])
def test_each_correction_is_in_place_and_has_a_reason(pointer: str, corrected: object, reason: str) -> None:
    value = at(pointer)
    if isinstance(corrected, dict):
        value = {key: value[key] for key in corrected}
    assert value == corrected
    assert reason


@pytest.mark.parametrize("name", sorted(WAHA["components"]["schemas"]))
def test_the_corrected_schemas_are_json_schema(name: str) -> None:
    try:
        Draft202012Validator.check_schema(WAHA["components"]["schemas"][name])
    except SchemaError as error:
        pytest.fail(str(error))
    assert '"nullable"' not in json.dumps(WAHA)


async def check(client: httpx.AsyncClient, method: str, path: str, status: str) -> None:
    """Call an operation and compare its body with WAHA's schema."""
    chat = "120363049876543210@g.us" if "/groups/" in path else "11231231231@c.us"
    url = path.format(session="default", id=chat, chatId=chat, lid="208817345501126@lid", phoneNumber="11231231231")
    response = await client.request(method, f"{url}?{QUERY}", json=BODIES.get(path))
    assert response.status_code == int(status), response.text
    schema = WAHA["paths"][path][method.lower()]["responses"][status]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**schema, "components": WAHA["components"]})
    assert [error.message for error in validator.iter_errors(response.json())] == []


READS = [(path, status) for method, path, status in ANSWERED if method == "GET"]
CHANGES = [answered for answered in ANSWERED if answered[0] != "GET"]


@pytest.mark.parametrize(("path", "status"), READS, ids=[path for path, _ in READS])
async def test_what_is_read_satisfies_wahas_schema(reader: httpx.AsyncClient, path: str, status: str) -> None:
    await check(reader, "GET", path, status)


@pytest.mark.parametrize(("method", "path", "status"), CHANGES, ids=[f"{m} {p}" for m, p, _ in CHANGES])
async def test_what_a_change_answers_satisfies_wahas_schema(
    client: httpx.AsyncClient, method: str, path: str, status: str
) -> None:
    await check(client, method, path, status)


@pytest.mark.parametrize(
    "url",
    [
        "/api/contacts/check-exists?phone=12025550115",
        "/api/default/lids/999999999999999",
        "/api/default/lids/pn/123",
        "/api/default/groups/120363041234567890@g.us/participants/v2",
    ],
)
async def test_bodies_with_nulls_satisfy_wahas_schema(reader: httpx.AsyncClient, url: str) -> None:
    response = await reader.get(url)
    assert "null" in response.text
    name = {"check": "WANumberExistResult", "lids": "LidToPhoneNumber", "partic": "GroupParticipant"}
    schema = next(f"#/components/schemas/{value}" for key, value in name.items() if key in url)
    validator = Draft202012Validator({"$ref": schema, "components": WAHA["components"]})
    for body in response.json() if isinstance(response.json(), list) else [response.json()]:
        assert [error.message for error in validator.iter_errors(body)] == []
