"""The server's settings: `LIDBOOK_*`, and the variables of WAHA that mean the same."""

import os
from collections.abc import Mapping
from typing import Final, Self

from pydantic import AliasChoices, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from lidbook.data_dir import default_data_dir
from lidbook.engine import ClientConfig, Proxy
from lidbook.sessions.surroundings import AtBoot
from lidbook_api.access.key_text import ApiKey, WeakKey
from lidbook_api.setting_types import (
    AbsolutePath,
    Boolean,
    CommaList,
    Debugging,
    HostAndPort,
    LogFormat,
    LogLevel,
    OptionalText,
    Scheme,
    SessionNames,
    WebAddress,
)
from lidbook_api.webhooks.settings import WebhookSettings

_PATTERN: Final = frozenset("*()[]?{}:+|^$\\")

KEY_VARIABLES: Final = ("LIDBOOK_API_KEY", "WHATSAPP_API_KEY", "WAHA_API_KEY")
"""Where a key is looked for; the first that is set wins."""


PLAIN_KEY_VARIABLE: Final = "WAHA_API_KEY_PLAIN"
"""Where WAHA's users keep the key itself when the server knows only its hash; only mentioned, never read."""


def _aliases(*names: str) -> AliasChoices:
    return AliasChoices(*names)


class ServerSettings(WebhookSettings):
    """What a server is started with. Read from the environment; arguments win."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, case_sensitive=False, populate_by_name=True, env_ignore_empty=True
    )

    host: str = Field(default="127.0.0.1", validation_alias=_aliases("LIDBOOK_HOST"))
    """The address to listen on. Anything but loopback needs a key, here or in the data dir."""
    port: int = Field(
        default=3000, ge=0, le=65535, validation_alias=_aliases("LIDBOOK_PORT", "PORT", "WHATSAPP_API_PORT")
    )
    """The port; 0 takes a free one."""
    data_dir: AbsolutePath = Field(
        default_factory=default_data_dir, validation_alias=_aliases("LIDBOOK_DATA_DIR", "WAHA_LOCAL_STORE_BASE_DIR")
    )
    """Where everything is kept."""
    default_engine: OptionalText = Field(
        default=None, validation_alias=_aliases("LIDBOOK_DEFAULT_ENGINE", "WHATSAPP_DEFAULT_ENGINE")
    )
    """The engine of sessions that name none; `sandbox` when this names none either."""
    network: OptionalText = Field(default=None, validation_alias=_aliases("LIDBOOK_NETWORK"))
    """Descriptor of a sandbox network for all engines, or `sandbox` for the data dir's own; None is WhatsApp itself."""
    api_key: SecretStr | None = Field(default=None, validation_alias=_aliases(*KEY_VARIABLES))
    """The key clients send as `X-Api-Key`: itself, or `sha512:<hex>`."""
    no_api_key: Boolean = Field(default=False, validation_alias=_aliases("LIDBOOK_NO_API_KEY", "WAHA_NO_API_KEY"))
    """That there is no key on purpose. A key that is set is asked for all the same."""
    open_paths: CommaList = Field(
        default=(), validation_alias=_aliases("LIDBOOK_API_KEY_EXCLUDE_PATH", "WHATSAPP_API_KEY_EXCLUDE_PATH")
    )
    """Paths that need no key, without their leading slash: `health`. Whole paths only, see `patterns`."""
    metrics_open: Boolean = Field(
        default=False, validation_alias=_aliases("LIDBOOK_METRICS_OPEN", "WAHA_PROMETHEUS_ENABLED")
    )
    """That `/metrics` needs no key."""
    ws_connections: int = Field(default=1000, ge=0, validation_alias=_aliases("LIDBOOK_WS_CONNECTIONS"))
    """How many websockets there may be at the same time."""
    ws_ping_seconds: float = Field(default=60, gt=0, validation_alias=_aliases("LIDBOOK_WS_PING_SECONDS"))
    """How often a websocket is pinged, and how long the answer may take."""
    start_sessions: SessionNames = Field(
        default=(), validation_alias=_aliases("LIDBOOK_START_SESSION", "WHATSAPP_START_SESSION")
    )
    """Sessions to create and start when the server starts."""

    restart_sessions: Boolean = Field(
        default=True, validation_alias=_aliases("LIDBOOK_RESTART_SESSIONS", "WAHA_WORKER_RESTART_SESSIONS")
    )
    """That sessions which ran when the server ended are started with it."""
    restart_all_sessions: Boolean = Field(
        default=False, validation_alias=_aliases("LIDBOOK_RESTART_ALL_SESSIONS", "WHATSAPP_RESTART_ALL_SESSIONS")
    )
    """That stopped ones are started as well."""
    auto_start_delay: float = Field(
        default=0,
        ge=0,
        le=86_400,
        validation_alias=_aliases("LIDBOOK_AUTO_START_DELAY_SECONDS", "WAHA_AUTO_START_DELAY_SECONDS"),
    )
    """Seconds until they are."""

    client_device_name: OptionalText = Field(
        default=None, validation_alias=_aliases("LIDBOOK_CLIENT_DEVICE_NAME", "WAHA_CLIENT_DEVICE_NAME")
    )
    """How linked devices show up on the phone, unless `config.client` says otherwise."""
    client_browser_name: OptionalText = Field(
        default=None, validation_alias=_aliases("LIDBOOK_CLIENT_BROWSER_NAME", "WAHA_CLIENT_BROWSER_NAME")
    )
    """The same, of the browser."""
    proxy_server: HostAndPort | None = Field(
        default=None, validation_alias=_aliases("LIDBOOK_PROXY_SERVER", "WHATSAPP_PROXY_SERVER")
    )
    """The way out of sessions without `config.proxy`, as host:port."""
    proxy_username: OptionalText = Field(
        default=None, validation_alias=_aliases("LIDBOOK_PROXY_USERNAME", "WHATSAPP_PROXY_USERNAME")
    )
    proxy_password: SecretStr | None = Field(
        default=None, validation_alias=_aliases("LIDBOOK_PROXY_PASSWORD", "WHATSAPP_PROXY_PASSWORD")
    )

    base_url: WebAddress | None = Field(default=None, validation_alias=_aliases("LIDBOOK_BASE_URL", "WAHA_BASE_URL"))
    """Where clients reach this server, when that is not where it listens."""
    api_hostname: OptionalText = Field(default=None, validation_alias=_aliases("WHATSAPP_API_HOSTNAME"))
    """WAHA's other way to say it: the name alone."""
    api_schema: Scheme | None = Field(default=None, validation_alias=_aliases("WHATSAPP_API_SCHEMA"))
    worker_id: OptionalText = Field(default=None, validation_alias=_aliases("LIDBOOK_WORKER_ID", "WAHA_WORKER_ID"))
    """Shown as `worker.id`."""
    strict: Boolean = Field(
        default=False, validation_alias=_aliases("LIDBOOK_HTTP_STRICT_MODE", "WAHA_HTTP_STRICT_MODE")
    )
    """That unknown keys of queries and bodies are a 400 where WAHA makes them one."""
    swagger_enabled: Boolean = Field(
        default=True, validation_alias=_aliases("LIDBOOK_SWAGGER_ENABLED", "WHATSAPP_SWAGGER_ENABLED")
    )
    """That Swagger UI and the OpenAPI document are served."""
    swagger_username: str = Field(
        default="admin", validation_alias=_aliases("LIDBOOK_SWAGGER_USERNAME", "WHATSAPP_SWAGGER_USERNAME")
    )
    swagger_password: SecretStr | None = Field(
        default=None,
        validation_alias=_aliases("LIDBOOK_SWAGGER_PASSWORD", "WHATSAPP_SWAGGER_PASSWORD", "WAHA_DASHBOARD_PASSWORD"),
    )
    """What a browser has to give for them; nothing when there is none."""
    swagger_no_password: Boolean = Field(
        default=False, validation_alias=_aliases("LIDBOOK_SWAGGER_NO_PASSWORD", "WHATSAPP_SWAGGER_NO_PASSWORD")
    )
    """That no password is asked for, though one is set."""
    log_days: float = Field(default=7, ge=0, validation_alias=_aliases("LIDBOOK_LOG_DAYS"), allow_inf_nan=False)
    """Days for which each session's log of changes is kept, for webhooks and replay; 0 keeps it for ever."""
    health_free_mb: int = Field(
        default=32,
        ge=0,
        validation_alias=_aliases("LIDBOOK_HEALTH_FREE_MB", "WHATSAPP_HEALTH_SESSION_FILES_THRESHOLD_MB"),
    )
    """Megabytes free on the data dir's disk below which `/health` is an error."""

    print_qr: Boolean = Field(default=False, validation_alias=_aliases("LIDBOOK_PRINT_QR", "WAHA_PRINT_QR"))
    """That QR codes are drawn on the terminal, if standard output is one."""
    log_level: LogLevel = Field(default="info", validation_alias=_aliases("LIDBOOK_LOG_LEVEL", "WAHA_LOG_LEVEL"))
    """What is logged, to stderr."""
    log_format: LogFormat = Field(default="text", validation_alias=_aliases("LIDBOOK_LOG_FORMAT", "WAHA_LOG_FORMAT"))
    """For people, or one JSON object a line."""
    debug: Debugging = Field(default=False, validation_alias=_aliases("DEBUG"))
    """The log level `debug`, where no other is asked for."""

    @property
    def level(self) -> LogLevel:
        """What is logged, `DEBUG` considered."""
        return "debug" if self.debug and "log_level" not in self.model_fields_set else self.log_level

    @property
    def at_boot(self) -> AtBoot:
        """Which sessions are started with the server."""
        if self.restart_all_sessions:
            return AtBoot.ALL
        return AtBoot.WANTED if self.restart_sessions else AtBoot.NONE

    @property
    def client(self) -> ClientConfig:
        """How sessions appear, and get out, that do not say so themselves."""
        password = None if self.proxy_password is None else self.proxy_password.get_secret_value()
        proxy = None if self.proxy_server is None else Proxy(self.proxy_server, self.proxy_username, password)
        return ClientConfig(proxy, self.client_device_name, self.client_browser_name)

    @property
    def public_url(self) -> str | None:
        """Where clients reach this server, if anybody said so."""
        if self.base_url is not None or (self.api_hostname is None and self.api_schema is None):
            return self.base_url
        return f"{self.api_schema or 'http'}://{self.api_hostname or 'localhost'}:{self.port}"

    @property
    def swagger_login(self) -> tuple[str, str] | None:
        """Username and password of Swagger UI; None when nobody is asked."""
        if self.swagger_no_password or self.swagger_password is None:
            return None
        return self.swagger_username, self.swagger_password.get_secret_value()

    @property
    def patterns(self) -> tuple[str, ...]:
        """What WAHA would take for a pattern in `open_paths`; ignored here, so that nothing is opened by accident."""
        return tuple(path for path in self.open_paths if set(path) & _PATTERN)

    @property
    def unlocked(self) -> frozenset[str]:
        """Paths that need no key, as they are requested."""
        opened = (*self.open_paths, "metrics") if self.metrics_open else self.open_paths
        return frozenset("/" + path.strip("/") for path in opened if path not in self.patterns)

    @model_validator(mode="after")
    def _key_is_strong(self) -> Self:
        self.key()
        return self

    @model_validator(mode="after")
    def _proxy_is_whole(self) -> Self:
        if self.proxy_server is None and (self.proxy_username is not None or self.proxy_password is not None):
            raise ValueError("a proxy's username or password is set without LIDBOOK_PROXY_SERVER: set it, as host:port")
        return self

    def key(self) -> ApiKey | None:
        """The key to ask for. Raises `WeakKey`."""
        text = self.api_key.get_secret_value().strip() if self.api_key else ""
        return ApiKey.parse(text) if text else None


