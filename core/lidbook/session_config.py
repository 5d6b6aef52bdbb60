"""A session's config: WAHA's, and what Lidbook adds to it.

Unknown keys are dropped, as WAHA drops them. What the client gave is what is stored and echoed: defaults are applied
when a value is read, and never written back.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from lidbook import webhook_rules
from lidbook.engine import ClientConfig, Proxy
from lidbook.errors import InvalidConfig

T = TypeVar("T")

WAHA_EVENTS: Final = (
    "session.status",
    "message",
    "message.reaction",
    "message.any",
    "message.ack",
    "message.ack.group",
    "message.waiting",
    "message.revoked",
    "message.edited",
    "state.change",
    "group.join",
    "group.leave",
    "group.v2.join",
    "group.v2.leave",
    "group.v2.update",
    "group.v2.participants",
    "presence.update",
    "poll.vote",
    "poll.vote.failed",
    "chat.archive",
    "call.received",
    "call.accepted",
    "call.rejected",
    "label.upsert",
    "label.deleted",
    "label.chat.added",
    "label.chat.deleted",
    "event.response",
    "event.response.failed",
    "engine.event",
)
"""Every event WAHA knows; those about messages are accepted and never fire."""

LIDBOOK_EVENTS: Final = (
    "contact.created",
    "contact.updated",
    "contact.merged",
    "contact.deleted",
    "contact.blocked",
    "contact.unblocked",
    "contacts.synced",
    "lid.mapped",
    "lid.resolved",
    "lid.superseded",
    "group.refreshed",
)
"""Events beyond WAHA's, asked for by name or by their wildcard."""

EVENT_WILDCARDS: Final = ("*", "contact.*", "lid.*", "group.*")
"""`*` means WAHA's own set."""

EVENTS: Final = (*WAHA_EVENTS, *LIDBOOK_EVENTS, *EVENT_WILDCARDS)
"""Whatever a webhook can ask for."""

_STRING: Final = "must be a string"
_BOOLEAN: Final = "must be a boolean value"
_NUMBER: Final = "must be a number conforming to the specified constraints"
_URL: Final = "must be a URL address"
_ARRAY: Final = "must be an array"
_OBJECT: Final = "must be an object"

_WORDING: Final[Mapping[str, str]] = {
    "string_type": _STRING,
    "bool_type": _BOOLEAN,
    "int_type": _NUMBER,
    "float_type": _NUMBER,
    "list_type": _ARRAY,
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
}
"""Pydantic's kind of error -> what WAHA's clients read."""

_REQUIRED: Final[Mapping[str, str]] = {"url": _URL, "events": _ARRAY}
"""What is said of a required key that is missing; any other is a string."""


def _strings_only(value: object) -> object:
    if value is None or (isinstance(value, dict) and all(isinstance(v, str) for v in value.values())):
        return value
    raise PydanticCustomError("config", "accepts string key-value pairs only")


def _nothing_given(value: object) -> object:
    return {} if value is None else value


def _not_given(value: object) -> object:
    return False if value is None else value


def _blank_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _known_event(value: str) -> str:
    if value not in EVENTS:
        raise PydanticCustomError("config", "must be one of the following values: " + ", ".join(EVENTS))
    return value


def _http_url(value: object) -> object:
    fault = webhook_rules.url_fault(value) if isinstance(value, str) else _URL
    return _unless(fault, value)


def _header_name(value: str) -> str:
    return _unless(webhook_rules.header_name_fault(value), value)


def _header_value(value: str) -> str:
    return _unless(webhook_rules.header_value_fault(value), value)


def _headers(value: "list[CustomHeader] | None") -> "list[CustomHeader] | None":
    return _unless(webhook_rules.headers_fault([(header.name, header.value) for header in value or ()]), value)


def _few_webhooks(value: "list[WebhookConfig] | None") -> "list[WebhookConfig] | None":
    most = webhook_rules.MAX_WEBHOOKS
    return _unless(f"must contain no more than {most} elements" if len(value or ()) > most else None, value)


def _unless(fault: str | None, value: T) -> T:
    if fault is not None:
        raise PydanticCustomError("config", "{fault}", {"fault": fault})
    return value


def _host_and_port(value: str) -> str:
    if "://" in value:
        raise PydanticCustomError("config", "must be host:port, without a scheme")
    return value


class _Part(BaseModel):
    """Base of every piece of the config: camelCase on the wire, strict about types, deaf to unknown keys."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True, strict=True, allow_inf_nan=False
    )


class ProxyConfig(_Part):
    """The session's own way out; `server` is host:port."""

    server: Annotated[str, AfterValidator(_host_and_port)] = Field(examples=["localhost:3128"])
    username: str | None = None
    password: str | None = None


class IgnoreConfig(_Part):
    """What WAHA's clients switch off; stored and echoed."""

    status: bool | None = None
    groups: bool | None = None
    channels: bool | None = None
    broadcast: bool | None = None


class ClientSessionConfig(_Part):
    """How the linked device shows up on the phone."""

    device_name: str | None = Field(default=None, examples=["MacOS"])
    browser_name: str | None = Field(default=None, examples=["Firefox"])


class NowebStoreConfig(_Part):
    """Stored and echoed: Lidbook's directory is always on."""

    enabled: bool = False
    full_sync: bool = False


class NowebConfig(_Part):
    """WAHA's settings of its NOWEB engine; stored and echoed."""

    mark_online: bool = True
    store: NowebStoreConfig | None = None


