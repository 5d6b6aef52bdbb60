"""Sessions: list, create, change, start, stop, in WAHA's shapes."""

from typing import Final

from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import Response

from lidbook.errors import SessionNotRunning
from lidbook.session_config import SessionConfig
from lidbook.sessions.session import Session
from lidbook.values import SessionStatus
from lidbook_api import shown
from lidbook_api.access.scopes import Access, Scope
from lidbook_api.answers import json_answer, nothing
from lidbook_api.bodies import Fields, flag, read_object, text
from lidbook_api.core import access_of, served_by, sessions_of
from lidbook_api.faults import Faults, refuse
from lidbook_api.operation import Fault, Operation, array_of, ref
from lidbook_api.parameters import SESSION_PATH, Choices, Flag, session_name
from lidbook_api.query import parse_query

ALL: Final = Flag("all", "Include sessions that are stopped.")
EXPAND: Final = Choices("expand", "Accepted for WAHA's clients: Lidbook runs no apps.", ("apps",))


async def list_sessions(request: Request) -> Response:
    """Sessions that run, or all of them."""
    query = parse_query(request.scope["query_string"])
    faults: Faults = []
    everything, expand = ALL.read(query, faults), EXPAND.read(query, faults)
    refuse(faults)
    sessions = sessions_of(request).all()
    listed = [s for s in sessions if everything or s.status is not SessionStatus.STOPPED]
    return json_answer([document(session, access_of(request), apps="apps" in expand) for session in listed])


async def get_session(request: Request) -> Response:
    """One session."""
    faults: Faults = []
    expand = EXPAND.read(parse_query(request.scope["query_string"]), faults)
    refuse(faults)
    session = sessions_of(request).get(_name(request))
    return json_answer(document(session, access_of(request), apps="apps" in expand), served_by(session))


async def create_session(request: Request) -> Response:
    """Create a session, and start it unless told otherwise."""
    fields = await read_object(request)
    faults: Faults = []
    name = _given_name(fields, faults)
    start = flag(fields, "start", faults, default=True)
    _no_apps(fields, faults)
    refuse(faults)
    config = SessionConfig.parse(fields.get("config"))
    return _session(request, await sessions_of(request).create(name, config, start=start), status=201)


async def update_session(request: Request) -> Response:
    """Replace a session's config; a body without one changes nothing."""
    sessions = sessions_of(request)
    fields = await read_object(request)
    faults: Faults = []
    _no_apps(fields, faults)
    refuse(faults)
    if "config" not in fields:  # WAHA's clients send `apps` alone
        return _session(request, sessions.get(_name(request)))
    return _session(request, await sessions.update(_name(request), SessionConfig.parse(fields.get("config"))))


async def delete_session(request: Request) -> Response:
    """Delete a session with everything that is known through it."""
    await sessions_of(request).delete(_name(request))
    return nothing()


async def get_me(request: Request) -> Response:
    """The account that a session is linked to; nothing while it is linked to none."""
    session = sessions_of(request).find(_name(request))
    if session is None or session.status is SessionStatus.STOPPED:
        raise SessionNotRunning(_name(request))
    if session.account is None:
        return nothing(served_by(session))
    return json_answer(shown.me(session.account), served_by(session))


async def start_session(request: Request) -> Response:
    """Start a session; one that runs already is no error."""
    return _session(request, await sessions_of(request).start(_name(request)), status=201)


async def stop_session(request: Request) -> Response:
    """Stop a session; one that is stopped or unknown is no error."""
    session = await sessions_of(request).stop(_name(request))
    return nothing(status=201) if session is None else _session(request, session, status=201)


async def restart_session(request: Request) -> Response:
    """Stop and start a session."""
    return _session(request, await sessions_of(request).restart(_name(request)), status=201)


async def logout_session(request: Request) -> Response:
    """Unlink the account."""
    return _session(request, await sessions_of(request).logout(_name(request)), status=201)


async def reset_session(request: Request) -> Response:
    """Forget the account and everything known through it."""
    return _session(request, await sessions_of(request).reset(_name(request)), status=201)


async def start_session_by_body(request: Request) -> Response:
    """WAHA's old way to create and start a session."""
    sessions = sessions_of(request)
    fields = await read_object(request)
    name = session_name(fields.get("name"))
    config = SessionConfig.parse(fields.get("config"))
    if sessions.find(name) is None:
        return _session(request, await sessions.create(name, config), status=201)
    if fields.get("config") is not None:
        await sessions.update(name, config)
    return _session(request, await sessions.start(name), status=201)


