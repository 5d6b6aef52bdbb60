"""Linking an account that asks for its passkey, from outside: challenge, assertion, code, confirmation."""

import asyncio
import base64
import json
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from lidbook.values import SessionStatus, StatusReason
from lidbook.world.conditions import Condition, Kind
from lidbook_api.settings import ServerSettings

from .passkeys import base64url, signed, with_client_data
from .programs import Start
from .served import Served, serve, synced
from .sockets import event, opened
from .test_openapi import DOCUMENT, faults
from .webhooks.receivers import answer, receiver

REQUIRED, CONFIRMATION = SessionStatus.PASSKEY_REQUIRED, SessionStatus.PASSKEY_CONFIRMATION_REQUIRED
CHALLENGE, ANSWER = "/api/new/auth/passkey/challenge", "/api/new/auth/passkey"
CODE, CONFIRM = "/api/new/auth/passkey/confirmation", "/api/new/auth/passkey/confirm"
KEY = "6c35dcbf31914c65a90f29e2ca1840d2"


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Served]:
    """A server whose session `new` asks for its account's passkey."""
    async with serve(tmp_path / "data") as served:
        await served.session("new", until=REQUIRED, require_passkey=True)
        yield served


async def becomes(served: Served, status: SessionStatus, name: str = "new") -> None:
    """Wait for a status."""
    session = served.lidbook.sessions.get(name)
    assert await session.until(lambda now: now is status, 10), f"it is {session.status} ({session.reason})"


async def challenge(served: Served) -> dict[str, Any]:
    """What is to be signed now."""
    response = await served.client.get(CHALLENGE)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def answered(served: Served) -> str:
    """Sign what is asked; returns the code to confirm."""
    response = await served.client.post(ANSWER, json=signed(await challenge(served)))
    assert (response.status_code, response.content) == (201, b"")
    assert "content-type" not in response.headers
    await becomes(served, CONFIRMATION)
    confirmation = (await served.client.get(CODE)).json()
    assert list(confirmation) == ["code"]
    return str(confirmation["code"])


def unprocessable(response: httpx.Response) -> str:
    """What a 422 says, after a look at its shape."""
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["error"], body["statusCode"]) == (422, "Unprocessable Entity", 422), body
    return str(body["message"])


async def test_an_account_is_linked_by_scan_passkey_and_confirmation(served: Served) -> None:
    await served.session("new", until=SessionStatus.SCAN_QR_CODE, require_scan=True, require_passkey=True)
    served.conditions().set(Condition(Kind.SCAN))
    await becomes(served, REQUIRED)
    assert (await served.client.get("/api/new/auth/qr")).json()["status"] == "PASSKEY_REQUIRED"

    asked = await challenge(served)
    assert list(asked) == ["challenge", "timeout", "rpId", "allowCredentials", "userVerification", "extensions"]
    assert len(base64.urlsafe_b64decode(asked["challenge"] + "=")) == 32
    assert (asked["timeout"], asked["rpId"], asked["userVerification"]) == (60000, "web.whatsapp.com", "required")
    (credential,) = asked["allowCredentials"]
    assert (credential["type"], credential["transports"]) == ("public-key", ["internal", "hybrid"])
    documented = DOCUMENT["paths"]["/api/{session}/auth/passkey/challenge"]["get"]["responses"]["200"]
    assert faults(documented["content"]["application/json"]["schema"], asked) == []

    code = await answered(served)
    assert re.fullmatch("[1-9A-Z]{4}-[1-9A-Z]{4}", code)
    assert (await served.client.get("/api/contacts/all?session=new")).status_code == 422
    confirmed = await served.client.post(CONFIRM)
    assert (confirmed.status_code, confirmed.content) == (201, b"")
    await becomes(served, SessionStatus.WORKING)
    await synced(served.lidbook.sessions.get("new"))
    assert (await served.client.get("/api/contacts?session=new&contactId=11231231231")).json()["name"] == "John Doe"


async def test_a_pairing_code_is_followed_by_the_passkey_as_well(served: Served) -> None:
    await served.session("new", until=SessionStatus.SCAN_QR_CODE, require_scan=True, require_passkey=True)
    code = await served.client.post("/api/new/auth/request-code", json={"phoneNumber": "12025550100"})
    assert code.status_code == 201
    served.conditions().set(Condition(Kind.SCAN))
    await becomes(served, REQUIRED)


