"""Keys: list, make, change, rotate, delete, in WAHA's shapes. Only an admin sees any of it."""

import time
from typing import Final

from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import Response

from lidbook_api.access.audit import SUBJECT
from lidbook_api.access.scopes import GRANTED, Scope
from lidbook_api.access.store import KeyStore
from lidbook_api.access.stored import MAX_GRACE, KeyWanted, ScopedKind, StoredKey
from lidbook_api.answers import json_answer
from lidbook_api.bodies import Fields, flag, read_object
from lidbook_api.faults import Faults, refuse
from lidbook_api.operation import Fault, Operation, array_of, ref
from lidbook_api.parameters import MAX_COUNT, InPath, session_name
from lidbook_api.services import services_of

KEY_PATH: Final = InPath("id", "The key's id.", "key_id_01j8wqk3m5x7c2v9b4n6p8r0st")


async def list_keys(request: Request) -> Response:
    """Every stored key, masked."""
    return json_answer([document(key) for key in _keys(request).all()])


async def create_key(request: Request) -> Response:
    """Make a key, and show it this once."""
    wanted = _wanted(await read_object(request))
    key, text = await _keys(request).create(wanted)
    return _made(request, key, text)


async def update_key(request: Request) -> Response:
    """Replace everything about a key but its text."""
    wanted = _wanted(await read_object(request))
    return json_answer(document(await _keys(request).replace(_asked_for(request).id, wanted)))


async def delete_key(request: Request) -> Response:
    """Delete a key."""
    await _keys(request).delete(_asked_for(request).id)
    return json_answer({"result": True})


async def rotate_key(request: Request) -> Response:
    """Give a key another text, and show it this once."""
    faults: Faults = []
    grace = _grace(await read_object(request), faults)
    refuse(faults)
    key, text = await _keys(request).rotate(_asked_for(request).id, grace)
    return _made(request, key, text)


async def create_media_key(request: Request) -> Response:
    """The session's key for files."""
    return await _scoped(request, ScopedKind.MEDIA)


async def create_control_key(request: Request) -> Response:
    """The session's key for linking it."""
    return await _scoped(request, ScopedKind.CONTROL)


def document(key: StoredKey, text: str | None = None) -> dict[str, object]:
    """A key as WAHA shows it, and when it was made and expires; masked unless its text is given."""
    return {
        "id": key.id,
        "key": key.hint if text is None else text,
        "isActive": key.is_active,
        "isAdmin": key.is_admin,
        "session": key.session,
        "actions": None if key.actions is None else {scope.value: given for scope, given in key.actions.items()},
        "createdAt": key.created_at,
        "expiresAt": key.expires_at,
    }


async def _scoped(request: Request, kind: ScopedKind) -> Response:
    fields = await read_object(request)
    key, text = await _keys(request).create_scoped(kind, session_name(fields.get("session")))
    return _made(request, key, text)


def _made(request: Request, key: StoredKey, text: str | None) -> Response:
    request.scope[SUBJECT] = key.id
    return json_answer(document(key, text), status=201)


def _keys(request: Request) -> KeyStore:
    return services_of(request).keys


def _asked_for(request: Request) -> StoredKey:
    """The key in the path. Raises `KeyNotFound`."""
    key = _keys(request).get(request.scope["path_params"]["id"])
    request.scope[SUBJECT] = key.id
    return key


def _wanted(fields: Fields) -> KeyWanted:
    """What the body asks for. Raises `InvalidFields`."""
    faults: Faults = []
    wanted = KeyWanted(
        is_admin=flag(fields, "isAdmin", faults, default=False),
        session=_session(fields, faults),
        is_active=flag(fields, "isActive", faults, default=True),
        actions=_actions(fields, faults),
        expires_at=_expiry(fields, faults),
        keeps_expiry="expiresAt" not in fields,
    )
    refuse(faults)
    return wanted


def _session(fields: Fields, faults: Faults) -> str | None:
    value = fields.get("session")
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return value
    faults.append("session must be a string")
    return None


def _actions(fields: Fields, faults: Faults) -> dict[Scope, bool] | None:
    value = fields.get("actions")
    if value is None:
        return None
    if not isinstance(value, dict):
        faults.append("actions must be an object")
        return None
    actions = {scope: value.get(scope.value) for scope in GRANTED}
    faults += [
        f"actions.{scope.value} must be a boolean value"
        for scope, given in actions.items()
        if given is not None and not isinstance(given, bool)
    ]
    return {scope: given for scope, given in actions.items() if isinstance(given, bool)}


