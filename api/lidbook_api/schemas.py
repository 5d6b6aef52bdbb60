"""The shapes of bodies, for the OpenAPI document. Nothing is validated against them at run time.

Imported only when the document is asked for.
"""

from typing import Final, Literal

from pydantic import BaseModel, Field, JsonValue
from pydantic.json_schema import models_json_schema

from lidbook.session_config import SessionConfig
from lidbook.values import SessionStatus, StatusReason
from lidbook_api import access_schemas, webhook_schemas
from lidbook_api.server_schemas import (
    EngineDetails,
    EngineInfo,
    Environment,
    Error,
    Failure,
    Features,
    Health,
    Pong,
    ServerStatus,
    ServerStop,
    ServerStopRequest,
    SessionError,
    Shape,
    UnauthorizedError,
)


class Contact(Shape):
    """A person. All keys are always there; null means unknown, or that there is none."""

    id: str = Field(description="`…@c.us` when a phone number is known, else `…@lid`.", examples=["11231231231@c.us"])
    number: str | None = Field(description="The phone number's digits.", examples=["11231231231"])
    name: str | None = Field(
        description="Name in the address book, else the verified business name.", examples=["Contact Name"]
    )
    pushname: str | None = Field(description="The name the person gave themselves.", examples=["Pushname"])
    short_name: str | None = Field(description="First name in the address book.", examples=["Contact"])
    is_me: bool = Field(description="Whether this is the account itself.", examples=[False])
    is_group: bool = Field(description="Always false: groups are no contacts.", examples=[False])
    is_wa_contact: bool | None = Field(
        alias="isWAContact", description="Whether the number is on WhatsApp; null until checked.", examples=[True]
    )
    is_my_contact: bool = Field(description="Whether the person is in the address book.", examples=[True])
    is_blocked: bool = Field(description="Whether this account has blocked the person.", examples=[False])
    lid: str | None = Field(description="The person's LID.", examples=["123123123@lid"])
    username: str | None = Field(description="The person's @username, without the @.", examples=[None])
    verified_name: str | None = Field(description="A business's verified name.", examples=[None])
    is_business: bool = Field(description="Whether this is a business account.", examples=[False])
    display_name: str | None = Field(
        description="`name`, else `pushname`, else `username`: what `sortBy=name` sorts by.", examples=["Contact Name"]
    )


class ContactUpdate(Shape):
    """What to write into the address book."""

    first_name: str = Field(min_length=1, examples=["John"])
    last_name: str | None = Field(default=None, examples=["Doe"])
    save_on_phone: bool = Field(default=True, description="Write into the phone's own address book too.")


class ContactRequest(Shape):
    """A person of a session. Numbers are accepted where digits are meant."""

    contact_id: str | int = Field(examples=["11231231231@c.us"])
    session: str | int = Field(default="default", examples=["default"])


class NumberExists(Shape):
    """What the server says about a phone number."""

    number_exists: bool = Field(examples=[True])
    chat_id: str | None = Field(description="The spelling it is registered under.", examples=["11231231231@c.us"])
    pn: str | None = Field(description="The same as `chatId`.", examples=["11231231231@c.us"])
    lid: str | None = Field(examples=["123123123@lid"])


class About(Shape):
    """A person's about text."""

    about: str | None = Field(examples=["Hi, I use WhatsApp!"])


class ProfilePicture(Shape):
    """Where a person's picture is."""

    profile_picture_url: str | None = Field(alias="profilePictureURL", examples=["https://example.com/profile.jpg"])


class LidPair(Shape):
    """A LID and its phone number; null is what is not known."""

    lid: str | None = Field(examples=["123123123@lid"])
    pn: str | None = Field(examples=["123456789@c.us"])


class Count(Shape):
    """How many there are."""

    count: int = Field(ge=0, examples=[123])


class Result(Shape):
    """It was done."""

    success: Literal[True]


class GroupParticipant(Shape):
    """Somebody in a group, by both ids as far as they are known."""

    id: str = Field(examples=["123456789@c.us"])
    lid: str | None = Field(examples=["123123123@lid"])
    pn: str | None = Field(examples=["123456789@c.us"])
    role: Literal["left", "participant", "admin", "superadmin"] = Field(examples=["participant"])


class Group(Shape):
    """A group the account is in."""

    id: str = Field(examples=["123123123@g.us"])
    subject: str | None = Field(examples=["Book club"])
    description: str | None
    owner: str | None = Field(examples=["123456789@c.us"])
    creation: int | None = Field(description="Seconds since 1970.", examples=[1700000000])
    size: int = Field(description="How many participants there are.", examples=[2])
    participants: list[GroupParticipant] = Field(
        default=[], description="Absent when left out by `exclude=participants`."
    )


class Me(Shape):
    """The linked account."""

    id: str = Field(examples=["11111111111@c.us"])
    lid: str = Field(examples=["123123@lid"])
    jid: str | None = Field(
        default=None,
        description="With the device; absent when it is not known.",
        examples=["11111111111:12@s.whatsapp.net"],
    )
    push_name: str | None = Field(examples=["Ana"])


class SessionTimestamps(Shape):
    """When things happened, in milliseconds since 1970."""

    activity: int | None = Field(examples=[1700000000000])


class SyncProgress(Shape):
    """How far the sync of one feed has come; null where the engine did not say."""

    expected: int | None
    received: int | None
    complete: bool


