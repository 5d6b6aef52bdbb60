"""Accounts that move to another number, or lose theirs: who may log in, and what their conditions and faults do."""

from pathlib import Path

import httpx
import pytest

from lidbook.errors import NotFound
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.world.conditions import Condition, ConditionFolder, Kind
from lidbook.world.live import LiveWorld
from lidbook_sandbox.network.phone import Phone
from lidbook_sandbox.network.server import SandboxNetwork

from .device import Device
from .linking import link
from .served import DANA, ME, conditions_folder, device, live, network, phone

__all__ = ["conditions_folder", "device", "live", "network", "phone"]

ROBIN = Lid("104900213377001")
DANAS = Lid("240059127738816")
NEW = PhoneNumber("12025550177")


async def refused_with(network: SandboxNetwork, device: Device) -> str:
    """The reason for which a login fails."""
    async with Device(network.network, device.credentials) as again:
        await again.connect()
        return (await again.expect("failure")).string("reason")


async def test_who_takes_over_a_number_is_not_mixed_up_with_who_had_it(
    network: SandboxNetwork, device: Device, live: LiveWorld
) -> None:
    robins = await link(network.network, network.phone(ME))
    live.change_number(ROBIN, NEW)
    live.change_number(DANAS, ME)
    danas = await link(network.network, network.phone(ME))
    assert danas.jid == robins.jid, "there is no telling them apart but by their keys"
    for credentials, lid in ((danas, DANAS), (robins, ROBIN), (device.credentials, ROBIN)):
        async with Device(network.network, credentials) as again:
            await again.connect()
            let_in = (await again.expect("success")).jid("lid")
            assert let_in is not None
            assert let_in.user == lid.digits


async def test_a_device_with_another_key_is_refused_still(network: SandboxNetwork, device: Device) -> None:
    stolen = Device(network.network)
    stolen.credentials.jid = device.credentials.jid
    assert await refused_with(network, stolen) == "401"
    await stolen.close()


async def test_an_account_without_a_number_is_served_and_its_devices_are_told_to_come_later(
    network: SandboxNetwork, device: Device, live: LiveWorld, conditions_folder: ConditionFolder, tmp_path: Path
) -> None:
    newcomer = live.reassign_number(ME)
    await device.close()
    assert await refused_with(network, device) == "503"
    await network.close()
    again = SandboxNetwork(live, conditions_folder, tmp_path / "network")
    await again.start()
    assert await refused_with(again, device) == "503"
    with pytest.raises(NotFound, match=f"lidbook phone number {ROBIN} NUMBER"):
        again.phone(ME)
    headers = {"Authorization": f"Bearer {again.network.control_token}"}
    async with httpx.AsyncClient(base_url=again.network.control_url, headers=headers) as client:
        assert [each["lid"] for each in (await client.get("/accounts")).json()] == [str(DANAS)]
        said = (await client.get(f"/accounts/{ME.digits}/devices")).json()["message"]
        assert f"lidbook phone number {ROBIN} NUMBER" in said
        live.change_number(ROBIN, ME)
        assert live.person(newcomer).phone is None
        assert [each["lid"] for each in (await client.get("/accounts")).json()] == [str(ROBIN), str(DANAS)]
    async with Device(again.network, device.credentials) as later:
        await later.login()
    await again.close()


async def test_conditions_go_with_an_account_that_moves(
    network: SandboxNetwork, device: Device, live: LiveWorld, conditions_folder: ConditionFolder
) -> None:
    conditions_folder.of(ME).set(Condition(Kind.SLOW, milliseconds=1))
    live.change_number(ROBIN, NEW)
    assert [held.kind for held in conditions_folder.of(NEW).all()] == [Kind.SLOW]
    assert conditions_folder.of(ME).all() == ()
    conditions_folder.of(ME).set(Condition(Kind.DISCONNECT))
    await device.ping()
    conditions_folder.of(NEW).set(Condition(Kind.DISCONNECT))
    await device.ended()


async def test_conditions_of_one_who_takes_over_a_number_are_their_own(
    network: SandboxNetwork, live: LiveWorld, conditions_folder: ConditionFolder
) -> None:
    conditions_folder.of(ME).set(Condition(Kind.SLOW, milliseconds=1))
    conditions_folder.of(DANA).set(Condition(Kind.SILENCE))
    live.change_number(DANAS, ME)
    assert [held.kind for held in conditions_folder.of(ME).all()] == [Kind.SILENCE]
    live.change_number(ROBIN, DANA)
    assert [held.kind for held in conditions_folder.of(DANA).all()] == [Kind.SLOW], "they were kept meanwhile"


async def test_faults_go_with_an_account_that_moves(
    network: SandboxNetwork, device: Device, phone: Phone, live: LiveWorld
) -> None:
    network.faults.refuse_login(ME, 402)
    live.change_number(ROBIN, NEW)
    assert await refused_with(network, device) == "402"
    network.faults.clear(NEW)
    network.faults.refuse_login(NEW, 405, times=1)
    assert await refused_with(network, device) == "405"
    assert network.faults.replace(NEW) == 1
    with pytest.raises(NotFound, match="is no account of the world"):
        network.faults.replace(ME)