def _expiry(fields: Fields, faults: Faults) -> int | None:
    value = fields.get("expiresAt")
    if value is None:
        return None
    number = _whole(value)
    if number is None or number > MAX_COUNT:
        faults.append("expiresAt must be a number of milliseconds since 1970, or null")
    elif number <= time.time() * 1000:
        faults.append("expiresAt must be in the future: a number of milliseconds since 1970, or null for never")
    return number


def _grace(fields: Fields, faults: Faults) -> int:
    value = fields.get("graceSeconds")
    number = 0 if value is None else _whole(value)
    if number is None:
        faults.append("graceSeconds must be an integer number")
    elif number < 0:
        faults.append("graceSeconds must not be less than 0")
    elif number > MAX_GRACE:
        faults.append(f"graceSeconds must not be greater than {MAX_GRACE}")
    return number or 0


def _whole(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


_TAG: Final = "Keys"
_ACTIONS: Final[JsonValue] = {scope.value: granted for scope, granted in GRANTED.items()}
_MADE_FAULTS: Final = (Fault.UNPROCESSABLE,)

OPERATIONS: Final = (
    Operation(
        "GET",
        "/api/keys",
        list_keys,
        _TAG,
        "List keys",
        "Without their texts, which nobody knows any more, and without the key in the environment.",
        answer=array_of("ApiKey"),
        scope=Scope.ADMIN,
    ),
    Operation(
        "POST",
        "/api/keys",
        create_key,
        _TAG,
        "Create a key",
        "Its text is in this answer and nowhere else, ever. The first key of a server must be an admin's: from then on "
        "the server asks for one.",
        body=ref("ApiKeyRequest"),
        body_example={"isAdmin": True, "session": None, "isActive": True, "actions": None},
        status=201,
        answer=ref("ApiKey"),
        faults=_MADE_FAULTS,
        scope=Scope.ADMIN,
    ),
    Operation(
        "PUT",
        "/api/keys/{id}",
        update_key,
        _TAG,
        "Replace a key",
        "Everything but its text; what is absent takes its default, only `expiresAt` stays. The last admin key that "
        "works stays one, unless there is a key in the environment.",
        (KEY_PATH,),
        body=ref("ApiKeyRequest"),
        body_example={"isAdmin": False, "session": "default", "isActive": True, "actions": _ACTIONS},
        answer=ref("ApiKey"),
        faults=(*_MADE_FAULTS, Fault.NOT_FOUND),
        scope=Scope.ADMIN,
    ),
    Operation(
        "DELETE",
        "/api/keys/{id}",
        delete_key,
        _TAG,
        "Delete a key",
        "It opens nothing from the moment this is answered. The last admin key that works stays, unless there is a key "
        "in the environment.",
        (KEY_PATH,),
        answer=ref("KeyDeleted"),
        faults=(Fault.NOT_FOUND, Fault.UNPROCESSABLE),
        scope=Scope.ADMIN,
    ),
    Operation(
        "POST",
        "/api/keys/{id}/rotate",
        rotate_key,
        _TAG,
        "Rotate a key",
        "Gives it another text, which is in this answer and nowhere else, ever. The old one works for `graceSeconds` "
        "more; one from an earlier rotation stops at once.",
        (KEY_PATH,),
        body=ref("RotateRequest"),
        body_example={"graceSeconds": 3600},
        status=201,
        answer=ref("ApiKey"),
        faults=(Fault.NOT_FOUND,),
        scope=Scope.ADMIN,
    ),
    *(
        Operation(
            "POST",
            f"/api/keys/{kind.value}",
            endpoint,
            _TAG,
            f"Create or get a session's {kind.value} key",
            f"{purpose} The first call shows its text, further ones the same key masked: to see one again, rotate it.",
            body=ref("ScopedApiKeyRequest"),
            body_example={"session": "default"},
            status=201,
            answer=ref("ApiKey"),
            faults=_MADE_FAULTS,
            scope=Scope.ADMIN,
        )
        for kind, endpoint, purpose in (
            (ScopedKind.MEDIA, create_media_key, "For WAHA's clients, which fetch files with it; here it opens none."),
            (ScopedKind.CONTROL, create_control_key, "Opens QR code, screenshot, start and stop, and nothing else."),
        )
    ),
)
