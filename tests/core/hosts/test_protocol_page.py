"""`docs/host-protocol.md` against the code: its examples are what is sent, and what is sent to it is understood."""

import importlib.util
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from core.hosts.stand_in import MisbehavingEngine, StandIn, Studio
from lidbook.capabilities import Feed
from lidbook.engine import ClientConfig, Network, Proxy
from lidbook.errors import LidbookError, RateLimited
from lidbook.facts import Field
from lidbook.hosts import HostedEngine, HostedSession, HostedSettings
from lidbook.hosts.encoding import network_json
from lidbook.hosts.fact_encoding import _KINDS, fact, fact_json
from lidbook.hosts.reading import JsonObject
from lidbook.hosts.refusals import _CORES, _ENGINES, INVALID, Refusal, error_of
from lidbook.hosts.tenant import Tenant
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.passkey import PasskeyAssertion
from lidbook.values import Person, SessionStatus, StatusReason

PAGE: Final = Path(__file__).parents[3] / "docs" / "host-protocol.md"
TEXT: Final = PAGE.read_text("utf-8")
RUN: Final = "shop.5f1c9a3e77b0d2c4"
ADA: Final = Person(PhoneNumber("15550199"), Lid("100000000000199"), "ada")
UNNAMED: Final = Person(None, Lid("100000000000200"))
NOBODY: Final = PhoneNumber("15550142")

Message = dict[str, Any]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


MESSAGES: Final[list[Message]] = [json.loads(line) for block in blocks("jsonl") for line in block.splitlines()]
SENT_BY_US: Final = {"hello", "ping"}


def asked(method: str) -> Message:
    """The example of a request or notification."""
    return next(message for message in MESSAGES if message.get("method") == method)


def answered(method: str) -> Any:
    """What the example answers, which follows it."""
    return MESSAGES[MESSAGES.index(asked(method)) + 1]["result"]


class Page:
    """Hosts that answer as the page does, and hold every call against it."""

    def __init__(self) -> None:
        self.called: list[str] = []

    async def start(self, tenant: Tenant) -> None:
        """Nowhere."""

    async def stop(self, tenant: Tenant) -> None:
        """Nothing to stop."""

    async def call(self, tenant: Tenant, method: str, params: JsonObject, timeout: float) -> JsonObject:  # noqa: ASYNC109
        self.called.append(method)
        assert asked(method)["params"] == {**params, "session": RUN, "timeout": timeout}
        answer: JsonObject = answered(method)
        return answer


@pytest.fixture
def context(tmp_path: Path, anyio_backend: str) -> StandIn:
    return StandIn(tmp_path, "shop", HostedSettings(), lambda: None)


@pytest.fixture
def tenant(context: StandIn) -> Tenant:
    return Tenant(context, lambda: context.settings.model_dump(mode="json"))


CALLS: Final[Mapping[str, Callable[[HostedSession], Awaitable[object]]]] = {
    "session.logout": lambda session: session.logout(),
    "session.pairing_code": lambda session: session.pairing_code(PhoneNumber("15550100")),
    "session.passkey": lambda session: session.answer_passkey(PasskeyAssertion("AQID", "AQID", "e30", "AQ", "Ag")),
    "session.passkey_confirm": lambda session: session.confirm_passkey(),
    "contacts.check": lambda session: session.check([PhoneNumber("15550199"), NOBODY]),
    "lids.query": lambda session: session.query_lids([PhoneNumber("15550199"), NOBODY]),
    "contacts.about": lambda session: session.about([ADA, UNNAMED]),
    "contacts.picture": lambda session: session.picture(ADA),
    "contacts.update": lambda session: session.update_contact(ADA, "Ada", "Lovelace", save_on_phone=True),
    "contacts.delete": lambda session: session.delete_contact(ADA),
    "contacts.block": lambda session: session.block(ADA),
    "contacts.unblock": lambda session: session.unblock(ADA),
    "groups.refresh": lambda session: session.refresh_groups(),
}


