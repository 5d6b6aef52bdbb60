"""An engine whose foreign library lives in hosts."""

import abc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

from lidbook.engine import Engine, EngineSession, EngineSettings, SessionContext
from lidbook.hosts.process import HostProgram
from lidbook.hosts.session import HostedSession, HostedSettings
from lidbook.hosts.supervisor import HostSupervisor
from lidbook.hosts.timings import Timings


class HostedEngine(Engine):
    """Keeps hosts, and sessions in them. A subclass names the program, and everything that any engine names."""

    sessions_per_host: ClassVar[int] = 100
    """How many sessions share a host before there is another."""
    timings: ClassVar[Timings] = Timings()
    """How long hosts may take, and how soon one that fell is started again."""
    settings: ClassVar[type[EngineSettings]] = HostedSettings
    session: ClassVar[type[HostedSession]]

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self._hosts = HostSupervisor(self.name, self.program, self.sessions_per_host, self.timings)
        self._users = 0

    @abc.abstractmethod
    def program(self) -> HostProgram:
        """The host's command line, asked for in a thread before each start of a host. Raises `EngineUnavailable`."""

    def open(self, context: SessionContext) -> EngineSession:
        """A session that finds its host when it is started."""
        return self.session(context, self._hosts)

    def processes(self) -> Mapping[str, int]:
        """The hosts that run now."""
        return self._hosts.processes()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the hosts for as long as any session runs."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            if self._users == 0:
                await self._hosts.close()
