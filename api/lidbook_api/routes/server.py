"""The server itself: is it alive, what is it, what can its engines do."""

import os
import time
from collections import Counter
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as ASGIScope

from lidbook import features
from lidbook.engine import Engine
from lidbook.network_descriptor import OWN, SPOKEN_TO
from lidbook.runtime import RuntimeStatus
from lidbook_api.access.scopes import Scope
from lidbook_api.answers import JSON, Answer, json_answer, json_bytes
from lidbook_api.bodies import flag, read_object
from lidbook_api.core import lidbook_of, sessions_of
from lidbook_api.faults import Faults, refuse
from lidbook_api.health import health as look
from lidbook_api.operation import Fault, Operation, array_of, ref
from lidbook_api.parameters import Flag, InPath
from lidbook_api.process_environment import shown
from lidbook_api.query import parse_query
from lidbook_api.services import services_of
from lidbook_api.stopping import Stopping

MEGABYTE: Final = 1024 * 1024

ALL_VARIABLES: Final = Flag("all", "Include variables that are none of Lidbook's or WAHA's.")
ENGINE_PATH: Final = InPath("engine", "An engine, by name or by WAHA's name for it.", "sandbox")


async def ping(request: Request) -> Response:  # noqa: ARG001 - every endpoint takes the request
    """Whether the process answers."""
    return json_bytes(b'{"message":"pong"}')


async def health(request: Request) -> Response:
    """What is up and what is not."""
    services = services_of(request)
    body, is_well = await look(
        services.lidbook,
        services.probe,
        services.readiness,
        sessions_of(request).all(),
        free_needed=services.settings.health_free_mb * MEGABYTE,
        stopping=services.stopping.asked,
    )
    return json_answer(body, status=200 if is_well else 503)


async def version(request: Request) -> Response:
    """The server's version, where WAHA's clients look for it."""
    return json_answer(request.app.state.environment)


async def status(request: Request) -> Response:
    """Since when the server runs, and for how long, whatever became of the clock meanwhile."""
    state = request.app.state
    uptime = int((time.monotonic() - cast("float", state.started)) * 1000)
    worker = {"id": services_of(request).settings.worker_id}
    body = {"startTimestamp": state.started_at, "uptime": uptime, "worker": worker}
    if lidbook_of(request).network is not None:
        body |= {"network": OWN, "note": SPOKEN_TO}
    return json_answer(body)


async def server_environment(request: Request) -> Response:
    """The variables that the server was started with, without secrets."""
    faults: Faults = []
    everything = ALL_VARIABLES.read(parse_query(request.scope["query_string"]), faults)
    refuse(faults)
    return json_answer(shown(os.environ, everything=everything))


async def stop_server(request: Request) -> Response:
    """End the server, once this is answered."""
    stopping = services_of(request).stopping
    fields = await read_object(request)
    faults: Faults = []
    force = flag(fields, "force", faults, default=False)
    refuse(faults)
    stopping.require()
    return _Last(stopping, force=force)


