"""Settings: where they come from, which wins, what is refused."""

import os
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from lidbook.data_dir import default_data_dir
from lidbook.engine import ClientConfig, Proxy
from lidbook.sessions.surroundings import AtBoot
from lidbook_api.serving import CannotServe, settings_from
from lidbook_api.settings import ServerSettings, explain, variables
from lidbook_api.variables import OURS, READ_ELSEWHERE, REFUSED, WITHOUT_EFFECT, refusals, remarks

KEY = "6c35dcbf31914c65a90f29e2ca1840d2"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine's own environment."""
    for name in list(os.environ):
        if name.startswith(OURS) or name in ("PORT", "DEBUG", "XDG_DATA_HOME"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_defaults_are_this_machine_only() -> None:
    settings = ServerSettings()
    assert (settings.host, settings.port, settings.key()) == ("127.0.0.1", 3000, None)
    assert settings.data_dir == Path.home() / ".local" / "share" / "lidbook"
    assert (settings.client, settings.at_boot, settings.public_url) == (ClientConfig(), AtBoot.WANTED, None)
    assert (settings.swagger_enabled, settings.swagger_login, settings.print_qr) == (True, None, False)


def test_the_data_dir_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert default_data_dir() == Path("/somewhere/lidbook")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert default_data_dir() == Path.home() / ".local" / "share" / "lidbook"
    monkeypatch.setenv("WAHA_LOCAL_STORE_BASE_DIR", "/their/place")
    assert ServerSettings().data_dir == Path("/their/place")
    monkeypatch.setenv("LIDBOOK_DATA_DIR", "/else/where")
    assert ServerSettings().data_dir == Path("/else/where")


@pytest.mark.parametrize(
    ("environment", "field", "value"),
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
        ({"WAHA_LOG_LEVEL": "warn"}, "level", "warning"),
        ({"WAHA_LOG_LEVEL": "TRACE"}, "level", "debug"),
        ({"DEBUG": "1"}, "level", "debug"),
        ({"DEBUG": "True"}, "level", "debug"),
        ({"DEBUG": "puppeteer:*"}, "level", "info"),
        ({"DEBUG": "1", "WAHA_LOG_LEVEL": "info"}, "level", "info"),
        ({"WAHA_LOG_FORMAT": "PRETTY"}, "log_format", "text"),
        ({"WAHA_LOG_FORMAT": "JSON"}, "log_format", "json"),
        ({"WHATSAPP_API_HOSTNAME": "whatsapp.example"}, "host", "127.0.0.1"),
        ({"WHATSAPP_API_HOSTNAME": "whatsapp.example"}, "public_url", "http://whatsapp.example:3000"),
        (
            {"WHATSAPP_API_HOSTNAME": "w.example", "WHATSAPP_API_SCHEMA": "HTTPS", "PORT": "1"},
            "public_url",
            "https://w.example:1",
        ),
        ({"WHATSAPP_API_HOSTNAME": "x", "WAHA_BASE_URL": "https://w.example/"}, "public_url", "https://w.example"),
        ({"WAHA_WORKER_ID": "one"}, "worker_id", "one"),
        ({"WHATSAPP_RESTART_ALL_SESSIONS": "True"}, "at_boot", AtBoot.ALL),
        ({"WAHA_WORKER_RESTART_SESSIONS": "False"}, "at_boot", AtBoot.NONE),
        ({"WAHA_WORKER_RESTART_SESSIONS": "0", "WHATSAPP_RESTART_ALL_SESSIONS": "1"}, "at_boot", AtBoot.ALL),
        ({"WAHA_AUTO_START_DELAY_SECONDS": "5"}, "auto_start_delay", 5.0),
        ({"WAHA_CLIENT_DEVICE_NAME": "Desk"}, "client", ClientConfig(device_name="Desk")),
        ({"WAHA_CLIENT_BROWSER_NAME": "Firefox"}, "client", ClientConfig(browser_name="Firefox")),
        ({"WHATSAPP_PROXY_SERVER": "proxy:3128"}, "client", ClientConfig(Proxy("proxy:3128"))),
        (
            {"WHATSAPP_PROXY_SERVER": "p:1", "WHATSAPP_PROXY_USERNAME": "u", "WHATSAPP_PROXY_PASSWORD": "s"},
            "client",
            ClientConfig(Proxy("p:1", "u", "s")),
        ),
        ({"WAHA_PRINT_QR": "true"}, "print_qr", True),
        ({"WAHA_HTTP_STRICT_MODE": "TRUE"}, "strict", True),
        ({"WAHA_PROMETHEUS_ENABLED": "1"}, "metrics_open", True),
        ({"WHATSAPP_SWAGGER_ENABLED": "false"}, "swagger_enabled", False),
        ({"WHATSAPP_SWAGGER_PASSWORD": "s"}, "swagger_login", ("admin", "s")),
        ({"WAHA_DASHBOARD_PASSWORD": "d"}, "swagger_login", ("admin", "d")),
        ({"WAHA_DASHBOARD_PASSWORD": "d", "WHATSAPP_SWAGGER_PASSWORD": "s"}, "swagger_login", ("admin", "s")),
        ({"WHATSAPP_SWAGGER_USERNAME": "ann", "WHATSAPP_SWAGGER_PASSWORD": "s"}, "swagger_login", ("ann", "s")),
        ({"WHATSAPP_SWAGGER_NO_PASSWORD": "true", "WHATSAPP_SWAGGER_PASSWORD": "s"}, "swagger_login", None),
        ({"WHATSAPP_HEALTH_SESSION_FILES_THRESHOLD_MB": "100"}, "health_free_mb", 100),
    ],
)
def test_wahas_variables_are_understood(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], field: str, value: object
) -> None:
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    assert getattr(ServerSettings(), field) == value


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("FALSE", False), ("1", True), ("0", False), (" True ", True)]
)
def test_a_boolean_is_true_false_1_or_0(monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    monkeypatch.setenv("WAHA_NO_API_KEY", text)
    assert ServerSettings().no_api_key is value


BOOLEANS = sorted(
    name for name, field in ServerSettings.model_fields.items() if field.annotation is bool and name != "debug"
)


@pytest.mark.parametrize("field", BOOLEANS)
@pytest.mark.parametrize("text", ["yes", "on", "2", "t"])
def test_anything_else_is_no_boolean(monkeypatch: pytest.MonkeyPatch, field: str, text: str) -> None:
    variable = ServerSettings.model_fields[field].validation_alias.choices[-1]  # type: ignore[union-attr]
    monkeypatch.setenv(str(variable), text)
    with pytest.raises(CannotServe, match=f"^{variable}: must be true, false, 1 or 0$"):
        settings_from({})


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"PORT": "http"}, "PORT: Input should be a valid integer"),
        ({"LIDBOOK_PORT": "70000"}, "LIDBOOK_PORT: Input should be less than or equal to 65535"),
        ({"WHATSAPP_PROXY_SERVER": "http://proxy:3128"}, "WHATSAPP_PROXY_SERVER: must be host:port, without a scheme"),
        ({"WHATSAPP_PROXY_SERVER": "proxy"}, "WHATSAPP_PROXY_SERVER: must be host:port, without a scheme"),
        ({"WHATSAPP_PROXY_USERNAME": "u"}, "set without LIDBOOK_PROXY_SERVER"),
        ({"WAHA_BASE_URL": "waha.example"}, "WAHA_BASE_URL: must begin with http:// or https://"),
        ({"WHATSAPP_API_SCHEMA": "ftp"}, "WHATSAPP_API_SCHEMA: Input should be 'http' or 'https'"),
        ({"WAHA_AUTO_START_DELAY_SECONDS": "-1"}, "WAHA_AUTO_START_DELAY_SECONDS: Input should be greater"),
        ({"WAHA_LOG_LEVEL": "loud"}, "WAHA_LOG_LEVEL: Input should be 'debug'"),
    ],
)
def test_what_does_not_fit_is_named_by_the_variable_that_is_set(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], message: str
) -> None:
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(ValidationError) as refused:
        ServerSettings()
    assert message in explain(refused.value)


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


