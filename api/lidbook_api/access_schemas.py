"""The shapes of bodies about keys and the audit log, for the OpenAPI document.

Imported only when the document is asked for.
"""

from typing import Final, Literal

from pydantic import BaseModel, Field

from lidbook_api.access.stored import MAX_GRACE
from lidbook_api.server_schemas import Shape

_EXPIRY: Final = "Milliseconds since 1970 from when on the key opens nothing; null for never."


class SessionActions(Shape):
    """What a session key may do."""

    read: bool = Field(default=True, description="Reading contacts, LIDs, groups and the session; the websocket.")
    send: bool = Field(default=True, description="Writing contacts, blocking, refreshing groups.")
    control: bool = Field(default=True, description="Starting, stopping and linking the session.")
    setting: bool = Field(default=True, description="Changing the session's config.")
    app: bool = Field(default=True, description="WAHA's apps: nothing here.")
    delete: bool = Field(default=False, description="Deleting the session, or what it knows.")


class ApiKeyRequest(Shape):
    """What a key is to be: an admin's, or a session's."""

    is_admin: bool = False
    session: str | int | None = Field(default=None, description="The one session the key is for.", examples=["default"])
    is_active: bool = True
    actions: SessionActions | None = Field(
        default=None, description="Of a session key. What is absent, or all of it when null, takes the defaults."
    )
    expires_at: int | None = Field(default=None, description=_EXPIRY + " Absent in a PUT, it stays.")


class ScopedApiKeyRequest(Shape):
    """The session a key is for."""

    session: str | int = Field(examples=["default"])


class RotateRequest(Shape):
    """How the old text of a key goes."""

    grace_seconds: int = Field(default=0, ge=0, le=MAX_GRACE, description="For how long it still works.")


class ApiKey(Shape):
    """A key. `key` is its text where it is made or rotated, and masked everywhere else."""

    id: str = Field(examples=["key_id_01j8wqk3m5x7c2v9b4n6p8r0st"])
    key: str = Field(examples=["key_1a…z9"])
    is_active: bool
    is_admin: bool
    session: str | None
    actions: SessionActions | None
    created_at: int = Field(description="Milliseconds since 1970.", examples=[1767225600000])
    expires_at: int | None = Field(description=_EXPIRY)


class KeyDeleted(Shape):
    """The key is gone."""

    result: Literal[True]


class AuditEntry(Shape):
    """One change, or one refusal."""

    id: int
    timestamp: int = Field(description="Milliseconds since 1970.", examples=[1767225600000])
    key_id: str = Field(
        description="`env` for the key in the environment, `none` on a server without keys, `excluded` for a path that "
        "needs none, `local` for the command line on the data dir itself.",
        examples=["key_id_01j8wqk3m5x7c2v9b4n6p8r0st"],
    )
    action: str = Field(description="The operationId of what was asked.", examples=["stop_session"])
    session: str | None = Field(description="The session it was about, if there is one, or was.")
    subject: str | None = Field(description="The id of the key that was changed.")
    status: int = Field(description="The status that was answered.", examples=[201])
    error: str | None = Field(description="The stable code of what went wrong.", examples=["not_allowed"])
    client: str | None = Field(description="The address it came from.", examples=["127.0.0.1"])


class ForbiddenError(Shape):
    """The key is good, but not for this."""

    message: Literal["Forbidden"]
    status_code: Literal[403]


ASKED: Final[tuple[type[BaseModel], ...]] = (ApiKeyRequest, ScopedApiKeyRequest, RotateRequest)
"""Bodies of requests."""

ANSWERED: Final[tuple[type[BaseModel], ...]] = (ApiKey, AuditEntry, ForbiddenError, KeyDeleted)
"""Bodies of answers."""
