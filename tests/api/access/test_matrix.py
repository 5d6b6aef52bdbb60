"""Every key at every route: who gets 401, who 403, and who is let through.

What is expected follows from the operation's scope and from the kind of key, in `expected` and nowhere else.
"""

import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import httpx
import pytest
from pydantic import SecretStr

from api.served import Served, serve
from lidbook.session_config import SessionConfig
from lidbook_api.access.scopes import GRANTED, Scope
from lidbook_api.access.store import KeyStore
from lidbook_api.access.stored import KeyWanted, ScopedKind
from lidbook_api.app import OPERATIONS
from lidbook_api.operation import Operation
from lidbook_api.routes import documentation
from lidbook_api.settings import ServerSettings

ENVIRONMENT: Final = "6c35dcbf31914c65a90f29e2ca1840d2"
UNAUTHORIZED: Final = {"message": "Unauthorized", "statusCode": 401}
FORBIDDEN: Final = {"message": "Forbidden", "statusCode": 403}
EVERYTHING: Final = frozenset(GRANTED)
ROUTES: Final = [f"{operation.method} {operation.path}" for operation in OPERATIONS]
ENDS_THE_SERVER: Final = frozenset({"/api/server/stop"})


@dataclass(frozen=True)
class Kind:
    """A kind of key: whether it opens anything, and what."""

    name: str
    opens: bool = True
    is_admin: bool = False
    scopes: frozenset[Scope] = frozenset()
    is_for_the_session: bool = True
    """Whether the requests made with it are about its own session."""


KINDS: Final = [
    Kind("no key", opens=False),
    Kind("wrong", opens=False),
    Kind("environment", is_admin=True),
    Kind("admin", is_admin=True),
    Kind("admin, inactive", opens=False),
    Kind("admin, expired", opens=False),
    Kind("admin, deleted", opens=False),
    *(Kind(f"session, {scope.value}", scopes=frozenset({scope})) for scope in GRANTED),
    Kind("session, nothing"),
    Kind("session, without actions", scopes=EVERYTHING - {Scope.DELETE}),
    Kind("session, its media key"),
    Kind("session, its control key", scopes=frozenset({Scope.CONTROL})),
    Kind("session, everything", scopes=EVERYTHING),
    Kind("session, everything, for another", scopes=EVERYTHING, is_for_the_session=False),
    Kind("session, everything, for one that is not there", scopes=EVERYTHING, is_for_the_session=False),
    Kind("session, rotated, within the grace", scopes=EVERYTHING),
    Kind("session, rotated, grace over", opens=False, scopes=EVERYTHING),
    Kind("session, inactive", opens=False, scopes=EVERYTHING),
    Kind("session, expired", opens=False, scopes=EVERYTHING),
    Kind("session, deleted", opens=False, scopes=EVERYTHING),
    Kind("session, of an earlier one of that name", opens=False, scopes=EVERYTHING),
]


def expected(operation: Operation, kind: Kind) -> int | None:
    """401, 403, or None for a request that reaches the endpoint."""
    if operation.scope is Scope.PUBLIC:
        return None
    if not kind.opens:
        return 401
    if kind.is_admin or operation.scope is Scope.SERVER:
        return None
    return None if kind.is_for_the_session and operation.scope in kind.scopes else 403


@pytest.fixture(scope="module")
async def locked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """A server with a key in the environment, and sessions `mine` and `theirs` beside `default`."""
    settings = ServerSettings.model_construct(api_key=SecretStr(ENVIRONMENT))
    async with serve(tmp_path_factory.mktemp("locked"), settings=settings) as served:
        for name in ("mine", "theirs"):
            await served.lidbook.sessions.create(name, SessionConfig(), start=False)
        yield served


def store(served: Served) -> KeyStore:
    """The server's keys."""
    keys: KeyStore = served.app.state.services.keys
    return keys