class _Last(Answer):
    """The answer after which the server stops."""

    def __init__(self, stopping: Stopping, *, force: bool) -> None:
        super().__init__(b'{"stopping":true}', [JSON], status=201)
        self._stopping = stopping
        self._force = force

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        """Send it, and stop; also when the client did not wait for it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._stopping.ask(force=self._force)


async def list_engines(request: Request) -> Response:
    """The engines that are installed."""
    lidbook = lidbook_of(request)
    used = Counter(session.engine.name for session in sessions_of(request).all())
    states = await services_of(request).readiness.of_all(lidbook.engines.loaded())
    engines = [_engine(request, engine, used[engine.name], states[engine.name]) for engine in lidbook.engines.loaded()]
    broken = [{"name": name, "usable": False, "reason": why} for name, why in sorted(lidbook.engines.broken.items())]
    return json_answer([*engines, *broken])


async def get_engine(request: Request) -> Response:
    """One engine: what it needs, whether that is there, what its settings are, what it can do."""
    lidbook = lidbook_of(request)
    engine = lidbook.engines.get(request.scope["path_params"]["engine"])
    runtime = await services_of(request).readiness.of(engine)
    used = sum(session.engine is engine for session in sessions_of(request).all())
    body = _engine(request, engine, used, runtime) | {
        "settings": engine.settings.model_json_schema(),
        "capabilities": {
            capability.value: {"level": claim.level.value, "note": claim.note}
            for capability, claim in engine.matrix().items()
        },
    }
    return json_answer(body)


async def get_features(request: Request) -> Response:
    """What every engine makes of every capability."""
    return json_answer(features.to_json(features.installed(lidbook_of(request).engines)))


def _engine(request: Request, engine: type[Engine], sessions: int, runtime: RuntimeStatus) -> dict[str, object]:
    origin = lidbook_of(request).engines.distribution(engine.name)
    default = lidbook_of(request).engines.resolve(cast("str", request.app.state.default_engine))
    return {
        "name": engine.name,
        "title": engine.title,
        "aliases": list(engine.aliases),
        "usable": True,
        "default": default is engine,
        "distribution": None if origin is None else {"name": origin.name, "version": origin.version},
        "sessions": sessions,
        "runtime": {"ready": runtime.ready, "reason": runtime.reason, "remedy": runtime.remedy},
    }


_TAG: Final = "Server"

OPERATIONS: Final = (
    Operation("GET", "/ping", ping, _TAG, "Ping", "Never asks for a key.", answer=ref("Pong"), scope=Scope.PUBLIC),
    Operation(
        "GET",
        "/health",
        health,
        _TAG,
        "Health",
        "Writes to the database to see whether that works.",
        answer=ref("Health"),
        extra_responses={
            "503": {
                "description": "Something is down, and `error` says what; or the server is about to end.",
                "content": {"application/json": {"schema": {**ref("Health")}}},
            }
        },
        scope=Scope.ADMIN,
    ),
    Operation("GET", "/api/server/version", version, _TAG, "Version", answer=ref("Environment"), scope=Scope.SERVER),
    Operation(
        "GET",
        "/api/version",
        version,
        _TAG,
        "Version, by WAHA's old route",
        "Use `GET /api/server/version`.",
        answer=ref("Environment"),
        name="version_deprecated",
        deprecated=True,
        scope=Scope.SERVER,
    ),
    Operation("GET", "/api/server/status", status, _TAG, "Uptime", answer=ref("ServerStatus"), scope=Scope.SERVER),
    Operation(
        "GET",
        "/api/server/environment",
        server_environment,
        _TAG,
        "Environment variables",
        "Those that begin with `LIDBOOK_`, `WAHA_` or `WHATSAPP_`, and `DEBUG`. Secrets are shown as `***`.",
        (ALL_VARIABLES,),
        answer={"type": "object", "additionalProperties": {"type": "string"}},
        example={"LIDBOOK_PORT": "3000", "WAHA_API_KEY": "***"},
        faults=(Fault.BAD_REQUEST,),
        scope=Scope.ADMIN,
    ),
    Operation(
        "POST",
        "/api/server/stop",
        stop_server,
        _TAG,
        "Stop the server",
        "Requests under way are finished, unless `force` is true; the database is closed cleanly either way.",
        body=ref("ServerStopRequest"),
        body_example={"force": False},
        status=201,
        answer=ref("ServerStop"),
        faults=(Fault.NOT_SUPPORTED,),
        scope=Scope.ADMIN,
    ),
    Operation(
        "GET",
        "/api/engines",
        list_engines,
        "Engines",
        "List engines",
        "With what they need on this machine and lack; those that cannot be used are listed with the reason.",
        answer=array_of("EngineInfo"),
        scope=Scope.SERVER,
    ),
    Operation(
        "GET",
        "/api/engines/{engine}",
        get_engine,
        "Engines",
        "Get an engine",
        "With the state of what it needs on this machine, the schema of `config.settings`, and its capabilities.",
        (ENGINE_PATH,),
        answer=ref("EngineDetails"),
        faults=(Fault.NOT_FOUND, Fault.UNAVAILABLE),
        scope=Scope.SERVER,
    ),
    Operation(
        "GET",
        "/api/features",
        get_features,
        "Engines",
        "What every engine can do",
        "The same matrix as features.md.",
        answer=ref("Features"),
        scope=Scope.SERVER,
    ),
)
