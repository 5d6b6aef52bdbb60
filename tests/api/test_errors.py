"""Every error has WAHA's shape for its situation, and a stable code in its header, on every route."""

from typing import Any

import httpx
import pytest

from lidbook.values import SessionStatus
from lidbook.world.conditions import Kind
from lidbook_api.app import OPERATIONS
from lidbook_api.operation import Operation

from .served import Served

FILLED = {
    "session": "default",
    "id": "11231231231",
    "lid": "123@lid",
    "phoneNumber": "11231231231",
    "engine": "sandbox",
}
QUERY = {"contactId": "11231231231", "phone": "11231231231"}
BODY = {"contactId": "11231231231", "firstName": "Jane"}
STATUS_TEXT = "Session status is not as expected. Try again later or restart the session"


def ids(operations: list[Operation]) -> list[str]:
    """Names of operations in test ids."""
    return [f"{operation.method} {operation.path}" for operation in operations]


async def call(client: httpx.AsyncClient, operation: Operation, session: str, **headers: str) -> httpx.Response:
    """Call an operation with everything it needs, about a session."""
    filled = {**FILLED, "session": session}
    if "/groups/" in operation.path:
        filled["id"] = "120363049876543210@g.us"
    body = {**BODY, "session": session, "name": session} if operation.method != "GET" else None
    return await client.request(
        operation.method,
        operation.path.format(**filled),
        params={**QUERY, "session": session},
        json=body,
        headers=headers,
    )


USING = [operation for operation in OPERATIONS if operation.tag in ("Contacts", "LIDs", "Groups")]
OWN = [operation for operation in USING if operation.path.endswith("/blocklist")]
ON_WAHAS_PATHS = [operation for operation in USING if operation not in OWN]
LIVE = [
    operation
    for operation in USING
    if operation.method != "GET" or operation.path.endswith(("check-exists", "checkNumberStatus", "about", "picture"))
]
READS = [operation for operation in ON_WAHAS_PATHS if operation not in LIVE]
MANAGING = [o for o in OPERATIONS if o.path.startswith("/api/sessions/{session}") and o.method != "DELETE"]


# 1.2: session does not exist, endpoint needs a WORKING session


@pytest.mark.parametrize("operation", USING, ids=ids(USING))
async def test_an_unknown_session_is_422_with_error_and_without_message(
    reader: httpx.AsyncClient, operation: Operation
) -> None:
    response = await call(reader, operation, "nobody")
    assert response.status_code == 422
    assert response.json() == {"error": 'Session "nobody" does not exist', "session": "nobody"}
    assert response.headers["lidbook-error"] == "session_missing"
    assert response.headers["content-type"] == "application/json"


# 1.2: session exists but is stopped / starting / needs QR / failed


@pytest.fixture(scope="module")
async def stopped(shared: Served) -> httpx.AsyncClient:
    """A client of a server with a session `stopped`."""
    await shared.session("stopped")
    await shared.lidbook.sessions.stop("stopped")
    return shared.client


@pytest.mark.parametrize("operation", ON_WAHAS_PATHS, ids=ids(ON_WAHAS_PATHS))
async def test_a_stopped_session_is_422_with_its_status(stopped: httpx.AsyncClient, operation: Operation) -> None:
    response = await call(stopped, operation, "stopped")
    assert response.status_code == 422
    assert response.json() == {
        "error": STATUS_TEXT,
        "session": "stopped",
        "status": "STOPPED",
        "expected": ["WORKING"],
    }
    assert response.headers["lidbook-error"] == "session_not_ready"


@pytest.mark.parametrize("operation", OWN, ids=ids(OWN))
async def test_our_own_reads_answer_for_a_stopped_session(stopped: httpx.AsyncClient, operation: Operation) -> None:
    response = await call(stopped, operation, "stopped")
    assert response.status_code == 200
    assert response.headers["lidbook-stale"] == "STOPPED"


async def test_a_session_that_waits_for_a_scan_says_so(served: Served) -> None:
    await served.session("scan", until=SessionStatus.SCAN_QR_CODE, require_scan=True)
    response = await served.client.get("/api/contacts/all?session=scan")
    assert (response.status_code, response.json()["status"]) == (422, "SCAN_QR_CODE")


async def test_a_failed_session_says_why_in_a_header(served: Served) -> None:
    served.make(Kind.LOGOUT)
    session = served.lidbook.sessions.get("default")
    await served.client.get("/api/contacts/about?contactId=11231231231")
    while session.status is SessionStatus.WORKING:
        await served.client.get("/ping")
    response = await served.client.get("/api/contacts/all")
    assert (response.status_code, response.json()["status"]) == (422, "FAILED")
    assert response.headers["lidbook-reason"] == "logged_out"


