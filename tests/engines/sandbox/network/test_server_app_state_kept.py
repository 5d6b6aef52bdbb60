"""App state over time: a first fetch after many changes, another start of the service, and very many people."""

from pathlib import Path

from lidbook.identifiers import Lid
from lidbook.values import Person
from lidbook.world.conditions import ConditionFolder
from lidbook.world.live import LiveWorld
from lidbook.world.sources import WorldSource, open_source
from lidbook_sandbox.network.phone import Phone
from lidbook_sandbox.network.server import SandboxNetwork
from lidbook_sandbox.network.wire.app_state import Operation
from lidbook_sandbox.network.wire.node import Node

from .contacts import AMELIA, CONTACTS, RORY, SETTINGS, told, true
from .device import Device
from .linking import linked
from .served import ME, conditions_folder, device, live, network, phone

__all__ = ["conditions_folder", "device", "live", "network", "phone"]


async def test_a_first_fetch_tells_nothing_twice(network: SandboxNetwork, device: Device, phone: Phone) -> None:
    await device.sync(CONTACTS)
    for name in ("One", "Two", "Three"):
        phone.edit(AMELIA, name)
    phone.delete(RORY)
    mutations = await device.sync(CONTACTS, anew=True)
    assert len(mutations) == len({mutation.index for mutation in mutations})
    assert {mutation.operation for mutation in mutations} == {Operation.SET}
    assert told(mutations) == true(phone)
    phone.edit(AMELIA, "Four")
    assert len(await device.sync(CONTACTS)) == 1


async def test_what_changed_while_the_service_was_down_is_told_when_it_is_back(
    network: SandboxNetwork,
    device: Device,
    live: LiveWorld,
    phone: Phone,
    conditions_folder: ConditionFolder,
    tmp_path: Path,
) -> None:
    names = told(await device.sync(CONTACTS))
    await network.close()
    await device.close()
    phone.service.update_contact(Person(AMELIA, None), "While", "Away")
    phone.service.delete_contact(Person(RORY, None))
    live.change_pushname(Lid("104900213377001"), "Robin Two")
    again = SandboxNetwork(live, conditions_folder, tmp_path / "network")
    await again.start()
    async with Device(again.network, device.credentials) as later:
        later.app_state_key, later.states = device.app_state_key, device.states
        await later.login()
        await later.announced("server_sync")
        assert told(await later.sync(CONTACTS), names) == true(again.phone(ME))
        (setting,) = await later.sync(SETTINGS)
        assert setting.action is not None
        assert setting.action.pushNameSetting.name == "Robin Two"
    await again.close()
    third = SandboxNetwork(live, conditions_folder, tmp_path / "network")
    await third.start()
    async with Device(third.network, device.credentials) as later:
        later.app_state_key, later.states = device.app_state_key, device.states
        await later.login()
        assert await later.sync(CONTACTS) == []
    await third.close()


async def test_five_thousand_people_come_in_pieces(anyio_backend: str) -> None:
    live = LiveWorld(open_source(WorldSource(people=5000)).world)
    account = live.person(live.default_account).phone
    assert account is not None
    network = SandboxNetwork(live, ConditionFolder())
    await network.start()
    phone = network.phone(account)
    device, _ = await linked(network.network, phone)
    asked = Node("collection", {"name": CONTACTS, "return_snapshot": "true"})
    assert (await device.collection(asked)).string("has_more_patches") == "true"
    names = told(await device.sync(CONTACTS))
    assert names == true(phone)
    assert len(names) > 1000
    user = next(iter(names))
    phone.edit(user, "Somebody", "Else")
    assert told(await device.sync(CONTACTS, anew=True)) == true(phone)
    assert len(device.history) > 4
    await device.close()
    await network.close()
