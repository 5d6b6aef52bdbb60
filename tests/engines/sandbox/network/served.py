"""A network to test against, and its demo world: fixtures of the tests of the server."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lidbook.identifiers import PhoneNumber
from lidbook.world.conditions import ConditionFolder, Conditions
from lidbook.world.live import LiveWorld
from lidbook.world.sources import WorldSource, open_source
from lidbook_sandbox.network.phone import Phone
from lidbook_sandbox.network.server import SandboxNetwork

from .device import Device
from .linking import linked

ME = PhoneNumber("12025550100")
DANA = PhoneNumber("12025550114")


@pytest.fixture
def live() -> LiveWorld:
    """The demo world."""
    return LiveWorld(open_source(WorldSource()).world)


@pytest.fixture
def conditions_folder(tmp_path: Path) -> ConditionFolder:
    """What is made to go wrong."""
    return ConditionFolder(tmp_path / "conditions")


@pytest.fixture
async def network(
    live: LiveWorld, conditions_folder: ConditionFolder, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[SandboxNetwork]:
    """The world, served."""
    network = SandboxNetwork(live, conditions_folder, tmp_path / "network")
    await network.start()
    yield network
    await network.close()


@pytest.fixture
def phone(network: SandboxNetwork) -> Phone:
    """The phone of the world's first account."""
    return network.phone(ME)


@pytest.fixture
def conditions(conditions_folder: ConditionFolder) -> Conditions:
    """The conditions of the first account."""
    return conditions_folder.of(ME)


@pytest.fixture
async def device(network: SandboxNetwork, phone: Phone) -> AsyncIterator[Device]:
    """A device of the first account, linked and logged in."""
    device, _ = await linked(network.network, phone)
    yield device
    await device.close()
