"""Where webhooks may go: names, trust, the allow-list, and names that change their mind."""

import asyncio
from collections.abc import Sequence

import pytest

from lidbook.errors import InvalidConfig
from lidbook_api.webhooks import destinations
from lidbook_api.webhooks.destinations import Destinations, NotAllowedThere, Resolver

from .conftest import configured


def resolving(**hosts: Sequence[str]) -> destinations.Resolve:
    """A resolver that knows these hosts, with `_` for `.`."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        found = hosts.get(host.lower().rstrip(".").replace(".", "_"))
        if found is None:
            raise OSError("no such host")
        return found

    return resolve


async def test_a_public_name_is_reached_by_everybody() -> None:
    resolve = resolving(example_com=["93.184.216.34", "2606:4700::1"])
    found = await Destinations(resolve=resolve).addresses("example.com", 443, trusted=False)
    assert found == ["93.184.216.34", "2606:4700::1"]


@pytest.mark.parametrize("found", [["93.184.216.34", "10.0.0.1"], ["10.0.0.1", "93.184.216.34"], ["gibberish"]])
async def test_one_bad_address_among_good_ones_is_enough(found: list[str]) -> None:
    with pytest.raises(NotAllowedThere):
        await Destinations(resolve=resolving(example_com=found)).addresses("example.com", 80, trusted=False)


async def test_a_name_without_an_address_is_an_error_of_the_network() -> None:
    with pytest.raises(OSError, match="no address"):
        await Destinations(resolve=resolving(example_com=[])).addresses("example.com", 80, trusted=True)


@pytest.mark.parametrize(
    ("allowed", "reached"),
    [
        ("n8n.internal", True),
        ("N8N.Internal.", True),
        ("10.1.2.3", True),
        ("10.0.0.0/8", True),
        ("10.1.2.9/24", True),
        ("10.1.3.0/24", False),
        ("internal", False),
        ("other.internal", False),
    ],
)
async def test_what_is_listed_is_reached_though_it_is_private(allowed: str, reached: bool) -> None:
    rules = Destinations.of([allowed], resolving(n8n_internal=["10.1.2.3"]))
    if reached:
        assert await rules.addresses("n8n.internal", 80, trusted=False) == ["10.1.2.3"]
    else:
        with pytest.raises(NotAllowedThere):
            await rules.addresses("n8n.internal", 80, trusted=False)


@pytest.mark.parametrize("entry", ["http://10.0.0.1", "10.0.0.0/99", "a b", "host:80", "*.internal"])
def test_an_allow_list_says_which_entry_is_none(entry: str) -> None:
    with pytest.raises(ValueError, match="is no host name, IP address or network") as refused:
        Destinations.of(["10.0.0.1", entry])
    assert entry in str(refused.value)


async def test_a_config_is_told_every_webhook_that_leads_where_it_may_not() -> None:
    rules = Destinations(resolve=resolving(inside=["192.168.0.4"], outside=["93.184.216.34"]))
    config = configured(
        {"url": "http://inside/"},
        {"url": "http://outside/"},
        {"url": "http://169.254.169.254/latest/"},
        {"url": "http://nowhere/"},
    )
    with pytest.raises(InvalidConfig) as refused:
        await rules.check(config, None, trusted=False)
    assert [message.split(" ")[0] for message in refused.value.messages] == [
        "config.webhooks.0.url",
        "config.webhooks.2.url",
    ]
    assert "LIDBOOK_WEBHOOK_ALLOW" in refused.value.messages[0]
    assert "192.168.0.4" not in refused.value.messages[0]
    with pytest.raises(InvalidConfig) as refused:
        await rules.check(config, None, trusted=True)
    assert [message.split(" ")[0] for message in refused.value.messages] == ["config.webhooks.2.url"]


async def test_webhooks_that_stay_as_they_are_are_not_looked_at_again() -> None:
    before = configured({"url": "http://127.0.0.1/", "hmac": {"key": "k"}})
    same = configured({"url": "http://127.0.0.1/", "hmac": {"key": "k"}}, metadata={"a": "b"})
    changed = configured({"url": "http://127.0.0.1/", "hmac": {"key": "other"}})
    await Destinations().check(same, before, trusted=False)
    with pytest.raises(InvalidConfig):
        await Destinations().check(changed, before, trusted=False)


async def test_a_name_server_that_hangs_does_not_hold_up_a_config(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(destinations, "CHECK_SECONDS", 0.01)
    await Destinations(resolve=resolve).check(configured({"url": "http://slow/"}), None, trusted=False)


async def test_the_systems_resolver_answers_or_says_why_not() -> None:
    resolve = Resolver()
    assert set(await resolve("localhost", 80)) <= {"127.0.0.1", "::1"}
    with pytest.raises(OSError, match=r".+"):
        await resolve("no-such-host.invalid", 80)
    with pytest.raises(UnicodeError):
        await resolve("a" * 64 + ".invalid", 80)
    with pytest.raises(OSError, match="too many names"):
        await Resolver(most=0)("localhost", 80)
