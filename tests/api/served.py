"""A real server for tests: a core on a data dir, uvicorn on a loopback port, and a client."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import httpx
import uvicorn
from fastapi import FastAPI

from lidbook.app import CoreSettings, Lidbook
from lidbook.capabilities import Capability, Feed, absent
from lidbook.engine import API_VERSION, Engine, EngineSession
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig
from lidbook.sessions.session import Session
from lidbook.values import SessionStatus
from lidbook.world.conditions import Condition, Conditions, Kind
from lidbook_api.app import create_app
from lidbook_api.serving import configured
from lidbook_api.settings import ServerSettings
from lidbook_api.transport.door import Door
from lidbook_sandbox.engine import SandboxEngine, conditions_folder

ME = "12025550100"
"""Phone number of the demo world's first account, which sessions are linked to unless told otherwise."""


class PoorSession(EngineSession):
    """Connects to nothing: starts, and stays STARTING until `context.status` is called by a test."""

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to disconnect."""


class PoorEngine(Engine):
    """An engine that can do nothing, for answers about what an engine cannot do."""

    name = "poor"
    title = "Can do nothing"
    aliases = ("NOWEB",)
    api_version = API_VERSION
    feeds: ClassVar[frozenset[Feed]] = frozenset()
    claims: ClassVar = {capability: absent(f"no {capability.value} here") for capability in Capability}
    session = PoorSession


@dataclass(frozen=True, slots=True)
class Served:
    """One running server."""

    url: str
    lidbook: Lidbook
    client: httpx.AsyncClient
    app: FastAPI

    def conditions(self, account: str = ME) -> Conditions:
        """What goes wrong for an account of the sandbox."""
        folder = conditions_folder(self.lidbook.settings.data_dir / "engines" / "sandbox")
        return Conditions(folder / f"{account}.json")

    def make(self, kind: Kind, capability: Capability | None = None, *, times: int = 1) -> None:
        """Switch something on that goes wrong."""
        capabilities = frozenset() if capability is None else frozenset({capability})
        self.conditions().set(Condition(kind, capabilities, retry_after=7, times=times))

    async def session(self, name: str, *, until: SessionStatus = SessionStatus.WORKING, **settings: object) -> None:
        """A sandbox session, in the given status."""
        config = SessionConfig.parse({"engine": "sandbox", "settings": settings})
        session = await self.lidbook.sessions.create(name, config)
        await session.settled(10)
        assert session.status is until
        if until is SessionStatus.WORKING:
            await synced(session)


class _Server(uvicorn.Server):
    """uvicorn, with an event for when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and set the event."""
        await super().startup(sockets)
        self.listening.set()


async def synced(session: Session) -> None:
    """Wait until the directory has everything that the engine feeds at first; nothing announces it for every feed."""
    async with asyncio.timeout(10):
        for feed in session.engine.feeds - {Feed.QR}:
            while not await session.directory.is_synced(feed):  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@asynccontextmanager
async def serve(
    data_dir: Path, *, settings: ServerSettings | None = None, door: Door | None = None
) -> AsyncIterator[Served]:
    """A server with a WORKING session `default` on the demo world."""
    settings = settings or ServerSettings.model_construct()
    engines = EngineRegistry.of(SandboxEngine, PoorEngine)
    lidbook = await Lidbook.open(
        CoreSettings(data_dir, network=settings.network, ready_timeout=0.3, deadline=1, webhooks=settings.webhooks),
        engines=engines,
    )
    app = create_app(lidbook, settings)
    config = configured(app, settings, door)
    config.port = 0
    server = _Server(config)
    serving = asyncio.create_task(server._serve())
    try:
        await server.listening.wait()
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            served = Served(url, lidbook, client, app)
            session = lidbook.sessions.find("default") or await lidbook.sessions.create("default", SessionConfig())
            await session.settled(20)
            await synced(session)
            yield served
    finally:
        server.should_exit = True
        await serving
        await lidbook.close()
