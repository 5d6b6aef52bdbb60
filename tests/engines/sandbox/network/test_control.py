"""The control address: who may steer, what can be steered, and how a refusal looks."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lidbook.capabilities import Capability
from lidbook.identifiers import PhoneNumber
from lidbook.world.changes import Change
from lidbook.world.conditions import Condition, ConditionFolder, Kind
from lidbook.world.live import LiveWorld
from lidbook.world.sources import WorldSource, open_source
from lidbook_sandbox.network.control.application import ROUTES
from lidbook_sandbox.network.control.requests import MAX_BODY
from lidbook_sandbox.network.control.trouble import FAULTS
from lidbook_sandbox.network.server import SandboxNetwork

ROOT = Path(__file__).parents[4]
ME = "12025550100"
AMELIA = "71554209918833@lid"


@pytest.fixture
async def network(tmp_path: Path, anyio_backend: str) -> AsyncIterator[SandboxNetwork]:
    """The demo world, served."""
    live = LiveWorld(open_source(WorldSource()).world)
    network = SandboxNetwork(live, ConditionFolder(tmp_path / "conditions"))
    await network.start()
    yield network
    await network.close()


@pytest.fixture
async def client(network: SandboxNetwork) -> AsyncIterator[httpx.AsyncClient]:
    """A program of this machine."""
    headers = {"Authorization": f"Bearer {network.network.control_token}"}
    async with httpx.AsyncClient(base_url=network.network.control_url, headers=headers, timeout=20) as client:
        yield client


async def ask(client: httpx.AsyncClient, method: str, path: str, body: object = None) -> Any:
    response = await client.request(method, path, json=body)
    assert response.is_success, response.text
    return response.json()


async def refused(client: httpx.AsyncClient, method: str, path: str, body: object = None) -> tuple[int, str]:
    response = await client.request(method, path, json=body)
    document = response.json()
    assert list(document) == ["statusCode", "error", "message"]
    assert document["statusCode"] == response.status_code
    return response.status_code, document["message"]


# who may steer


@pytest.mark.parametrize("origin", ["https://example.com", "http://127.0.0.1:3000", "null"])
async def test_a_page_in_a_browser_may_not_steer(client: httpx.AsyncClient, origin: str) -> None:
    for method, path in (("GET", "/"), ("DELETE", f"/accounts/{ME}/devices"), ("OPTIONS", "/accounts")):
        response = await client.request(method, path, headers={"Origin": origin})
        assert (response.status_code, "browser" in response.json()["message"]) == (403, True)
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1.example.com", "192.168.1.1:80", "", "localhost.evil.com:1"])
async def test_a_name_that_was_pointed_here_may_not_steer(client: httpx.AsyncClient, host: str) -> None:
    response = await client.get("/accounts", headers={"Host": host})
    assert (response.status_code, "Host" in response.json()["message"]) == (403, True)


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:99", "[::1]", "[::1]:80", "127.0.0.2"])
async def test_this_machine_goes_by_several_names(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/accounts", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer x", "Basic {token}", "{token}", "Bearer {token}x", "Bearer \xff"]
)
async def test_whoever_does_not_have_the_token_may_not_steer(
    client: httpx.AsyncClient, network: SandboxNetwork, given: str | None
) -> None:
    del client.headers["Authorization"]
    token = network.network.control_token
    headers = {} if given is None else {b"Authorization": given.format(token=token).encode("latin-1")}
    asked = [(route.method, re.sub(r"{[^}]*}+", "1", route.path)) for route in ROUTES]
    for method, path in (*asked, ("GET", "/nothing"), ("PUT", "/accounts"), ("OPTIONS", "/accounts")):
        response = await client.request(method, path, headers=headers)
        assert (response.status_code, "control_token" in response.json()["message"]) == (401, True)
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert token not in response.text


async def test_a_body_is_json_and_short(client: httpx.AsyncClient) -> None:
    path = f"/accounts/{ME}/messages"
    form = await client.post(path, data={"sender": AMELIA})
    assert (form.status_code, "Content-Type: application/json" in form.json()["message"]) == (415, True)
    heads = {"Content-Type": "application/json"}
    wrong = ("{", "[]", "", '"x"', "\xff", "[" * 50_000)
    for text, status in (*((text, 400) for text in wrong), ("x" * (MAX_BODY + 1), 413)):
        response = await client.post(path, content=text.encode("latin-1"), headers=heads)
        assert (response.status_code, response.json()["statusCode"]) == (status, status), text[:10]


async def test_a_misspelt_key_is_refused_by_name(client: httpx.AsyncClient) -> None:
    assert await refused(client, "PATCH", "/people/447700900101", {"pushName": "x"}) == (
        400,
        "pushName: Extra inputs are not permitted",
    )
    assert (await refused(client, "PATCH", "/people/447700900101", {}))[0] == 400


async def test_what_is_not_there_says_where_to_look(client: httpx.AsyncClient) -> None:
    assert await refused(client, "GET", "/nothing") == (404, "there is no /nothing: GET / lists what there is")
    status, said = await refused(client, "PUT", "/accounts")
    assert (status, "GET" in said) == (405, True)


# the index


async def test_the_index_lists_every_route_and_where_the_network_is(
    client: httpx.AsyncClient, network: SandboxNetwork
) -> None:
    index = await ask(client, "GET", "/")
    assert index["world"] == "demo"
    assert network.network.control_token not in str(index)
    assert index["network"]["websocket"] == network.network.websocket
    assert index["network"]["root_key"] == network.network.root_key.hex()
    assert set(index["routes"]) == {f"{route.method} {route.path}" for route in ROUTES}
    assert all(said.endswith(".") for said in index["routes"].values())


def test_every_route_and_fault_is_documented() -> None:
    page = (ROOT / "docs" / "sandbox-network.md").read_text()
    documented = set(re.findall(r"`((?:GET|PUT|POST|PATCH|DELETE) /[^ `]*)`", page))
    routes = {f"{route.method} {re.sub(r':[^}]*[}]+', '}', route.path)}" for route in ROUTES}
    assert routes - documented == set()
    assert documented - routes - {"GET /api/server/status"} == set()
    assert [fault for fault in FAULTS if f"| `{fault}` |" not in page] == []


# phones


async def test_the_worlds_first_account_is_listed_first(client: httpx.AsyncClient) -> None:
    first, *others = await ask(client, "GET", "/accounts")
    assert first == {"account": ME, "lid": "104900213377001@lid", "pushname": "Robin", "devices": []}
    assert [account["pushname"] for account in others] == ["Dana"]


async def test_an_account_is_named_in_any_writing_and_others_are_refused(client: httpx.AsyncClient) -> None:
    assert await ask(client, "GET", "/accounts/+1%20202%20555-0100/devices") == []
    assert await refused(client, "GET", "/accounts/447700900101/devices") == (
        404,
        f"447700900101 is no account of the world 'demo'; it has {ME}@c.us, 12025550114@c.us",
    )
    assert (await refused(client, "GET", "/accounts/abc/devices"))[0] == 400


async def test_the_address_book_is_edited_on_the_phone(client: httpx.AsyncClient, network: SandboxNetwork) -> None:
    heard: list[Change] = []
    network.live.subscribe(heard.append)
    names = {"firstName": "Owen", "lastName": "Hart"}
    assert await ask(client, "PUT", f"/accounts/{ME}/contacts/447700900106", names) == {
        "user": "447700900106@c.us",
        "name": "Owen Hart",
    }
    entries = await ask(client, "GET", f"/accounts/{ME}/contacts")
    assert {"user": "447700900106@c.us", **names, "name": "Owen Hart"} in entries
    await ask(client, "DELETE", f"/accounts/{ME}/contacts/447700900106")
    assert (await refused(client, "DELETE", f"/accounts/{ME}/contacts/447700900106"))[0] == 404
    assert [type(change).__name__ for change in heard] == ["ContactSaved", "ContactRemoved"]
    assert (await refused(client, "PUT", f"/accounts/{ME}/contacts/447700900106", {"firstName": ""}))[0] == 400


async def test_people_are_blocked_and_unblocked(client: httpx.AsyncClient) -> None:
    before = await ask(client, "GET", f"/accounts/{ME}/blocklist")
    after = await ask(client, "PUT", f"/accounts/{ME}/blocklist/447700900101")
    assert set(after) - set(before) == {AMELIA, "447700900101@c.us"}
    assert await ask(client, "DELETE", f"/accounts/{ME}/blocklist/{AMELIA}") == before
    assert (await refused(client, "PUT", f"/accounts/{ME}/blocklist/12025550115"))[0] == 404


async def test_a_message_tells_the_number_behind_a_lid(client: httpx.AsyncClient, network: SandboxNetwork) -> None:
    niamh = "187700423915560@lid"
    assert await ask(client, "POST", f"/accounts/{ME}/messages", {"sender": niamh}) == {
        "sender": niamh,
        "pushname": "Niamh",
    }
    account = network.live.state.accounts[network.live.default_account]
    assert niamh in {str(lid) for lid in account.mapped}
    assert (await refused(client, "POST", f"/accounts/{ME}/messages", {"sender": ME}))[0] == 404


@pytest.mark.parametrize("code", ["", "nothing", "2@unknown,a,b,c,d", "x" * 4000])
async def test_a_code_of_nobodys_is_not_scanned(client: httpx.AsyncClient, code: str) -> None:
    for how in ("scan", "code"):
        status, said = await refused(client, "POST", f"/accounts/{ME}/{how}", {"code": code})
        assert (status, bool(said)) == (422, True)


async def test_logging_out_devices_that_are_not_there(client: httpx.AsyncClient) -> None:
    assert await ask(client, "DELETE", f"/accounts/{ME}/devices") == {"removed": 0}
    assert await refused(client, "DELETE", f"/accounts/{ME}/devices/7") == (
        404,
        f"{ME} has no device 7; it has none",
    )
    assert (await refused(client, "DELETE", f"/accounts/{ME}/devices/x"))[0] == 404


# everybody else


async def test_somebody_changes_and_all_of_it_is_true_at_once(client: httpx.AsyncClient) -> None:
    changed = {"pushname": "A", "about": "", "picture": "new-1", "phone": "+447700900188", "hides": ["phone"]}
    person = await ask(client, "PATCH", "/people/447700900101", changed)
    assert (person["pushname"], person["about"], person["picture"]) == ("A", "", "new-1")
    assert (person["phone"], person["hides"], person["lid"]) == ("447700900188", ["phone"], AMELIA)
    assert await ask(client, "GET", f"/people/{AMELIA}") == person
    assert (await refused(client, "GET", "/people/447700900101"))[0] == 404
    assert (await ask(client, "PATCH", f"/people/{AMELIA}", {"picture": None}))["picture"] is None
    first, second = [(await ask(client, "PATCH", f"/people/{AMELIA}", {"picture": True}))["picture"] for _ in "ab"]
    assert first != second


async def test_a_change_that_does_not_fit_changes_nothing(client: httpx.AsyncClient, network: SandboxNetwork) -> None:
    before = network.live.sequence
    for body in ({"pushname": ""}, {"pushname": "B", "phone": "0171"}, {"hides": ["name"]}, {"picture": "a/b"}):
        assert (await refused(client, "PATCH", "/people/447700900101", body))[0] == 400
    assert network.live.sequence == before


async def test_a_number_is_given_to_somebody_else(client: httpx.AsyncClient) -> None:
    newcomer = await ask(client, "POST", "/numbers/447700900101/reassign", {"pushname": "New"})
    assert (newcomer["phone"], newcomer["pushname"]) == ("447700900101", "New")
    assert newcomer["lid"] != AMELIA
    assert (await ask(client, "GET", f"/people/{AMELIA}"))["phone"] is None
    assert (await refused(client, "POST", "/numbers/447700900101/reassign", {"lid": AMELIA}))[0] == 400
    assert (await refused(client, "POST", "/numbers/447700900101/reassign", {"lid": "15551234567"}))[0] == 400


async def test_somebody_joins_is_promoted_and_leaves(client: httpx.AsyncClient) -> None:
    group = (await ask(client, "GET", "/groups"))[0]
    path = f"/groups/{group['id']}/members/447700900107"

    def role(group: dict[str, Any]) -> list[str]:
        return [member["role"] for member in group["members"] if member["lid"] == "113380624957718@lid"]

    assert role(await ask(client, "PUT", path, {})) == ["participant"]
    assert role(await ask(client, "PUT", path, {"role": "admin"})) == ["admin"]
    assert role(await ask(client, "PUT", path, {"role": "participant"})) == ["participant"]
    assert role(await ask(client, "DELETE", path)) == []
    assert (await refused(client, "DELETE", path))[0] == 404
    status, said = await refused(client, "PUT", "/groups/120363999999999999@g.us/members/447700900107", {})
    assert (status, group["id"] in said) == (404, True)


# what goes wrong


async def test_conditions_are_those_that_commands_set(
    client: httpx.AsyncClient, network: SandboxNetwork, tmp_path: Path
) -> None:
    body = {"kind": "rate-limit", "capabilities": ["contacts.check"], "retryAfter": 7}
    (shown,) = await ask(client, "PUT", f"/conditions/{ME}", body)
    assert (shown["kind"], shown["capabilities"], shown["retryAfter"]) == ("rate-limit", ["contacts.check"], 7)
    wanted = Condition(Kind.RATE_LIMIT, frozenset({Capability.CONTACTS_CHECK}), retry_after=7)
    elsewhere = ConditionFolder(tmp_path / "conditions").of(PhoneNumber(ME))
    assert elsewhere.all() == (wanted,)
    elsewhere.set(Condition(Kind.SLOW, milliseconds=5))
    assert [each["kind"] for each in await ask(client, "GET", f"/conditions/{ME}")] == ["rate-limit", "slow"]
    assert [each["kind"] for each in await ask(client, "DELETE", f"/conditions/{ME}/slow")] == ["rate-limit"]
    assert await ask(client, "DELETE", f"/conditions/{ME}") == []


async def test_an_account_that_moved_is_known_by_its_new_number_alone(
    client: httpx.AsyncClient, network: SandboxNetwork
) -> None:
    await ask(client, "PATCH", f"/people/{ME}", {"phone": "+1 202 555 0177"})
    await ask(client, "PUT", "/conditions/12025550177", {"kind": "silence"})
    assert [held.kind for held in network.conditions.of(PhoneNumber("12025550177")).all()] == [Kind.SILENCE]
    assert (await refused(client, "GET", f"/conditions/{ME}"))[0] == 404
    assert await ask(client, "GET", "/accounts/12025550177/devices") == []
    assert (await ask(client, "POST", "/faults/12025550177/replace", {}))["met"] == 0


async def test_an_account_means_the_same_in_either_spelling(client: httpx.AsyncClient, network: SandboxNetwork) -> None:
    await ask(client, "PATCH", f"/people/{ME}", {"phone": "553188886666"})
    await ask(client, "PUT", "/conditions/5531988886666", {"kind": "silence"})
    (held,) = await ask(client, "GET", "/conditions/553188886666")
    assert held["kind"] == "silence"
    assert [held.kind for held in network.conditions.of(PhoneNumber("553188886666")).all()] == [Kind.SILENCE]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "scan"},
        {"kind": "nothing"},
        {"kind": "slow", "capabilities": ["lids.list"]},
        {"kind": "logout", "capabilities": ["contacts.check"]},
        {"kind": "slow", "milliseconds": -1},
        {"kind": "conflict", "times": 0},
    ],
)
async def test_a_condition_that_makes_no_sense_is_refused(client: httpx.AsyncClient, body: dict[str, object]) -> None:
    assert (await refused(client, "PUT", f"/conditions/{ME}", body))[0] == 400
    assert await ask(client, "GET", f"/conditions/{ME}") == []
    assert (await refused(client, "DELETE", f"/conditions/{ME}/nothing"))[0] == 404


async def test_every_fault_can_be_made_and_cleared(client: httpx.AsyncClient) -> None:
    for fault in FAULTS:
        met = (await ask(client, "POST", f"/faults/{ME}/{fault}", {}))["met"]
        assert met == (0 if fault in ("replace", "stream-error") else None)
    await ask(client, "POST", f"/faults/{ME}/malform", {"malformation": "crash", "when": "login", "times": 2})
    await ask(client, "POST", "/certificate/forge", {"times": 1})
    assert await ask(client, "DELETE", f"/faults/{ME}") == {"cleared": True}
    assert await ask(client, "DELETE", "/faults") == {"cleared": True}
    status, said = await refused(client, "POST", f"/faults/{ME}/fire", {})
    assert (status, "hold-pairing" in said) == (404, True)
    for body in ({"when": "never"}, {"malformation": "?"}, {"times": 0}, {"code": 5}):
        assert (await refused(client, "POST", f"/faults/{ME}/malform", body))[0] == 400


async def test_it_answers_while_others_wait(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.get("/people") for _ in range(20)))
    assert {response.status_code for response in answers} == {200}
    assert len(json.loads(answers[0].content)) >= 20
