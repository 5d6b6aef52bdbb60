"""Keys, hosts, origins: who is let in."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from starlette.types import Message, Receive, Scope, Send
from websockets.asyncio.client import connect

from lidbook.directory.database import Database
from lidbook_api.access.audit import Audit
from lidbook_api.access.key_text import SHORTEST, WEAK, ApiKey, WeakKey, masked, new_key
from lidbook_api.access.scopes import ANONYMOUS, ENVIRONMENT, EXCLUDED, NO_KEYS
from lidbook_api.access.store import KeyStore
from lidbook_api.app import OPERATIONS
from lidbook_api.gate import Gate, admit, is_loopback
from lidbook_api.operation import Operation
from lidbook_api.settings import ServerSettings

from .conftest import Serve
from .served import Served, serve

KEY = "6c35dcbf31914c65a90f29e2ca1840d2"
DIGEST = hashlib.sha512(KEY.encode()).hexdigest()
UNAUTHORIZED = b'{"message":"Unauthorized","statusCode":401}'
PROTECTED = [operation for operation in OPERATIONS if not operation.public]


@pytest.fixture(scope="module")
def serving() -> Serve:
    """Starts a server."""
    return serve


@pytest.fixture(scope="module")
async def locked(tmp_path_factory: pytest.TempPathFactory, serving: Serve) -> "httpx.AsyncClient":  # type: ignore[misc]
    """A client, without a key, of a server that has one."""
    settings = ServerSettings.model_construct(api_key=SecretStr(f"sha512:{DIGEST}"), open_paths=("health",))
    async with serving(tmp_path_factory.mktemp("locked"), settings=settings) as served:
        yield served.client


# with a key


@pytest.mark.parametrize("operation", PROTECTED, ids=[f"{o.method} {o.path}" for o in PROTECTED])
async def test_without_the_key_nothing_is_answered(locked: httpx.AsyncClient, operation: Operation) -> None:
    if operation.path == "/health":
        return
    for headers in ({}, {"X-Api-Key": "wrong"}, {"X-Api-Key": DIGEST}, {"X-Api-Key": ""}):
        response = await locked.request(operation.method, operation.path, headers=headers)
        assert (response.status_code, response.content) == (401, UNAUTHORIZED)
        assert response.headers["lidbook-error"] == "unauthorized"


async def test_the_key_is_taken_from_the_header_and_from_the_query(locked: httpx.AsyncClient) -> None:
    assert (await locked.get("/api/sessions", headers={"x-API-key": KEY})).status_code == 200
    assert (await locked.get(f"/api/sessions?x-api-key={KEY}")).status_code == 200


async def test_the_header_wins_and_the_parameter_is_lower_case_only(locked: httpx.AsyncClient) -> None:
    assert (await locked.get(f"/api/sessions?x-api-key={KEY}", headers={"X-Api-Key": "wrong"})).status_code == 401
    assert (await locked.get(f"/api/sessions?X-Api-Key={KEY}")).status_code == 401
    assert (await locked.get(f"/api/sessions?x-api-key={KEY}&x-api-key={KEY}")).status_code == 401


async def test_ping_documentation_and_named_paths_need_no_key(locked: httpx.AsyncClient) -> None:
    for path in ("/ping", "/", "/openapi.json", "/-json", "/health", "/health/"):
        assert (await locked.get(path)).status_code == 200, path


@pytest.mark.parametrize("path", ["/api/nothing", "/api", "/api/sessions/", "/api/%zz/lids"])
async def test_without_the_key_nobody_learns_what_exists(locked: httpx.AsyncClient, path: str) -> None:
    assert (await locked.get(path)).status_code == 401


async def test_with_a_key_pages_of_any_origin_may_ask_and_read_our_headers(locked: httpx.AsyncClient) -> None:
    response = await locked.get("/api/sessions", headers={"Origin": "https://crm.example", "X-Api-Key": KEY})
    assert response.headers["access-control-allow-origin"] == "*"
    exposed = response.headers["access-control-expose-headers"].lower()
    for name in ("lidbook-lid", "lidbook-error", "lidbook-picture", "lidbook-stale", "x-total-count", "retry-after"):
        assert name in exposed
    refused = await locked.get("/api/sessions", headers={"Origin": "https://crm.example"})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*")


async def test_a_preflight_is_answered_without_a_key(locked: httpx.AsyncClient) -> None:
    headers = {
        "Origin": "https://crm.example",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "x-api-key,content-type",
    }
    response = await locked.options("/api/default/contacts/1", headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["access-control-allow-origin"] == "*"
    assert "PUT" in response.headers["access-control-allow-methods"]
    assert response.headers["access-control-allow-headers"] == "x-api-key,content-type"


async def test_with_a_key_any_host_is_served(locked: httpx.AsyncClient) -> None:
    response = await locked.get("/api/sessions", headers={"Host": "lidbook.example", "X-Api-Key": KEY})
    assert response.status_code == 200


async def test_a_plain_key_works_as_well(tmp_path: Path, serving: Serve) -> None:
    key = "ключ от двери"
    async with serving(tmp_path, settings=ServerSettings.model_construct(api_key=SecretStr(key))) as served:
        assert (await served.client.get("/api/sessions", headers={b"X-Api-Key": key.encode()})).status_code == 200
        assert (await served.client.get("/api/sessions", params={"x-api-key": key})).status_code == 200
        assert (await served.client.get("/health")).status_code == 401


# without a key


@pytest.mark.parametrize(
    "host", ["localhost:3000", "127.0.0.1", "127.8.9.1:80", "[::1]:3000", "a.localhost", "LOCALHOST"]
)
async def test_without_a_key_this_machine_is_served(reader: httpx.AsyncClient, host: str) -> None:
    assert (await reader.get("/api/sessions", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.1.5:3000", "", "[", "0.0.0.0"]
)
@pytest.mark.parametrize("path", ["/api/contacts/all", "/ping", "/"])
async def test_without_a_key_a_rebound_name_is_refused(reader: httpx.AsyncClient, host: str, path: str) -> None:
    response = await reader.get(path, headers={"Host": host})
    assert (response.status_code, response.json()["error"]) == (403, "Forbidden")
    assert response.headers["lidbook-error"] == "not_allowed"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"])
async def test_without_a_key_other_origins_are_refused_and_get_no_cors(reader: httpx.AsyncClient, origin: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        response = await reader.request(method, "/api/contacts/block", headers={"Origin": origin})
        assert response.status_code == 403
        assert not [name for name in response.headers if name.startswith("access-control")]


async def test_without_a_key_the_servers_own_page_may_ask(shared: Served) -> None:
    response = await shared.client.get("/api/sessions", headers={"Origin": shared.url})
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


# websockets


async def closed(url: str, **headers: str) -> tuple[int, str]:
    """Code and reason with which a websocket is closed after its handshake."""
    async with connect(url, additional_headers=headers) as socket:
        async with asyncio.timeout(10):
            await socket.wait_closed()
        assert socket.close_code is not None
        return socket.close_code, socket.close_reason or ""


def ws(served: Served, query: str = "") -> str:
    """Where the websocket is."""
    return f"{served.url.replace('http', 'ws', 1)}/ws{query}"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.5:3000", "0.0.0.0"])
async def test_without_a_key_a_rebound_name_opens_no_websocket(shared: Served, host: str) -> None:
    before = shared.app.state.services.audit.foreign
    assert await closed(ws(shared), Host=host, Origin=f"http://{host}") == (1008, "Forbidden")
    assert await closed(ws(shared), Host=host) == (1008, "Forbidden")
    assert shared.app.state.services.audit.foreign == before + 2


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "ws://127.0.0.1"])
async def test_without_a_key_a_page_of_another_origin_opens_no_websocket(shared: Served, origin: str) -> None:
    assert await closed(ws(shared), Origin=origin) == (1008, "Forbidden")
    assert await closed(ws(shared), **{"Sec-Fetch-Site": "cross-site"}) == (1008, "Forbidden")


async def test_without_a_key_the_servers_own_page_and_programs_open_a_websocket(shared: Served) -> None:
    for headers in ({}, {"Origin": shared.url, "Sec-Fetch-Site": "same-origin"}):
        async with connect(ws(shared), additional_headers=headers) as socket:
            await (await socket.ping())


# what is behind the gate


@dataclass
class Behind:
    """An app that only remembers what it was asked."""

    scopes: list[Scope] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[KeyStore]:
    """Keys of a server that has one in its environment, and no session."""
    database = Database(tmp_path / "x.sqlite3")
    yield KeyStore(database, ApiKey.parse(KEY), lambda _: None)
    database.close()


async def passed(store: KeyStore, *, path: str = "/api/sessions", query: str = "", **given: object) -> Scope | None:
    """The scope of a request as it gets behind the gate; None for one that does not."""
    behind = Behind()
    gate = Gate(behind, keys=store, audit=Audit(store._database), open_paths=frozenset({"/opened"}))
    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [],
        "scheme": "http",
        "client": None,
        **given,
    }

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        assert message

    await gate(scope, receive, send)
    return behind.scopes[0] if behind.scopes else None


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        (f"x-api-key={KEY}", ""),
        (f"a=1&x-api-key={KEY}&b=%20+&a", "a=1&b=%20+&a"),
        (f"x-api-key={KEY[:4]}%{ord(KEY[4]):x}{KEY[5:]}&a=x-api-key", "a=x-api-key"),
    ],
)
@pytest.mark.parametrize("header", [[], [(b"x-api-key", KEY.encode())]])
async def test_nobody_behind_the_gate_sees_the_key_in_the_query(
    store: KeyStore, query: str, kept: str, header: list[tuple[bytes, bytes]]
) -> None:
    for kind in ("http", "websocket"):
        scope = await passed(store, query=query, headers=header, type=kind)
        assert scope is not None
        assert scope["query_string"] == kept.encode()
        assert scope["lidbook.access"] is ENVIRONMENT


async def test_every_request_behind_the_gate_has_its_access(store: KeyStore) -> None:
    for path, access in (("/ping", ANONYMOUS), ("/", ANONYMOUS), ("/swagger/x.js", ANONYMOUS), ("/opened", EXCLUDED)):
        scope = await passed(store, path=path)
        assert scope is not None
        assert scope["lidbook.access"] is access
    for path in ("/api", "/api/", "/api/x", "/health", "/health/", "/metrics"):
        assert await passed(store, path=path) is None


async def test_a_websocket_is_routed_without_an_access_when_its_key_is_wrong(store: KeyStore) -> None:
    for query, headers in (("", []), ("x-api-key=wrong", []), (f"x-api-key={KEY}", [(b"x-api-key", b"wrong")])):
        scope = await passed(store, type="websocket", path="/ws", query=query, headers=headers)
        assert scope is not None
        assert admit(scope) is None
    for query in (f"X-API-Key={KEY}", f"x-api-key={KEY}&x-api-key=wrong", f"a=1&x-Api-kEy={KEY}"):
        scope = await passed(store, type="websocket", path="/ws", query=query)
        assert scope is not None
        assert admit(scope) is ENVIRONMENT
        assert b"key" not in scope["query_string"].lower()


async def test_a_foreign_page_is_let_nowhere_without_a_key(store: KeyStore) -> None:
    unlocked = KeyStore(store._database, None, lambda _: None)
    local = [(b"host", b"localhost:3000")]
    scope = await passed(unlocked, headers=local, query="x-api-key=any&a=1")
    assert scope is not None
    assert (scope["lidbook.access"], scope["query_string"]) == (NO_KEYS, b"a=1")
    for headers in ([(b"host", b"evil.example")], [*local, (b"origin", b"http://localhost:8080")]):
        assert await passed(unlocked, headers=headers) is None
        assert await passed(unlocked, headers=headers, type="websocket", scheme="ws") is None


# pieces


WAHAS_SAMPLE = (
    "sha512:98b6d128682e280b74b324ca82a6bae6e8a3f7174e0605bfd52eb9948fad8984"
    "854ec08f7652f32055c4a9f12b69add4850481d9503a7f2225501671d6124648"
)


@pytest.mark.parametrize("text", [WAHAS_SAMPLE, WAHAS_SAMPLE.upper().replace("SHA", "sha")])
def test_the_hash_in_wahas_documentation_is_refused(text: str) -> None:
    with pytest.raises(WeakKey, match="known to everybody"):
        ApiKey.parse(text)


def test_made_keys_differ_and_are_masked() -> None:
    made = {new_key() for _ in range(1000)}
    assert len(made) == 1000
    assert masked("key_1a" + "x" * 28 + "z9") == "key_1a…z9"


@pytest.mark.parametrize("key", sorted(WEAK))
def test_a_key_that_everybody_knows_is_refused_in_both_forms(key: str) -> None:
    for text in (key, "sha512:" + hashlib.sha512(key.encode()).hexdigest()):
        with pytest.raises(WeakKey, match="known to everybody"):
            ApiKey.parse(text)


def test_the_case_of_a_well_known_key_does_not_make_it_a_secret() -> None:
    with pytest.raises(WeakKey, match="known to everybody"):
        ApiKey.parse("YourSecretKey")


def test_a_key_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(WeakKey, match="fewer than 8 characters"):
        ApiKey.parse("q7Xk2vB")
    assert ApiKey.parse("q7Xk2vB9").matches(b"q7Xk2vB9")


def test_the_document_says_exactly_which_keys_are_refused() -> None:
    document = (Path(__file__).parents[2] / "docs" / "keys.md").read_text("utf-8")
    listed = re.search(r"which\s+are\s+these,\s+in\s+any\s+case:\s(.*?32\s+ones)\.", document, re.DOTALL)
    assert listed is not None
    assert set(re.findall(r"`([^`]+)`", listed[1])) == WEAK - {"0" * 32, "1" * 32}
    words = " ".join(document.split())
    assert f"fewer than {SHORTEST} characters" in words
    assert "32 zeros and 32 ones" in words


@pytest.mark.parametrize("text", ["sha512:", "sha512:xyz", "sha512:abcd"])
def test_a_hash_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(WeakKey, match="hexadecimal"):
        ApiKey.parse(text)


def test_an_upper_case_hash_is_the_same_key() -> None:
    assert ApiKey.parse(f"sha512:{DIGEST.upper()}").matches(KEY.encode())


def test_what_looks_like_loopback_but_is_not_is_not() -> None:
    assert [host for host in ("localhost", "127.0.0.1", "::1", "[::1]", "x.localhost.") if not is_loopback(host)] == []
    assert [host for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.com", "127.1", "") if is_loopback(host)] == []
