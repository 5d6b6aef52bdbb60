"""The engine named `sandbox`: the default, so that every endpoint works seconds after installation, offline."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import ClassVar, Final

from lidbook.capabilities import Capability, Claim, Feed, absent
from lidbook.engine import API_VERSION, Engine, EngineSession, EngineSettings, SessionContext
from lidbook.errors import InvalidRequest
from lidbook.world.conditions import ConditionFolder
from lidbook.world.live import wall_clock
from lidbook_sandbox.session import SandboxSession
from lidbook_sandbox.settings import SandboxSettings
from lidbook_sandbox.worlds import Worlds

LOOK_EVERY: Final = 0.5
"""Seconds between two looks at whether another process switched a condition."""


def conditions_folder(engine_folder: Path) -> Path:
    """Where the conditions of accounts stand, given the folder that the core gives this engine."""
    return engine_folder / "conditions"


class SandboxEngine(Engine):
    """Serves a simulated world from this process."""

    name = "sandbox"
    title = "A simulated WhatsApp in this process: made-up people, or your own address book; offline"
    api_version = API_VERSION
    feeds: ClassVar[frozenset[Feed]] = frozenset(Feed)
    claims: ClassVar[Mapping[Capability, Claim]] = {
        Capability.SESSION_SCREENSHOT: absent("no browser behind it"),
    }
    proved_on: ClassVar[Mapping[str, str]] = {"a world in its own process": "the test-suite"}
    settings: ClassVar[type[EngineSettings]] = SandboxSettings
    session = SandboxSession

    def __init__(
        self,
        data_dir: Path,
        now: Callable[[], int] = wall_clock,
        *,
        worlds: Worlds | None = None,
        conditions: ConditionFolder | None = None,
    ) -> None:
        super().__init__(data_dir)
        self.worlds = worlds or Worlds(data_dir / "worlds", now)
        self.conditions = conditions or ConditionFolder(conditions_folder(data_dir))
        self._users = 0
        self._looking: asyncio.Task[None] | None = None

    def open(self, context: SessionContext) -> EngineSession:
        """A session that shares its world with the others in it."""
        return SandboxSession(context, self.worlds, self.conditions)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look at the conditions' files while any session runs."""
        self._users += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="sandbox conditions")
        try:
            yield
        finally:
            self._users -= 1
            if self._users == 0:
                looking, self._looking = self._looking, None
                looking.cancel()
                await asyncio.wait([looking])

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            with suppress(InvalidRequest):  # a file that cannot be read is reported by the next live call
                self.conditions.refresh()
