"""A session's config row by row, over HTTP: what WAHA's clients send is echoed, what WAHA refuses is a 400."""

from typing import Any

import httpx
import pytest

from .served import Served

WEBHOOK: dict[str, Any] = {"url": "http://receiver:8080/hook", "events": ["session.status"]}

WAHAS_EVENTS = [
    "session.status",
    "message",
    "message.reaction",
    "message.any",
    "message.ack",
    "message.ack.group",
    "message.waiting",
    "message.revoked",
    "message.edited",
    "state.change",
    "group.join",
    "group.leave",
    "group.v2.join",
    "group.v2.leave",
    "group.v2.update",
    "group.v2.participants",
    "presence.update",
    "poll.vote",
    "poll.vote.failed",
    "chat.archive",
    "call.received",
    "call.accepted",
    "call.rejected",
    "label.upsert",
    "label.deleted",
    "label.chat.added",
    "label.chat.deleted",
    "event.response",
    "event.response.failed",
    "engine.event",
]
"""Every event that WAHA has."""


async def create(client: httpx.AsyncClient, config: object, name: str | None = None) -> httpx.Response:
    """The answer to a session with this config."""
    return await client.post("/api/sessions", json={"name": name, "start": False, "config": config})


@pytest.mark.parametrize(
    "config",
    [
        {"metadata": {"user.id": "123", "user.email": "a@example.com"}},
        {"metadata": {}},
        {"proxy": {"server": "localhost:3128"}},
        {"proxy": {"server": "localhost:3128", "username": "u", "password": "p"}},
        {"debug": True},
        {"ignore": {"status": True, "groups": False, "channels": True, "broadcast": False}},
        {"ignore": {"status": True}},
        {"client": {"deviceName": "Desk", "browserName": "Firefox"}},
        {"noweb": {"markOnline": True}},
        {"noweb": {"markOnline": False, "store": {"enabled": True, "fullSync": False}}},
        {"noweb": {"store": {}}},
        {"gows": {"storage": {"messages": True, "groups": False, "chats": None, "labels": True}}},
        {"gows": {"storage": {"contacts": True, "messageSecrets": None}}},
        {"webjs": {"tagsEventsOn": True}},
        {"webhooks": []},
        {"webhooks": [WEBHOOK, {**WEBHOOK, "url": "https://receiver"}]},
        {"webhooks": [{**WEBHOOK, "hmac": {"key": "k"}}, {**WEBHOOK, "url": "http://other", "hmac": {}}]},
        {"webhooks": [{**WEBHOOK, "retries": {"policy": "exponential", "delaySeconds": 2, "attempts": 15}}]},
        {"webhooks": [{**WEBHOOK, "customHeaders": [{"name": "X-My", "value": "v"}]}]},
        {"webhooks": [{**WEBHOOK, "events": WAHAS_EVENTS}]},
        {"webhooks": [{**WEBHOOK, "events": ["*", "engine.event"]}]},
        {"webhooks": [{**WEBHOOK, "events": []}]},
    ],
)
async def test_what_wahas_clients_configure_is_echoed_as_it_was_given(
    shared: Served, config: dict[str, object]
) -> None:
    response = await create(shared.client, config)
    assert response.status_code == 201, response.text
    assert response.json()["config"] == config
    assert (await shared.client.get(f"/api/sessions/{response.json()['name']}")).json()["config"] == config


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"metadata": {"a": 1}}, "config.metadata accepts string key-value pairs only"),
        ({"metadata": {"a": None}}, "config.metadata accepts string key-value pairs only"),
        ({"metadata": {"a": {"b": "c"}}}, "config.metadata accepts string key-value pairs only"),
        ({"proxy": {"server": "http://h:1"}}, "config.proxy.server must be host:port, without a scheme"),
        ({"proxy": {"username": "u"}}, "config.proxy.server must be a string"),
        ({"ignore": {"status": "yes"}}, "config.ignore.status must be a boolean value"),
        ({"client": {"browserName": 1}}, "config.client.browserName must be a string"),
        ({"noweb": {"markOnline": "x"}}, "config.noweb.markOnline must be a boolean value"),
        ({"noweb": {"store": {"enabled": None}}}, "config.noweb.store.enabled must be a boolean value"),
        ({"gows": {"storage": {"labels": 1}}}, "config.gows.storage.labels must be a boolean value"),
        ({"webjs": {"tagsEventsOn": "x"}}, "config.webjs.tagsEventsOn must be a boolean value"),
        ({"webhooks": [{**WEBHOOK, "url": "receiver/hook"}]}, "config.webhooks.0.url must be a URL address"),
        ({"webhooks": [{**WEBHOOK, "url": "ftp://receiver"}]}, "config.webhooks.0.url must be a URL address"),
        ({"webhooks": [{"url": "http://receiver"}]}, "config.webhooks.0.events must be an array"),
        (
            {"webhooks": [{**WEBHOOK, "retries": {"policy": "never"}}]},
            "config.webhooks.0.retries.policy must be one of the following values: linear, exponential, constant",
        ),
    ],
)
async def test_a_config_that_does_not_fit_is_wahas_400_and_changes_nothing(
    shared: Served, config: dict[str, object], message: str
) -> None:
    expected = {"message": [message], "error": "Bad Request", "statusCode": 400}
    for response in (
        await create(shared.client, config, "refused"),
        await shared.client.put("/api/sessions/default", json={"config": config}),
        await shared.client.post("/api/sessions/start", json={"name": "refused", "config": config}),
    ):
        assert (response.status_code, response.json()) == (400, expected)
    assert (await shared.client.get("/api/sessions/refused")).status_code == 404
    assert (await shared.client.get("/api/sessions/default")).json()["config"] == {}


