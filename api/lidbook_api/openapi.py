"""The OpenAPI document: FastAPI's, from the operations, with the shapes of bodies and errors filled in."""

from collections.abc import Iterable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import JsonValue
from starlette.responses import Response

from lidbook import __version__
from lidbook_api.operation import Fault, Operation, ref
from lidbook_api.parameters import Schema

DESCRIPTION: Final = """\
One REST API for WhatsApp **contacts** and **LIDs**, in front of interchangeable engines. Clients written for WAHA keep
working.

Ids: `<digits>@c.us` is a phone number, `<digits>@lid` a LID, `…@g.us` a group. Wherever a person is asked for, bare
digits, a leading `+`, spaces, dashes, `@s.whatsapp.net` and a `:device` suffix are understood as well.

The header `Lidbook-Error` of an error carries its stable code.
"""

TAGS: Final[list[dict[str, str]]] = [
    {"name": "Contacts", "description": "People: list, get, check, write, block."},
    {"name": "LIDs", "description": "Which phone number is behind a LID, and the reverse."},
    {"name": "Groups", "description": "Groups, as far as LIDs come from them."},
    {"name": "Pairing", "description": "Linking a session to an account."},
    {"name": "Sessions", "description": "Linked accounts: create, configure, start, stop."},
    {"name": "Webhooks", "description": "Where events go, and those that were not taken."},
    {"name": "Keys", "description": "Who may do what, and who did."},
    {"name": "Engines", "description": "What serves the sessions, and what it can do."},
    {"name": "Server", "description": "The server itself."},
]

_HEADERS: Final = {
    "Lidbook-Engine": ("The engine that serves the session.", "sandbox"),
    "Lidbook-Network": ("There when engines speak to a sandbox network, and not to WhatsApp.", "sandbox"),
    "Lidbook-Stale": ("The session's status, when it is not WORKING and this may be out of date.", "STOPPED"),
    "Lidbook-Sync": ("`incomplete` until the first sync of the contacts is complete.", "incomplete"),
    "Lidbook-Reason": ("Why the session is in its status.", "logged_out"),
    "Lidbook-Lid": ("Why there is, or is not, a phone number: mapped, pending, hidden or unknown.", "mapped"),
    "Lidbook-Picture": ("Why there is, or is not, a picture: present, none or hidden.", "present"),
    "X-Total-Count": ("How many there are in all.", "1234"),
    "Retry-After": ("Seconds to wait.", "30"),
}

_STALE_SESSION: Final[JsonValue] = {
    "error": "Session status is not as expected. Try again later or restart the session",
    "session": "default",
    "status": "STOPPED",
    "expected": ["WORKING"],
}


def _error(message: JsonValue, error: str, status: int) -> JsonValue:
    return {"message": message, "error": error, "statusCode": status}


_FAULTS: Final[dict[str, tuple[str, str, str, dict[str, JsonValue]]]] = {
    Fault.BAD_REQUEST: (
        "400",
        "The request cannot be understood; the message says what to send instead.",
        "Error",
        {
            "field": _error(["limit must not be less than 0"], "Bad Request", 400),
            "session": _error("Session name is required", "Bad Request", 400),
            "body": _error(
                "The body is not JSON: unexpected end of data: line 1 column 8 (char 7)", "Bad Request", 400
            ),
        },
    ),
    Fault.UNAUTHORIZED: (
        "401",
        "The key is missing or wrong.",
        "UnauthorizedError",
        {"unauthorized": {"message": "Unauthorized", "statusCode": 401}},
    ),
    Fault.FORBIDDEN: (
        "403",
        "The key has not the scope, or is for another session. Without keys, only requests to localhost are answered.",
        "Error",
        {
            "key": {"message": "Forbidden", "statusCode": 403},
            "origin": _error(
                "Without an API key this server answers no requests from web pages of other origins", "Forbidden", 403
            ),
        },
    ),
    Fault.NOT_FOUND: (
        "404",
        "There is no such thing.",
        "Error",
        {"session": _error("Session not found", "Not Found", 404)},
    ),
    Fault.CONFLICT: (
        "409",
        "Somebody else changed the same thing at the same time, again and again.",
        "Error",
        {"conflict": _error("The contact was changed elsewhere; try again", "Conflict", 409)},
    ),
    Fault.TOO_LARGE: (
        "413",
        "The body is too large.",
        "Error",
        {"large": _error("The body is larger than 1024 KiB", "Payload Too Large", 413)},
    ),
    Fault.SESSION: (
        "422",
        "The session does not exist or is not WORKING; or, for `/lids/{lid}`, the path names no LID.",
        "SessionError",
        {
            "missing": {"error": 'Session "default" does not exist', "session": "default"},
            "status": _STALE_SESSION,
            "lid": _error("Invalid LID - it must end with @lid", "Unprocessable Entity", 422),
        },
    ),
    Fault.UNPROCESSABLE: (
        "422",
        "This cannot be done as things are; the message says why.",
        "Error",
        {
            "exists": _error("Session 'default' already exists. Use PUT to update it.", "Unprocessable Entity", 422),
            "key": _error('Session "default" does not exist', "Unprocessable Entity", 422),
        },
    ),
    Fault.RATE_LIMITED: (
        "429",
        "Too many questions to WhatsApp; `Retry-After` says how long to wait.",
        "Error",
        {"limit": _error("WhatsApp limits how often this may be asked", "Too Many Requests", 429)},
    ),
    Fault.FAILED: ("500", "The engine, or WhatsApp behind it, failed.", "Failure", {}),
    Fault.NOT_SUPPORTED: (
        "501",
        "The session's engine cannot do this.",
        "Error",
        {
            "engine": _error(
                "The method is not implemented by 'example' engine: contacts.about (not offered by its library)",
                "Not Implemented",
                501,
            )
        },
    ),
    Fault.UNAVAILABLE: (
        "503",
        "What the engine needs is not on this machine, or the disk takes nothing; the message says what mends it.",
        "Error",
        {
            "runtime": _error("Engine 'example' is installed but cannot be used: …", "Service Unavailable", 503),
            "storage": _error("the disk that holds the data dir is full: make room on it", "Service Unavailable", 503),
        },
    ),
}
"""Name of a response -> status, description, schema, examples."""