async def stop_session_by_body(request: Request) -> Response:
    """WAHA's old way to stop a session, and to log it out."""
    sessions = sessions_of(request)
    fields = await read_object(request)
    name = session_name(fields.get("name"))
    faults: Faults = []
    logout = flag(fields, "logout", faults, default=False)
    refuse(faults)
    if logout and sessions.find(name) is not None:
        await sessions.logout(name)
    await sessions.stop(name)
    return nothing(status=201)


async def logout_session_by_body(request: Request) -> Response:
    """WAHA's old way to log a session out."""
    await sessions_of(request).logout(session_name((await read_object(request)).get("name")))
    return nothing(status=201)


def document(session: Session, access: Access, *, apps: bool = False) -> dict[str, object]:
    """A session as WAHA shows it, with its engine and the reason of its status."""
    body: dict[str, object] = {
        "name": session.name,
        "status": session.status.value,
        "statusReason": None if session.reason is None else session.reason.value,
        "statusMessage": session.detail,
        "config": shown.config(session.config, access),
        "me": None if session.account is None else shown.me(session.account),
        "presence": None,
        "timestamps": {"activity": session.activity_at},
        "engine": shown.engine(session),
        "sync": {
            report.feed.value: {
                "expected": report.expected,
                "received": report.received,
                "complete": report.complete,
            }
            for report in session.directory.syncs()
        },
    }
    return body | {"apps": []} if apps else body


def _session(request: Request, session: Session, *, status: int = 200) -> Response:
    return json_answer(document(session, access_of(request)), served_by(session), status=status)


def _name(request: Request) -> str:
    name: str = request.scope["path_params"]["session"]
    return name


def _given_name(fields: Fields, faults: Faults) -> str | None:
    name = fields.get("name")
    if isinstance(name, int) and not isinstance(name, bool):
        return str(name)
    return text(fields, "name", faults)


def _no_apps(fields: Fields, faults: Faults) -> None:
    apps = fields.get("apps")
    if apps is not None and apps != []:
        faults.append("apps must be empty: Lidbook runs no apps")


_TAG: Final = "Sessions"
_CONFIGURED: Final = (Fault.UNAVAILABLE,)
_CONFIG_EXAMPLE: Final[JsonValue] = {"engine": "sandbox", "metadata": {"user.id": "123"}}

