"""The address book in app state: what a device reads is the world's, and what it writes gets there."""

import pytest

from lidbook.capabilities import Capability
from lidbook.identifiers import Lid, PhoneNumber, UserId
from lidbook.world.changes import ContactRemoved, ContactSaved
from lidbook.world.conditions import Condition, Conditions, Kind
from lidbook.world.live import LiveWorld
from lidbook_sandbox.network.phone import Phone
from lidbook_sandbox.network.server import SandboxNetwork
from lidbook_sandbox.network.wire.app_state import AppStateKey, Mutation, Operation
from lidbook_sandbox.network.wire.node import Node
from lidbook_sandbox.network.wire.wire_pb2 import ContactAction, PushNameSetting, SyncActionValue, SyncdPatch

from .contacts import AMELIA, CONTACTS, OWEN, REGULAR, RORY, SETTINGS, removing, saving, told, true
from .device import Device
from .linking import linked
from .served import conditions, conditions_folder, device, live, network, phone

__all__ = ["conditions", "conditions_folder", "device", "live", "network", "phone"]


async def test_a_device_reads_the_whole_address_book(device: Device, phone: Phone) -> None:
    mutations = await device.sync(CONTACTS)
    assert told(mutations) == true(phone)
    times = {m.index[1]: m.action.timestamp for m in mutations if m.action is not None}
    assert times["447700900101@s.whatsapp.net"] == 1_705_651_500_000
    assert {mutation.version for mutation in mutations} == {2}


async def test_a_username_is_told_of_whom_the_account_has_met(device: Device) -> None:
    names = {m.index[1]: m.action.contactAction.username for m in await device.sync(CONTACTS) if m.action is not None}
    assert {name for name in names.values() if name} == {"chloe.lumiere"}


async def test_the_push_name_is_among_the_settings(device: Device, live: LiveWorld) -> None:
    (mutation,) = await device.sync(SETTINGS)
    assert mutation.index == ("setting_pushName",)
    assert mutation.action is not None
    assert mutation.action.pushNameSetting.name == "Robin"
    live.change_pushname(Lid("104900213377001"), "Robin Two")
    await device.announced("server_sync")
    (mutation,) = await device.sync(SETTINGS)
    assert mutation.action is not None
    assert mutation.action.pushNameSetting.name == "Robin Two"


async def test_an_unknown_collection_is_not_found(device: Device) -> None:
    collection = await device.collection(Node("collection", {"name": "nonsense", "return_snapshot": "true"}))
    assert collection.string("type") == "error"


async def test_an_empty_collection_is_empty(device: Device) -> None:
    assert await device.sync("regular_low") == []


# changes on the phone


