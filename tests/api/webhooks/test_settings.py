"""The server's own webhook, from environment variables: Lidbook's names and WAHA's."""

import os
from pathlib import Path

import pytest

from api.access.processes import lidbook
from lidbook_api.serving import CannotServe, settings_from
from lidbook_api.settings import ServerSettings
from lidbook_api.variables import OURS
from lidbook_api.webhooks.retries import Retries

URL = "https://example.com/hook"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own environment."""
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)


@pytest.fixture(params=["LIDBOOK_WEBHOOK", "WHATSAPP_HOOK"])
def prefix(request: pytest.FixtureRequest) -> str:
    """What the variables begin with."""
    return str(request.param)


def settings(monkeypatch: pytest.MonkeyPatch, prefix: str, **variables: str) -> ServerSettings:
    """The settings of an environment."""
    for name, value in variables.items():
        monkeypatch.setenv(f"{prefix}_{name}", value)
    return settings_from({})


def test_without_a_url_there_is_none(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    assert settings(monkeypatch, prefix, EVENTS="*", HMAC_KEY="k", RETRIES_ATTEMPTS="3", URL="").webhooks == ()


def test_every_variable_counts(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    (webhook,) = settings(
        monkeypatch,
        prefix,
        URL=URL,
        EVENTS="session.status, lid.*,contact.merged",
        HMAC_KEY="k",
        RETRIES_POLICY="Exponential",
        RETRIES_DELAY_SECONDS="0.5",
        RETRIES_ATTEMPTS="3",
        CUSTOM_HEADERS="X-One:1; Authorization: Bearer a:b ;;X-Url:https://h:1/",
    ).webhooks
    assert (webhook.url, webhook.events) == (URL, ["session.status", "lid.*", "contact.merged"])
    assert webhook.hmac is not None
    assert webhook.hmac.key == "k"
    assert Retries.of(webhook.retries) == Retries("exponential", 0.5, 3)
    assert [(header.name, header.value) for header in webhook.custom_headers or ()] == [
        ("X-One", "1"),
        ("Authorization", "Bearer a:b"),
        ("X-Url", "https://h:1/"),
    ]


def test_what_is_not_said_is_wahas_default(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    (webhook,) = settings(monkeypatch, prefix, URL=URL, EVENTS="*").webhooks
    assert Retries.of(webhook.retries) == Retries.of(None)
    assert webhook.hmac is not None
    assert webhook.hmac.key is None
    assert webhook.custom_headers == []


@pytest.mark.parametrize(
    ("variables", "culprit", "fault"),
    [
        ({"URL": "ftp://h/"}, "_URL", "must be a URL address"),
        ({"URL": "https://user:hunter2@h/"}, "_URL", "send them in customHeaders"),
        ({"URL": "http://169.254.169.254/"}, "_URL", "where no webhook may go"),
        ({"EVENTS": ""}, "_EVENTS", "nothing is ever sent"),
        ({"EVENTS": "session.status,mesage"}, "_EVENTS", "lid.resolved"),
        ({"RETRIES_POLICY": "hunter2"}, "_RETRIES_POLICY", "Input should be"),
        ({"RETRIES_DELAY_SECONDS": "-1"}, "_RETRIES_DELAY_SECONDS", "greater than or equal to 0"),
        ({"RETRIES_DELAY_SECONDS": "nan"}, "_RETRIES_DELAY_SECONDS", "finite"),
        ({"RETRIES_ATTEMPTS": "many"}, "_RETRIES_ATTEMPTS", "integer"),
        ({"CUSTOM_HEADERS": "hunter2"}, "_CUSTOM_HEADERS", "Name:value"),
        ({"CUSTOM_HEADERS": "Host:hunter2"}, "_CUSTOM_HEADERS", "is set by Lidbook itself"),
        ({"CUSTOM_HEADERS": "X-A:hunter2\r\nX-B: 1"}, "_CUSTOM_HEADERS", "one line"),
    ],
)
def test_one_that_is_not_right_ends_the_start_and_says_why_without_the_value(
    monkeypatch: pytest.MonkeyPatch, prefix: str, variables: dict[str, str], culprit: str, fault: str
) -> None:
    with pytest.raises(CannotServe) as refused:
        settings(monkeypatch, prefix, **{"URL": URL, "EVENTS": "*", **variables})
    assert prefix + culprit in str(refused.value)
    assert fault in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_the_allow_list_and_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_from({}).webhook_verify_tls
    assert settings_from({}).webhook_allow == ()
    monkeypatch.setenv("LIDBOOK_WEBHOOK_ALLOW", "n8n, 10.0.0.0/8")
    monkeypatch.setenv("LIDBOOK_WEBHOOK_VERIFY_TLS", "False")
    assert settings_from({}).webhook_allow == ("n8n", "10.0.0.0/8")
    assert not settings_from({}).webhook_verify_tls
    monkeypatch.setenv("LIDBOOK_WEBHOOK_ALLOW", "http://n8n:5678")
    with pytest.raises(CannotServe, match="LIDBOOK_WEBHOOK_ALLOW: 'http://n8n:5678' is no host name"):
        settings_from({})


def test_a_server_does_not_start_with_a_webhook_that_cannot_be(tmp_path: Path) -> None:
    ended = lidbook(tmp_path, "serve", "--port", "0", WHATSAPP_HOOK_URL="nowhere", WHATSAPP_HOOK_EVENTS="*")
    assert ended.returncode == 2
    assert ended.stderr == "lidbook: WHATSAPP_HOOK_URL: must be a URL address\n"