async def text_of(served: Served, kind: Kind, session: str) -> str | None:
    """A new key of that kind, for a session."""
    keys, sessions = store(served), served.lidbook.sessions
    if kind.name in ("no key", "wrong", "environment"):
        return {"no key": None, "wrong": "key_" + "x" * 32, "environment": ENVIRONMENT}[kind.name]
    actions = {scope: scope in kind.scopes for scope in GRANTED}
    wanted = KeyWanted(is_admin=True) if kind.name.startswith("admin") else KeyWanted(session=session, actions=actions)
    soon = int(time.time() * 1000) + 1
    match kind.name.partition(", ")[2].removeprefix("everything, "):
        case "inactive":
            wanted = KeyWanted(wanted.is_admin, wanted.session, is_active=False, actions=wanted.actions)
        case "expired":
            wanted = KeyWanted(wanted.is_admin, wanted.session, actions=wanted.actions, expires_at=soon)
        case "without actions":
            wanted = KeyWanted(session=session)
        case "its media key" | "its control key":
            scoped = ScopedKind.MEDIA if "media" in kind.name else ScopedKind.CONTROL
            return (await keys.create_scoped(scoped, session))[1]
    key, text = await keys.create(wanted)
    match kind.name.partition(", ")[2]:
        case "deleted":
            await keys.delete(key.id)
        case "rotated, within the grace":
            await keys.rotate(key.id, 3600)
        case "rotated, grace over":
            await keys.rotate(key.id, 0)
        case "of an earlier one of that name":
            await sessions.delete(session)
            await sessions.create(session, SessionConfig(), start=False)
        case "expired":
            while time.time() * 1000 <= soon:
                await served.client.get("/ping")
    return text


async def ask(served: Served, operation: Operation, text: str | None, session: str) -> httpx.Response:
    """A request about a session, which is named wherever the operation may look for it."""
    filled = defaultdict(lambda: "1", session=session, id="11231231231", lid="123@lid", engine="sandbox")
    example = operation.body_example if isinstance(operation.body_example, dict) else {}
    body = {**example, "session": session, "name": session, "contactId": "11231231231", "firstName": "Jane"}
    if operation.path in ENDS_THE_SERVER:
        body = {"force": "perhaps"}
    return await served.client.request(
        operation.method,
        operation.path.format_map(filled),
        params={"session": session, "contactId": "11231231231", "phone": "11231231231", "limit": "1"},
        json=None if operation.method == "GET" else body,
        headers={} if text is None else {"X-Api-Key": text},
    )


NUMBERS = count(1)


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
@pytest.mark.parametrize("operation", OPERATIONS, ids=ROUTES)
async def test_every_key_at_every_route(locked: Served, operation: Operation, kind: Kind) -> None:
    sessions = locked.lidbook.sessions
    own = f"matrix-{next(NUMBERS)}"
    await sessions.create(own, SessionConfig(), start=False)
    text = await text_of(locked, kind, own)
    asked = own if kind.is_for_the_session else "nobody" if kind.name.endswith("not there") else "theirs"
    response = await ask(locked, operation, text, asked)
    wanted = expected(operation, kind)
    if wanted is None:
        assert response.status_code not in (401, 403), response.text
    elif wanted == 401:
        assert (response.status_code, response.json()) == (401, UNAUTHORIZED)
        assert response.headers["lidbook-error"] == "unauthorized"
    else:
        assert (response.status_code, response.json()) == (403, FORBIDDEN)
        assert response.headers["lidbook-error"] == "not_allowed"
    if not kind.is_for_the_session:
        assert "theirs" not in response.text
        assert "mine" not in response.text
    await sessions.delete(own)


ABOUT_SESSIONS = [o for o in OPERATIONS if o.scope not in (Scope.PUBLIC, Scope.SERVER, Scope.ADMIN)]


@pytest.mark.parametrize("operation", ABOUT_SESSIONS, ids=[f"{o.method} {o.path}" for o in ABOUT_SESSIONS])
async def test_a_foreign_session_is_refused_the_same_whether_it_exists_or_not(
    locked: Served, operation: Operation
) -> None:
    _, text = await store(locked).create(KeyWanted(session="mine", actions=dict.fromkeys(GRANTED, True)))
    answers = [await ask(locked, operation, text, session) for session in ("theirs", "nobody", "default")]
    seen = [
        (each.status_code, each.content, {n: v for n, v in each.headers.items() if n != "date"}) for each in answers
    ]
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0] == 403


