"""The shapes of bodies about the server, its engines and errors, for the OpenAPI document.

Imported only when the document is asked for.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from lidbook.capabilities import Level
from lidbook.values import SessionStatus


class Shape(BaseModel):
    """Base of all shapes: camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Pong(Shape):
    """It answers."""

    message: Literal["pong"]


class Health(Shape):
    """What is up, under `info`; what is not, under `error`; both under `details`."""

    status: Literal["ok", "error", "shutting_down"]
    info: dict[str, dict[str, JsonValue]]
    error: dict[str, dict[str, JsonValue]]
    details: dict[str, dict[str, JsonValue]]


class Worker(Shape):
    """Which of several servers this is; one server has no name."""

    id: str | None


class Environment(Shape):
    """The server, as WAHA describes one."""

    version: str = Field(examples=["0.1.0"])
    engine: str = Field(description="The engine of sessions that name none.", examples=["sandbox"])
    tier: str = Field(examples=["PLUS"])
    browser: str | None
    platform: str = Field(examples=["linux/x64"])
    worker: Worker


class ServerStatus(Shape):
    """Since when the server runs, in milliseconds."""

    start_timestamp: int = Field(examples=[1723788847247])
    uptime: int = Field(examples=[3600000])
    worker: Worker
    network: Literal["sandbox"] | None = Field(
        default=None, description="There when engines speak to a sandbox network, and not to WhatsApp."
    )
    note: str | None = Field(default=None, description="What that means.")


class ServerStopRequest(Shape):
    """How to stop."""

    force: bool = Field(default=False, description="Without waiting for the requests under way.")


class ServerStop(Shape):
    """It is going to."""

    stopping: Literal[True]


class Distribution(Shape):
    """The package an engine came with."""

    name: str = Field(examples=["lidbook"])
    version: str = Field(examples=["0.1.0"])


class EngineRuntime(Shape):
    """Whether what the engine needs is on this machine."""

    ready: bool
    reason: str | None
    remedy: str | None = Field(description="The command that mends it.")


class EngineInfo(Shape):
    """An engine. One that is not usable has only name and reason."""

    name: str = Field(examples=["sandbox"])
    usable: bool
    reason: str | None = None
    title: str | None = None
    aliases: list[str] = []
    default: bool = Field(default=False, description="Whether sessions that name no engine get this one.")
    distribution: Distribution | None = None
    sessions: int = Field(default=0, description="How many sessions use it.")
    runtime: EngineRuntime | None = None


class CapabilityLevel(Shape):
    """How far a capability is supported."""

    level: Level
    note: str | None


class EngineDetails(EngineInfo):
    """An engine, with all there is to know about it."""

    runtime: EngineRuntime
    settings: dict[str, JsonValue] = Field(description="JSON Schema of `config.settings`.")
    capabilities: dict[str, CapabilityLevel]


class FeatureEngine(Shape):
    """A column of the matrix."""

    name: str
    title: str
    aliases: list[str]
    version: str | None
    proved_on: dict[str, str]


class FeatureCapability(Shape):
    """A row of the matrix."""

    name: str
    section: str
    label: str
    description: str
    served_by: Literal["directory", "engine"]
    route: str


class Features(Shape):
    """What every engine makes of every capability: `matrix` is engine -> capability -> level and note."""

    levels: dict[str, str]
    engines: list[FeatureEngine]
    capabilities: list[FeatureCapability]
    matrix: dict[str, dict[str, CapabilityLevel]]


class Error(Shape):
    """An error. `message` is an array when fields do not fit: one message a fault."""

    message: str | list[str]
    error: str
    status_code: int


class UnauthorizedError(Shape):
    """No key, or a wrong one."""

    message: Literal["Unauthorized"]
    status_code: Literal[401]


class SessionError(Shape):
    """The session cannot serve this now. Without `status` it does not exist."""

    error: str = Field(
        examples=["Session status is not as expected. Try again later or restart the session"],
    )
    session: str = Field(examples=["default"])
    status: SessionStatus | None = None
    expected: list[SessionStatus] = []


class FailureException(Shape):
    """What failed."""

    message: str
    name: str
    code: str


class FailureRequest(Shape):
    """Which request failed; without its query, which may hold a key."""

    path: str
    method: str


class Failure(Shape):
    """The engine, WhatsApp or this server failed."""

    status_code: Literal[500]
    timestamp: str = Field(examples=["2026-01-31T12:00:00.000Z"])
    exception: FailureException
    request: FailureRequest
    version: Environment