async def test_a_starting_session_is_waited_for_and_then_422(client: httpx.AsyncClient) -> None:
    await client.post("/api/sessions", json={"name": "poor", "config": {"engine": "poor"}})
    response = await client.get("/api/contacts/all?session=poor")
    assert (response.status_code, response.json()["status"]) == (422, "STARTING")
    assert response.elapsed.total_seconds() > 0.25


@pytest.mark.parametrize("operation", READS, ids=ids(READS))
async def test_stale_reads_answer_with_a_header(shared: Served, operation: Operation) -> None:
    if shared.lidbook.sessions.find("stale") is None:
        await shared.session("stale")
        await shared.client.put("/api/sessions/stale", json={"config": {"staleReads": True}})
        await shared.client.post("/api/sessions/stale/stop")
    response = await call(shared.client, operation, "stale")
    assert response.status_code == 200, response.text
    assert response.headers["lidbook-stale"] == "STOPPED"
    fresh = await call(shared.client, operation, "default")
    assert "lidbook-stale" not in fresh.headers
    assert response.content == fresh.content


@pytest.mark.parametrize("operation", LIVE, ids=ids(LIVE))
async def test_stale_reads_do_not_make_live_calls(shared: Served, operation: Operation) -> None:
    if shared.lidbook.sessions.find("stale") is None:
        await shared.session("stale")
        await shared.client.put("/api/sessions/stale", json={"config": {"staleReads": True}})
        await shared.client.post("/api/sessions/stale/stop")
    assert (await call(shared.client, operation, "stale")).status_code == 422


# 1.2: session does not exist, on the routes that manage sessions


@pytest.mark.parametrize("operation", MANAGING, ids=ids(MANAGING))
async def test_managing_an_unknown_session_is_404_with_message(reader: httpx.AsyncClient, operation: Operation) -> None:
    response = await call(reader, operation, "nobody")
    if operation.path.endswith("/stop"):
        assert response.status_code == 201
        return
    expected = "Session not found"
    if operation.path.endswith("/me"):
        expected = (
            "We didn't find a session with name 'nobody'.\n"
            "Please start it first by using POST /api/sessions/nobody/start request"
        )
    assert response.json() == {"message": expected, "error": "Not Found", "statusCode": 404}
    assert response.headers["lidbook-error"] in ("session_not_found", "session_not_running")


async def test_me_of_a_stopped_session_is_404(stopped: httpx.AsyncClient) -> None:
    response = await stopped.get("/api/sessions/stopped/me")
    assert response.status_code == 404
    assert response.json()["message"].startswith("We didn't find a session with name 'stopped'.\n")


# 1.2: `session` field blank or repeated; missing is `default`

QUERIED = [o for o in OPERATIONS if any(p.name == "session" and "query" in str(p.document()) for p in o.parameters)]
ANSWERING = [operation for operation in QUERIED if operation.tag != "Pairing"]


@pytest.mark.parametrize("session", ["session=", "session=%20", "session=default&session=default"])
@pytest.mark.parametrize("operation", QUERIED, ids=ids(QUERIED))
async def test_a_blank_or_repeated_session_is_refused(
    reader: httpx.AsyncClient, operation: Operation, session: str
) -> None:
    response = await reader.get(f"{operation.path}?contactId=11231231231&phone=11231231231&{session}")
    assert response.json() == {"message": "Session name is required", "error": "Bad Request", "statusCode": 400}


@pytest.mark.parametrize("operation", ANSWERING, ids=ids(ANSWERING))
async def test_a_missing_session_is_default(reader: httpx.AsyncClient, operation: Operation) -> None:
    response = await reader.get(f"{operation.path}?contactId=11231231231&phone=11231231231")
    assert response.status_code == 200


@pytest.mark.parametrize("session", ["", "  ", ["default"], True])
async def test_a_blank_session_in_the_body_is_refused(reader: httpx.AsyncClient, session: object) -> None:
    response = await reader.post("/api/contacts/block", json={"contactId": "1", "session": session})
    assert response.json() == {"message": "Session name is required", "error": "Bad Request", "statusCode": 400}


async def test_a_bad_query_is_told_before_the_session_is_looked_for(reader: httpx.AsyncClient) -> None:
    response = await reader.get("/api/contacts/all?session=nobody&limit=x")
    assert response.status_code == 400


# 1.2: malformed JSON, unknown route, broken escapes

WITH_BODY = [operation for operation in OPERATIONS if operation.body is not None]


@pytest.mark.parametrize("operation", WITH_BODY, ids=ids(WITH_BODY))
@pytest.mark.parametrize("content", ['{"contactId": ', "[1]", '"text"', "nul", b"\xff\xfe"])
async def test_a_body_that_is_no_json_object_is_400_with_a_text(
    reader: httpx.AsyncClient, operation: Operation, content: str | bytes
) -> None:
    response = await reader.request(
        operation.method,
        operation.path.format(**FILLED),
        content=content,
        headers={"content-type": "application/json"},
    )
    assert response.status_code == 400
    assert isinstance(response.json()["message"], str)
    assert (response.json()["error"], response.json()["statusCode"]) == ("Bad Request", 400)
    assert response.headers["lidbook-error"] == "invalid_request"


