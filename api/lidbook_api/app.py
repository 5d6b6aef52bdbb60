"""The app: operations, errors and the gate around an opened `Lidbook`. Opening and closing that is not its business."""

import time
from typing import Any, Final, cast

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from lidbook import __version__
from lidbook.app import Lidbook
from lidbook.sessions.sessions import DEFAULT_ENGINE
from lidbook_api import openapi
from lidbook_api.errors import unrouted
from lidbook_api.gate import Gate
from lidbook_api.operation import DirectRoute, Operation
from lidbook_api.routes import contacts, documentation, groups, lids, pairing, server, sessions
from lidbook_api.settings import ServerSettings

OPERATIONS: Final[tuple[Operation, ...]] = (
    *contacts.OPERATIONS,
    *lids.OPERATIONS,
    *groups.OPERATIONS,
    *pairing.OPERATIONS,
    *sessions.OPERATIONS,
    *server.OPERATIONS,
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
    app = _App(
        title="Lidbook",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.router.route_class = DirectRoute
    app.state.lidbook = lidbook
    app.state.default_engine = settings.default_engine or DEFAULT_ENGINE
    app.state.started_at = int(time.time() * 1000)
    for operation in sorted(OPERATIONS, key=lambda operation: not operation.busy):
        app.router.add_api_route(
            operation.path, operation.endpoint, methods=[operation.method], **openapi.described(operation)
        )
    for path, endpoint in documentation.ROUTES:
        app.router.add_api_route(path, endpoint, methods=["GET"], include_in_schema=False)
    app.add_exception_handler(HTTPException, unrouted)
    app.add_middleware(cast("Any", Gate), key=settings.key(), open_paths=settings.unlocked)
    return app