async def test_a_request_under_way_does_not_reach_a_later_session_of_the_name(locked: Served) -> None:
    sessions = locked.lidbook.sessions
    await sessions.create("again", SessionConfig())
    _, text = await store(locked).create(KeyWanted(session="again"))

    async def slow_body() -> AsyncIterator[bytes]:
        yield b'{"session": "again", "name": "again",'
        await sessions.delete("again")
        await sessions.create("again", SessionConfig())
        await sessions.get("again").settled(10)
        yield b'"contactId": "11231231231"}'

    for path in ("/api/contacts/block", "/api/sessions/stop"):
        response = await locked.client.post(path, content=slow_body(), headers={"X-Api-Key": text})
        assert response.status_code == 403, "the body is read after the gate, and before the session is looked for"
        _, text = await store(locked).create(KeyWanted(session="again"))


# the matrix is whole


def test_every_route_is_in_the_matrix_or_known_to_be_public(locked: Served) -> None:
    routes = {
        (method, getattr(route, "path", ""))
        for route in locked.app.routes
        for method in getattr(route, "methods", None) or ["WS"]
    }
    public = {("GET", path) for path, _ in documentation.ROUTES}
    assert routes - {("WS", "/ws")} == {(operation.method, operation.path) for operation in OPERATIONS} | public


def test_every_operation_has_a_scope_and_what_is_public_is_written_here() -> None:
    assert {type(operation.scope) for operation in OPERATIONS} == {Scope}
    assert [operation.path for operation in OPERATIONS if operation.public] == ["/ping"]
    with pytest.raises(TypeError, match="scope"):
        Operation("GET", "/", OPERATIONS[0].endpoint, "", "")  # type: ignore[call-arg]


@pytest.mark.parametrize("operation", OPERATIONS, ids=ROUTES)
def test_what_changes_something_is_not_opened_by_reading(operation: Operation) -> None:
    if operation.method != "GET":
        assert operation.scope not in (Scope.PUBLIC, Scope.SERVER, Scope.READ)


WAHAS: Final = {
    Scope.SERVER: ["GET /api/sessions", "GET /api/server/version", "GET /api/version", "GET /api/server/status"],
    Scope.READ: [
        "GET /api/contacts",
        "GET /api/contacts/all",
        "GET /api/{session}/contacts/{id}",
        "GET /api/contacts/check-exists",
        "GET /api/checkNumberStatus",
        "GET /api/contacts/about",
        "GET /api/contacts/profile-picture",
        "GET /api/{session}/lids",
        "GET /api/{session}/lids/count",
        "GET /api/{session}/lids/{lid}",
        "GET /api/{session}/lids/pn/{phoneNumber}",
        "GET /api/sessions/{session}",
        "GET /api/sessions/{session}/me",
        "GET /api/{session}/groups",
        "GET /api/{session}/groups/count",
        "GET /api/{session}/groups/{id}",
        "GET /api/{session}/groups/{id}/participants",
        "GET /api/{session}/groups/{id}/participants/v2",
    ],
    Scope.SEND: [
        "POST /api/contacts/block",
        "POST /api/contacts/unblock",
        "PUT /api/{session}/contacts/{id}",
        "POST /api/{session}/groups/refresh",
    ],
    Scope.CONTROL: [
        "POST /api/sessions/{session}/start",
        "POST /api/sessions/{session}/stop",
        "POST /api/sessions/{session}/restart",
        "POST /api/sessions/{session}/logout",
        "POST /api/sessions/start",
        "POST /api/sessions/stop",
        "POST /api/sessions/logout",
        "GET /api/{session}/auth/qr",
        "POST /api/{session}/auth/request-code",
        "GET /api/{session}/auth/passkey/challenge",
        "POST /api/{session}/auth/passkey",
        "GET /api/{session}/auth/passkey/confirmation",
        "POST /api/{session}/auth/passkey/confirm",
        "GET /api/screenshot",
    ],
    Scope.SETTING: ["PUT /api/sessions/{session}"],
    Scope.DELETE: ["DELETE /api/sessions/{session}"],
    Scope.ADMIN: [
        "POST /api/sessions",
        "GET /api/keys",
        "POST /api/keys",
        "PUT /api/keys/{id}",
        "DELETE /api/keys/{id}",
        "POST /api/keys/media",
        "POST /api/keys/control",
        "GET /health",
        "GET /api/server/environment",
        "POST /api/server/stop",
    ],
}
"""What WAHA asks for, route by route."""

