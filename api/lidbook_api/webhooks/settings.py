"""The settings about webhooks: the server's own webhook, under WAHA's names as well, and where any may go."""

from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode

from lidbook import webhook_rules
from lidbook.session_config import (
    EVENTS,
    CustomHeader,
    HmacConfiguration,
    RetriesConfiguration,
    WebhookConfig,
)
from lidbook_api.setting_types import Boolean, CommaList
from lidbook_api.webhooks.destinations import ALLOW_VARIABLE, Destinations

T = TypeVar("T")
NamesAndValues = tuple[tuple[str, str], ...]


def _hook(name: str) -> AliasChoices:
    return AliasChoices(f"LIDBOOK_WEBHOOK_{name}", f"WHATSAPP_HOOK_{name}")


def _url(value: str) -> str:
    return _unless(webhook_rules.url_fault(value), value)


def _events(value: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [event for event in value if event not in EVENTS]
    return value if not unknown else _unless("must be a list, with commas, of: " + ", ".join(EVENTS), value)


def _headers(value: object) -> object:
    """`K:V;K2:V2`; a value may contain colons, which WAHA does not take."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition(":") for part in value.split(";") if part.strip()]
    if not all(colon for _, colon, _ in pairs):
        raise ValueError("must be Name:value;Other-Name:other value")
    return tuple((name.strip(), text.strip()) for name, _, text in pairs)


def _sendable(value: NamesAndValues) -> NamesAndValues:
    for name, text in value:
        _unless(webhook_rules.header_name_fault(name), name)
        _unless(webhook_rules.header_value_fault(text), text)
    return _unless(webhook_rules.headers_fault(value), value)


def _allowed(value: tuple[str, ...]) -> tuple[str, ...]:
    Destinations.of(value)
    return value


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _unless(fault: str | None, value: T) -> T:
    if fault is not None:
        raise ValueError(fault)
    return value


class WebhookSettings(BaseSettings):
    """What `ServerSettings` knows about webhooks."""

    webhook_url: Annotated[str, AfterValidator(_url)] | None = Field(default=None, validation_alias=_hook("URL"))
    """The server's own webhook: it hears of every session, and is shown in no config."""
    webhook_events: Annotated[CommaList, AfterValidator(_events)] = Field(default=(), validation_alias=_hook("EVENTS"))
    webhook_hmac_key: SecretStr | None = Field(default=None, validation_alias=_hook("HMAC_KEY"))
    webhook_retries_policy: Annotated[Literal["constant", "linear", "exponential"] | None, BeforeValidator(_lower)] = (
        Field(default=None, validation_alias=_hook("RETRIES_POLICY"))
    )
    webhook_retries_delay_seconds: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, validation_alias=_hook("RETRIES_DELAY_SECONDS")
    )
    webhook_retries_attempts: int | None = Field(default=None, ge=0, validation_alias=_hook("RETRIES_ATTEMPTS"))
    webhook_custom_headers: Annotated[
        NamesAndValues, NoDecode, BeforeValidator(_headers), AfterValidator(_sendable)
    ] = Field(default=(), validation_alias=_hook("CUSTOM_HEADERS"))
    webhook_verify_tls: Boolean = Field(default=True, validation_alias=AliasChoices("LIDBOOK_WEBHOOK_VERIFY_TLS"))
    """That receivers need a certificate that is good for their name; WAHA looks at none."""
    webhook_allow: Annotated[CommaList, AfterValidator(_allowed)] = Field(
        default=(), validation_alias=AliasChoices(ALLOW_VARIABLE)
    )
    """Hosts, IP addresses and networks that are private and to which the webhooks of session keys may lead as well."""

    @property
    def webhooks(self) -> tuple[WebhookConfig, ...]:
        """The server's own webhooks: one, or none."""
        if self.webhook_url is None:
            return ()
        key = None if self.webhook_hmac_key is None else self.webhook_hmac_key.get_secret_value()
        retries = RetriesConfiguration(
            policy=self.webhook_retries_policy,
            delay_seconds=self.webhook_retries_delay_seconds,
            attempts=self.webhook_retries_attempts,
        )
        return (
            WebhookConfig(
                url=self.webhook_url,
                events=list(self.webhook_events),
                hmac=HmacConfiguration(key=key),
                retries=retries,
                custom_headers=[CustomHeader(name=name, value=value) for name, value in self.webhook_custom_headers],
            ),
        )

    @model_validator(mode="after")
    def _webhook_is_whole(self) -> Self:
        if self.webhook_url is not None and not self.webhook_events:
            raise ValueError(_NO_EVENTS)
        for webhook in self.webhooks:
            fault = Destinations().literal_fault(webhook)
            if fault is not None:
                raise ValueError(f"LIDBOOK_WEBHOOK_URL (or WHATSAPP_HOOK_URL) {fault}")
        return self


_NO_EVENTS: Final = (
    "a webhook is set with LIDBOOK_WEBHOOK_URL (or WHATSAPP_HOOK_URL) and nothing is ever sent to it: say what in "
    "LIDBOOK_WEBHOOK_EVENTS (or WHATSAPP_HOOK_EVENTS), as session.status,lid.resolved or *"
)
