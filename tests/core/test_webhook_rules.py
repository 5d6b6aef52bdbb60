"""What a webhook's URL and headers may be."""

import pytest

from lidbook import webhook_rules
from lidbook.errors import InvalidConfig
from lidbook.session_config import SessionConfig


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "https://example.com/hook?token=1#part",
        "HTTPS://EXAMPLE.COM/",
        "http://n8n:5678/webhook/abc",
        "http://[::1]:8080/",
        "http://[fe80::1%25eth0]/",
        "http://münchen.example/grüße",
        "http://example.com./",
    ],
)
def test_a_url_that_can_be_sent_to_is_taken(url: str) -> None:
    assert webhook_rules.url_fault(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h",
        "//h/",
        "ftp://h/",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "http://h:0/",
        "http://h:99999/",
        "http://h:x/",
        "http://[::1/",
        "http://a b/",
        "http://h/a b",
        "http://h/\r\nX: 1",
        "http://h/\x00",
        "http://h/\u202e",
        "http://" + "a" * 64 + ".example/",
        "http://a..b/",
    ],
)
def test_what_is_no_url_is_told_in_wahas_words(url: str) -> None:
    assert webhook_rules.url_fault(url) == "must be a URL address"
    with pytest.raises(InvalidConfig) as refused:
        SessionConfig.parse({"webhooks": [{"url": url, "events": []}]})
    assert refused.value.messages == ["config.webhooks.0.url must be a URL address"]


@pytest.mark.parametrize("url", ["http://user@h/", "http://user:pass@h/", "http://:pass@h/", "http://@h/"])
def test_a_url_with_a_password_is_refused_with_advice(url: str) -> None:
    with pytest.raises(InvalidConfig, match=r"config\.webhooks\.0\.url must not contain .*customHeaders"):
        SessionConfig.parse({"webhooks": [{"url": url, "events": []}]})


def test_a_url_has_an_end() -> None:
    assert webhook_rules.url_fault("http://h/" + "x" * 2039) is None
    assert webhook_rules.url_fault("http://h/" + "x" * 2040) == "must be shorter than or equal to 2048 characters"


@pytest.mark.parametrize("name", ["X-One", "authorization", "X_y.z", "!#$%&'*+-.^_`|~"])
def test_names_of_headers_are_taken(name: str) -> None:
    assert webhook_rules.header_name_fault(name) is None


@pytest.mark.parametrize(
    "name", [*sorted(webhook_rules.RESERVED_HEADERS), "HOST", "X-Webhook-Request-Id", "x-webhook-own"]
)
def test_headers_that_are_lidbooks_are_refused(name: str) -> None:
    assert webhook_rules.header_name_fault(name) == f"must be another header: {name} is set by Lidbook itself"


@pytest.mark.parametrize("value", ["", "a b\tc", "~", "é", "Bearer a.b-c=="])
def test_values_of_headers_are_taken(value: str) -> None:
    assert webhook_rules.header_value_fault(value) is None


def test_there_are_only_so_many_headers_and_webhooks() -> None:
    assert webhook_rules.headers_fault([("X", "1")] * 50) is None
    assert webhook_rules.headers_fault([("X", "1")] * 51) == "must contain no more than 50 elements"
    assert webhook_rules.headers_fault([("X", "1" * 8191)]) is None
    assert webhook_rules.headers_fault([("X", "1" * 8192)]) == "must be no more than 8 KiB in all"
    entry = {"url": "http://h/", "events": []}
    assert SessionConfig.parse({"webhooks": [entry] * 100}).webhooks
    with pytest.raises(InvalidConfig) as refused:
        SessionConfig.parse({"webhooks": [entry] * 101})
    assert refused.value.messages == ["config.webhooks must contain no more than 100 elements"]