OURS: Final = {
    Scope.PUBLIC: ["GET /ping"],
    Scope.SERVER: ["GET /api/engines", "GET /api/engines/{engine}", "GET /api/features"],
    Scope.READ: ["GET /api/{session}/blocklist", "GET /api/{session}/webhooks"],
    Scope.SEND: ["DELETE /api/{session}/contacts/{id}"],
    Scope.SETTING: [
        "POST /api/{session}/webhooks/test",
        "GET /api/{session}/webhooks/dead-letters",
        "DELETE /api/{session}/webhooks/dead-letters",
        "POST /api/{session}/webhooks/dead-letters/resend",
        "GET /api/{session}/webhooks/dead-letters/{id}",
        "DELETE /api/{session}/webhooks/dead-letters/{id}",
        "POST /api/{session}/webhooks/dead-letters/{id}/resend",
    ],
    Scope.DELETE: ["POST /api/sessions/{session}/reset"],
    Scope.ADMIN: ["POST /api/keys/{id}/rotate", "GET /api/audit", "GET /metrics"],
}
"""What is asked for on routes that WAHA does not have, or asks nothing for."""


@pytest.mark.parametrize(("scope", "route"), [(scope, route) for scope, routes in WAHAS.items() for route in routes])
def test_wahas_routes_ask_for_wahas_scopes(scope: Scope, route: str) -> None:
    assert OPERATIONS[ROUTES.index(route)].scope is scope


def test_every_route_is_written_here_with_its_scope() -> None:
    written = {route: scope for table in (WAHAS, OURS) for scope, routes in table.items() for route in routes}
    assert written == {route: operation.scope for route, operation in zip(ROUTES, OPERATIONS, strict=True)}


# what one scope does not cover


async def test_the_old_way_to_start_needs_setting_for_a_config_and_an_admin_for_a_new_session(locked: Served) -> None:
    for actions, body, status in (
        ({Scope.SETTING: False}, {"name": "mine"}, 201),
        ({Scope.SETTING: False}, {"name": "mine", "config": {"debug": True}}, 403),
        ({}, {"name": "mine", "config": {"debug": True}}, 201),
        ({}, {"name": "new"}, 403),
        ({Scope.CONTROL: False}, {"name": "mine"}, 403),
    ):
        _, text = await store(locked).create(KeyWanted(session="mine", actions=actions))
        response = await locked.client.post("/api/sessions/start", json=body, headers={"X-Api-Key": text})
        assert response.status_code == status, body
    assert locked.lidbook.sessions.find("new") is None
    await locked.lidbook.sessions.stop("mine")


async def test_a_session_key_sees_its_own_session_in_lists_and_counts(locked: Served) -> None:
    _, text = await store(locked).create(KeyWanted(session="mine", actions=dict.fromkeys(GRANTED, False)))
    headers = {"X-Api-Key": text}
    shown = (await locked.client.get("/api/sessions?all=true", headers=headers)).json()
    assert [session["name"] for session in shown] == ["mine"]
    engines = (await locked.client.get("/api/engines", headers=headers)).json()
    assert sum(engine["sessions"] for engine in engines) == 1
    everything = await locked.client.get("/api/sessions?all=true", headers={"X-Api-Key": ENVIRONMENT})
    assert {"default", "mine", "theirs"} <= {session["name"] for session in everything.json()}


@pytest.mark.parametrize("path", ["health", "api/keys"])
async def test_a_path_that_is_opened_is_an_admins_for_everybody(tmp_path: Path, path: str) -> None:
    settings = ServerSettings.model_construct(api_key=SecretStr(ENVIRONMENT), open_paths=(path,))
    async with serve(tmp_path, settings=settings) as served:
        assert (await served.client.get(f"/{path}")).status_code == 200
        assert (await served.client.get(f"/{path}", headers={"X-Api-Key": "wrong"})).status_code == 200
        assert (await served.client.get("/api/sessions")).status_code == 401
