"""The audit log: a row for every change and every refusal, none for those without a key, and nothing secret in it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import structlog
from pydantic import SecretStr

from lidbook.directory.database import Database
from lidbook.session_config import SessionConfig
from lidbook_api.access import audit as audit_module
from lidbook_api.access.audit import Audit, Deed
from lidbook_api.access.refusals import EACH_MINUTE, MINUTE, Refusals
from lidbook_api.settings import ServerSettings

from .served import Served, serve
from .test_openapi import faults

ENVIRONMENT: Final = "6c35dcbf31914c65a90f29e2ca1840d2"
SHAPE: Final = {"type": "array", "items": {"$ref": "#/components/schemas/AuditEntry"}}


@pytest.fixture
async def locked(tmp_path: Path) -> AsyncIterator[Served]:
    """A server with a key in the environment, which the client sends."""
    settings = ServerSettings.model_construct(api_key=SecretStr(ENVIRONMENT))
    async with serve(tmp_path / "data", settings=settings) as served:
        served.client.headers["X-Api-Key"] = ENVIRONMENT
        yield served


async def rows(client: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    """The audit log, as it is read."""
    response = await client.get(f"/api/audit{query}")
    assert response.status_code == 200
    assert faults(SHAPE, response.json()) == []
    found: list[dict[str, Any]] = response.json()
    return found


def short(row: dict[str, Any]) -> tuple[object, ...]:
    """What a test compares."""
    return tuple(row[name] for name in ("keyId", "action", "session", "subject", "status", "error"))


async def key(client: httpx.AsyncClient, **body: object) -> tuple[str, dict[str, str]]:
    """Id of a new key, and the header that carries it."""
    made = (await client.post("/api/keys", json=body)).json()
    return made["id"], {"X-Api-Key": made["key"]}


async def test_a_change_is_written_with_key_session_and_outcome(locked: Served) -> None:
    client = locked.client
    await client.post("/api/sessions/default/stop")
    [row] = await rows(client)
    assert list(row) == ["id", "timestamp", "keyId", "action", "session", "subject", "status", "error", "client"]
    assert short(row) == ("env", "stop_session", "default", None, 201, None)
    assert row["client"] == "127.0.0.1"


async def test_the_session_is_found_wherever_it_was_named(locked: Served) -> None:
    client = locked.client
    await client.post("/api/contacts/block", json={"session": "default", "contactId": "11231231231"})
    await client.put("/api/default/contacts/11231231231", json={"firstName": "Ann"})
    await client.post("/api/sessions", json={"name": "new", "start": False})
    await client.post("/api/sessions/stop", json={"name": "new"})
    await client.delete("/api/sessions/new")
    made = (await client.post("/api/sessions", json={"start": False})).json()["name"]
    assert [short(row) for row in await rows(client)][::-1] == [
        ("env", "block_contact", "default", None, 201, None),
        ("env", "update_contact", "default", None, 200, None),
        ("env", "create_session", "new", None, 201, None),
        ("env", "stop_session_by_body", "new", None, 201, None),
        ("env", "delete_session", "new", None, 200, None),
        ("env", "create_session", made, None, 201, None),
    ]


async def test_what_failed_is_written_with_its_code(locked: Served) -> None:
    client = locked.client
    await client.post("/api/sessions", json={"name": "default"})
    await client.post("/api/sessions", content=b"{")
    await client.post("/api/contacts/block", json={"session": "nobody", "contactId": "11231231231"})
    await client.post("/api/sessions/nobody/start")
    assert [short(row) for row in await rows(client)][::-1] == [
        ("env", "create_session", None, None, 422, "session_exists"),
        ("env", "create_session", None, None, 400, "invalid_request"),
        ("env", "block_contact", None, None, 422, "session_missing"),
        ("env", "start_session", None, None, 404, "session_not_found"),
    ]


async def test_every_refusal_is_written_reads_included(locked: Served) -> None:
    client = locked.client
    await locked.lidbook.sessions.create("theirs", SessionConfig(), start=False)
    key_id, header = await key(client, session="default", actions={"send": False})
    await client.get("/api/contacts/all?session=theirs", headers=header)
    await client.get("/api/theirs/lids", headers=header)
    await client.get("/api/nobody/lids", headers=header)
    await client.get("/api/keys", headers=header)
    await client.post("/api/default/groups/refresh", headers=header)
    await client.get("/api/contacts/all", headers=header)
    assert [short(row) for row in await rows(client)][:-1][::-1] == [
        (key_id, "list_contacts", "theirs", None, 403, "not_allowed"),
        (key_id, "list_lids", "theirs", None, 403, "not_allowed"),
        (key_id, "list_lids", None, None, 403, "not_allowed"),
        (key_id, "list_keys", None, None, 403, "not_allowed"),
        (key_id, "refresh_groups", "default", None, 403, "not_allowed"),
    ]


async def test_of_keys_it_says_which_was_changed(locked: Served) -> None:
    client = locked.client
    key_id, _ = await key(client, isAdmin=True)
    await client.put(f"/api/keys/{key_id}", json={"session": "default"})
    await client.put(f"/api/keys/{key_id}", json={"session": "nobody"})
    await client.post(f"/api/keys/{key_id}/rotate")
    await client.post("/api/keys/control", json={"session": "default"})
    await client.delete(f"/api/keys/{key_id}")
    await client.delete(f"/api/keys/{key_id}")
    assert [short(row) for row in await rows(client)][::-1] == [
        ("env", "create_key", None, key_id, 201, None),
        ("env", "update_key", None, key_id, 200, None),
        ("env", "update_key", None, key_id, 422, "invalid_key"),
        ("env", "rotate_key", None, key_id, 201, None),
        ("env", "create_control_key", None, "key_id_control_default", 201, None),
        ("env", "delete_key", None, key_id, 200, None),
        ("env", "delete_key", None, None, 404, "key_not_found"),
    ]


async def test_reads_that_are_answered_leave_nothing(locked: Served) -> None:
    for path in ("/api/sessions", "/api/contacts/all", "/api/keys", "/api/audit", "/health", "/ping", "/"):
        assert (await locked.client.get(path)).status_code == 200
        await locked.client.head(path)
        await locked.client.options(path)
    assert await rows(locked.client) == []


async def test_on_a_server_without_keys_changes_are_written_as_well(served: Served) -> None:
    await served.client.post("/api/sessions/default/stop")
    [row] = await rows(served.client)
    assert short(row) == ("none", "stop_session", "default", None, 201, None)


async def test_no_number_key_or_body_gets_in(locked: Served) -> None:
    client, number = locked.client, "447700900123"
    _, header = await key(client, session="default")
    for path in (f"/api/{number}/lids", f"/api/contacts/all?session={number}", f"/api/{header['X-Api-Key']}/lids"):
        assert (await client.get(path, headers=header)).status_code == 403
    await client.put(f"/api/default/contacts/{number}", json={"firstName": "Secret Name"})
    await client.post("/api/contacts/block", json={"session": number, "contactId": number})
    await client.post("/api/sessions/start", json={"name": f"+{number}"})
    await client.put(f"/api/keys/{number}", json={})
    await client.post(f"/api/sessions/default/stop?x-api-key={ENVIRONMENT}&x={number}")
    reader = locked.lidbook.database.reader
    written = str(reader.execute("SELECT * FROM audit").fetchall())
    assert len(await rows(client)) == 9
    for secret in (number, "Secret", ENVIRONMENT, header["X-Api-Key"][4:]):
        assert secret not in written


async def test_the_address_of_a_client_behind_a_proxy_is_an_address_or_nothing(locked: Served) -> None:
    for forwarded in ("203.0.113.7", "2001:db8::1", "447700900123", "x'\"; DROP TABLE audit"):
        await locked.client.post("/api/sessions/default/stop", headers={"X-Forwarded-For": forwarded})
    assert [row["client"] for row in await rows(locked.client)][::-1] == ["203.0.113.7", "2001:db8::1", None, None]


# those without a key


async def test_a_wrong_key_is_counted_and_leaves_no_row(locked: Served) -> None:
    audit: Audit = locked.app.state.services.audit
    before = audit.unauthorized
    with structlog.testing.capture_logs() as logged:
        for text in ("wrong", "", "key_" + "x" * 32):
            assert (await locked.client.post("/api/sessions", headers={"X-Api-Key": text})).status_code == 401
    assert await rows(locked.client) == []
    assert audit.unauthorized == before + 3
    lines = [line for line in logged if line["event"] == "not let in"]
    assert [line["requests"] for line in lines] == [1], "the first at once, the others together, later"
    assert "wrong" not in str(lines)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database without a server."""
    database = Database(tmp_path / "x.sqlite3")
    yield database
    database.close()