@pytest.mark.parametrize("method", CALLS)
async def test_a_call_is_sent_as_the_page_says_and_its_answer_understood(method: str, context: StandIn) -> None:
    page = Page()
    await CALLS[method](MisbehavingEngine.session(context, page))

    assert page.called == [method]


def test_the_hello_has_what_the_page_says() -> None:
    network = asked("hello")["params"]["network"]
    there = Network(
        network["websocket"], network["web_page"], bytes.fromhex(network["root_key"]), network["control_url"], "token"
    )

    assert network_json(there) == network
    assert set(asked("hello")["params"]) == {"protocol", "engine", "network", "log_level"}


async def test_a_session_is_started_as_the_page_says(context: StandIn, tenant: Tenant) -> None:
    context.config = ClientConfig(Proxy("proxy.example:3128", "shop", "secret"), "Shop", "Chrome")
    context.synced = {Feed.CONTACTS, Feed.LIDS}
    example = asked("session.start")["params"]

    assert {**await tenant.start_params(), "session": RUN, "folder": example["folder"]} == example


def test_what_the_page_tells_is_heard(context: StandIn, tenant: Tenant) -> None:
    for message in MESSAGES:
        if "method" in message and "id" not in message and message["method"] != "log":
            tenant.told(message["method"], message["params"])

    assert context.statuses == [
        (SessionStatus.STARTING, StatusReason.NETWORK),
        (SessionStatus.WORKING, None),
        (SessionStatus.FAILED, StatusReason.BANNED),
    ]
    assert len(context.accounts) == len(context.qrs) == len(context.challenges) == len(context.codes) == 1


async def test_what_the_page_asks_is_answered(context: StandIn, tenant: Tenant) -> None:
    context.kept.blobs["old"] = b"x"
    for method in ("facts", "sync", "vault.put", "vault.get"):
        assert await tenant.asked(method, asked(method)["params"]) == answered(method)

    assert context.kept.blobs == {"credentials": b"\x00\x01\x02"}
    assert len(context.batches) == 1


def test_the_page_has_every_kind_of_fact_and_every_field() -> None:
    (listed,) = (json.loads(block) for block in blocks("json"))
    facts = [fact(each) for each in listed]

    assert [fact(json.loads(json.dumps(fact_json(each)))) for each in facts] == facts
    assert {each["fact"] for each in listed} == set(_KINDS)
    row = next(line for line in TEXT.splitlines() if line.startswith("| `field` |"))
    assert set(Field) - {Field.ME} <= set(re.findall(r"`(\w+)`", row))


def test_the_page_has_every_message() -> None:
    there = {message["method"] for message in MESSAGES if "method" in message}
    from_hosts = {"status", "qr", "passkey_challenge", "passkey_confirmation", "log"}

    assert there == (
        {"hello", "ping", "session.start", "session.stop", *CALLS}
        | from_hosts
        | {"facts", "sync", "vault.put", "vault.get"}
    )


def test_the_page_has_every_error() -> None:
    table = TEXT.partition("| `data.code` |")[2].partition("\n\n")[0]
    codes = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))

    assert codes == {*_ENGINES, *(error.code for error in _CORES), RateLimited.code, INVALID}
    errors = [message["error"] for message in MESSAGES if "error" in message]
    assert [type(of(error)) for error in errors[:1]] == [RateLimited]


def of(error: Message) -> LidbookError:
    return error_of(Refusal(error["code"], error["message"], error["data"]), "contacts.check")


async def test_the_host_of_the_page_serves(tmp_path: Path, anyio_backend: str) -> None:
    host, engine = blocks("python")
    (tmp_path / "host.py").write_text(host)
    (tmp_path / "engine.py").write_text(engine)
    spec = importlib.util.spec_from_file_location("example_engine", tmp_path / "engine.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: HostedEngine = module.ExampleEngine(tmp_path)
    context = StandIn(tmp_path / "shop", "shop", HostedSettings(), lambda: None)
    async with made.running():
        session = made.open(context)
        await session.start()
        await Studio(tmp_path, MisbehavingEngine(tmp_path)).until(lambda: context.is_working)
        (answer,) = await session.check([NOBODY])
        await session.stop()

    assert not answer.registered
    assert made.processes() == {}