def described(operation: Operation) -> dict[str, Any]:
    """What FastAPI is told about an operation."""
    extra: dict[str, Any] = {"responses": _responses(operation)}
    if operation.parameters:
        extra["parameters"] = [parameter.document() for parameter in operation.parameters]
    if operation.body is not None:
        content: dict[str, Any] = {"schema": operation.body}
        if operation.body_example is not None:
            content["example"] = operation.body_example
        extra["requestBody"] = {"required": True, "content": {"application/json": content}}
    if not operation.public:
        extra["security"] = [{"api_key": []}]
    return {
        "summary": operation.summary,
        "description": operation.description or operation.summary + ".",
        "tags": [operation.tag],
        "status_code": operation.status,
        "response_class": Response,
        "deprecated": operation.deprecated or None,
        "operation_id": operation.operation_id,
        "openapi_extra": extra,
    }


def build(app: FastAPI, operations: Iterable[Operation]) -> dict[str, Any]:
    """The whole document."""
    from lidbook_api.schemas import component_schemas  # noqa: PLC0415 - 30 models that serving has no use for

    document = get_openapi(
        title="Lidbook",
        version=__version__,
        description=DESCRIPTION,
        routes=app.routes,
        tags=TAGS,
        servers=app.servers or None,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    used = {fault for operation in operations for fault in _faults(operation)}
    document["components"] = {
        "schemas": component_schemas(),
        "responses": {name: _fault_response(name) for name in _FAULTS if name in used},
        "headers": {
            name: {"description": text, "schema": {"type": "string"}, "example": example}
            for name, (text, example) in _HEADERS.items()
        },
        "securitySchemes": {
            "api_key": {
                "type": "apiKey",
                "in": "header",
                "name": "X-Api-Key",
                "description": "Needed when the server has a key. As a query parameter it is `x-api-key`.",
            }
        },
    }
    return document


def _faults(operation: Operation) -> tuple[str, ...]:
    """What it may answer besides success, with what follows from its having a body and from its needing a key."""
    of_key = () if operation.public else (Fault.UNAUTHORIZED, Fault.FORBIDDEN)
    of_body = (Fault.BAD_REQUEST, Fault.TOO_LARGE) if operation.changes else ()
    of_disk = (Fault.UNAVAILABLE,) if operation.changes or Fault.FAILED in operation.faults else ()
    return *of_key, *of_body, *of_disk, *operation.faults


def _responses(operation: Operation) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "An empty body."}
    if operation.answer is not None or operation.media:
        json = {} if operation.answer is None else {"application/json": {"schema": operation.answer}}
        media = {kind: {"schema": schema} for kind, schema in operation.media.items()}
        success = {"description": "Success.", "content": json | media}
    if operation.headers:
        names = {"Lidbook-Engine": ("Lidbook-Engine", "Lidbook-Network")}  # they always go together
        each = [name for header in operation.headers for name in names.get(header, (header,))]
        success["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in each}
    responses: dict[str, Any] = {str(operation.status): success, **operation.extra_responses}
    for name in _faults(operation):
        responses[_FAULTS[name][0]] = {"$ref": f"#/components/responses/{name}"}
    return responses


def _fault_response(name: str) -> dict[str, Any]:
    _, description, schema, examples = _FAULTS[name]
    also = {Fault.SESSION: "SessionError", Fault.FORBIDDEN: "ForbiddenError"}.get(name)
    shape: Schema = ref(schema) if also is None else {"anyOf": [ref(also), ref("Error")]}
    content: dict[str, Any] = {"schema": shape}
    if examples:
        content["examples"] = {key: {"value": value} for key, value in examples.items()}
    response: dict[str, Any] = {"description": description, "content": {"application/json": content}}
    names = {Fault.RATE_LIMITED: ["Retry-After"], Fault.SESSION: ["Lidbook-Reason"]}.get(name, [])
    response["headers"] = {
        "Lidbook-Error": {"description": "The error's stable code.", "schema": {"type": "string"}},
        **{header: {"$ref": f"#/components/headers/{header}"} for header in names},
    }
    return response
