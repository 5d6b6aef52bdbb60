"""One operation of the API: how it is routed, served and documented, written down in one place."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog
from fastapi.routing import APIRoute
from pydantic import JsonValue
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from lidbook.errors import LidbookError
from lidbook.storage import storing
from lidbook_api.access.scopes import Scope
from lidbook_api.bodies import check_json
from lidbook_api.core import access_of, sessions_of
from lidbook_api.errors import known, refusal, unforeseen
from lidbook_api.parameters import Parameter, Schema
from lidbook_api.services import services_of

Endpoint = Callable[[Request], Awaitable[Response]]


class DirectRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response: FastAPI documents it and stays out of it.

    Parameters are read by hand everywhere, because their faults have to be told in WAHA's words.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint itself."""
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


class Fault:
    """What an operation may answer besides success; names of responses in the OpenAPI document."""

    BAD_REQUEST = "BadRequest"
    UNAUTHORIZED = "Unauthorized"
    FORBIDDEN = "Forbidden"
    NOT_FOUND = "NotFound"
    CONFLICT = "Conflict"
    TOO_LARGE = "TooLarge"
    SESSION = "SessionTrouble"
    UNPROCESSABLE = "Unprocessable"
    RATE_LIMITED = "RateLimited"
    FAILED = "Failed"
    NOT_SUPPORTED = "NotSupported"
    UNAVAILABLE = "Unavailable"


@dataclass(frozen=True, slots=True)
class Operation:
    """How one endpoint is reached and what is said about it."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    endpoint: Endpoint
    tag: str
    summary: str
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Schema | None = None
    body_example: JsonValue = None
    status: int = 200
    answer: Schema | None = None
    """Schema of a JSON answer; None when the body is empty, or of the types in `media` alone."""
    example: JsonValue = None
    extra_responses: Mapping[str, Schema] = field(default_factory=dict)
    media: Mapping[str, Schema] = field(default_factory=dict)
    """Other content types of the answer, with their schemas."""
    headers: tuple[str, ...] = ()
    """Our headers on the answer."""
    faults: tuple[str, ...] = ()
    name: str | None = None
    """Its operationId; the endpoint's name unless two operations share it."""
    deprecated: bool = False
    busy: bool = False
    """Whether its path is tried before those of others: every path that is tried and does not fit costs time."""
    scope: Scope = field(kw_only=True)
    """What it asks of the key."""

    @property
    def operation_id(self) -> str:
        """Its name in the OpenAPI document and in the audit log."""
        return self.name or self.endpoint.__name__

    @property
    def changes(self) -> bool:
        """Whether it is more than a question: it takes a body, and is noted in the audit log."""
        return self.method != "GET"

    @property
    def public(self) -> bool:
        """Whether it is served without a key."""
        return self.scope is Scope.PUBLIC


def served(operation: Operation) -> Endpoint:
    """The operation's endpoint behind its scope and, for a change, behind a look at its body; its errors answered,
    changes and refusals in the audit log.
    """
    endpoint, scope, action = operation.endpoint, operation.scope, operation.operation_id
    changes = operation.changes

    async def serve(request: Request) -> Response:
        access = access_of(request)
        try:
            if not access.is_admin:
                session = request.scope["path_params"].get("session")
                if session is not None:
                    sessions_of(request).admit(session)
                access.require(scope)
            if changes:
                await check_json(request)
            with storing():
                response = await endpoint(request)
        except LidbookError as error:
            response = known(request, error)
        except ClientDisconnect:
            response = refusal(400, "The client went away", "invalid_request")
        except Exception as error:
            log = structlog.stdlib.get_logger("lidbook.api")
            log.exception("fault", method=request.method, path=request.url.path)
            response = unforeseen(request, error)
        if changes or response.status_code == 403:
            await services_of(request).audit.record(request, access, action, response)
        return response

    return serve


def ref(name: str) -> Schema:
    """A reference to a schema of the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{name}"}


def array_of(name: str) -> Schema:
    """An array of a schema of the OpenAPI document."""
    return {"type": "array", "items": {**ref(name)}}