async def test_what_was_counted_is_told_in_the_end(database: Database) -> None:
    audit = Audit(database)
    with structlog.testing.capture_logs() as logged:
        for _ in range(100):
            audit.refused("127.0.0.1")
        audit.close()
        audit.close()
    assert [line["requests"] for line in logged] == [1, 99]


async def test_what_was_counted_is_told_after_a_moment(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "MOMENT", 0.01)
    audit = Audit(database)
    with structlog.testing.capture_logs() as logged:
        for _ in range(5):
            audit.refused("127.0.0.1")
        async with asyncio.timeout(10):
            while len(logged) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0)
    assert [line["requests"] for line in logged] == [1, 4]


async def test_a_page_of_another_origin_is_counted_apart(served: Served) -> None:
    audit: Audit = served.app.state.services.audit
    response = await served.client.post("/api/sessions", headers={"Origin": "https://evil.example"})
    assert response.status_code == 403
    assert (audit.foreign, audit.unauthorized) == (1, 0)
    assert await rows(served.client) == []


# reading and keeping


async def test_pages_go_back_from_the_newest(locked: Served) -> None:
    audit: Audit = locked.app.state.services.audit
    for number in range(250):
        await audit.write(Deed("env", f"deed_{number}", None, None, 200, None, None))
    assert len(await rows(locked.client)) == 100
    first = await rows(locked.client, "?limit=7")
    second = await rows(locked.client, f"?limit=1000&before={first[-1]['id']}")
    assert [row["action"] for row in (*first, *second)] == [f"deed_{number}" for number in reversed(range(250))]
    assert await rows(locked.client, f"?before={second[-1]['id']}") == []


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=0", "limit must not be less than 1"),
        ("limit=-1", "limit must not be less than 1"),
        ("limit=1001", "limit must not be greater than 1000"),
        ("limit=x", "limit must be a number conforming to the specified constraints"),
        ("before=0", "before must not be less than 1"),
    ],
)
async def test_a_page_that_makes_no_sense_is_refused(locked: Served, query: str, message: str) -> None:
    response = await locked.client.get(f"/api/audit?{query}")
    assert (response.status_code, response.json()["message"]) == (400, [message])


