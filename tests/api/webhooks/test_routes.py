"""Webhooks over HTTP: who may set what, how far they are, trying one out, and the dead letters."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from pydantic import SecretStr

from api.served import Served, serve
from api.test_openapi import described, faults
from lidbook.changelog import cursors, dead_letters
from lidbook.hookspecs import ChangeKind
from lidbook_api.app import OPERATIONS
from lidbook_api.settings import ServerSettings
from lidbook_api.webhooks.signing import signature

from .conftest import written
from .receivers import Receiver, answer, receiver

ENVIRONMENT: Final = "6c35dcbf31914c65a90f29e2ca1840d2"
PATH: Final = "/api/a/webhooks"
LETTERS: Final = PATH + "/dead-letters"


class Office:
    """A server with a key and a receiver beside it."""

    def __init__(self, served: Served, there: Receiver, own: Receiver) -> None:
        self.served = served
        self.there = there
        self.own = own
        self.admin = served.client

    def config(self, *webhooks: dict[str, object]) -> dict[str, object]:
        """A config of a stopped session with these webhooks."""
        return {"engine": "poor", "webhooks": [{"events": ["contact.*"], **webhook} for webhook in webhooks]}

    async def session(self, *webhooks: dict[str, object]) -> None:
        """Session `a` with these webhooks, set by an admin."""
        made = await self.admin.post(
            "/api/sessions", json={"name": "a", "start": False, "config": self.config(*webhooks)}
        )
        assert made.status_code == 201, made.text

    async def put(self, *webhooks: dict[str, object], key: httpx.AsyncClient | None = None) -> httpx.Response:
        """Replace the config of session `a`."""
        return await (key or self.admin).put("/api/sessions/a", json={"config": self.config(*webhooks)})

    async def key(self, **actions: bool) -> httpx.AsyncClient:
        """A client with a key for session `a`."""
        made = await self.admin.post("/api/keys", json={"session": "a", "actions": actions})
        return httpx.AsyncClient(base_url=self.served.url, headers={"X-Api-Key": made.json()["key"]})

    async def log(self, count: int) -> None:
        """Entries in the log of session `a`."""
        session = self.served.lidbook.sessions.get("a")
        changes = await self.served.lidbook.database.write(
            lambda connection: written(connection, session.id, count, ChangeKind.CONTACT_CREATED)
        )
        self.served.lidbook.hooks.tell_changes_committed("a", changes)

    async def letters(self, count: int) -> list[dict[str, Any]]:
        """The dead letters, once they are so many."""
        await until(lambda: self.stored() == count)
        found: list[dict[str, Any]] = (await self.admin.get(LETTERS)).json()
        return found

    def stored(self) -> int:
        """How many dead letters there are."""
        session = self.served.lidbook.sessions.get("a")
        return sum(dead_letters.counts(self.served.lidbook.database.reader, session.id).values())


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - there is nothing that tells
            await asyncio.sleep(0.002)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """A server with a webhook of its own."""
    async with AsyncExitStack() as stack:
        there, own = [await stack.enter_async_context(receiver()) for _ in range(2)]
        settings = ServerSettings.model_construct(
            api_key=SecretStr(ENVIRONMENT), webhook_url=own.url, webhook_events=("contact.*",)
        )
        served = await stack.enter_async_context(serve(tmp_path / "data", settings=settings))
        served.client.headers["X-Api-Key"] = ENVIRONMENT
        yield Office(served, there, own)


def documented(method: str, path: str, response: httpx.Response) -> None:
    """Hold an answer against the OpenAPI document."""
    operation = next(o for o in OPERATIONS if (o.method, o.path) == (method, path))
    content = described(operation)["responses"][str(response.status_code)]["content"]
    assert faults(content["application/json"]["schema"], response.json()) == []


async def test_a_list_says_how_far_each_webhook_is_and_shows_no_secret(office: Office) -> None:
    secret = [{"name": "Authorization", "value": "hunter2"}]
    url = office.there.url + "?token=hunter2"
    await office.session({"url": url, "hmac": {"key": "hunter2"}, "customHeaders": secret})
    await office.log(3)
    await office.there.until(3)
    await until(lambda: position(office, url) == 3)
    response = await office.admin.get(PATH)
    documented("GET", "/api/{session}/webhooks", response)
    mine, servers = response.json()
    assert mine.pop("lastDeliveredAt") > 0
    assert mine == {
        "url": url,
        "events": ["contact.*"],
        "server": False,
        "position": {"seq": 3, "head": 3, "waiting": 0},
        "state": "idle",
        "lastError": None,
        "lastErrorAt": None,
        "deadLetters": 0,
    }
    assert (servers["url"], servers["server"]) == (office.own.url, True)
    async with await office.key(setting=False) as reading:
        response = await reading.get(PATH)
        assert [each["url"] for each in response.json()] == [office.there.url + "?***"]
        assert "hunter2" not in response.text


def position(office: Office, url: str) -> int | None:
    session = office.served.lidbook.sessions.get("a")
    return cursors.position(office.served.lidbook.database.reader, session.id, url)


async def test_a_session_shows_the_secrets_of_its_webhooks_to_those_who_may_set_them(office: Office) -> None:
    entry: dict[str, object] = {
        "url": office.there.url + "?token=hunter2",
        "events": ["*"],
        "hmac": {"key": "hunter2"},
        "customHeaders": [{"name": "Authorization", "value": "hunter2"}],
    }
    await office.session(entry)
    shown = (await office.admin.get("/api/sessions/a")).json()["config"]["webhooks"]
    assert shown == [entry]
    async with await office.key() as setting:
        assert (await setting.get("/api/sessions/a")).json()["config"]["webhooks"] == [entry]
    async with await office.key(setting=False) as reading:
        for path in ("/api/sessions/a", "/api/sessions?all=true"):
            response = await reading.get(path)
            assert "hunter2" not in response.text
        stopped = await reading.post("/api/sessions/a/stop")
        assert stopped.status_code == 201
        assert "hunter2" not in stopped.text
        masked = (await reading.get("/api/sessions/a")).json()["config"]["webhooks"]
    assert masked == [
        {
            "url": office.there.url + "?***",
            "events": ["*"],
            "hmac": {"key": "***"},
            "customHeaders": [{"name": "Authorization", "value": "***"}],
        }
    ]


async def test_the_servers_own_webhook_hears_of_every_session_and_is_in_no_config(office: Office) -> None:
    await office.session()
    await office.log(2)
    await until(lambda: [r.event["session"] for r in office.own.received].count("a") == 2)
    assert office.own.url not in (await office.admin.get("/api/sessions?all=true")).text
    async with await office.key() as setting:
        assert (await setting.get(PATH)).json() == []
        refused = await setting.post(PATH + "/test", json={"url": office.own.url})
        assert refused.status_code == 400
    tried = await office.admin.post(PATH + "/test", json={"url": office.own.url})
    assert tried.json()["ok"] is True


async def test_a_session_does_not_get_in_the_way_of_the_servers_own_webhook(office: Office) -> None:
    await office.session({"url": office.own.url, "hmac": {"key": "mine"}})
    await office.log(1)
    await until(lambda: [r.event["session"] for r in office.own.received].count("a") == 1)
    assert "x-webhook-hmac" not in office.own.received[-1].headers
    assert len((await office.admin.get(PATH)).json()) == 1


async def test_a_session_key_may_not_lead_events_into_the_network_of_the_server(office: Office) -> None:
    await office.session()
    async with await office.key() as setting:
        refused = await office.put({"url": office.there.url}, key=setting)
        assert refused.status_code == 400
        assert refused.json()["error"] == "Bad Request"
        (message,) = refused.json()["message"]
        assert message.startswith("config.webhooks.0.url leads to a private address")
        assert "LIDBOOK_WEBHOOK_ALLOW" in message
    assert (await office.put({"url": office.there.url})).status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://0xA9FEA9FE/",
        "http://0251.0376.0251.0376/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]/",
        "http://metadata.google.internal/computeMetadata/v1/",
        "http://0.0.0.0:8080/",
    ],
)
async def test_nobody_may_lead_events_to_a_metadata_service(office: Office, url: str) -> None:
    await office.session()
    refused = await office.put({"url": url})
    assert refused.status_code == 400
    assert "where no webhook may go" in refused.json()["message"][0]
    made = await office.admin.post(
        "/api/sessions", json={"name": "b", "start": False, "config": office.config({"url": url})}
    )
    assert made.status_code == 400
    assert office.served.lidbook.sessions.find("b") is None


async def test_what_an_admin_set_stays_as_long_as_a_session_key_sends_it_unchanged(office: Office) -> None:
    entry: dict[str, object] = {"url": office.there.url, "hmac": {"key": "k"}}
    await office.session(entry)
    async with await office.key() as setting:
        assert (await office.put(entry, {"url": "http://192.0.2.1.invalid/"}, key=setting)).status_code == 200
        await office.log(1)
        await office.there.until(1)
        changed = await office.put({**entry, "hmac": {"key": "mine"}}, key=setting)
        assert changed.status_code == 400
        assert (await office.put(key=setting)).status_code == 200
        again = await office.put(entry, key=setting)
        assert again.status_code == 400


async def test_a_try_sends_one_signed_event_and_says_what_became_of_it(office: Office) -> None:
    await office.session({"url": office.there.url, "hmac": {"key": "k"}, "retries": {"attempts": 9}})
    response = await office.admin.post(PATH + "/test", json={"url": office.there.url})
    assert response.status_code == 201
    documented("POST", "/api/{session}/webhooks/test", response)
    tried = response.json()
    assert tried.pop("durationMs") >= 0
    assert tried == {"status": 200, "ok": True, "error": None}
    (received,) = office.there.received
    assert (received.event["event"], received.event["session"]) == ("webhook.test", "a")
    assert received.event["payload"] == {"name": "a"}
    assert received.headers["x-webhook-hmac"] == signature(received.body, "k")
    office.there.answering = lambda _: answer(404)
    tried = (await office.admin.post(PATH + "/test", json={"url": office.there.url})).json()
    assert (tried["status"], tried["ok"], tried["error"]) == (404, False, "answered 404")
    await office.there.close()
    tried = (await office.admin.post(PATH + "/test", json={"url": office.there.url})).json()
    assert (tried["status"], tried["ok"], tried["error"]) == (None, False, "no connection: Connection refused")
    assert len(office.there.received) == 2


@pytest.mark.parametrize("body", [{}, {"url": 7}, {"url": ""}, {"url": "http://other/"}])
async def test_only_a_webhook_of_the_session_is_tried(office: Office, body: object) -> None:
    await office.session({"url": office.there.url})
    refused = await office.admin.post(PATH + "/test", json=body)
    assert refused.status_code == 400
    assert "url" in str(refused.json()["message"])


async def test_dead_letters_are_listed_shown_and_sent_again(office: Office) -> None:
    office.there.answering = lambda _: answer(400)
    retries = {"attempts": 0}
    await office.session({"url": office.there.url, "hmac": {"key": "k"}, "retries": retries})
    await office.log(3)
    letters = await office.letters(3)
    response = await office.admin.get(LETTERS)
    documented("GET", "/api/{session}/webhooks/dead-letters", response)
    assert [letter["seq"] for letter in letters] == [3, 2, 1]
    assert {letter["reason"] for letter in letters} == {"answered 400"}
    page = (await office.admin.get(LETTERS, params={"limit": 1, "before": letters[0]["id"]})).json()
    assert page == [letters[1]]
    assert (await office.admin.get(LETTERS, params={"limit": 0})).status_code == 400

    one = f"{LETTERS}/{letters[2]['id']}"
    whole = await office.admin.get(one)
    documented("GET", "/api/{session}/webhooks/dead-letters/{id}", whole)
    assert whole.json() == {**letters[2], "body": office.there.received[0].event}

    failed = await office.admin.post(one + "/resend")
    assert failed.status_code == 201
    documented("POST", "/api/{session}/webhooks/dead-letters/{id}/resend", failed)
    assert (failed.json()["ok"], failed.json()["status"]) == (False, 400)
    assert len(await office.letters(3)) == 3
    office.there.answering = lambda _: answer()
    assert (await office.admin.post(one + "/resend")).json()["ok"] is True
    first, again = office.there.received[0], office.there.received[-1]
    assert again.body == first.body
    assert again.headers == first.headers
    assert (await office.admin.get(one)).status_code == 404
    assert (await office.admin.post(one + "/resend")).status_code == 404
    assert len(await office.letters(2)) == 2


async def test_all_dead_letters_are_sent_again_the_oldest_first_until_one_fails(office: Office) -> None:
    office.there.answering = lambda _: answer(400)
    await office.session({"url": office.there.url, "retries": {"attempts": 0}})
    await office.log(5)
    await office.letters(5)
    office.there.answering = lambda received: answer(400 if received.seq == 4 else 200)
    response = await office.admin.post(LETTERS + "/resend")
    assert response.status_code == 201
    documented("POST", "/api/{session}/webhooks/dead-letters/resend", response)
    assert response.json() == {"resent": 3, "left": 2, "error": "answered 400"}
    assert office.there.seqs[5:] == [1, 2, 3, 4]
    office.there.answering = lambda _: answer()
    assert (await office.admin.post(LETTERS + "/resend")).json() == {"resent": 2, "left": 0, "error": None}
    assert (await office.admin.post(LETTERS + "/resend")).json() == {"resent": 0, "left": 0, "error": None}


async def test_a_letter_whose_webhook_is_gone_stays_until_it_is_deleted(office: Office) -> None:
    office.there.answering = lambda _: answer(400)
    await office.session({"url": office.there.url, "retries": {"attempts": 0}})
    await office.log(2)
    (newest, oldest) = await office.letters(2)
    await office.put()
    refused = await office.admin.post(f"{LETTERS}/{oldest['id']}/resend")
    assert refused.status_code == 422
    assert refused.headers["lidbook-error"] == "webhook_gone"
    assert (await office.admin.post(LETTERS + "/resend")).json() == {"resent": 0, "left": 2, "error": None}
    deleted = await office.admin.delete(f"{LETTERS}/{oldest['id']}")
    assert (deleted.status_code, deleted.content) == (200, b"")
    assert [letter["id"] for letter in await office.letters(1)] == [newest["id"]]
    response = await office.admin.delete(LETTERS)
    documented("DELETE", "/api/{session}/webhooks/dead-letters", response)
    assert response.json() == {"deleted": 1}


@pytest.mark.parametrize("number", ["0", "999", "x", "-1", "٣", "9" * 30, "1.5"])
async def test_a_letter_that_is_not_there_is_a_404(office: Office, number: str) -> None:
    await office.session()
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/resend")):
        response = await office.admin.request(method, f"{LETTERS}/{number}{path}")
        assert response.status_code == 404
        assert response.headers["lidbook-error"] == "dead_letter_not_found"


async def test_letters_to_the_servers_own_webhook_are_for_admins(office: Office) -> None:
    def give_up(connection: sqlite3.Connection) -> None:
        letter = dead_letters.GivenUp(office.own.url, 9, "x.y", "evt_1", b'{"timestamp":1}', 1, "answered 500")
        assert dead_letters.give_up(connection, session.id, letter, 1) == 0

    await office.session()
    session = office.served.lidbook.sessions.get("a")
    await office.served.lidbook.database.write(give_up)
    ((letter),) = (await office.admin.get(LETTERS)).json()
    async with await office.key() as setting:
        assert (await setting.get(LETTERS)).json() == []
        assert (await setting.get(f"{LETTERS}/{letter['id']}")).status_code == 404
        assert (await setting.post(LETTERS + "/resend")).json() == {"resent": 0, "left": 0, "error": None}
        assert (await setting.delete(LETTERS)).json() == {"deleted": 0}
    assert (await office.admin.post(f"{LETTERS}/{letter['id']}/resend")).json()["ok"] is True


async def test_letters_are_for_keys_that_may_change_settings(office: Office) -> None:
    await office.session({"url": office.there.url})
    async with await office.key(setting=False) as reading:
        assert (await reading.get(PATH)).status_code == 200
        for method, path in (
            ("POST", PATH + "/test"),
            ("GET", LETTERS),
            ("DELETE", LETTERS),
            ("POST", LETTERS + "/resend"),
            ("GET", LETTERS + "/1"),
        ):
            response = await reading.request(method, path, json={"url": office.there.url} if method == "POST" else None)
            assert response.json() == {"message": "Forbidden", "statusCode": 403}


async def test_a_session_that_is_not_there_is_a_404(office: Office) -> None:
    for method, path in (("GET", PATH), ("POST", PATH + "/test"), ("GET", LETTERS), ("POST", LETTERS + "/resend")):
        response = await office.admin.request(method, path, json={} if method == "POST" else None)
        assert (response.status_code, response.json()["message"]) == (404, "Session not found")