async def test_a_linked_session_is_not_asked_again(asked: Served) -> None:
    await answered(asked)
    await asked.client.post(CONFIRM)
    await becomes(asked, SessionStatus.WORKING)
    await asked.client.post("/api/sessions/new/restart")
    await becomes(asked, SessionStatus.WORKING)
    statuses = [dict(c.data or {})["status"] for c in asked.lidbook.sessions.get("new").changes.after(0) if c.data]
    assert statuses == [
        "STARTING", "PASSKEY_REQUIRED", "PASSKEY_CONFIRMATION_REQUIRED", "WORKING", "STOPPED", "STARTING", "WORKING",
    ]  # fmt: skip


# what is refused


NO_CHALLENGE = "No passkey challenge is pending for the session"
NO_CONFIRMATION = "No passkey confirmation is pending for the session"


async def test_nothing_pending_is_a_422_in_wahas_words(asked: Served) -> None:
    assert unprocessable(await asked.client.get(CODE)) == NO_CONFIRMATION
    assert unprocessable(await asked.client.post(CONFIRM)) == NO_CONFIRMATION
    first = signed(await challenge(asked))
    await answered(asked)
    assert unprocessable(await asked.client.get(CHALLENGE)) == NO_CHALLENGE
    assert unprocessable(await asked.client.post(ANSWER, json=first)) == NO_CHALLENGE
    await asked.client.post(CONFIRM)
    await becomes(asked, SessionStatus.WORKING)
    for path, message in ((CHALLENGE, NO_CHALLENGE), (CODE, NO_CONFIRMATION)):
        response = await asked.client.get(path)
        assert unprocessable(response) == message
        assert response.headers["lidbook-error"] == "invalid_state"


@pytest.mark.parametrize(("method", "path"), [("GET", CHALLENGE), ("POST", ANSWER), ("GET", CODE), ("POST", CONFIRM)])
async def test_a_session_that_does_not_run_is_wahas_404(asked: Served, method: str, path: str) -> None:
    await asked.client.post("/api/sessions/new/stop")
    body = signed({"challenge": "AQ"}) if path == ANSWER else None
    for name in ("new", "nobody"):
        response = await asked.client.request(method, path.replace("new", name), json=body)
        assert response.status_code == 404
        assert response.json()["message"].startswith(f"We didn't find a session with name '{name}'.\nPlease start it")


@pytest.mark.parametrize(
    ("credential", "message"),
    [
        (signed({"challenge": base64url(bytes(32))}), "another challenge"),
        (with_client_data("e30"), "another type"),
        (with_client_data(base64url(b"[]")), "not a JSON object"),
        (with_client_data(base64url(b"{broken")), "not JSON"),
        (with_client_data(base64url(b"\xff\xfe")), "not JSON"),
        (with_client_data(base64url(b"[" * 100_000)), "not JSON"),
    ],
)
async def test_an_assertion_that_does_not_fit_changes_nothing(
    asked: Served, credential: dict[str, object], message: str
) -> None:
    before = await challenge(asked)
    response = await asked.client.post(ANSWER, json=credential)
    assert message in unprocessable(response)
    assert response.headers["lidbook-error"] == "passkey_refused"
    assert before["challenge"] not in response.text
    assert await challenge(asked) == before
    await answered(asked)


@pytest.mark.parametrize(
    ("client_data", "message"),
    [
        ({"type": "webauthn.create"}, "another type"),
        ({"type": None}, "another type"),
        ({"origin": "https://web.whatsapp.com.evil.example"}, "another origin than https://web.whatsapp.com"),
        ({"origin": "http://web.whatsapp.com"}, "another origin"),
        ({"challenge": 1}, "another challenge"),
    ],
)
async def test_what_was_signed_has_to_be_what_was_asked(
    asked: Served, client_data: dict[str, object], message: str
) -> None:
    before = await challenge(asked)
    response = await asked.client.post(ANSWER, json=signed(before, **client_data))
    assert message in unprocessable(response)
    assert await challenge(asked) == before