async def test_what_the_phone_writes_is_announced_and_read(device: Device, phone: Phone, live: LiveWorld) -> None:
    names = told(await device.sync(CONTACTS))
    phone.edit(AMELIA, "Amy", "Ash")
    notification = await device.announced("server_sync")
    assert notification.string("t") == str(live.time() // 1000)
    mutations = await device.sync(CONTACTS)
    assert told(mutations, names) == true(phone)
    (change,) = live.since(live.sequence - 1)
    assert [m.action.timestamp for m in mutations if m.action is not None] == [change.at]


async def test_what_the_phone_deletes_is_removed_with_its_time(device: Device, phone: Phone, live: LiveWorld) -> None:
    names = told(await device.sync(CONTACTS))
    phone.delete(AMELIA)
    await device.announced("server_sync")
    (mutation,) = await device.sync(CONTACTS)
    assert mutation.operation is Operation.REMOVE
    assert mutation.action is not None
    assert mutation.action.timestamp == live.since(live.sequence - 1)[0].at
    assert told([mutation], names) == true(phone)


async def test_many_changes_at_once_are_all_there(device: Device, phone: Phone) -> None:
    names = told(await device.sync(CONTACTS))
    for number in range(40):
        phone.edit(PhoneNumber(f"1202555{9000 + number}"), f"Person {number}")
        if number % 3 == 0:
            phone.delete(PhoneNumber(f"1202555{9000 + number}"))
    assert told(await device.sync(CONTACTS), names) == true(phone)


async def test_a_line_under_another_spelling_takes_the_place_of_the_first(
    device: Device, phone: Phone, live: LiveWorld
) -> None:
    names = told(await device.sync(CONTACTS))
    live.commit(ContactSaved(0, phone.service.lid, PhoneNumber("553188887777"), "Bia", None, "Bia"))
    assert told(await device.sync(CONTACTS), names) == true(phone)
    assert names[PhoneNumber("553188887777")][1] == "Bia"
    live.commit(ContactSaved(0, phone.service.lid, PhoneNumber("5531988887777"), "Bea", None, "Bea"))
    live.commit(ContactRemoved(0, phone.service.lid, PhoneNumber("5531988887777")))
    assert told(await device.sync(CONTACTS), names) == true(phone)


async def test_a_line_by_lid_stays_where_it_is_when_the_number_is_learnt(
    device: Device, phone: Phone, live: LiveWorld
) -> None:
    names = told(await device.sync(CONTACTS))
    dana = Lid("240059127738816")
    phone.edit(dana, "Dana")
    assert told(await device.sync(CONTACTS), names)[dana] == ("Dana", "Dana", None)
    phone.service.reveal_phone(dana)
    phone.edit(dana, "Dana", "K")
    mutations = await device.sync(CONTACTS)
    assert told(mutations, names)[dana] == ("Dana", "Dana K", None)
    (pn,) = {m.action.contactAction.pnJID for m in mutations if m.action is not None}
    assert pn == "12025550114@s.whatsapp.net"


async def test_a_contact_that_moves_to_another_number_is_told(device: Device, live: LiveWorld, phone: Phone) -> None:
    await device.sync(CONTACTS)
    live.change_number(Lid("71554209918833"), PhoneNumber("447700900301"))
    change = live.since(live.sequence - 1)[0]
    (line,) = await device.sync(CONTACTS)
    assert line.action is not None
    assert (line.index[1], line.action.contactAction.lidJID) == ("447700900101@s.whatsapp.net", "")
    (pair,) = await device.sync(REGULAR)
    assert pair.index == ("pnForLidChat", "71554209918833@lid")
    assert pair.action is not None
    assert pair.action.pnForLidChatAction.pnJID == "447700900301@s.whatsapp.net"
    assert pair.action.timestamp == change.at
    devices = await device.announced("devices")
    assert (str(devices.jid("from")), str(devices.jid("lid"))) == (
        "447700900301@s.whatsapp.net",
        "71554209918833@lid",
    )


async def test_a_number_that_is_given_to_somebody_else_is_told(device: Device, live: LiveWorld) -> None:
    await device.sync(CONTACTS)
    newcomer = live.reassign_number(RORY)
    (line,) = await device.sync(CONTACTS)
    assert line.action is not None
    assert (line.index[1], line.action.contactAction.lidJID) == (f"{RORY.digits}@s.whatsapp.net", str(newcomer))


# changes by a device


@pytest.mark.parametrize("jid", ["999999999999999@lid", "nobody", "12025550100@s.whatsapp.example"])
async def test_a_contact_that_the_world_refuses_is_taken_back(device: Device, phone: Phone, jid: str) -> None:
    names = told(await device.sync(CONTACTS))
    action = ContactAction(fullName="No Body", firstName="No")
    value = SyncActionValue(timestamp=1, contactAction=action)
    written = Mutation(Operation.SET, ("contact", jid), value, 2)
    answer = await device.upload(CONTACTS, device.patch(CONTACTS, written, saving(OWEN, "Owen", "Owen")))
    assert answer.string("type") == ""
    await device.announced("server_sync")
    taken, *others = [m for m in await device.sync(CONTACTS) if m.index[1] == jid]
    assert (taken.operation, [m.operation for m in others]) == (Operation.SET, [Operation.REMOVE])
    assert told(await device.sync(CONTACTS, anew=True)).items() >= names.items()
    assert jid not in {mutation.index[1] for mutation in await device.sync(CONTACTS, anew=True)}


@pytest.mark.parametrize(
    ("user", "first", "full", "entry"),
    [
        (AMELIA, "Amy", "Amy Ash", ("Amy", "Ash", "Amy Ash")),
        (OWEN, "Owen", "Owen", ("Owen", None, "Owen")),
        (PhoneNumber("5531988887777"), "Bia", "Bia R", ("Bia", "R", "Bia R")),
        (PhoneNumber("12025550199"), None, "The shop", (None, None, "The shop")),
        (PhoneNumber("12025550199"), "Joe", "Smith, Joe", ("Joe", None, "Smith, Joe")),
        (Lid("240059127738816"), "Dana", "Dana K", ("Dana", "K", "Dana K")),
    ],
)
async def test_a_contact_that_a_device_writes_is_in_the_world(
    device: Device,
    phone: Phone,
    user: UserId,
    first: str | None,
    full: str | None,
    entry: tuple[str | None, str | None, str | None],
) -> None:
    names = told(await device.sync(CONTACTS))
    answer = await device.upload(CONTACTS, device.patch(CONTACTS, saving(user, first, full)))
    assert answer.string("type") == ""
    found = phone.service.state.entry(user)
    assert found is not None
    assert (found.first_name, found.last_name, found.full_name) == entry
    assert told(await device.sync(CONTACTS), names).items() >= true(phone).items()


async def test_a_contact_that_a_device_removes_is_gone(device: Device, phone: Phone) -> None:
    names = told(await device.sync(CONTACTS))
    await device.upload(CONTACTS, device.patch(CONTACTS, removing(AMELIA)))
    assert phone.service.state.entry(AMELIA) is None
    assert told(await device.sync(CONTACTS), names) == true(phone)
    assert AMELIA not in names


async def test_the_phone_adds_what_the_device_did_not_know(device: Device) -> None:
    await device.sync(CONTACTS)
    await device.upload(CONTACTS, device.patch(CONTACTS, saving(OWEN, "Owen", "Owen")))
    lids = [m.action.contactAction.lidJID for m in await device.sync(CONTACTS) if m.action is not None]
    assert lids == ["", "231985067714402@lid"]


async def test_other_devices_are_told_of_an_upload_and_the_author_is_not(
    network: SandboxNetwork, device: Device, phone: Phone
) -> None:
    other, _ = await linked(network.network, phone)
    await device.sync(CONTACTS)
    await other.sync(CONTACTS)
    await device.upload(CONTACTS, device.patch(CONTACTS, saving(PhoneNumber("12025550199"), "Joe", "Joe")))
    await other.announced("server_sync")
    assert len(await other.sync(CONTACTS)) == 1
    assert not device.heard("notification")
    await other.close()


async def test_a_push_name_that_a_device_writes_is_in_the_world(device: Device, live: LiveWorld) -> None:
    await device.sync(SETTINGS)
    value = SyncActionValue(timestamp=1, pushNameSetting=PushNameSetting(name="Robin Two"))
    mutation = Mutation(Operation.SET, ("setting_pushName",), value, 1)
    await device.upload(SETTINGS, device.patch(SETTINGS, mutation))
    assert live.person(Lid("104900213377001")).pushname == "Robin Two"
    assert len(await device.sync(SETTINGS)) == 1


async def test_a_contact_that_is_nobody_changes_nothing(
    device: Device, live: LiveWorld, caplog: pytest.LogCaptureFixture
) -> None:
    await device.sync(CONTACTS)
    before = live.sequence
    nobody = Mutation(Operation.SET, ("contact", "a@b@c"), SyncActionValue(timestamp=1), 2)
    answer = await device.upload(CONTACTS, device.patch(CONTACTS, nobody, saving(Lid("1"), "No", "No One")))
    assert answer.string("type") == ""
    assert live.sequence == before
    assert "which is nobody" in caplog.text
    assert "1@lid is not on WhatsApp" in caplog.text


async def test_a_patch_without_an_index_is_refused(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    """Such a mutation kills whatsmeow."""
    await device.sync(CONTACTS)
    empty = Mutation(Operation.SET, (), SyncActionValue(timestamp=1), 2)
    attributes = {"name": CONTACTS, "version": str(device.states[CONTACTS].version)}
    collection = Node("collection", {**attributes}, [Node("patch", {}, device.patch(CONTACTS, empty))])
    answer = await device.ask("w:sync:app:state", "set", Node("sync", {}, [collection]))
    assert answer.string("type") == "error"
    assert "empty index" in caplog.text


@pytest.mark.parametrize("spoilt", ["value", "index", "snapshot", "patch", "key", "nothing at all"])
async def test_a_patch_with_a_wrong_mac_is_refused(
    device: Device, phone: Phone, live: LiveWorld, spoilt: str, caplog: pytest.LogCaptureFixture
) -> None:
    await device.sync(CONTACTS)
    before = live.sequence
    patch = SyncdPatch.FromString(device.patch(CONTACTS, saving(AMELIA, "Amy", "Amy")))
    record = patch.mutations[0].record
    match spoilt:
        case "value":
            record.value.blob = record.value.blob[:-1] + b"\0"
        case "index":
            record.index.blob = bytes(32)
        case "snapshot":
            patch.snapshotMAC = bytes(32)
        case "patch":
            patch.patchMAC = bytes(32)
        case "key":
            device.app_state_key = AppStateKey(b"123456", bytes(32))
            patch = SyncdPatch.FromString(device.patch(CONTACTS, saving(AMELIA, "Amy", "Amy")))
        case _:
            patch = SyncdPatch(patchMAC=b"x")
    answer = await device.upload(CONTACTS, patch.SerializeToString())
    error = answer.child("error")
    assert error is not None
    assert (answer.string("type"), error.string("code")) == ("error", "400")
    assert live.sequence == before
    assert "was refused" in caplog.text


async def test_a_patch_on_top_of_an_old_one_meets_a_conflict(device: Device, phone: Phone) -> None:
    names = told(await device.sync(CONTACTS))
    phone.edit(RORY, "Rory", "New")
    answer = await device.upload(CONTACTS, device.patch(CONTACTS, saving(AMELIA, "Amy", "Amy")))
    error = answer.child("error")
    assert error is not None
    assert error.string("code") == "409"
    told(device.apply(CONTACTS, answer), names)
    answer = await device.upload(CONTACTS, device.patch(CONTACTS, saving(AMELIA, "Amy", "Amy")))
    assert answer.string("type") == ""
    assert told(await device.sync(CONTACTS), names) == true(phone)


# conditions


@pytest.mark.parametrize("times", [1, 2])
async def test_a_conflict_is_somebody_elses_patch(
    device: Device, phone: Phone, conditions: Conditions, times: int
) -> None:
    names = told(await device.sync(CONTACTS))
    conditions.set(Condition(Kind.CONFLICT, times=times))
    for _ in range(times):
        answer = await device.upload(CONTACTS, device.patch(CONTACTS, saving(AMELIA, "Amy", "Amy")))
        assert answer.string("type") == "error"
        assert told(device.apply(CONTACTS, answer), names) == true(phone)
    answer = await device.upload(CONTACTS, device.patch(CONTACTS, saving(AMELIA, "Amy", "Amy")))
    assert answer.string("type") == ""
    assert not device.heard("notification", lambda node: node.string("type") != "server_sync")


@pytest.mark.parametrize(
    ("mutation", "capability"),
    [(saving(AMELIA, "A", "A"), Capability.CONTACTS_UPDATE), (removing(AMELIA), Capability.CONTACTS_DELETE)],
)
async def test_uploads_are_limited_by_what_they_do(
    device: Device, phone: Phone, conditions: Conditions, mutation: Mutation, capability: Capability
) -> None:
    await device.sync(CONTACTS)
    conditions.set(Condition(Kind.RATE_LIMIT, frozenset({capability})))
    attributes = {"name": CONTACTS, "version": str(device.states[CONTACTS].version)}
    collection = Node("collection", {**attributes}, [Node("patch", {}, device.patch(CONTACTS, mutation))])
    answer = await device.ask("w:sync:app:state", "set", Node("sync", {}, [collection]))
    error = answer.child("error")
    assert error is not None
    assert error.string("code") == "429"
    other = Capability.CONTACTS_DELETE if capability is Capability.CONTACTS_UPDATE else Capability.CONTACTS_UPDATE
    conditions.set(Condition(Kind.RATE_LIMIT, frozenset({other})))
    assert (await device.upload(CONTACTS, device.patch(CONTACTS, mutation))).string("type") == ""
