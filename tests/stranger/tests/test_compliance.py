"""The engine passes Lidbook's kit, over real sockets to a simulated gateway."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from lidbook.testing import EngineCompliance, Opening, Simulation
from lidbook.testing.stage import Stage
from lidbook.values import SessionStatus, StatusReason
from lidbook.world.conditions import Kind
from lidbook_stranger.engine import GatewayEngine
from lidbook_stranger.gateway.gateway import Gateway
from lidbook_stranger.linking import ROUNDS


@pytest.fixture
async def gateway(simulation: Simulation) -> AsyncIterator[Gateway]:
    """A gateway to the kit's world."""
    gateway = Gateway(simulation.live, simulation.conditions_of)
    await gateway.open()
    yield gateway
    await gateway.close()


@pytest.fixture
def opening(gateway: Gateway) -> Opening:
    """The engine, at that gateway."""
    return Opening(
        GatewayEngine,
        settings=lambda _account: {"url": gateway.url, "timeout": 0.3},
        scan=gateway.use_code,
        enter_code=gateway.use_code,
    )


class TestGateway(EngineCompliance):
    """All of it, and what is this gateway's own."""

    engine = GatewayEngine

    async def test_a_code_that_expired_is_replaced(self, stage: Stage, gateway: Gateway) -> None:
        """The next one is shown, and links as the first would have."""
        stage.scans = False
        await stage.begin()
        await stage.until(partial(_has_shown, stage, 1), "the first code")
        gateway.expire_tickets()
        await stage.until(partial(_has_shown, stage, 2), "another code")
        await gateway.use_code(stage.simulation.phone, stage.record.codes[-1])
        await stage.working()

    async def test_a_session_whose_codes_nobody_scans_gives_up(self, stage: Stage, gateway: Gateway) -> None:
        """FAILED, with the reason, until somebody starts it again."""
        stage.scans = False
        await stage.begin()
        for shown in range(1, ROUNDS + 1):
            await stage.until(partial(_has_shown, stage, shown), "the next code")
            gateway.expire_tickets()
        await stage.status(SessionStatus.FAILED, StatusReason.QR_EXPIRED)

    async def test_a_gateway_that_forgot_the_device_wants_it_linked_anew(
        self, linked: Stage, simulation: Simulation, gateway: Gateway
    ) -> None:
        """As after a removal: what it does not know is not tried again."""
        gateway.forget_devices()
        simulation.make(Kind.DISCONNECT)()  # ends the question for news that is under way
        await linked.status(SessionStatus.FAILED, StatusReason.LOGGED_OUT)


def _has_shown(stage: Stage, codes: int) -> bool:
    return bool(stage.records) and len(stage.record.codes) == codes
