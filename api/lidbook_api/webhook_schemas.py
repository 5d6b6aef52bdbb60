"""The shapes of bodies about webhooks, for the OpenAPI document.

Imported only when the document is asked for.
"""

from typing import Final

from pydantic import BaseModel, Field, JsonValue

from lidbook_api.server_schemas import Shape
from lidbook_api.webhooks.lane import LaneState

_URL: Final = "https://example.com/webhooks/waha"


class WebhookPosition(Shape):
    """How far a webhook has read the session's log."""

    seq: int = Field(description="Everything up to this entry was taken, was not asked for, or is a dead letter.")
    head: int = Field(description="The newest entry.")
    waiting: int = Field(description="Entries that it has not read yet.")


class WebhookState(Shape):
    """One URL that a session's events go to. Its keys and headers are never shown."""

    url: str = Field(examples=[_URL])
    events: list[str] = Field(examples=[["session.status", "lid.resolved"]])
    server: bool = Field(description="Whether it is the server's own webhook, which only an admin sees.")
    position: WebhookPosition
    state: LaneState = Field(
        description="`waiting`: the receiver refused an event, which is sent again in a while. `down`: it does not "
        "answer, and everything is kept until it does."
    )
    last_error: str | None = Field(description="Since the server started.")
    last_error_at: int | None = Field(description="Milliseconds since 1970.")
    last_delivered_at: int | None = Field(description="Milliseconds since 1970; since the server started.")
    dead_letters: int


class WebhookTestRequest(Shape):
    """The webhook to try out."""

    url: str = Field(description="One of the session's webhooks.", examples=[_URL])


class WebhookAttempt(Shape):
    """What became of one send."""

    status: int | None = Field(description="What the receiver answered; null when it did not.", examples=[200])
    ok: bool = Field(description="Whether it was taken.")
    error: str | None
    duration_ms: int


class WebhookAttempts(Shape):
    """What became of sending the dead letters again."""

    resent: int = Field(description="How many were taken, and forgotten.")
    left: int = Field(description="How many there are still.")
    error: str | None = Field(description="What stopped it; null when nothing did.")


class DeadLetter(Shape):
    """An event that a receiver would not take."""

    id: int
    url: str = Field(examples=[_URL])
    event: str = Field(examples=["lid.resolved"])
    event_id: str = Field(examples=["evt_01j8wqk3m5x7c2v9b4n6p8r0st"])
    seq: int = Field(description="The entry of the session's log.")
    timestamp: int = Field(description="When it was given up, in milliseconds since 1970.")
    attempts: int
    reason: str = Field(description="Why the last attempt failed.", examples=["answered 500"])


class DeadLetterWithBody(DeadLetter):
    """The same, with what was sent."""

    body: dict[str, JsonValue]


class DeadLettersDeleted(Shape):
    """They are gone."""

    deleted: int


ASKED: Final[tuple[type[BaseModel], ...]] = (WebhookTestRequest,)
"""Bodies of requests."""

ANSWERED: Final[tuple[type[BaseModel], ...]] = (
    DeadLetter,
    DeadLettersDeleted,
    DeadLetterWithBody,
    WebhookAttempt,
    WebhookAttempts,
    WebhookState,
)
"""Bodies of answers."""
