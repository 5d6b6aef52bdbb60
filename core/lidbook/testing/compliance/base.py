"""What every compliance test stands on: the engine, a stage for it, and a session that is linked and synced."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

import pytest

from lidbook.engine import Engine
from lidbook.testing.cast import Cast
from lidbook.testing.opening import Opening
from lidbook.testing.simulation import Simulation
from lidbook.testing.stage import Stage


@pytest.mark.anyio
class OnStage:
    """Fixtures of the compliance tests."""

    engine: ClassVar[type[Engine]]
    """The engine under test."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Lidbook runs on asyncio."""
        return "asyncio"

    @pytest.fixture
    async def stage(self, opening: Opening, simulation: Simulation, tmp_path: Path) -> AsyncIterator[Stage]:
        """A core with the engine under test, without a session yet."""
        if not issubclass(opening.engine, self.engine):
            pytest.fail(f"`opening` opens {opening.engine.__name__}, and this class tests {self.engine.__name__}")
        stage = Stage(opening, simulation, tmp_path / "lidbook")
        await stage.open()
        try:
            yield stage
        finally:
            await stage.close()

    @pytest.fixture
    async def linked(self, stage: Stage) -> Stage:
        """The same, with a session that is WORKING and whose first sync is complete."""
        await stage.link()
        await stage.synced()
        return stage

    @pytest.fixture
    def cast(self, simulation: Simulation) -> Cast:
        """Who plays what."""
        return simulation.cast
