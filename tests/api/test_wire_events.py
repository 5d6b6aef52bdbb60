"""Events row by row, as WAHA's clients know them, on the websocket and on webhooks alike."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from pydantic import SecretStr

from lidbook.values import SessionStatus
from lidbook_api.settings import ServerSettings

from .served import Served, serve
from .sockets import closed, event, opened, text
from .webhooks.receivers import receiver

KEY: Final = "6c35dcbf31914c65a90f29e2ca1840d2"
JOHN: Final = "11231231231@c.us"
SCAN: Final = {"require_scan": True, "qr_seconds": 0.2, "qr_rounds": 3}


@pytest.fixture
async def locked(tmp_path: Path) -> AsyncIterator[Served]:
    """A server with a key, which the client sends, and a second session."""
    settings = ServerSettings.model_construct(api_key=SecretStr(KEY))
    async with serve(tmp_path / "data", settings=settings) as served:
        served.client.headers["X-Api-Key"] = KEY
        await served.session("other")
        yield served


async def block(client: httpx.AsyncClient, session: str) -> None:
    """Make something happen in a session, which is one event: `contact.blocked`, or `contact.unblocked` at next."""
    for way in ("block", "unblock"):
        response = await client.post(f"/api/contacts/{way}", json={"contactId": JOHN, "session": session})
        assert response.status_code == 201, response.text


async def test_a_frame_and_a_webhooks_body_are_the_same_text(served: Served) -> None:
    async with receiver() as there, opened(served.url, session="default", events="contact.blocked") as client:
        webhooks = [{"url": there.url, "events": ["contact.blocked"]}]
        await served.client.put("/api/sessions/default", json={"config": {"webhooks": webhooks}})
        await served.lidbook.sessions.usable("default")
        await block(served.client, "default")
        frame = await text(client)
        await there.until(1)
        assert there.received[0].body.decode() == frame


async def test_every_event_has_ids_of_its_own(served: Served) -> None:
    async with receiver() as there:
        webhooks = [{"url": there.url, "events": ["session.status", "contact.*"]}]
        await served.client.put("/api/sessions/default", json={"config": {"webhooks": webhooks}})
        await served.lidbook.sessions.usable("default")
        await block(served.client, "default")
        await there.until(4)
        received = list(there.received)
    assert len({each.headers["x-webhook-request-id"] for each in received}) == len(received)
    assert len({each.event["id"] for each in received}) == len(received)
    assert all(each.headers["x-webhook-timestamp"] == str(each.event["timestamp"]) for each in received)


async def test_each_new_code_is_told_and_nobody_is_me_until_it_is_scanned(served: Served) -> None:
    async with opened(served.url, session="new") as client:
        await served.session("new", until=SessionStatus.SCAN_QR_CODE, **SCAN)
        heard: list[dict[str, Any]] = []
        while not heard or heard[-1]["payload"]["status"] != "FAILED":
            heard.append(await event(client))
    assert [each["payload"]["status"] for each in heard] == ["STARTING", *["SCAN_QR_CODE"] * 3, "FAILED"]
    assert [each["me"] for each in heard] == [None] * len(heard)
    assert all("metadata" not in each for each in heard)
    last = heard[-1]["payload"]
    assert [each["status"] for each in last["statuses"]] == ["SCAN_QR_CODE", "SCAN_QR_CODE", "FAILED"]
    assert last["name"] == "new"


async def test_working_is_told_with_the_account_and_once(served: Served) -> None:
    async with opened(served.url, session="default") as client:
        for way in ("restart", "start", "stop"):
            assert (await served.client.post(f"/api/sessions/default/{way}")).status_code == 201
            if way != "stop":
                await served.lidbook.sessions.usable("default")
        heard: list[dict[str, Any]] = []
        while len(heard) < 2 or heard[-1]["payload"]["status"] != "STOPPED":
            heard.append(await event(client))
    assert [each["payload"]["status"] for each in heard] == ["STOPPED", "STARTING", "WORKING", "STOPPED"]
    assert heard[2]["me"]["id"] == "12025550100@c.us"
    assert heard[2]["engine"] == "sandbox"


@pytest.mark.parametrize("session", [{}, {"session": "*"}, {"session": ""}])
async def test_a_star_is_every_session_that_the_key_may_see(locked: Served, session: dict[str, str]) -> None:
    made = await locked.client.post("/api/keys", json={"session": "other"})
    asked = {**session, "events": "contact.blocked"}
    async with (
        opened(locked.url, **asked, **{"x-api-key": KEY}) as admin,
        opened(locked.url, **asked, **{"x-api-key": made.json()["key"]}) as narrowed,
    ):
        for name in ("default", "other"):
            await block(locked.client, name)
        assert {(await event(admin))["session"] for _ in range(2)} == {"default", "other"}
        assert (await event(narrowed))["session"] == "other"


@pytest.mark.parametrize("query", [{}, {"x-api-key": "wrong"}, {"session": "nobody", "events": "x"}])
async def test_a_bad_key_is_told_after_the_handshake_whatever_else_was_asked(
    locked: Served, query: dict[str, str]
) -> None:
    async with opened(locked.url, **query) as client:
        assert await closed(client) == (1008, "Unauthorized")
