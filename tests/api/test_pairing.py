"""Pairing: QR code, code to type, screenshot; and an account that goes."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from lidbook.values import SessionStatus
from lidbook.world.conditions import Condition, Kind

from .served import Served, serve

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
async def waiting(tmp_path: Path) -> AsyncIterator[Served]:
    """A server whose session `new` waits for a scan."""
    async with serve(tmp_path / "data") as served:
        await served.session("new", until=SessionStatus.SCAN_QR_CODE, require_scan=True)
        yield served


async def test_the_code_is_a_png_base64_or_text(waiting: Served) -> None:
    image = await waiting.client.get("/api/new/auth/qr", headers={"accept": "*/*"})
    assert (image.status_code, image.headers["content-type"]) == (200, "image/png")
    assert image.content.startswith(PNG)
    text = await waiting.client.get("/api/new/auth/qr", headers={"accept": "application/json"})
    assert text.json()["mimetype"] == "image/png"
    assert base64.b64decode(text.json()["data"]).startswith(PNG)
    raw = await waiting.client.get("/api/new/auth/qr?format=raw", headers={"accept": "image/png"})
    assert raw.json()["value"].startswith("2@")


async def test_a_scan_brings_the_session_up(waiting: Served) -> None:
    assert (await waiting.client.get("/api/contacts/all?session=new")).json()["status"] == "SCAN_QR_CODE"
    waiting.conditions().set(Condition(Kind.SCAN))
    session = waiting.lidbook.sessions.get("new")
    assert await session.until(lambda status: status is SessionStatus.WORKING, 10)
    refused = await waiting.client.get("/api/new/auth/qr")
    assert refused.status_code == 422
    assert refused.json() == {
        "error": "Session status is not as expected. Try again later or restart the session",
        "session": "new",
        "status": "WORKING",
        "expected": ["SCAN_QR_CODE"],
    }


async def test_a_pairing_code_is_for_the_accounts_own_number(waiting: Served) -> None:
    path = "/api/new/auth/request-code"
    code = await waiting.client.post(path, json={"phoneNumber": "+1 202 555 0100"})
    assert code.status_code == 201
    assert len(code.json()["code"].replace("-", "")) == 8
    assert (await waiting.client.post(path, json={"phoneNumber": 447700900101})).status_code == 404
    assert (await waiting.client.post(path, json={})).status_code == 400
    working = await waiting.client.post("/api/default/auth/request-code", json={"phoneNumber": "12025550100"})
    assert working.json() == {
        "message": "Can request code only in SCAN_QR_CODE status. The current status is WORKING",
        "error": "Unprocessable Entity",
        "statusCode": 422,
    }
    assert (
        await waiting.client.post("/api/nobody/auth/request-code", json={"phoneNumber": "1202555"})
    ).status_code == 404


async def test_a_screenshot_without_a_browser_is_wahas_422(waiting: Served) -> None:
    refused = await waiting.client.get("/api/screenshot?session=default")
    assert refused.json() == {
        "message": "Can not get screenshot for non chrome based engine.",
        "error": "Unprocessable Entity",
        "statusCode": 422,
    }
    code = await waiting.client.get("/api/screenshot?session=new")
    assert code.content.startswith(PNG)
    assert (await waiting.client.get("/api/screenshot?session=nobody")).status_code == 404


async def test_a_device_that_was_removed_is_linked_to_nobody(served: Served) -> None:
    served.make(Kind.LOGOUT)
    session = served.lidbook.sessions.get("default")
    assert await session.until(lambda status: status is SessionStatus.FAILED, 10)
    me = await served.client.get("/api/sessions/default/me")
    assert (me.status_code, me.content) == (200, b"")
    assert (await served.client.get("/api/sessions/default")).json()["me"] is None


async def test_an_engine_that_does_not_feed_it_is_not_nothing_there(client: httpx.AsyncClient, served: Served) -> None:
    await client.post("/api/sessions", json={"name": "poor", "config": {"engine": "poor", "staleReads": True}})
    for path in (
        "/api/contacts/all?session=poor",
        "/api/contacts?session=poor&contactId=11231231231",
        "/api/poor/contacts/11231231231",
        "/api/poor/lids",
        "/api/poor/lids/count",
        "/api/poor/lids/123",
        "/api/poor/lids/pn/11231231231",
        "/api/poor/groups",
        "/api/poor/groups/count",
        "/api/poor/groups/123456@g.us",
        "/api/poor/groups/123456@g.us/participants/v2",
        "/api/poor/blocklist",
    ):
        response = await client.get(path)
        assert response.status_code == 501, path
        assert response.json()["error"] == "Not Implemented"
        assert "by 'poor' engine" in response.json()["message"]
        assert " here)" in response.json()["message"], "the note of the claim"