GOOD = signed({"challenge": "AQ"})
PARTS = GOOD["response"]
assert isinstance(PARTS, dict)


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (
            {},
            [
                "id must be a base64url string",
                "rawId must be a base64url string",
                "type must be public-key",
                "response must be an object",
            ],
        ),
        ({**GOOD, "id": 1}, ["id must be a base64url string"]),
        ({**GOOD, "rawId": "a+b/"}, ["rawId must be a base64url string"]),
        ({**GOOD, "rawId": ""}, ["rawId must be a base64url string"]),
        ({**GOOD, "rawId": "AAAAA"}, ["rawId must be a base64url string"]),
        ({**GOOD, "type": "password"}, ["type must be public-key"]),
        ({**GOOD, "response": []}, ["response must be an object"]),
        (
            {**GOOD, "response": {"userHandle": 7}},
            [
                "response.clientDataJSON must be a base64url string",
                "response.authenticatorData must be a base64url string",
                "response.signature must be a base64url string",
                "response.userHandle must be a base64url string",
            ],
        ),
        ({**GOOD, "response": {**PARTS, "signature": "!"}}, ["response.signature must be a base64url string"]),
    ],
)
async def test_a_body_that_is_no_credential_is_a_400_with_every_fault(
    asked: Served, body: dict[str, object], messages: list[str]
) -> None:
    response = await asked.client.post(ANSWER, json=body)
    assert (response.status_code, response.json()["message"]) == (400, messages)
    assert asked.lidbook.sessions.get("new").status is REQUIRED


async def test_padding_and_a_user_handle_are_taken(asked: Served) -> None:
    body = signed(await challenge(asked))
    parts = body["response"]
    assert isinstance(parts, dict)
    padded = {**parts, "signature": "AQ==", "userHandle": "MTIzNDU2"}
    assert (await asked.client.post(ANSWER, json={**body, "response": padded})).status_code == 201


async def test_an_engine_without_passkeys_is_501_where_something_is_to_be_done(served: Served) -> None:
    await served.client.post("/api/sessions", json={"name": "poor", "config": {"engine": "poor"}})
    poor = served.lidbook.sessions.get("poor")
    for path in (CHALLENGE, CODE):
        assert (await served.client.get(path.replace("new", "poor"))).status_code == 422
    for path, body in ((ANSWER, GOOD), (CONFIRM, None)):
        response = await served.client.post(path.replace("new", "poor"), json=body)
        assert (response.status_code, response.json()["error"]) == (501, "Not Implemented")
        assert "session.passkey (no session.passkey here)" in response.json()["message"]
    poor.opened.context.passkey_confirmation("ABCD-EFGH")
    await becomes(served, CONFIRMATION, "poor")
    assert (await served.client.get(CODE.replace("new", "poor"))).status_code == 501


async def test_guesses_are_budgeted(asked: Served) -> None:
    wrong = signed({"challenge": "AQ"})
    codes = [(await asked.client.post(ANSWER, json=wrong)).status_code for _ in range(21)]
    assert codes == [422] * 20 + [429]


# time


async def test_challenges_change_and_run_out(served: Served) -> None:
    await served.session("new", until=REQUIRED, require_passkey=True, passkey_seconds=0.2, qr_rounds=3)
    session = served.lidbook.sessions.get("new")
    first = await challenge(served)
    assert first["timeout"] == 200
    await becomes(served, SessionStatus.FAILED)
    assert session.reason is StatusReason.QR_EXPIRED
    assert (session.linking.challenge, session.linking.code) == (None, None)
    logged = [dict(c.data or {})["status"] for c in session.changes.after(0) if c.data]
    assert logged == ["STARTING", *["PASSKEY_REQUIRED"] * 3, "FAILED"]
    unlinked = await served.client.get("/api/sessions/new")
    assert "answered for the passkey" in unlinked.json()["statusMessage"]
    await served.client.post("/api/sessions/new/start")
    await becomes(served, REQUIRED)
    assert (await challenge(served))["challenge"] != first["challenge"]


async def test_a_code_that_nobody_confirms_gives_way_to_another_challenge(served: Served) -> None:
    await served.session("new", until=REQUIRED, require_passkey=True, passkey_seconds=1, qr_rounds=20)
    first = await challenge(served)
    await answered(served)
    await becomes(served, REQUIRED)
    assert (await challenge(served))["challenge"] != first["challenge"]
    assert unprocessable(await served.client.post(CONFIRM)) == NO_CONFIRMATION
    assert "another challenge" in unprocessable(await served.client.post(ANSWER, json=signed(first)))


# events


