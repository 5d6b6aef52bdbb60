"""What a key with `setting` cannot decide: what runs on the server's machine, what of it is read, how much is taken."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from api.served import Served, serve
from lidbook_api.settings import ServerSettings

ENVIRONMENT = "6c35dcbf31914c65a90f29e2ca1840d2"
FILE = "config.settings.world may only be changed with an admin key: it names a file of the server"
COST = "may only be changed with an admin key: it decides how much of the server's machine the session takes"


@pytest.fixture
async def locked(tmp_path: Path) -> AsyncIterator[Served]:
    """A server with a key; the client sends one of the session `default`."""
    settings = ServerSettings.model_construct(api_key=SecretStr(ENVIRONMENT))
    async with serve(tmp_path / "data", settings=settings) as served:
        admin = {"X-Api-Key": ENVIRONMENT}
        made = await served.client.post("/api/keys", json={"session": "default"}, headers=admin)
        served.client.headers["X-Api-Key"] = made.json()["key"]
        yield served


async def refused(served: Served, **config: object) -> list[str]:
    """What is said of a config that is refused."""
    response = await served.client.put("/api/sessions/default", json={"config": config})
    assert (response.status_code, response.headers["lidbook-error"]) == (400, "invalid_config"), response.text
    messages: list[str] = response.json()["message"]
    return messages


async def test_whether_a_file_is_there_makes_no_difference(locked: Served, tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    there.write_text("{}")
    for world in (str(there), str(tmp_path / "missing.json"), "~/missing.vcf", "/etc/passwd", "nothing", 5):
        assert await refused(locked, settings={"world": world}) == [FILE]
        assert await refused(locked, engine="sandbox", settings={"world": world, "account": "no number"}) == [FILE]


@pytest.mark.parametrize("setting", [{"people": 1_000_000}, {"people": "many"}, {"seed": 7}])
async def test_how_many_people_are_made_up_is_the_operators_business(
    locked: Served, setting: dict[str, object]
) -> None:
    (name,) = setting
    assert await refused(locked, settings=setting) == [f"config.settings.{name} {COST}"]


async def test_what_an_admin_has_set_may_be_sent_back(locked: Served) -> None:
    settings = {"people": 3, "seed": 7}
    admin = {"X-Api-Key": ENVIRONMENT}
    first = {"config": {"settings": settings}}
    assert (await locked.client.put("/api/sessions/default", json=first, headers=admin)).status_code == 200
    again = {"config": {"settings": {**settings, "query_timeout": 5}, "metadata": {"a": "b"}}}
    assert (await locked.client.put("/api/sessions/default", json=again)).status_code == 200
    assert await refused(locked, settings={"people": 4, "seed": 7}) == [f"config.settings.people {COST}"]


@pytest.mark.parametrize("name", ["poor", "NOWEB"])
async def test_another_engine_is_the_operators_business(locked: Served, name: str) -> None:
    says = "config.engine may only be changed with an admin key: it says what the server runs"
    assert await refused(locked, engine=name) == [says]
    assert locked.lidbook.sessions.get("default").engine.name == "sandbox"


async def test_the_engine_that_it_has_may_be_named(locked: Served) -> None:
    response = await locked.client.put("/api/sessions/default", json={"config": {"engine": "Sandbox"}})
    assert response.status_code == 200


async def test_the_old_way_to_start_decides_no_more(locked: Served) -> None:
    body = {"name": "default", "config": {"settings": {"people": 1_000_000}}}
    response = await locked.client.post("/api/sessions/start", json=body)
    assert response.json()["message"] == [f"config.settings.people {COST}"]


async def test_an_admin_decides_it_all(locked: Served) -> None:
    admin = {"X-Api-Key": ENVIRONMENT}
    for config in ({"settings": {"people": 4, "seed": 3}}, {"engine": "poor"}):
        response = await locked.client.put("/api/sessions/default", json={"config": config}, headers=admin)
        assert response.status_code == 200, response.text


async def test_without_keys_anybody_decides_it_all(served: Served, client: httpx.AsyncClient) -> None:
    response = await client.put("/api/sessions/default", json={"config": {"settings": {"people": 4}}})
    assert response.status_code == 200
    assert served.lidbook.sessions.get("default").config.settings == {"people": 4}
