"""Settings: where they come from, which wins, what is refused."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from lidbook.data_dir import default_data_dir
from lidbook_api.settings import ServerSettings, explain

KEY = "6c35dcbf31914c65a90f29e2ca1840d2"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own environment."""
    import os

    for name in list(os.environ):
        if name.startswith(("LIDBOOK_", "WAHA_", "WHATSAPP_")) or name in ("PORT", "XDG_DATA_HOME"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_defaults_are_this_machine_only() -> None:
    settings = ServerSettings()
    assert (settings.host, settings.port, settings.key()) == ("127.0.0.1", 3000, None)
    assert settings.data_dir == Path.home() / ".local" / "share" / "lidbook"


def test_the_data_dir_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert default_data_dir() == Path("/somewhere/lidbook")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert default_data_dir() == Path.home() / ".local" / "share" / "lidbook"
    monkeypatch.setenv("LIDBOOK_DATA_DIR", "/else/where")
    assert ServerSettings().data_dir == Path("/else/where")


@pytest.mark.parametrize(
    ("variables", "field", "value"),
    [
        ({"WHATSAPP_API_PORT": "3001"}, "port", 3001),
        ({"WHATSAPP_API_PORT": "3001", "PORT": "3002"}, "port", 3002),
        ({"WHATSAPP_API_PORT": "3001", "PORT": "3002", "LIDBOOK_PORT": "3003"}, "port", 3003),
        ({"PORT": ""}, "port", 3000),
        ({"WHATSAPP_DEFAULT_ENGINE": "NOWEB"}, "default_engine", "NOWEB"),
        ({"WHATSAPP_DEFAULT_ENGINE": "NOWEB", "LIDBOOK_DEFAULT_ENGINE": "web"}, "default_engine", "web"),
        ({"WHATSAPP_DEFAULT_ENGINE": ""}, "default_engine", None),
        ({"WHATSAPP_START_SESSION": "a, b,"}, "start_sessions", ("a", "b")),
        ({"WHATSAPP_API_KEY_EXCLUDE_PATH": "ping,health"}, "open_paths", ("ping", "health")),
        ({"WAHA_NO_API_KEY": "True"}, "no_api_key", True),
        ({"LIDBOOK_NETWORK": "/some/network.json"}, "network", "/some/network.json"),
        ({"WAHA_LOG_LEVEL": "warn"}, "log_level", "warning"),
        ({"WAHA_LOG_LEVEL": "TRACE"}, "log_level", "debug"),
        ({"WAHA_LOG_FORMAT": "PRETTY"}, "log_format", "text"),
        ({"WAHA_LOG_FORMAT": "JSON"}, "log_format", "json"),
        ({"WHATSAPP_API_HOSTNAME": "whatsapp.example"}, "host", "127.0.0.1"),
    ],
)
def test_wahas_variables_are_understood(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], field: str, value: object
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    assert getattr(ServerSettings(), field) == value


def test_wahas_variables_for_the_key_have_wahas_order(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in (("WAHA_API_KEY", "one"), ("WHATSAPP_API_KEY", "two"), ("LIDBOOK_API_KEY", "three")):
        monkeypatch.setenv(name, key + KEY)
        found = ServerSettings().key()
        assert found is not None
        assert found.matches((key + KEY).encode())


def test_a_key_is_asked_for_although_none_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAHA_API_KEY", KEY)
    monkeypatch.setenv("WAHA_NO_API_KEY", "1")
    assert ServerSettings().key() is not None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "lidbook.example"])
def test_an_address_that_others_reach_needs_a_key(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("LIDBOOK_HOST", host)
    monkeypatch.setenv("WAHA_NO_API_KEY", "true")
    with pytest.raises(ValidationError) as refused:
        ServerSettings()
    assert "set LIDBOOK_API_KEY" in explain(refused.value)
    monkeypatch.setenv("LIDBOOK_API_KEY", KEY)
    assert ServerSettings().host == host


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1"])
def test_a_loopback_address_needs_none(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("LIDBOOK_HOST", host)
    assert ServerSettings().key() is None


def test_a_weak_key_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAHA_API_KEY", "0" * 32)
    with pytest.raises(ValidationError) as refused:
        ServerSettings()
    assert "openssl rand" in explain(refused.value)
    assert "0" * 32 not in explain(refused.value)


def test_what_does_not_fit_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "http")
    with pytest.raises(ValidationError) as refused:
        ServerSettings()
    assert explain(refused.value).startswith("LIDBOOK_PORT: ")


def test_a_pattern_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHATSAPP_API_KEY_EXCLUDE_PATH", "api/files/(.*),ping,/health/")
    settings = ServerSettings()
    assert settings.patterns == ("api/files/(.*)",)
    assert settings.unlocked == frozenset({"/ping", "/health"})


def test_the_key_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIDBOOK_API_KEY", KEY)
    assert KEY not in repr(ServerSettings())


def test_arguments_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIDBOOK_PORT", "3003")
    monkeypatch.setenv("LIDBOOK_HOST", "0.0.0.0")
    from lidbook_api.serving import settings_from

    settings = settings_from({"port": 0, "host": "127.0.0.1"})
    assert (settings.port, settings.host) == (0, "127.0.0.1")
