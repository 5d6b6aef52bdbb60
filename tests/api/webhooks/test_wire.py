"""Webhooks row by row, as WAHA's receivers know them; and the rows in which Lidbook differs on purpose."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.served import ME, Served, serve
from lidbook import __version__
from lidbook.session_config import LIDBOOK_EVENTS, WAHA_EVENTS, SessionConfig
from lidbook_api.events import is_wanted
from lidbook_api.webhooks.signing import signature

from .receivers import Received, Receiver, answer, receiver

ULID = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}")


class Wired:
    """A server whose session `default` has a webhook that asked for everything."""

    def __init__(self, served: Served, there: Receiver) -> None:
        self.served = served
        self.there = there

    async def webhook(self, metadata: dict[str, str] | None = None, **fields: object) -> None:
        """Set it; the session is started anew, which is worth some events."""
        webhook = {"url": self.there.url, "events": ["*", "contact.*", "lid.*", "group.*"], **fields}
        config: dict[str, Any] = {"webhooks": [webhook], "metadata": metadata}
        response = await self.served.client.put("/api/sessions/default", json={"config": config})
        assert response.status_code == 200, response.text

    async def event(self, name: str, **payload: object) -> Received:
        """The first event of this name with this in its payload."""
        count = 0
        while True:
            await self.there.until(count + 1)
            for received in self.there.received[count:]:
                count += 1
                event = received.event
                if event["event"] == name and payload.items() <= event["payload"].items():
                    return received


@pytest.fixture
async def wired(tmp_path: Path) -> AsyncIterator[Wired]:
    """A server and a receiver."""
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(receiver())
        yield Wired(await stack.enter_async_context(serve(tmp_path / "data")), there)


@pytest.mark.parametrize("name", WAHA_EVENTS)
def test_a_star_is_wahas_own_set(name: str) -> None:
    assert is_wanted(name, ["*"]) is (name not in ("state.change", "engine.event"))
    assert is_wanted(name, [name])
    assert is_wanted("engine.event", ["*", "engine.event"])


@pytest.mark.parametrize("name", LIDBOOK_EVENTS)
def test_what_waha_does_not_have_is_sent_to_nobody_who_did_not_ask(name: str) -> None:
    assert not is_wanted(name, ["*"])
    assert is_wanted(name, [name])


async def test_the_envelope_has_wahas_keys_in_wahas_order(wired: Wired) -> None:
    await wired.webhook(metadata={"user.id": "123"})
    event = (await wired.event("session.status", status="WORKING")).event
    assert list(event) == [
        "id", "timestamp", "event", "session", "metadata", "me", "payload", "engine", "environment",
    ]  # fmt: skip
    assert event["id"].startswith("evt_")
    assert ULID.fullmatch(event["id"].removeprefix("evt_"))
    assert event["timestamp"] > 1_700_000_000_000
    assert (event["session"], event["engine"], event["metadata"]) == ("default", "sandbox", {"user.id": "123"})
    assert event["me"]["id"] == f"{ME}@c.us"
    assert set(event["environment"]) == {"version", "engine", "tier", "browser", "platform", "worker"}
    assert event["environment"] == (await wired.served.client.get("/api/server/version")).json()


async def test_metadata_is_absent_when_there_is_none(wired: Wired) -> None:
    await wired.webhook()
    assert "metadata" not in (await wired.event("session.status")).event


async def test_a_status_comes_with_the_last_three(wired: Wired) -> None:
    await wired.webhook()
    payload = (await wired.event("session.status", status="WORKING")).event["payload"]
    assert list(payload)[:3] == ["name", "status", "statusReason"]
    assert payload["name"] == "default"
    assert payload["data"] is None
    statuses = payload["statuses"]
    assert [each["status"] for each in statuses] == ["STOPPED", "STARTING", "WORKING"]
    assert [each["timestamp"] for each in statuses] == sorted(each["timestamp"] for each in statuses)


async def test_it_is_a_post_of_json_with_wahas_headers(wired: Wired) -> None:
    await wired.webhook(customHeaders=[{"name": "X-My-Header", "value": "Value"}])
    received = await wired.event("session.status")
    assert received.line == "POST /hook HTTP/1.1"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"] == f"Lidbook/{__version__}"
    assert received.headers["x-my-header"] == "Value"
    assert ULID.fullmatch(received.headers["x-webhook-request-id"])
    assert received.headers["x-webhook-timestamp"] == str(received.event["timestamp"])
    assert "x-webhook-hmac" not in received.headers
    assert {"X-Webhook-Request-Id", "X-Webhook-Timestamp"} <= set(received.names)


async def test_with_a_key_the_body_is_signed(wired: Wired) -> None:
    await wired.webhook(hmac={"key": "my-secret-key"})
    received = await wired.event("session.status")
    assert received.headers["x-webhook-hmac"] == signature(received.body, "my-secret-key")
    assert re.fullmatch(r"[0-9a-f]{128}", received.headers["x-webhook-hmac"])
    assert received.headers["x-webhook-hmac-algorithm"] == "sha512"


async def test_every_status_but_2xx_is_sent_again_with_the_same_ids(wired: Wired) -> None:
    statuses = [400, 500, 302]
    wired.there.answering = lambda _: answer(statuses.pop() if statuses else 204, b"")
    await wired.webhook(retries={"delaySeconds": 0, "attempts": 3})
    await wired.there.until(4)
    first = wired.there.received[:4]
    assert len({received.headers["x-webhook-request-id"] for received in first}) == 1
    assert len({received.body for received in first}) == 1


async def test_metadata_cannot_reach_the_headers(wired: Wired) -> None:
    await wired.webhook(metadata={"a\r\nX-Evil: 1": "b\r\nX-Evil: 1\r\n\r\n"})
    received = await wired.event("session.status")
    assert "x-evil" not in received.headers
    assert received.event["metadata"] == {"a\r\nX-Evil: 1": "b\r\nX-Evil: 1\r\n\r\n"}


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ({"name": "Host", "value": "x"}, "Lidbook itself"),
        ({"name": "content-length", "value": "1"}, "Lidbook itself"),
        ({"name": "Transfer-Encoding", "value": "chunked"}, "Lidbook itself"),
        ({"name": "Connection", "value": "close"}, "Lidbook itself"),
        ({"name": "X-Webhook-Hmac", "value": "00"}, "Lidbook itself"),
        ({"name": "X-A: 1\r\nX-B", "value": "1"}, "name of an HTTP header"),
        ({"name": "", "value": "1"}, "name of an HTTP header"),
        ({"name": "X A", "value": "1"}, "name of an HTTP header"),
        ({"name": "Ünicode", "value": "1"}, "name of an HTTP header"),
        ({"name": "X-A", "value": "1\r\nX-B: 1"}, "one line"),
        ({"name": "X-A", "value": "1\n"}, "one line"),
        ({"name": "X-A", "value": "\x00"}, "one line"),
        ({"name": "X-A", "value": "\x85"}, "one line"),
        ({"name": "X-A", "value": "☃"}, "one line"),
        ({"name": "X-A", "value": "x" * 9000}, "8 KiB"),
    ],
)
async def test_a_header_that_would_break_the_request_is_a_400(
    reader: httpx.AsyncClient, header: dict[str, str], fault: str
) -> None:
    config = {"webhooks": [{"url": "http://127.0.0.1:1/", "events": ["*"], "customHeaders": [header]}]}
    response = await reader.put("/api/sessions/default", json={"config": config})
    assert response.status_code == 400
    (message,) = response.json()["message"]
    assert message.startswith("config.webhooks.0.customHeaders")
    assert fault in message


async def test_a_contact_that_is_written_is_an_event_with_what_is_known_of_it(wired: Wired) -> None:
    await wired.webhook()
    await wired.served.lidbook.sessions.usable("default")
    changed = await wired.served.client.put("/api/default/contacts/11231231231", json={"firstName": "Zoe"})
    assert changed.status_code == 200
    payload = (await wired.event("contact.updated", id="11231231231@c.us")).event["payload"]
    assert list(payload) == ["id", "from", "fields", "contact", "seq"]
    assert "name" in payload["fields"]
    document = (await wired.served.client.get("/api/contacts?contactId=11231231231")).json()
    assert payload["contact"] == document
    assert payload["contact"]["name"] == "Zoe"


def test_the_defaults_are_not_written_into_the_config() -> None:
    webhook = {"url": "https://example.com/", "events": ["*"]}
    assert SessionConfig.parse({"webhooks": [webhook]}).stored() == {"webhooks": [webhook]}
