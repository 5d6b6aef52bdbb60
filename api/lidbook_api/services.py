"""What runs beside the requests: made with the app, started and stopped with the server."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

from starlette.requests import HTTPConnection

from lidbook.app import Lidbook
from lidbook_api.access.audit import Audit
from lidbook_api.access.store import KeyStore
from lidbook_api.errors import environment
from lidbook_api.events import EventWriter
from lidbook_api.health import WriteProbe
from lidbook_api.metrics.meter import Meter
from lidbook_api.metrics.scrape import Metrics
from lidbook_api.readiness import Readiness
from lidbook_api.settings import ServerSettings
from lidbook_api.stopping import Stopping
from lidbook_api.webhooks.destinations import Destinations
from lidbook_api.webhooks.sender import Sender
from lidbook_api.webhooks.webhooks import Webhooks
from lidbook_api.websocket.sockets import Sockets


class Services:
    """Everything that requests share besides the core."""

    def __init__(self, lidbook: Lidbook, settings: ServerSettings, default_engine: str) -> None:
        self.lidbook = lidbook
        self.settings = settings
        self.keys = KeyStore(lidbook.database, settings.key(), lidbook.sessions.find)
        self.audit = Audit(lidbook.database)
        self.stopping = Stopping()
        self.probe = WriteProbe(lidbook.database)
        self.readiness = Readiness(lidbook.settings.data_dir)
        self.events = EventWriter(lidbook.instance(), environment(default_engine, settings.worker_id))
        self.sockets = Sockets(
            lidbook, self.events, self.keys.holds, settings.ws_connections, look_every=settings.ws_ping_seconds
        )
        self.destinations = Destinations.of(settings.webhook_allow)
        sender = Sender(self.destinations, verify_tls=settings.webhook_verify_tls)
        self.webhooks = Webhooks(lidbook, self.events, sender)
        self.meter = Meter()
        self.metrics = Metrics(lidbook, self.meter, self.audit, self.sockets, self.webhooks.lanes)
        lidbook.hooks.register(self.meter, "lidbook_api.metrics")  # sessions come up before the first request

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """From before the first request until after the last one."""
        async with AsyncExitStack() as stack:
            self.lidbook.hooks.register(self.keys, "lidbook_api.keys")
            stack.callback(self.lidbook.hooks.unregister, self.keys)
            stack.callback(self.audit.close)
            stack.push_async_callback(self.probe.close)
            self.lidbook.hooks.register(self.sockets, "lidbook_api.websocket")
            stack.callback(self.lidbook.hooks.unregister, self.sockets)
            stack.callback(self.lidbook.hooks.unregister, self.meter)
            await stack.enter_async_context(self.webhooks.running())
            yield


def services_of(connection: HTTPConnection) -> Services:
    """The services behind this server."""
    return cast("Services", connection.app.state.services)
