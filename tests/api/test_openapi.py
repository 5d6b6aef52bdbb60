"""Our own OpenAPI document: complete, valid, true."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from lidbook_api.app import OPERATIONS, create_app
from lidbook_api.operation import Operation
from lidbook_api.settings import ServerSettings

from .served import Served

DOCUMENT: dict[str, Any] = create_app(None, ServerSettings.model_construct()).openapi()
METHODS = {(operation.method.lower(), operation.path) for operation in OPERATIONS}
IDS = [f"{operation.method} {operation.path}" for operation in OPERATIONS]


def described(operation: Operation) -> dict[str, Any]:
    """An operation in the document."""
    found: dict[str, Any] = DOCUMENT["paths"][operation.path][operation.method.lower()]
    return found


def everything(node: object) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from everything(value)
    elif isinstance(node, list):
        for value in node:
            yield from everything(value)


def resolved(reference: str) -> Any:
    """What a reference points at."""
    value: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        value = value[part.replace("~1", "/").replace("~0", "~")]
    return value


def faults(schema: object, body: object) -> list[str]:
    """How a body does not satisfy a schema of the document."""
    assert isinstance(schema, dict)
    validator = Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]


def test_every_route_is_in_the_document_and_nothing_else() -> None:
    assert {(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods} == METHODS


def test_the_documents_frame_is_whole() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert DOCUMENT["info"]["title"] == "Lidbook"
    assert DOCUMENT["info"]["license"]["name"] == "Apache-2.0"
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    assert {operation.tag for operation in OPERATIONS} == tags
    names = [described(operation)["operationId"] for operation in OPERATIONS]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere_and_every_shape_is_used() -> None:
    references = {node["$ref"] for node in everything(DOCUMENT) if isinstance(node.get("$ref"), str)}
    for reference in references:
        assert resolved(reference)
    unused = [
        f"{kind}/{name}"
        for kind in ("schemas", "responses", "headers")
        for name in DOCUMENT["components"][kind]
        if f"#/components/{kind}/{name}" not in references
    ]
    assert unused == []


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["schemas"]))
def test_every_shape_is_json_schema_and_described(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    Draft202012Validator.check_schema(schema)
    assert schema["description"]


@pytest.mark.parametrize("operation", OPERATIONS, ids=IDS)
def test_every_operation_says_what_it_does_and_what_it_takes(operation: Operation) -> None:
    document = described(operation)
    assert document["summary"]
    assert document["description"]
    in_path = {p["name"] for p in document.get("parameters", []) if p["in"] == "path"}
    assert in_path == set(re.findall(r"{(\w+)}", operation.path))
    for parameter in document.get("parameters", []):
        assert parameter["description"]
        assert parameter["required"] or parameter["in"] == "query"
        if "example" in parameter:
            assert faults(parameter["schema"], parameter["example"]) == []
    if operation.body is not None:
        content = document["requestBody"]["content"]["application/json"]
        assert faults(content["schema"], content["example"]) == []


@pytest.mark.parametrize("operation", OPERATIONS, ids=IDS)
def test_every_answer_is_described_with_its_shape(operation: Operation) -> None:
    responses = described(operation)["responses"]
    success = [status for status in responses if status.startswith("2")]
    assert success == [str(operation.status)]
    assert ("content" in responses[success[0]]) == (operation.answer is not None or bool(operation.media))
    if not operation.public:
        assert "401" in responses
        assert described(operation)["security"] == [{"api_key": []}]
    for response in responses.values():
        whole = resolved(response["$ref"]) if "$ref" in response else response
        assert whole["description"]
        for content in whole.get("content", {}).values():
            for example in content.get("examples", {}).values():
                assert faults(content["schema"], example["value"]) == []


def test_no_operation_documents_fastapis_own_422() -> None:
    assert "HTTPValidationError" not in DOCUMENT["components"]["schemas"]
    for operation in OPERATIONS:
        reference = described(operation)["responses"].get("422", {}).get("$ref", "")
        assert reference in ("", "#/components/responses/SessionTrouble", "#/components/responses/Unprocessable")


async def call(client: httpx.AsyncClient, operation: Operation) -> httpx.Response:
    """Call an operation as its documentation says."""
    person = "120363049876543210@g.us" if "/groups/" in operation.path else "11231231231@c.us"
    url = operation.path.format(
        session="default", id=person, lid="208817345501126", phoneNumber="11231231231", engine="sandbox"
    )
    body = operation.body_example
    if isinstance(body, dict) and operation.path == "/api/sessions":
        body = {**body, "name": "another"}
    return await client.request(
        operation.method, f"{url}?contactId=11231231231&phone=11231231231", json=body if operation.body else None
    )


def check(operation: Operation, response: httpx.Response) -> None:
    """Compare an answer with what is documented."""
    assert response.status_code == operation.status, response.text
    for name in operation.headers:
        assert name in response.headers or name in ("Lidbook-Stale", "Lidbook-Sync")
    if operation.answer is None and operation.media:
        assert response.headers["content-type"].partition(";")[0] in operation.media
    elif operation.answer is None:
        assert response.content == b""
        assert "content-type" not in response.headers
    else:
        assert faults(operation.answer, response.json()) == []


WORKING = [o for o in OPERATIONS if o.tag not in ("Pairing", "Webhooks")]  # see test_pairing, webhooks/test_routes
READS = [operation for operation in WORKING if operation.method == "GET"]
CHANGES = [o for o in WORKING if o.method != "GET" and o.tag != "Keys"]  # of keys see test_keys


@pytest.mark.parametrize("operation", READS, ids=[f"{o.method} {o.path}" for o in READS])
async def test_a_reads_answer_is_as_documented(reader: httpx.AsyncClient, operation: Operation) -> None:
    check(operation, await call(reader, operation))


@pytest.mark.parametrize("operation", CHANGES, ids=[f"{o.method} {o.path}" for o in CHANGES])
async def test_a_changes_answer_is_as_documented(served: Served, operation: Operation) -> None:
    served.app.state.services.stopping.ends(lambda _: None)  # asking the server to stop is answered, and no more
    check(operation, await call(served.client, operation))


async def test_error_bodies_satisfy_their_shapes(reader: httpx.AsyncClient) -> None:
    for url, status in (
        ("/api/contacts/all?limit=x", 400),
        ("/api/contacts/all?session=nobody", 422),
        ("/api/default/lids/x", 422),
        ("/api/sessions/nobody", 404),
        ("/api/engines/nothing", 404),
    ):
        response = await reader.get(url)
        assert response.status_code == status
        operation = next(
            o
            for o in OPERATIONS
            if re.fullmatch(re.sub(r"{\w+}", "[^/]+", o.path), url.partition("?")[0]) and o.method == "GET"
        )
        reference = described(operation)["responses"][str(status)]["$ref"]
        schema = resolved(reference)["content"]["application/json"]["schema"]
        assert faults(schema, response.json()) == []


@pytest.mark.parametrize("path", ["/openapi.json", "/-json"])
async def test_the_document_is_served(reader: httpx.AsyncClient, path: str) -> None:
    response = await reader.get(path)
    assert response.headers["content-type"] == "application/json"
    assert response.json() == DOCUMENT


async def test_swagger_ui_needs_no_other_server(reader: httpx.AsyncClient) -> None:
    page = await reader.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert not re.search(r"(src|href)=\"(https?:)?//", page.text)
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assets = re.findall(r"(?:src|href)=\"(swagger/[^\"]+)\"", page.text)
    assert len(assets) == 3
    for asset in assets:
        response = await reader.get(f"/{asset}")
        assert response.status_code == 200
        assert len(response.content) > 500
    assert (await reader.get("/swagger/nothing.js")).status_code == 404