def variables() -> frozenset[str]:
    """The environment variables that are settings."""
    return frozenset(name for field in ServerSettings.model_fields for name in _names(field))


def variable_of(setting: str, environment: Mapping[str, str] = os.environ) -> str:
    """The variable that a setting is read from: the one that is set, else the first of its names."""
    names = _names(setting)
    return next((name for name in names if environment.get(name)), names[0])


def explain(error: ValidationError, environment: Mapping[str, str] = os.environ) -> str:
    """What is wrong with the settings, one line a fault, without the values: one may be a key."""
    lines: list[str] = []
    for fault in error.errors(include_url=False, include_input=False):
        name = _culprit(str(fault["loc"][0]), environment) if fault["loc"] else ""
        cause = fault.get("ctx", {}).get("error")
        message = str(cause) if isinstance(cause, (ValueError, WeakKey)) else fault["msg"]
        lines.append(f"{name}: {message}" if name else message)
    return "\n".join(lines)


def _names(field: str) -> list[str]:
    alias = ServerSettings.model_fields[field].validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else []


def _culprit(place: str, environment: Mapping[str, str]) -> str:
    """The variable that a setting was read from, where the fault is said to be at its first name."""
    fields = (field for field in ServerSettings.model_fields if place in _names(field))
    return next((variable_of(field, environment) for field in fields), place)
