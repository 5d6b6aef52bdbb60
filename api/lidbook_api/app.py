"""The app: operations, errors and the gate around an opened `Lidbook`. Opening and closing that is not its business."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Final, cast

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.routing import WebSocketRoute

from lidbook import __version__
from lidbook.app import Lidbook
from lidbook.sessions.sessions import DEFAULT_ENGINE
from lidbook_api import openapi
from lidbook_api.errors import environment, unrouted
from lidbook_api.gate import Gate
from lidbook_api.metrics.requests import CountedRequests
from lidbook_api.operation import DirectRoute, Operation, served
from lidbook_api.routes import (
    audit,
    contacts,
    documentation,
    groups,
    keys,
    lids,
    metrics,
    pairing,
    passkey,
    server,
    sessions,
    webhooks,
)
from lidbook_api.services import Services
from lidbook_api.settings import ServerSettings
from lidbook_api.strict import guarded

OPERATIONS: Final[tuple[Operation, ...]] = (
    *contacts.OPERATIONS,
    *lids.OPERATIONS,
    *groups.OPERATIONS,
    *pairing.OPERATIONS,
    *passkey.OPERATIONS,
    *sessions.OPERATIONS,
    *webhooks.OPERATIONS,
    *keys.OPERATIONS,
    *audit.OPERATIONS,
    *server.OPERATIONS,
    *metrics.OPERATIONS,
)
"""Everything that is served, in the order in which it is documented."""


class _App(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The document, built when it is first asked for."""
        if self.openapi_schema is None:
            self.openapi_schema = openapi.build(self, OPERATIONS)
        return self.openapi_schema


def create_app(lidbook: Lidbook | None, settings: ServerSettings) -> FastAPI:
    """The app that serves `lidbook`. With None it can only print its own documentation. Raises `WeakKey`."""
    services = None if lidbook is None else Services(lidbook, settings, settings.default_engine or DEFAULT_ENGINE)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with nullcontext() if services is None else services.running():
            yield

    app = _App(
        title="Lidbook",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=None if settings.public_url is None else [{"url": settings.public_url}, {"url": "/"}],
        lifespan=lifespan,
    )
    app.router.route_class = DirectRoute
    app.state.lidbook = lidbook
    app.state.services = services
    app.state.default_engine = settings.default_engine or DEFAULT_ENGINE
    app.state.environment = environment(app.state.default_engine, settings.worker_id)
    app.state.started_at = int(time.time() * 1000)
    app.state.started = time.monotonic()
    for operation in sorted(OPERATIONS, key=lambda operation: not operation.busy):
        app.router.add_api_route(
            operation.path,
            served(guarded(operation) if settings.strict else operation),
            methods=[operation.method],
            **openapi.described(operation),
        )
    for path, endpoint in documentation.routes(settings.swagger_login) if settings.swagger_enabled else ():
        app.router.add_api_route(path, endpoint, methods=["GET"], include_in_schema=False)
    app.add_exception_handler(HTTPException, unrouted)
    if services is not None:
        app.router.routes.append(WebSocketRoute("/ws", services.sockets.serve))
        app.add_middleware(cast("Any", Gate), keys=services.keys, audit=services.audit, open_paths=settings.unlocked)
        app.add_middleware(cast("Any", CountedRequests), meter=services.meter)
    return app