async def test_events_carry_what_is_pending_and_nothing_of_it_is_kept(asked: Served, tmp_path: Path) -> None:
    async with receiver() as there, opened(asked.url, session="new") as client:
        webhooks = [{"url": there.url, "events": ["session.status"]}]
        config = {"webhooks": webhooks, "settings": {"require_passkey": True}}
        assert (await asked.client.put("/api/sessions/new", json={"config": config})).status_code == 200
        await becomes(asked, REQUIRED)
        shown = await challenge(asked)
        code = await answered(asked)
        await asked.client.post(CONFIRM)
        await becomes(asked, SessionStatus.WORKING)
        heard = [(await event(client))["payload"] for _ in range(5)]
        await there.until(5)
        told = [each.event["payload"] for each in there.received]
    assert [each["data"] for each in heard] == [None, None, shown, {"code": code}, None]
    assert list(heard[2]) == ["name", "status", "statusReason", "statuses", "data", "seq"]
    assert [each["data"] for each in told if each["status"].startswith("PASSKEY")] == [shown, {"code": code}]
    async with opened(asked.url, session="new", since="0") as client:
        again = [(await event(client))["payload"] for _ in range(7)]
    assert [each["data"] for each in again] == [None] * 7, "what is over is not told again"
    files = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert not [1 for kept in files if shown["challenge"].encode() in kept or code.encode() in kept]


async def test_a_dead_letter_keeps_no_challenge(asked: Served, tmp_path: Path) -> None:
    async with receiver(lambda _: answer(400)) as there:
        webhook = {"url": there.url, "events": ["session.status"], "retries": {"attempts": 1, "delaySeconds": 0}}
        config = {"webhooks": [webhook], "settings": {"require_passkey": True}}
        await asked.client.put("/api/sessions/new", json={"config": config})
        await becomes(asked, REQUIRED)
        shown = await challenge(asked)
        await there.until(6)
        assert any(shown["challenge"].encode() in each.body for each in there.received)
    letters: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        while len(letters) < 3:
            letters = (await asked.client.get("/api/new/webhooks/dead-letters")).json()
    bodies = [(await asked.client.get(f"/api/new/webhooks/dead-letters/{each['id']}")).json() for each in letters]
    assert shown["challenge"] not in json.dumps(bodies)
    assert "PASSKEY_REQUIRED" in json.dumps(bodies)


# scopes


async def test_all_of_it_needs_the_action_control(tmp_path: Path) -> None:
    settings = ServerSettings.model_construct(api_key=SecretStr(KEY))
    async with serve(tmp_path / "data", settings=settings) as served:
        served.client.headers["X-Api-Key"] = KEY
        await served.session("new", until=REQUIRED, require_passkey=True)
        keys = [
            (await served.client.post("/api/keys", json={"session": "new", "actions": {"control": control}})).json()
            for control in (False, True)
        ]
        body = signed(await challenge(served))
        for method, path in (("GET", CHALLENGE), ("POST", ANSWER), ("GET", CODE), ("POST", CONFIRM)):
            headers = {"X-Api-Key": keys[0]["key"]}
            assert (await served.client.request(method, path, json=body, headers=headers)).status_code == 403
        response = await served.client.post(ANSWER, json=body, headers={"X-Api-Key": keys[1]["key"]})
        assert response.status_code == 201


# the server ends in the middle of it


def pending(client: httpx.Client, path: str) -> dict[str, Any]:
    """What is pending at a path, as soon as it is; the session is asked for until then."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        response = client.get(path)
        if response.status_code == 200:
            body: dict[str, Any] = response.json()
            return body
    pytest.fail(f"nothing became pending: {response.text}")


@pytest.mark.parametrize("is_answered", [False, True])
def test_a_server_killed_in_the_middle_starts_the_linking_anew(start: Start, tmp_path: Path, is_answered: bool) -> None:
    arguments = ("--data-dir", str(tmp_path / "data"))
    running = start(*arguments)
    with httpx.Client(base_url=running.url) as client:
        config = {"engine": "sandbox", "settings": {"require_passkey": True}}
        client.post("/api/sessions", json={"name": "new", "config": config})
        first = pending(client, CHALLENGE)
        if is_answered:
            assert client.post(ANSWER, json=signed(first)).status_code == 201
            pending(client, CODE)
    running.stop(signal.SIGKILL)
    with httpx.Client(base_url=start(*arguments).url) as client:
        second = pending(client, CHALLENGE)
        assert second["challenge"] != first["challenge"]
        assert unprocessable(client.get(CODE)) == NO_CONFIRMATION
        assert "another challenge" in unprocessable(client.post(ANSWER, json=signed(first)))
        assert client.post(ANSWER, json=signed(second)).status_code == 201
        pending(client, CODE)
        assert client.post(CONFIRM).status_code == 201
        pending(client, "/api/new/contacts/11231231231")
