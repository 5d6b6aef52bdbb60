"""One running Lidbook: a data dir, its database, the engines that are installed, and the sessions."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import structlog

from lidbook.changelog.retention import keep_pruned
from lidbook.clock import now_ms
from lidbook.data_dir import DataDirLock, database_path
from lidbook.directory.database import Database
from lidbook.engine import ClientConfig, Network
from lidbook.hooks import Hooks
from lidbook.network_descriptor import SPOKEN_TO, find_network
from lidbook.registry import EngineRegistry
from lidbook.session_config import WebhookConfig
from lidbook.sessions.live import DEADLINE
from lidbook.sessions.sessions import Sessions
from lidbook.sessions.supervisor import Delays
from lidbook.sessions.surroundings import AtBoot, Surroundings


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """What the core needs to be told."""

    data_dir: Path
    default_engine: str | None = None
    """Engine of sessions that name none; None means the sandbox, said loudly."""
    network: str | None = None
    """Path of a sandbox network's descriptor, or `sandbox` for the data dir's own; None means WhatsApp itself."""
    ready_timeout: float = 10.0
    """Seconds that a request waits for a session that is STARTING."""
    budget_factor: float = 1.0
    """Multiplies every budget of live calls; 0 takes them away."""
    deadline: float = DEADLINE
    """Seconds after which a live call is an error."""
    webhooks: tuple[WebhookConfig, ...] = ()
    """The server's own webhooks, which hear of every session."""
    log_days: float = 7.0
    """Days for which the log of changes is kept: how long a reader may stay away without missing any; 0 is for ever."""
    client: ClientConfig = field(default_factory=ClientConfig)
    """How sessions appear, and get out, that do not say so themselves."""
    at_boot: AtBoot = AtBoot.WANTED
    """Which sessions are started when the server is."""
    boot_delay: float = 0.0
    """Seconds until they are."""
    delays: Delays = field(default_factory=Delays)
    """Between attempts to start a session whose engine fails."""


class Lidbook:
    """The core, opened on a data dir."""

    def __init__(
        self,
        settings: CoreSettings,
        engines: EngineRegistry,
        hooks: Hooks,
        database: Database,
        lock: DataDirLock,
        sessions: Sessions,
        pruning: "asyncio.Task[None]",
        network: Network | None,
    ) -> None:
        self.settings = settings
        self.network = network
        self.engines = engines
        self.hooks = hooks
        self.sessions = sessions
        self.database = database
        self._lock = lock
        self._pruning = pruning

    @classmethod
    async def open(
        cls, settings: CoreSettings, *, engines: EngineRegistry | None = None, hooks: Hooks | None = None
    ) -> Self:
        """Lock the data dir, open the database, and bring back what was running, in the background.

        Raises `DataDirLocked` when another server has it, `InvalidConfig` for a sandbox network that is not there.
        """
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        network = await find_network(settings.network, settings.data_dir)
        lock = DataDirLock(settings.data_dir)
        database: Database | None = None
        try:
            database = await asyncio.to_thread(Database, database_path(settings.data_dir))
            engines = engines or EngineRegistry.load()
            hooks = hooks or Hooks.load()
            around = Surroundings(
                database=database,
                hooks=hooks,
                data_dir=settings.data_dir,
                network=network,
                clock=now_ms,
                monotonic=time.monotonic,
                budget_factor=settings.budget_factor,
                deadline=settings.deadline,
                webhooks=settings.webhooks,
                client=settings.client,
                at_boot=settings.at_boot,
                boot_delay=settings.boot_delay,
                delays=settings.delays,
                log=structlog.stdlib.get_logger("lidbook.core"),
            )
            if network is not None:
                around.log.warning(SPOKEN_TO, websocket=network.websocket)
            sessions = Sessions(around, engines, settings.default_engine, settings.ready_timeout)
            await sessions.load()
        except BaseException:
            if database is not None:
                database.close()
            lock.release()
            raise
        pruning = asyncio.create_task(keep_pruned(database, settings.log_days, around.clock, around.log))
        return cls(settings, engines, hooks, database, lock, sessions, pruning, network)

    def instance(self) -> str:
        """What tells this database from any other."""
        row = self.database.reader.execute("SELECT id FROM instance").fetchone()
        return str(row[0])

    async def close(self) -> None:
        """Stop every session, finish every write, let go of the data dir. What was wanted running stays wanted."""
        self._pruning.cancel()
        await asyncio.wait([self._pruning])
        try:
            await self.sessions.close()
        finally:
            await asyncio.to_thread(self.database.close)
            self._lock.release()
