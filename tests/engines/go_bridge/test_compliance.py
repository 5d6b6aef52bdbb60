"""go-bridge passes the kit over the sandbox network: whatsmeow speaks to a server that serves the kit's worlds."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lidbook.identifiers import PhoneNumber
from lidbook.network_descriptor import write_descriptor
from lidbook.testing import EngineCompliance, Opening, Simulation
from lidbook_sandbox.network.server import SandboxNetwork

from .built import BuiltGoBridge


@pytest.fixture
async def opening(simulation: Simulation, tmp_path: Path, go_bridge_binary: Path) -> AsyncIterator[Opening]:
    """The engine with a server for its wire, and the phones of the server's accounts."""
    network = SandboxNetwork(simulation.live, simulation.conditions_of)
    await network.start()
    descriptor = tmp_path / "network.json"
    write_descriptor(descriptor, network.network)

    async def scan(account: PhoneNumber, code: str) -> None:
        await network.phone(account).scan(code)

    async def enter_code(account: PhoneNumber, code: str) -> None:
        await network.phone(account).enter_code(code)

    yield Opening(
        BuiltGoBridge,
        settings=lambda _: {"query_timeout": 0.6},
        network=descriptor,
        scan=scan,
        enter_code=enter_code,
        is_linked=lambda account: bool(network.phone(account).devices()),
    )
    await network.close()


class TestGoBridge(EngineCompliance):
    """All of it."""

    engine = BuiltGoBridge

    @pytest.fixture(autouse=True)
    def built(self, request: pytest.FixtureRequest) -> None:
        """What makes an engine, in a folder, needs its host; what looks at the class alone is asked on any machine."""
        if "tmp_path" in request.fixturenames:
            request.getfixturevalue("go_bridge_binary")