OPERATIONS: Final = (
    Operation(
        "GET",
        "/api/sessions",
        list_sessions,
        _TAG,
        "List sessions",
        parameters=(ALL, EXPAND),
        answer=array_of("SessionInfo"),
        faults=(Fault.BAD_REQUEST,),
        scope=Scope.SERVER,
    ),
    Operation(
        "POST",
        "/api/sessions",
        create_session,
        _TAG,
        "Create a session",
        "Started at once unless `start` is false. Without a name it gets one.",
        body=ref("SessionCreateRequest"),
        body_example={"name": "default", "start": True, "config": _CONFIG_EXAMPLE},
        status=201,
        answer=ref("SessionInfo"),
        headers=("Lidbook-Engine",),
        faults=(*_CONFIGURED, Fault.UNPROCESSABLE),
        scope=Scope.ADMIN,
    ),
    Operation(
        "GET",
        "/api/sessions/{session}",
        get_session,
        _TAG,
        "Get a session",
        parameters=(SESSION_PATH, EXPAND),
        answer=ref("SessionInfo"),
        headers=("Lidbook-Engine",),
        faults=(Fault.BAD_REQUEST, Fault.NOT_FOUND),
        scope=Scope.READ,
    ),
    Operation(
        "PUT",
        "/api/sessions/{session}",
        update_session,
        _TAG,
        "Replace a session's config",
        "A running session is stopped, updated and started. A config that names no engine keeps the engine, and the "
        "engine's settings unless it gives others; changing the engine keeps what is known. Without `config` in the "
        "body nothing is changed, and null empties it.",
        (SESSION_PATH,),
        body=ref("SessionUpdateRequest"),
        body_example={"config": _CONFIG_EXAMPLE},
        answer=ref("SessionInfo"),
        headers=("Lidbook-Engine",),
        faults=(*_CONFIGURED, Fault.NOT_FOUND),
        scope=Scope.SETTING,
    ),
    Operation(
        "DELETE",
        "/api/sessions/{session}",
        delete_session,
        _TAG,
        "Delete a session",
        "Unlinks the device where it can, and forgets all that is known through it. One that is gone is no error.",
        (SESSION_PATH,),
        scope=Scope.DELETE,
    ),
    Operation(
        "GET",
        "/api/sessions/{session}/me",
        get_me,
        _TAG,
        "Get the linked account",
        "An empty body while the session is linked to none.",
        (SESSION_PATH,),
        answer=ref("Me"),
        headers=("Lidbook-Engine",),
        faults=(Fault.NOT_FOUND,),
        scope=Scope.READ,
    ),
    Operation(
        "POST",
        "/api/sessions/{session}/start",
        start_session,
        _TAG,
        "Start a session",
        "One that runs already is no error.",
        (SESSION_PATH,),
        status=201,
        answer=ref("SessionInfo"),
        headers=("Lidbook-Engine",),
        faults=(Fault.NOT_FOUND, Fault.UNAVAILABLE),
        scope=Scope.CONTROL,
    ),
    Operation(
        "POST",
        "/api/sessions/{session}/stop",
        stop_session,
        _TAG,
        "Stop a session",
        "One that is stopped already is no error; of an unknown one the body is empty.",
        (SESSION_PATH,),
        status=201,
        answer=ref("SessionInfo"),
        headers=("Lidbook-Engine",),
        scope=Scope.CONTROL,
    ),
    Operation(
        "POST",
        "/api/sessions/{session}/restart",
        restart_session,
        _TAG,
        "Restart a session",
        parameters=(SESSION_PATH,),
        status=201,
        answer=ref("SessionInfo"),
        headers=("Lidbook-Engine",),
        faults=(Fault.NOT_FOUND, Fault.UNAVAILABLE),
        scope=Scope.CONTROL,
    ),
    Operation(
        "POST",
        "/api/sessions/{session}/logout",
        logout_session,
        _TAG,
        "Log a session out",
        "Unlinks the account and keeps the config; a session that ran is started again.",
        (SESSION_PATH,),
        status=201,
        answer=ref("SessionInfo"),
        headers=("Lidbook-Engine",),
        faults=(Fault.NOT_FOUND, Fault.FAILED, Fault.NOT_SUPPORTED),
        scope=Scope.CONTROL,
    ),
    Operation(
        "POST",
        "/api/sessions/{session}/reset",
        reset_session,
        _TAG,
        "Reset a session",
        "Unlinks the device, forgets everything known through it, keeps name and config: for a session that is FAILED "
        "with `account_changed`, so that another account can be linked.",
        (SESSION_PATH,),
        status=201,
        answer=ref("SessionInfo"),
        headers=("Lidbook-Engine",),
        faults=(Fault.NOT_FOUND, Fault.UNAVAILABLE),
        scope=Scope.DELETE,
    ),
    Operation(
        "POST",
        "/api/sessions/start",
        start_session_by_body,
        _TAG,
        "Create and start a session, by WAHA's old route",
        "Use `POST /api/sessions`. A session key with `control` starts its own session; with a `config` in the body it "
        "needs `setting` as well, and creating one needs an admin key.",
        body=ref("SessionStartRequest"),
        body_example={"name": "default"},
        status=201,
        answer=ref("SessionInfo"),
        headers=("Lidbook-Engine",),
        faults=_CONFIGURED,
        deprecated=True,
        scope=Scope.CONTROL,
    ),
    Operation(
        "POST",
        "/api/sessions/stop",
        stop_session_by_body,
        _TAG,
        "Stop a session, by WAHA's old route",
        "Use `POST /api/sessions/{session}/stop`.",
        body=ref("SessionStopRequest"),
        body_example={"name": "default", "logout": False},
        status=201,
        deprecated=True,
        scope=Scope.CONTROL,
    ),
    Operation(
        "POST",
        "/api/sessions/logout",
        logout_session_by_body,
        _TAG,
        "Log a session out, by WAHA's old route",
        "Use `POST /api/sessions/{session}/logout`.",
        body=ref("SessionLogoutRequest"),
        body_example={"name": "default"},
        status=201,
        faults=(Fault.NOT_FOUND,),
        deprecated=True,
        scope=Scope.CONTROL,
    ),
)
