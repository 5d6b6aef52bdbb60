"""What stands in the headers of a webhook."""

import pytest

from lidbook import __version__
from lidbook_api.webhooks.signing import headers, request_id, signature

from .conftest import NOW, webhook

BODY = b'{"event":"message","session":"default","engine":"WEBJS"}'


def named(**config: object) -> dict[str, str]:
    """The headers of an event for a webhook with this config."""
    pairs = headers(webhook(url="http://h/", **config), "evt_1", NOW, BODY)
    assert len({name.lower() for name, _ in pairs}) == len(pairs)
    return {name.decode(): value.decode("latin-1") for name, value in pairs}


def test_the_signature_is_that_of_wahas_documentation() -> None:
    assert signature(BODY, "my-secret-key") == (
        "208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89"
    )


def test_every_event_says_what_it_is_and_when_it_was() -> None:
    assert named() == {
        "Content-Type": "application/json",
        "User-Agent": f"Lidbook/{__version__}",
        "X-Webhook-Request-Id": request_id("evt_1", NOW, "http://h/"),
        "X-Webhook-Timestamp": str(NOW),
    }


@pytest.mark.parametrize("hmac", [None, {}, {"key": None}, {"key": ""}])
def test_without_a_key_nothing_is_signed(hmac: object) -> None:
    assert "X-Webhook-Hmac" not in named(hmac=hmac)


def test_with_a_key_the_body_is_signed() -> None:
    signed = named(hmac={"key": "schlüssel"})
    assert signed["X-Webhook-Hmac"] == signature(BODY, "schlüssel")
    assert signed["X-Webhook-Hmac-Algorithm"] == "sha512"


def test_a_request_id_follows_from_event_and_url_alone() -> None:
    assert request_id("evt_1", NOW, "http://h/") == request_id("evt_1", NOW, "http://h/")
    others = {request_id(event, NOW, url) for event in ("evt_1", "evt_2") for url in ("http://h/", "http://i/")}
    assert len(others) == 4
    assert all(len(other) == 26 for other in others)


def test_custom_headers_are_added_and_the_last_of_a_name_counts() -> None:
    given = [("X-One", "1"), ("x-one", " 2 "), ("User-Agent", "Mine"), ("Authorization", "Bearer é")]
    sent = named(customHeaders=[{"name": name, "value": value} for name, value in given])
    assert sent["x-one"] == "2"
    assert "X-One" not in sent
    assert (sent["User-Agent"], sent["Authorization"]) == ("Mine", "Bearer é")