@pytest.mark.parametrize("name", ["nothing", "message.*", "contact", "SESSION.STATUS", ""])
async def test_an_event_that_nobody_knows_is_a_400(shared: Served, name: str) -> None:
    response = await create(shared.client, {"webhooks": [{**WEBHOOK, "events": ["message", name]}]})
    assert response.status_code == 400
    (said,) = response.json()["message"]
    assert said.startswith("config.webhooks.0.events.1 must be one of the following values: session.status, message, ")


async def test_keys_that_nobody_knows_are_dropped_at_every_depth(shared: Served) -> None:
    config = {"x": 1, "noweb": {"x": 1, "store": {"x": 1}}, "webhooks": [{**WEBHOOK, "x": 1, "hmac": None}]}
    response = await create(shared.client, config)
    assert (response.status_code, response.json()["config"]) == (
        201,
        {"noweb": {"store": {}}, "webhooks": [{**WEBHOOK, "hmac": None}]},
    )


@pytest.mark.parametrize("config", [None, {}])
async def test_an_empty_config_empties_it(client: httpx.AsyncClient, config: object) -> None:
    await client.put("/api/sessions/default", json={"config": {"debug": True}})
    response = await client.put("/api/sessions/default", json={"config": config})
    assert (response.status_code, response.json()["config"]) == (200, {})


@pytest.mark.parametrize("body", [{}, {"apps": []}, {"nonsense": 1}])
async def test_a_put_without_a_config_changes_nothing(served: Served, body: dict[str, object]) -> None:
    session, config = served.lidbook.sessions.get("default"), {"debug": True, "metadata": {"a": "b"}}
    await served.client.put("/api/sessions/default", json={"config": config})
    await session.settled(10)
    response = await served.client.put("/api/sessions/default", json=body)
    assert (response.status_code, response.json()["config"], response.json()["status"]) == (200, config, "WORKING")
    assert (await served.client.put("/api/sessions/nobody", json=body)).status_code == 404


async def test_a_config_that_names_no_engine_keeps_the_engines_settings(served: Served) -> None:
    await served.session("own", people=5)
    me = (await served.client.get("/api/sessions/own")).json()["me"]
    for config in ({"webhooks": [WEBHOOK]}, {"settings": None}, {}, None):
        response = await served.client.put("/api/sessions/own", json={"config": config})
        assert response.json()["config"] == (config or {}) | {"settings": {"people": 5}}
        await served.lidbook.sessions.get("own").settled(10)
        session = (await served.client.get("/api/sessions/own")).json()
        assert (session["status"], session["me"]) == ("WORKING", me)
    response = await served.client.put("/api/sessions/own", json={"config": {"settings": {}}})
    assert response.json()["config"] == {"settings": {}}, "given settings replace them"
