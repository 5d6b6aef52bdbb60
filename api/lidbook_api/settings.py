"""The server's settings: `LIDBOOK_*`, and the variables of WAHA that mean the same."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from lidbook.data_dir import default_data_dir
from lidbook_api.gate import is_loopback
from lidbook_api.keys import ApiKey, WeakKey

_PATTERN: Final = frozenset("*()[]?{}:+|^$\\")

KEY_VARIABLES: Final = ("LIDBOOK_API_KEY", "WHATSAPP_API_KEY", "WAHA_API_KEY")
"""Where a key is looked for; the first that is set wins."""


PLAIN_KEY_VARIABLE: Final = "WAHA_API_KEY_PLAIN"
"""Where WAHA's users keep the key itself when the server knows only its hash; only mentioned, never read."""

_LEVELS: Final = {"warn": "warning", "trace": "debug", "fatal": "critical", "silent": "critical"}
"""WAHA's names for log levels that are called otherwise here."""


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _comma_list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _level(value: object) -> object:
    return _LEVELS.get(value.lower(), value.lower()) if isinstance(value, str) else value


def _format(value: object) -> object:
    return {"pretty": "text"}.get(value.lower(), value.lower()) if isinstance(value, str) else value


def _blank_is_absent(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _aliases(*names: str) -> AliasChoices:
    return AliasChoices(*names)


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list)]


class ServerSettings(BaseSettings):
    """What a server is started with. Read from the environment; arguments win."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, case_sensitive=False, populate_by_name=True, env_ignore_empty=True
    )

    host: str = Field(default="127.0.0.1", validation_alias=_aliases("LIDBOOK_HOST"))
    """The address to listen on. Anything but loopback needs a key."""
    port: int = Field(
        default=3000, ge=0, le=65535, validation_alias=_aliases("LIDBOOK_PORT", "PORT", "WHATSAPP_API_PORT")
    )
    """The port; 0 takes a free one."""
    data_dir: Annotated[Path, AfterValidator(_absolute)] = Field(
        default_factory=default_data_dir, validation_alias=_aliases("LIDBOOK_DATA_DIR")
    )
    """Where everything is kept."""
    default_engine: Annotated[str | None, BeforeValidator(_blank_is_absent)] = Field(
        default=None, validation_alias=_aliases("LIDBOOK_DEFAULT_ENGINE", "WHATSAPP_DEFAULT_ENGINE")
    )
    """The engine of sessions that name none; `sandbox` when this names none either."""
    network: Annotated[str | None, BeforeValidator(_blank_is_absent)] = Field(
        default=None, validation_alias=_aliases("LIDBOOK_NETWORK")
    )
    """Descriptor of a sandbox network for all engines; None is the real WhatsApp."""
    api_key: SecretStr | None = Field(default=None, validation_alias=_aliases(*KEY_VARIABLES))
    """The key clients send as `X-Api-Key`: itself, or `sha512:<hex>`."""
    no_api_key: bool = Field(default=False, validation_alias=_aliases("LIDBOOK_NO_API_KEY", "WAHA_NO_API_KEY"))
    """That there is no key on purpose. A key that is set is asked for all the same."""
    open_paths: CommaList = Field(
        default=(), validation_alias=_aliases("LIDBOOK_API_KEY_EXCLUDE_PATH", "WHATSAPP_API_KEY_EXCLUDE_PATH")
    )
    """Paths that need no key, without their leading slash: `health`. Whole paths only, see `patterns`."""
    start_sessions: CommaList = Field(
        default=(), validation_alias=_aliases("LIDBOOK_START_SESSION", "WHATSAPP_START_SESSION")
    )
    """Sessions to create and start when the server starts."""

    log_level: Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_level)] = Field(
        default="info", validation_alias=_aliases("LIDBOOK_LOG_LEVEL", "WAHA_LOG_LEVEL")
    )
    """What is logged, to stderr."""
    log_format: Annotated[Literal["text", "json"], BeforeValidator(_format)] = Field(
        default="text", validation_alias=_aliases("LIDBOOK_LOG_FORMAT", "WAHA_LOG_FORMAT")
    )
    """For people, or one JSON object a line."""

    @property
    def patterns(self) -> tuple[str, ...]:
        """What WAHA would take for a pattern in `open_paths`; ignored here, so that nothing is opened by accident."""
        return tuple(path for path in self.open_paths if set(path) & _PATTERN)

    @property
    def unlocked(self) -> frozenset[str]:
        """Paths that need no key, as they are requested."""
        return frozenset("/" + path.strip("/") for path in self.open_paths if path not in self.patterns)

    @model_validator(mode="after")
    def _reachable_means_locked(self) -> Self:
        key = self.key()
        if key is None and not is_loopback(self.host):
            raise ValueError(
                f"{self.host} can be reached by others, so an API key is needed: set LIDBOOK_API_KEY, for instance "
                "with  export LIDBOOK_API_KEY=$(openssl rand -hex 16)  or stay on --host 127.0.0.1"
            )
        return self

    def key(self) -> ApiKey | None:
        """The key to ask for. Raises `WeakKey`."""
        text = self.api_key.get_secret_value().strip() if self.api_key else ""
        return ApiKey.parse(text) if text else None


def explain(error: ValidationError) -> str:
    """What is wrong with the settings, one line a fault, without the values: one may be a key."""
    lines: list[str] = []
    for fault in error.errors(include_url=False, include_input=False):
        name = str(fault["loc"][0]) if fault["loc"] else ""
        cause = fault.get("ctx", {}).get("error")
        message = str(cause) if isinstance(cause, (ValueError, WeakKey)) else fault["msg"]
        lines.append(f"{name}: {message}" if name else message)
    return "\n".join(lines)