async def test_the_oldest_rows_go(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "KEPT", 30)
    monkeypatch.setattr(audit_module, "PRUNED_EVERY", 10)
    audit = Audit(database)
    for number in range(1, 101):
        await audit.write(Deed("env", f"deed_{number}", None, None, 200, None, None))
    kept = [row.deed.action for row in await audit.page(1000, None)]
    assert kept == [f"deed_{number}" for number in range(100, 70, -1)]


async def test_a_change_is_answered_though_its_row_cannot_be_written(locked: Served) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk is full'); END")

    await locked.lidbook.database.write(fail)
    with structlog.testing.capture_logs() as logged:
        response = await locked.client.post("/api/sessions/default/stop")
    assert response.status_code == 201
    [line] = [line for line in logged if line["event"] == "not in the audit log"]
    assert (line["log_level"], line["action"]) == ("error", "stop_session")
    assert await rows(locked.client) == []


# those who would flush it


@pytest.fixture
def clock() -> list[int]:
    """Milliseconds, as the one element."""
    return [1_000_000]


async def test_what_session_keys_do_pushes_out_nothing_that_an_admin_did(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "KEPT", 30)
    monkeypatch.setattr(audit_module, "PRUNED_EVERY", 10)
    audit = Audit(database)
    await audit.write(Deed("env", "create_key", None, None, 201, None, None))
    for number in range(199):
        await audit.write(Deed("key_id_1", f"deed_{number}", "s", None, 201, None, None, by_admin=False))
    kept = [row.deed.action for row in await audit.page(1000, None)]
    assert kept == [*(f"deed_{number}" for number in range(198, 168, -1)), "create_key"]


def test_of_one_keys_refusals_a_few_each_minute_have_a_row(clock: list[int]) -> None:
    refusals = Refusals(lambda: clock[0])
    with structlog.testing.capture_logs() as logged:
        assert [refusals.has_a_row("a") for _ in range(25)] == [True] * EACH_MINUTE + [False] * (25 - EACH_MINUTE)
        assert refusals.has_a_row("b"), "another key is counted for itself"
        clock[0] += MINUTE
        assert refusals.has_a_row("a")
        refusals.close()
    assert [line["event"] for line in logged] == [
        "this key is refused again and again; the rest of a minute is counted",
        "refused without a row",
    ]
    assert (logged[-1]["key_id"], logged[-1]["requests"]) == ("a", 25 - EACH_MINUTE)


async def test_a_key_that_is_refused_again_and_again_leaves_a_few_rows(locked: Served) -> None:
    made = await locked.client.post("/api/keys", json={"session": "default"})
    key = {"X-Api-Key": made.json()["key"]}
    for path in ("/api/audit", "/api/keys", "/health", "/metrics", "/api/sessions/other") * 8:
        assert (await locked.client.get(path, headers=key)).status_code == 403
    written = [row for row in await rows(locked.client) if row["status"] == 403]
    assert {row["keyId"] for row in written} == {made.json()["id"]}
    assert len(written) == EACH_MINUTE
