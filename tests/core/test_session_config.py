"""A session's config: what is accepted, what is refused and in which words, what is echoed."""

import orjson
import pytest

from lidbook.engine import ClientConfig, Proxy
from lidbook.errors import InvalidConfig
from lidbook.session_config import EVENT_WILDCARDS, LIDBOOK_EVENTS, WAHA_EVENTS, SessionConfig

FULL: dict[str, object] = {
    "engine": "NOWEB",
    "settings": {"world": "demo", "nested": {"a": [1, 2.5, None, True]}},
    "staleReads": True,
    "markOnline": True,
    "metadata": {"user.id": "123"},
    "proxy": {"server": "localhost:3128", "username": None},
    "debug": False,
    "ignore": {"status": None, "groups": True},
    "client": {"deviceName": "MacOS", "browserName": "Firefox"},
    "noweb": {"store": {"enabled": True, "fullSync": False}},
    "gows": {"storage": {"messages": True, "messageSecrets": None}},
    "webjs": {"tagsEventsOn": False},
    "webhooks": [
        {
            "url": "http://hooks/here",
            "events": ["message", "session.status", "lid.*", "contact.merged", "*"],
            "hmac": {"key": "k"},
            "retries": {"policy": "linear", "delaySeconds": 2, "attempts": 15},
            "customHeaders": [{"name": "X-One", "value": "1"}],
        }
    ],
}


def test_what_the_client_gave_is_what_is_stored() -> None:
    stored = SessionConfig.parse(FULL).stored()
    assert orjson.loads(orjson.dumps(stored)) == FULL
    assert SessionConfig.parse(stored).stored() == stored


def test_defaults_are_not_written_back() -> None:
    assert SessionConfig.parse(None).stored() == {}
    assert SessionConfig.parse({"noweb": {}}).stored() == {"noweb": {}}


def test_null_is_the_same_as_leaving_a_key_out() -> None:
    config = SessionConfig.parse(dict.fromkeys(FULL))
    assert config.client_config() == SessionConfig().client_config() == ClientConfig()
    assert config.settings == {}
    assert not config.stale_reads


def test_unknown_keys_are_dropped_at_every_depth() -> None:
    config = SessionConfig.parse({"tier": "PLUS", "proxy": {"server": "h:1", "scheme": "http"}})
    assert config.stored() == {"proxy": {"server": "h:1"}}


def test_the_engines_own_settings_are_kept_whole() -> None:
    assert SessionConfig.parse({"settings": {"any": {"thing": [1]}}}).settings == {"any": {"thing": [1]}}


def test_every_engine_gets_proxy_client_and_mark_online() -> None:
    assert SessionConfig.parse(FULL).client_config() == ClientConfig(
        proxy=Proxy("localhost:3128"), device_name="MacOS", browser_name="Firefox", mark_online=True
    )


def test_wahas_own_mark_online_is_stored_but_does_not_silence_the_phone() -> None:
    config = SessionConfig.parse({"noweb": {"markOnline": True}})
    assert config.stored() == {"noweb": {"markOnline": True}}
    assert config.client_config().mark_online is False


@pytest.mark.parametrize("event", [*WAHA_EVENTS, *LIDBOOK_EVENTS, *EVENT_WILDCARDS])
def test_every_known_event_name_is_accepted(event: str) -> None:
    assert SessionConfig.parse({"webhooks": [{"url": "https://example.com", "events": [event]}]}).webhooks


def test_every_wildcard_stands_for_something() -> None:
    for wildcard in set(EVENT_WILDCARDS) - {"*"}:
        assert any(event.startswith(wildcard.removesuffix("*")) for event in LIDBOOK_EVENTS), wildcard


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("text", "config must be an object"),
        ([], "config must be an object"),
        ({"engine": 7}, "config.engine must be a string"),
        ({"settings": []}, "config.settings must be an object"),
        ({"staleReads": "yes"}, "config.staleReads must be a boolean value"),
        ({"debug": "true"}, "config.debug must be a boolean value"),
        ({"metadata": {"a": 1}}, "config.metadata accepts string key-value pairs only"),
        ({"metadata": "a"}, "config.metadata accepts string key-value pairs only"),
        ({"proxy": {}}, "config.proxy.server must be a string"),
        ({"proxy": "h:1"}, "config.proxy must be an object"),
        ({"proxy": {"server": "http://h:1"}}, "config.proxy.server must be host:port, without a scheme"),
        ({"ignore": {"groups": 1}}, "config.ignore.groups must be a boolean value"),
        ({"client": {"deviceName": 1}}, "config.client.deviceName must be a string"),
        ({"noweb": {"store": {"fullSync": 1}}}, "config.noweb.store.fullSync must be a boolean value"),
        ({"webhooks": {}}, "config.webhooks must be an array"),
        ({"webhooks": [{"events": []}]}, "config.webhooks.0.url must be a URL address"),
        ({"webhooks": [{"url": "http://h"}]}, "config.webhooks.0.events must be an array"),
        ({"webhooks": [{"url": "ftp://h", "events": []}]}, "config.webhooks.0.url must be a URL address"),
        ({"webhooks": [{"url": "http://h:99999", "events": []}]}, "config.webhooks.0.url must be a URL address"),
        ({"webhooks": [{"url": "http://", "events": []}]}, "config.webhooks.0.url must be a URL address"),
        (
            {"webhooks": [{"url": "http://h", "events": [], "retries": {"policy": "random"}}]},
            "config.webhooks.0.retries.policy must be one of the following values: linear, exponential, constant",
        ),
        (
            {"webhooks": [{"url": "http://h", "events": [], "retries": {"attempts": -1}}]},
            "config.webhooks.0.retries.attempts must not be less than 0",
        ),
        (
            {"webhooks": [{"url": "http://h", "events": [], "customHeaders": [{"name": "X"}]}]},
            "config.webhooks.0.customHeaders.0.value must be a string",
        ),
    ],
)
def test_a_fault_is_named_in_wahas_words(raw: object, message: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        SessionConfig.parse(raw)
    assert refused.value.messages == [message]


def test_an_unknown_event_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidConfig) as refused:
        SessionConfig.parse({"webhooks": [{"url": "http://h", "events": ["mesage"]}]})
    assert refused.value.messages[0].startswith("config.webhooks.0.events.0 must be one of the following values: ")
    assert "lid.resolved" in refused.value.messages[0]


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(InvalidConfig) as refused:
        SessionConfig.parse({"debug": 1, "engine": 2, "webhooks": [{}]})
    assert len(refused.value.messages) == 4


def test_a_config_with_neither_engine_nor_settings_takes_over_the_settings_before_it() -> None:
    before = SessionConfig.parse({"engine": "sandbox", "settings": {"people": 5}, "debug": True})
    silent: list[object] = [None, {}, {"settings": None}, {"engine": None}, {"engine": " ", "metadata": {}}]
    for raw in silent:
        after = SessionConfig.parse(raw).after(before)
        assert after.settings == after.stored()["settings"] == {"people": 5}
        assert after.debug is None
    given: list[object] = [{"settings": {}}, {"settings": {"seed": 2}}, {"engine": "sandbox"}]
    for raw in given:
        config = SessionConfig.parse(raw)
        assert config.after(before) == config


def test_where_there_were_no_settings_none_are_echoed() -> None:
    assert SessionConfig.parse({"debug": True}).after(SessionConfig()).stored() == {"debug": True}