@pytest.mark.parametrize("operation", WITH_BODY, ids=ids(WITH_BODY))
async def test_a_body_beyond_a_megabyte_is_413(reader: httpx.AsyncClient, operation: Operation) -> None:
    response = await reader.request(
        operation.method, operation.path.format(**FILLED), content=b'{"a":"' + b"x" * 2**20 + b'"}'
    )
    assert response.status_code == 413
    assert response.json()["error"] == "Payload Too Large"
    assert response.headers["lidbook-error"] == "body_too_large"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/nothing"),
        ("POST", "/api/contacts/all"),
        ("DELETE", "/ping"),
        ("GET", "/api"),
        ("PATCH", "/api/sessions/default"),
        ("GET", "/api/contacts/all/more"),
    ],
)
async def test_an_unknown_route_or_method_is_404(reader: httpx.AsyncClient, method: str, path: str) -> None:
    response = await reader.request(method, path)
    shown = httpx.URL(path).path
    assert response.json() == {"message": f"Cannot {method} {shown}", "error": "Not Found", "statusCode": 404}
    assert response.headers["lidbook-error"] == "not_found"


@pytest.mark.parametrize("part", ["%zz", "%", "%f", "%ff", "123%zz"])
async def test_a_broken_escape_in_a_path_is_400(reader: httpx.AsyncClient, shared: Served, part: str) -> None:
    request = reader.build_request("GET", "/api/default/lids/x")
    request.url = httpx.URL(shared.url).copy_with(raw_path=f"/api/default/lids/{part}".encode())
    response = await reader.send(request)
    assert response.json() == {
        "message": f"Failed to decode param '{part}'",
        "error": "Bad Request",
        "statusCode": 400,
    }


async def test_a_trailing_slash_makes_no_difference(reader: httpx.AsyncClient) -> None:
    assert (await reader.get("/api/sessions/")).status_code == 200
    assert (await reader.get("/ping/")).json() == {"message": "pong"}


async def test_a_url_beyond_any_use_is_414(reader: httpx.AsyncClient) -> None:
    response = await reader.get("/api/contacts", params={"contactId": "1" * 17_000})
    assert (response.status_code, response.json()["error"]) == (414, "URI Too Long")


async def test_head_is_get_without_the_body(reader: httpx.AsyncClient) -> None:
    response = await reader.head("/ping")
    assert (response.status_code, response.content) == (200, b"")


# 1.2: the engine lacks the feature; any other exception


async def test_what_an_engine_cannot_do_is_501_naming_engine_capability_and_note(served: Served) -> None:
    session = served.lidbook.sessions.get("default")
    engine_session = session.engine_session
    refusing = type("Refusing", (type(engine_session),), {"about": lambda *_: _refuse()})
    engine_session.__class__ = refusing
    response = await served.client.get("/api/contacts/about?contactId=11231231231")
    assert response.status_code == 501
    assert response.json() == {
        "message": "The method is not implemented by 'poor' engine: contacts.about (no contacts.about here)",
        "error": "Not Implemented",
        "statusCode": 501,
    }
    assert response.headers["lidbook-error"] == "not_supported"


def _refuse() -> Any:
    from lidbook.errors import NotSupported

    raise NotSupported("poor", "contacts.about", "no contacts.about here")


async def test_a_failure_is_a_500_without_stack_body_and_query(served: Served) -> None:
    served.make(Kind.DISCONNECT)
    response = await served.client.get("/api/contacts/about?contactId=11231231231&x-secret=1")
    body = response.json()
    if response.status_code == 422:
        pytest.fail("the session noticed first; the call was to fail")
    assert response.status_code == 500
    assert list(body) == ["statusCode", "timestamp", "exception", "request", "version"]
    assert body["request"] == {"path": "/api/contacts/about", "method": "GET"}
    assert list(body["exception"]) == ["message", "name", "code"]
    assert body["exception"]["name"] == "EngineDisconnected"
    assert body["version"] == (await served.client.get("/api/server/version")).json()
    assert "x-secret" not in response.text
    assert "Traceback" not in response.text


async def test_a_fault_of_ours_is_a_500_that_says_nothing_but_its_kind(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object) -> bytes:
        raise ZeroDivisionError("11231231231 is a secret")

    monkeypatch.setattr(served.lidbook.sessions.get("default").directory, "contact", broken)
    response = await served.client.get("/api/contacts?contactId=11231231231")
    assert response.status_code == 500
    assert response.json()["exception"] == {
        "message": "Internal server error, see the server's log",
        "name": "ZeroDivisionError",
        "code": "internal",
    }
    assert response.headers["lidbook-error"] == "internal"
    assert "is a secret" not in response.text
    assert "ZeroDivisionError" in "".join(capsys.readouterr())
