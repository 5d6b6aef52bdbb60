"""The sandbox engine passes the kit, on the kit's own worlds."""

from pathlib import Path

import pytest

from lidbook.identifiers import PhoneNumber
from lidbook.testing import EngineCompliance, Opening, Simulation
from lidbook.world.conditions import Condition, Kind
from lidbook.world.sources import LoadedWorld, WorldSource
from lidbook_sandbox.engine import SandboxEngine
from lidbook_sandbox.worlds import OpenWorld, Worlds


class OneWorld(Worlds):
    """A shelf on which the kit's world is the only one."""

    def __init__(self, folder: Path, simulation: Simulation) -> None:
        super().__init__(folder)
        self._world = OpenWorld("kit", simulation.live, LoadedWorld(simulation.world, "kit"))

    async def open(self, source: WorldSource) -> OpenWorld:
        return self._world

    async def close(self, world: OpenWorld) -> None:
        return None


@pytest.fixture
def opening(simulation: Simulation, tmp_path: Path) -> Opening:
    """The engine in the kit's world, told to wait for a scan as a phone would be."""

    async def link(account: PhoneNumber, _shown: str) -> None:
        simulation.conditions_of.of(account).set(Condition(Kind.SCAN))

    return Opening(
        SandboxEngine,
        settings=lambda account: {"account": account.digits, "require_scan": True, "query_timeout": 0.2},
        arguments={"worlds": OneWorld(tmp_path / "worlds", simulation), "conditions": simulation.conditions_of},
        scan=link,
        enter_code=link,
    )


class TestSandbox(EngineCompliance):
    """All of it."""

    engine = SandboxEngine
