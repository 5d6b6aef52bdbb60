"""The server itself: is it alive, what is it, what can its engines do."""

import asyncio
import shutil
import time
from collections import Counter
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import Response

from lidbook import features
from lidbook.engine import Engine
from lidbook_api.answers import json_answer, json_bytes
from lidbook_api.core import lidbook_of
from lidbook_api.errors import environment
from lidbook_api.operation import Fault, Operation, array_of, ref
from lidbook_api.parameters import InPath

FREE_NEEDED: Final = 32 * 1024 * 1024
"""Bytes on the data dir's disk below which the server calls itself unhealthy: SQLite is about to fail."""

ENGINE_PATH: Final = InPath("engine", "An engine, by name or by WAHA's name for it.", "sandbox")


async def ping(request: Request) -> Response:  # noqa: ARG001 - every endpoint takes the request
    """Whether the process answers."""
    return json_bytes(b'{"message":"pong"}')


async def health(request: Request) -> Response:
    """What is up and what is not."""
    lidbook = lidbook_of(request)
    info: dict[str, dict[str, object]] = {}
    errors: dict[str, dict[str, object]] = {}
    data_dir = lidbook.settings.data_dir
    try:
        free = (await asyncio.to_thread(shutil.disk_usage, data_dir)).free
    except OSError as error:
        errors["dataDir.space"] = {"status": "down", "path": str(data_dir), "message": str(error)}
    else:
        place = info if free >= FREE_NEEDED else errors
        place["dataDir.space"] = {
            "status": "up" if place is info else "down",
            "path": str(data_dir),
            "freeBytes": free,
            "neededBytes": FREE_NEEDED,
        }
    statuses = Counter(session.status.value for session in lidbook.sessions.all())
    info["sessions"] = {"status": "up", **statuses}
    info["engines"] = {"status": "up", "usable": lidbook.engines.names(), "broken": dict(lidbook.engines.broken)}
    body = {"status": "error" if errors else "ok", "info": info, "error": errors, "details": info | errors}
    return json_answer(body, status=503 if errors else 200)


async def version(request: Request) -> Response:
    """The server's version, where WAHA's clients look for it."""
    return json_answer(environment(cast("str", request.app.state.default_engine)))


async def status(request: Request) -> Response:
    """Since when the server runs."""
    started = cast("int", request.app.state.started_at)
    body = {"startTimestamp": started, "uptime": int(time.time() * 1000) - started, "worker": {"id": None}}
    return json_answer(body)


async def list_engines(request: Request) -> Response:
    """The engines that are installed."""
    lidbook = lidbook_of(request)
    used = Counter(session.engine.name for session in lidbook.sessions.all())
    engines = [_engine(request, engine, used[engine.name]) for engine in lidbook.engines.loaded()]
    broken = [{"name": name, "usable": False, "reason": why} for name, why in sorted(lidbook.engines.broken.items())]
    return json_answer([*engines, *broken])


async def get_engine(request: Request) -> Response:
    """One engine: what it needs, whether that is there, what its settings are, what it can do."""
    lidbook = lidbook_of(request)
    engine = lidbook.engines.get(request.scope["path_params"]["engine"])
    runtime = await asyncio.to_thread(lidbook.sessions.engine(engine).runtime().check)
    used = sum(session.engine is engine for session in lidbook.sessions.all())
    body = _engine(request, engine, used) | {
        "runtime": {"ready": runtime.ready, "reason": runtime.reason, "remedy": runtime.remedy},
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


def _engine(request: Request, engine: type[Engine], sessions: int) -> dict[str, object]:
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
    }


_TAG: Final = "Server"

OPERATIONS: Final = (
    Operation("GET", "/ping", ping, _TAG, "Ping", "Never asks for a key.", answer=ref("Pong"), public=True),
    Operation(
        "GET",
        "/health",
        health,
        _TAG,
        "Health",
        answer=ref("Health"),
        extra_responses={
            "503": {
                "description": "Something is down; `error` says what.",
                "content": {"application/json": {"schema": {**ref("Health")}}},
            }
        },
    ),
    Operation("GET", "/api/server/version", version, _TAG, "Version", answer=ref("Environment")),
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
    ),
    Operation("GET", "/api/server/status", status, _TAG, "Uptime", answer=ref("ServerStatus")),
    Operation(
        "GET",
        "/api/engines",
        list_engines,
        "Engines",
        "List engines",
        "Those that cannot be used are listed with the reason.",
        answer=array_of("EngineInfo"),
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
    ),
    Operation(
        "GET",
        "/api/features",
        get_features,
        "Engines",
        "What every engine can do",
        "The same matrix as features.md.",
        answer=ref("Features"),
    ),
)