class SessionEngine(Shape):
    """What serves the session."""

    engine: str = Field(examples=["sandbox"])
    title: str
    assumed: bool = Field(description="Whether nobody chose this engine: its people are simulated then.")
    network: Literal["sandbox"] | None = Field(
        default=None, description="There when the server speaks to a sandbox network, and not to WhatsApp."
    )
    note: str | None = Field(default=None, description="What that means, and what to do about it.")


class SessionInfo(Shape):
    """A session."""

    name: str = Field(examples=["default"])
    status: SessionStatus
    status_reason: StatusReason | None
    status_message: str | None = Field(description="What can be done about the status, where that needs saying.")
    config: SessionConfig
    me: Me | None
    presence: Literal["online", "offline"] | None
    timestamps: SessionTimestamps
    engine: SessionEngine
    sync: dict[str, SyncProgress] = Field(description="By feed; lists are whole when `contacts` is complete.")
    apps: list[JsonValue] = Field(default=[], description="Only with `expand=apps`; always empty.")


class Base64File(Shape):
    """An image as text."""

    mimetype: str = Field(examples=["image/png"])
    data: str = Field(description="Base64.")


class QrValue(Shape):
    """The text in a QR code."""

    value: str


class RequestCode(Shape):
    """Whose phone the code is for."""

    phone_number: str | int = Field(examples=["12025550100"])


class PairingCode(Shape):
    """A code to type on the phone."""

    code: str = Field(examples=["ABCD-EFGH"])


class PasskeyDescriptor(Shape):
    """A credential that may answer."""

    id: str = Field(description="base64url.", examples=["AX8bTgH2"])
    type: str = Field(examples=["public-key"])
    transports: list[str] = Field(examples=[["internal", "hybrid"]])


class PasskeyOptions(Shape):
    """WebAuthn request options, as `PublicKeyCredential.parseRequestOptionsFromJSON` takes them."""

    challenge: str = Field(description="base64url.", examples=["9WVUYm9AsQ"])
    timeout: int = Field(description="Milliseconds for which it is good.", examples=[60000])
    rp_id: str = Field(examples=["web.whatsapp.com"])
    allow_credentials: list[PasskeyDescriptor]
    user_verification: str = Field(examples=["required"])
    extensions: dict[str, JsonValue]


class PasskeySigned(Shape):
    """What the authenticator signed, and its signature; base64url."""

    client_data_json: str = Field(alias="clientDataJSON")
    authenticator_data: str
    signature: str
    user_handle: str | None = None


class PasskeyCredentialJson(Shape):
    """A credential as the browser's `toJSON()` writes it."""

    id: str = Field(description="base64url.")
    raw_id: str = Field(description="base64url.")
    type: Literal["public-key"]
    response: PasskeySigned


class PasskeyConfirmation(Shape):
    """The code that has to be the one on the phone."""

    code: str = Field(examples=["ABCD-EFGH"])


class SessionCreateRequest(Shape):
    """What to create."""

    name: str | int | None = Field(
        default=None, description="Letters, digits, - and _; made up when absent.", examples=["default"]
    )
    start: bool = True
    config: SessionConfig | None = None
    apps: list[JsonValue] | None = Field(default=None, max_length=0, description="Lidbook runs no apps.")


class SessionUpdateRequest(Shape):
    """The new config, as a whole."""

    config: SessionConfig | None = None
    apps: list[JsonValue] | None = Field(default=None, max_length=0, description="Lidbook runs no apps.")


class SessionStartRequest(Shape):
    """WAHA's old way to start."""

    name: str | int = Field(examples=["default"])
    config: SessionConfig | None = None


class SessionStopRequest(Shape):
    """WAHA's old way to stop."""

    name: str | int = Field(examples=["default"])
    logout: bool = False


class SessionLogoutRequest(Shape):
    """WAHA's old way to log out."""

    name: str | int = Field(examples=["default"])


ASKED: Final = (
    ContactRequest,
    ContactUpdate,
    RequestCode,
    PasskeyCredentialJson,
    SessionCreateRequest,
    SessionUpdateRequest,
    SessionStartRequest,
    SessionStopRequest,
    SessionLogoutRequest,
    ServerStopRequest,
)
"""Bodies of requests."""

ANSWERED: Final = (
    About,
    Base64File,
    Contact,
    Count,
    EngineDetails,
    EngineInfo,
    Environment,
    Error,
    Failure,
    Features,
    Group,
    GroupParticipant,
    PairingCode,
    PasskeyConfirmation,
    PasskeyOptions,
    QrValue,
    Health,
    LidPair,
    Me,
    NumberExists,
    Pong,
    ProfilePicture,
    Result,
    ServerStatus,
    ServerStop,
    SessionError,
    SessionInfo,
    UnauthorizedError,
)
"""Bodies of answers."""


def component_schemas() -> dict[str, JsonValue]:
    """All of them as JSON Schema, by name."""
    shapes: tuple[type[BaseModel], ...] = (
        *ASKED,
        *ANSWERED,
        *access_schemas.ASKED,
        *access_schemas.ANSWERED,
        *webhook_schemas.ASKED,
        *webhook_schemas.ANSWERED,
    )
    models: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
        (model, "validation") for model in shapes
    ]
    _, schema = models_json_schema(models, by_alias=True, ref_template="#/components/schemas/{model}")
    definitions: dict[str, JsonValue] = schema["$defs"]
    return definitions | {"JsonValue": {"description": "Any JSON."}}
