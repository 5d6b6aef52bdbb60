"""Redirects lead no webhook anywhere: not to metadata services, not into the server's network, nowhere."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from api.served import serve
from lidbook.changelog import dead_letters
from lidbook.hookspecs import ChangeKind
from lidbook_api.settings import ServerSettings
from lidbook_api.webhooks import sender, wire

from .conftest import written
from .receivers import Received, answer, receiver
from .test_routes import ENVIRONMENT, until

STATUSES = (301, 302, 303, 307, 308)
METADATA = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"


async def test_a_session_keys_webhook_follows_no_redirect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each status to each target, over HTTP from the key to the receiver; every connection that is begun is noted."""
    dialled: list[tuple[Sequence[str], int]] = []

    async def noting(to: Any, addresses: Sequence[str], *more: Any) -> wire.Wire:
        dialled.append((addresses, to.port))
        return await wire.dial(to, addresses, *more)

    def redirect(received: Received) -> bytes:
        status, target = received.line.split()[1].strip("/").split("/")
        return answer(int(status), location=targets[int(target)])

    monkeypatch.setattr(sender, "dial", noting)
    async with AsyncExitStack() as stack:
        there, secret = await stack.enter_async_context(receiver(redirect)), await stack.enter_async_context(receiver())
        targets = [METADATA, secret.url, secret.url.replace("127.0.0.1", "localhost"), "//127.0.0.1/", "gopher://x/"]
        settings = ServerSettings.model_construct(api_key=SecretStr(ENVIRONMENT), webhook_allow=("127.0.0.1",))
        served = await stack.enter_async_context(serve(tmp_path / "data", settings=settings))
        served.client.headers["X-Api-Key"] = ENVIRONMENT
        made = await served.client.post(
            "/api/sessions", json={"name": "a", "start": False, "config": {"engine": "poor"}}
        )
        assert made.status_code == 201, made.text
        key = (await served.client.post("/api/keys", json={"session": "a"})).json()["key"]
        own = await stack.enter_async_context(httpx.AsyncClient(base_url=served.url, headers={"X-Api-Key": key}))
        paths = [f"/{status}/{target}" for status in STATUSES for target in range(len(targets))]
        hooks = [
            {"url": f"http://127.0.0.1:{there.port}{path}", "events": ["contact.*"], "retries": {"attempts": 0}}
            for path in paths
        ]
        put = await own.put("/api/sessions/a", json={"config": {"engine": "poor", "webhooks": hooks}})
        assert put.status_code == 200, put.text

        session = served.lidbook.sessions.get("a")
        changes = await served.lidbook.database.write(
            lambda connection: written(connection, session.id, 1, ChangeKind.CONTACT_CREATED)
        )
        served.lidbook.hooks.tell_changes_committed("a", changes)
        await until(lambda: len(dead_letters.counts(served.lidbook.database.reader, session.id)) == len(paths))
        for hook in hooks:
            tested = await own.post("/api/a/webhooks/test", json={"url": hook["url"]})
            assert not tested.json()["ok"]
            assert "redirects are not followed" in tested.json()["error"]
        letters = (await own.get("/api/a/webhooks/dead-letters")).json()

    assert {letter["url"] for letter in letters} == {hook["url"] for hook in hooks}
    assert all("redirects are not followed" in letter["reason"] for letter in letters)
    assert sorted(received.line.split()[1] for received in there.received) == sorted(paths * 2)
    assert (secret.received, secret.connections) == ([], 0)
    assert {(tuple(addresses), port) for addresses, port in dialled} == {(("127.0.0.1",), there.port)}