class GowsStorageConfig(_Part):
    """Stored and echoed: Lidbook's directory is always on."""

    messages: bool | None = None
    groups: bool | None = None
    chats: bool | None = None
    labels: bool | None = None
    contacts: bool | None = None
    message_secrets: bool | None = None


class GowsConfig(_Part):
    """WAHA's settings of its GOWS engine; stored and echoed."""

    storage: GowsStorageConfig | None = None


class WebjsConfig(_Part):
    """WAHA's settings of its WEBJS engine; stored and echoed."""

    tags_events_on: bool = False


class HmacConfiguration(_Part):
    """The key that signs a webhook's body."""

    key: str | None = None


class RetriesConfiguration(_Part):
    """How a webhook that failed is sent again."""

    policy: Literal["linear", "exponential", "constant"] | None = None
    delay_seconds: float | None = Field(default=None, ge=0)
    attempts: int | None = Field(default=None, ge=0)


class CustomHeader(_Part):
    """One header sent with a webhook."""

    name: Annotated[str, AfterValidator(_header_name)]
    value: Annotated[str, AfterValidator(_header_value)]


class WebhookConfig(_Part):
    """Where events go; the names are WAHA's, or one of Lidbook's own."""

    url: Annotated[str, BeforeValidator(_http_url)] = Field(examples=["https://example.com/webhooks/waha"])
    events: list[Annotated[str, AfterValidator(_known_event)]] = Field(examples=[["session.status", "lid.resolved"]])
    hmac: HmacConfiguration | None = None
    retries: RetriesConfiguration | None = None
    custom_headers: Annotated[list[CustomHeader] | None, AfterValidator(_headers)] = None


class SessionConfig(_Part):
    """What a session is configured with. Everything is optional; `null` means what leaving the key out means."""

    engine: Annotated[str | None, BeforeValidator(_blank_is_none)] = Field(
        default=None, description="Engine, by name or by WAHA's name for it."
    )
    settings: Annotated[dict[str, JsonValue], BeforeValidator(_nothing_given)] = Field(
        default_factory=dict, description="The engine's own settings."
    )
    stale_reads: Annotated[bool, BeforeValidator(_not_given)] = Field(
        default=False,
        description="Answer reads from the directory while the session is not WORKING, with header `Lidbook-Stale`.",
    )
    mark_online: Annotated[bool, BeforeValidator(_not_given)] = Field(
        default=False, description="Show the account online. Off by default: it silences the phone."
    )
    metadata: Annotated[dict[str, str] | None, BeforeValidator(_strings_only)] = Field(
        default=None, examples=[{"user.id": "123", "user.email": "email@example.com"}]
    )
    proxy: ProxyConfig | None = None
    debug: bool | None = None
    ignore: IgnoreConfig | None = None
    client: ClientSessionConfig | None = None
    noweb: NowebConfig | None = None
    gows: GowsConfig | None = None
    webjs: WebjsConfig | None = None
    webhooks: Annotated[list[WebhookConfig] | None, AfterValidator(_few_webhooks)] = None

    @classmethod
    def parse(cls, raw: object) -> Self:
        """The config in `raw`, as it came out of JSON; None is an empty one. Raises `InvalidConfig`, one message a
        fault, in WAHA's wording."""
        if raw is None:
            return cls()
        if not isinstance(raw, dict):
            raise InvalidConfig([f"config {_OBJECT}"])
        try:
            return cls.model_validate({key: value for key, value in raw.items() if (key, value) != ("settings", None)})
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=True, include_input=False)
            raise InvalidConfig(list(dict.fromkeys(map(_message, faults)))) from error

    @property
    def keeps_settings(self) -> bool:
        """Whether it leaves a session's engine and the engine's settings as they are, by giving neither of both."""
        return self.engine is None and "settings" not in self.model_fields_set

    def after(self, before: Self) -> Self:
        """This config in the place of `before`: with its settings, where this gives neither an engine nor settings."""
        if not self.keeps_settings or not before.settings:
            return self
        return self.model_copy(update={"settings": before.settings})

    def stored(self) -> dict[str, JsonValue]:
        """What the client gave, under WAHA's names: what is persisted and echoed. Keys not given are absent."""
        document: dict[str, JsonValue] = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return document

    def client_config(self, server: ClientConfig | None = None) -> ClientConfig:
        """The part that every engine honours; what the session does not say is as the `server` has it."""
        proxy, around = self.proxy, server or ClientConfig()
        return ClientConfig(
            proxy=Proxy(proxy.server, proxy.username, proxy.password) if proxy else around.proxy,
            device_name=(self.client.device_name if self.client else None) or around.device_name,
            browser_name=(self.client.browser_name if self.client else None) or around.browser_name,
            mark_online=self.mark_online,
        )


def _message(fault: ErrorDetails) -> str:
    path = ".".join(["config", *(str(part) for part in fault["loc"])])
    context: dict[str, Any] = fault.get("ctx", {})
    match fault["type"]:
        case "config":
            return f"{path} {fault['msg']}"
        case "missing":
            return f"{path} {_REQUIRED.get(str(fault['loc'][-1]), _STRING)}"
        case "greater_than_equal":
            return f"{path} must not be less than {context['ge']:g}"
        case "literal_error":
            expected = str(context["expected"]).replace("'", "").replace(" or ", ", ")
            return f"{path} must be one of the following values: {expected}"
        case kind:
            return f"{path} {_WORDING.get(kind) or fault['msg'][:1].lower() + fault['msg'][1:]}"