def test_a_weak_key_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAHA_API_KEY", "0" * 32)
    with pytest.raises(ValidationError) as refused:
        ServerSettings()
    assert "openssl rand" in explain(refused.value)
    assert "0" * 32 not in explain(refused.value)


def test_a_pattern_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHATSAPP_API_KEY_EXCLUDE_PATH", "api/files/(.*),ping,/health/")
    settings = ServerSettings()
    assert settings.patterns == ("api/files/(.*)",)
    assert settings.unlocked == frozenset({"/ping", "/health"})


@pytest.mark.parametrize("variable", ["LIDBOOK_API_KEY", "WHATSAPP_PROXY_PASSWORD", "WAHA_DASHBOARD_PASSWORD"])
def test_a_secret_does_not_show(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv("WHATSAPP_PROXY_SERVER", "proxy:1")
    monkeypatch.setenv(variable, KEY)
    assert KEY not in repr(ServerSettings())


def test_arguments_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIDBOOK_PORT", "3003")
    monkeypatch.setenv("LIDBOOK_HOST", "0.0.0.0")
    settings = settings_from({"port": 0, "host": "127.0.0.1"})
    assert (settings.port, settings.host) == (0, "127.0.0.1")


# what is no setting


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_must_not_be_passed_over_is_refused(name: str) -> None:
    (line,) = refusals({name: "something", "LIDBOOK_PORT": "3000"})
    assert line.startswith(f"{name} is set, but ")
    assert list(refusals({name: ""})) == []


@pytest.mark.parametrize("name", sorted(WITHOUT_EFFECT))
def test_what_means_nothing_is_said_once(name: str) -> None:
    (line,) = remarks({name: "something", "LIDBOOK_PORT": "3000", "DEBUG": "x", "PATH": "/bin"}, variables())
    assert line == f"{name} is set and means nothing here: {WITHOUT_EFFECT[name]}"
    assert list(remarks({name: ""}, variables())) == []


@pytest.mark.parametrize("name", ["LIDBOOK_HOTS", "WAHA_APPS_ENABLED", "WHATSAPP_FILES_FOLDER"])
def test_what_nobody_knows_is_said(name: str) -> None:
    (line,) = remarks({name: "x", "SOMETHING": "else"}, variables())
    assert line == f"{name} is set and means nothing here: Lidbook knows no such variable"


def test_no_variable_has_two_meanings() -> None:
    assert not variables() & (WITHOUT_EFFECT.keys() | REFUSED.keys() | READ_ELSEWHERE.keys())
    assert not WITHOUT_EFFECT.keys() & REFUSED.keys()


def test_every_setting_has_a_variable_of_its_own() -> None:
    named = [alias for field in ServerSettings.model_fields.values() for alias in field.validation_alias.choices]  # type: ignore[union-attr]
    assert len(named) == len(set(named))


# docs/environment.md


DOCUMENT = Path(__file__).parents[2] / "docs" / "environment.md"
"""The table of all variables."""

WAHAS = [
    "WHATSAPP_DEFAULT_ENGINE",
    "WHATSAPP_API_PORT",
    "PORT",
    "WHATSAPP_API_HOSTNAME",
    "WHATSAPP_API_SCHEMA",
    "WAHA_BASE_URL",
    "WAHA_API_KEY",
    "WHATSAPP_API_KEY",
    "WAHA_NO_API_KEY",
    "WAHA_API_KEY_PLAIN",
    "WHATSAPP_API_KEY_EXCLUDE_PATH",
    "WAHA_DASHBOARD_ENABLED",
    "WAHA_DASHBOARD_USERNAME",
    "WAHA_DASHBOARD_PASSWORD",
    "WAHA_DASHBOARD_NO_PASSWORD",
    "WHATSAPP_SWAGGER_ENABLED",
    "WHATSAPP_SWAGGER_USERNAME",
    "WHATSAPP_SWAGGER_PASSWORD",
    "WHATSAPP_SWAGGER_NO_PASSWORD",
    "WHATSAPP_HOOK_URL",
    "WHATSAPP_HOOK_EVENTS",
    "WHATSAPP_HOOK_HMAC_KEY",
    "WHATSAPP_HOOK_RETRIES_POLICY",
    "WHATSAPP_HOOK_RETRIES_DELAY_SECONDS",
    "WHATSAPP_HOOK_RETRIES_ATTEMPTS",
    "WHATSAPP_HOOK_CUSTOM_HEADERS",
    "WHATSAPP_START_SESSION",
    "WHATSAPP_RESTART_ALL_SESSIONS",
    "WAHA_WORKER_ID",
    "WAHA_WORKER_RESTART_SESSIONS",
    "WAHA_AUTO_START_DELAY_SECONDS",
    "WAHA_LOCAL_STORE_BASE_DIR",
    "WAHA_NAMESPACE",
    "WAHA_SESSION_NAMESPACE",
    "WHATSAPP_SESSIONS_POSTGRESQL_URL",
    "WHATSAPP_SESSIONS_MONGO_URL",
    "WAHA_SESSION_CONFIG_IGNORE_STATUS",
    "WAHA_SESSION_CONFIG_IGNORE_GROUPS",
    "WAHA_SESSION_CONFIG_IGNORE_CHANNELS",
    "WAHA_SESSION_CONFIG_IGNORE_BROADCAST",
    "WHATSAPP_PROXY_SERVER",
    "WHATSAPP_PROXY_SERVER_LIST",
    "WHATSAPP_PROXY_SERVER_INDEX_PREFIX",
    "WHATSAPP_PROXY_USERNAME",
    "WHATSAPP_PROXY_PASSWORD",
    "WAHA_CLIENT_DEVICE_NAME",
    "WAHA_CLIENT_BROWSER_NAME",
    "WAHA_PRESENCE_AUTO_ONLINE",
    "WAHA_PRESENCE_AUTO_ONLINE_DURATION_SECONDS",
    "WAHA_PRINT_QR",
    "WAHA_LOG_LEVEL",
    "WAHA_LOG_FORMAT",
    "DEBUG",
    "WAHA_HTTP_STRICT_MODE",
    "WAHA_DEBUG_MODE",
    "WAHA_PROMETHEUS_ENABLED",
]
"""The variables of WAHA that matter to its users."""


def rows() -> list[list[str]]:
    """The cells of every table, without its head."""
    lines = [line for line in DOCUMENT.read_text("utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] not in ("variable", "---")]


def names(cell: str) -> list[str]:
    return re.findall(r"`([A-Z][A-Z0-9_]+)`", cell)


def test_the_document_has_every_variable_once_and_no_other() -> None:
    documented = [name for row in rows() for cell in (row[:2] if len(row) == 4 else row[:1]) for name in names(cell)]
    expected = variables() | WITHOUT_EFFECT.keys() | REFUSED.keys() | READ_ELSEWHERE.keys()
    assert sorted(documented) == sorted(expected - {"LIDBOOK_REQUIRE"})


@pytest.mark.parametrize("name", WAHAS)
def test_every_variable_of_wahas_is_decided(name: str) -> None:
    assert name in variables() | WITHOUT_EFFECT.keys() | REFUSED.keys() | READ_ELSEWHERE.keys()


def test_the_document_has_the_names_of_a_setting_in_the_order_that_wins_and_its_default() -> None:
    settings = {str(field.validation_alias.choices[0]): field for field in ServerSettings.model_fields.values()}  # type: ignore[union-attr]
    described = [row for row in rows() if len(row) == 4]
    for ours, theirs, default, says in described:
        listed = names(ours) + names(theirs)
        assert says.endswith(".")
        if listed[0] not in settings:
            assert listed[0] in READ_ELSEWHERE
            continue
        field = settings[listed[0]]
        assert listed == list(field.validation_alias.choices)  # type: ignore[union-attr]
        if listed[0] != "LIDBOOK_DATA_DIR":
            value = field.default
            shown = "" if value in (None, ()) else str(value).lower() if isinstance(value, bool) else f"{value}"
            assert default.strip("`") == shown, listed[0]
