"""Logging in, staying connected, and all the ways in which that ends."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from lidbook.identifiers import PhoneNumber
from lidbook.world.changes import PictureChanged
from lidbook.world.conditions import Condition, ConditionFolder, Conditions, Kind
from lidbook.world.live import LiveWorld
from lidbook_sandbox.network.faults import Malformation
from lidbook_sandbox.network.phone import Phone
from lidbook_sandbox.network.server import SandboxNetwork
from lidbook_sandbox.network.wire.errors import BadSignature
from lidbook_sandbox.network.wire.jid import SERVER, Jid
from lidbook_sandbox.network.wire.keys import KeyPair
from lidbook_sandbox.network.wire.node import Node

from .device import Credentials, Device
from .linking import link, linked
from .served import DANA, ME, conditions, conditions_folder, device, live, network, phone

__all__ = ["conditions", "conditions_folder", "device", "live", "network", "phone"]

FREYA = PhoneNumber("447700900103")


@pytest.fixture
async def credentials(network: SandboxNetwork, phone: Phone) -> Credentials:
    """Those of a device that is linked, and away."""
    return await link(network.network, phone)


@pytest.fixture
async def away(network: SandboxNetwork, credentials: Credentials) -> AsyncIterator[Device]:
    """That device."""
    async with Device(network.network, credentials) as device:
        yield device


async def failure(device: Device) -> tuple[str, Node]:
    """How a login is refused."""
    await device.connect()
    stanza = await device.expect("failure")
    return stanza.string("reason"), stanza


async def test_a_login_is_answered_with_the_lid_and_what_waits(away: Device) -> None:
    await away.connect()
    success = await away.expect("success")
    assert success.jid("lid") == away.credentials.lid
    preview = (await away.expect("ib")).child("offline_preview")
    assert preview is not None
    assert preview.string("count") == "0"
    await away.ask("passive", "set", Node("active"))
    assert (await away.expect("ib")).child("offline") is not None


async def test_whoever_was_never_linked_is_refused(network: SandboxNetwork) -> None:
    stranger = Credentials(jid=Jid(ME.digits, "s.whatsapp.net", 1))
    async with Device(network.network, stranger) as device:
        assert (await failure(device))[0] == "401"


async def test_whoever_is_refused_may_read_why_before_the_end(network: SandboxNetwork) -> None:
    """whatsmeow loses a failure that comes together with the end."""
    stranger = Credentials(jid=Jid(ME.digits, "s.whatsapp.net", 1))
    async with Device(network.network, stranger) as device:
        await failure(device)
        await device.ended()


async def test_another_key_is_refused(away: Device, caplog: pytest.LogCaptureFixture) -> None:
    away.credentials.noise = KeyPair.generate()
    assert (await failure(away))[0] == "401"
    assert "has another key" in caplog.text


async def test_a_removed_device_is_refused(away: Device, phone: Phone) -> None:
    assert await phone.log_out() == 1
    assert await phone.log_out(1) == 0
    assert (await failure(away))[0] == "401"


async def test_a_device_that_is_removed_while_connected_is_told(device: Device, phone: Phone) -> None:
    await phone.log_out(1)
    error = await device.expect("stream:error")
    conflict = error.child("conflict")
    assert conflict is not None
    assert (error.string("code"), conflict.string("type")) == ("401", "device_removed")


async def test_a_device_that_logs_out_is_removed(device: Device, phone: Phone) -> None:
    jid = device.credentials.jid
    assert jid is not None
    farewell = Node("remove-companion-device", {"jid": jid, "reason": "user_initiated"})
    assert (await device.ask("md", "set", farewell)).string("type") == "result"
    assert (await device.expect("stream:error")).string("code") == "401"
    assert phone.devices() == ()


async def test_a_device_whose_farewell_is_answered_late_is_removed_at_once(
    device: Device, phone: Phone, conditions: Conditions
) -> None:
    conditions.set(Condition(Kind.TIMEOUT))
    farewell = Node("remove-companion-device", {"jid": device.credentials.jid or SERVER, "reason": "user_initiated"})
    identifier = await device.pose("md", "set", farewell)
    await device.ping()
    assert phone.devices() == ()
    assert not device.heard("stream:error")
    conditions.clear()
    assert (await device.answer(identifier)).string("type") == "result"
    await device.expect("stream:error")


async def test_a_device_removes_no_other(device: Device, phone: Phone) -> None:
    farewell = Node("remove-companion-device", {"jid": Jid(ME.digits, "s.whatsapp.net", 7), "reason": "user_initiated"})
    assert (await device.ask("md", "set", farewell)).string("type") == "error"
    assert [each.number for each in phone.devices()] == [1]


async def test_a_second_connection_replaces_the_first(network: SandboxNetwork, device: Device, phone: Phone) -> None:
    async with Device(network.network, device.credentials) as second:
        await second.login()
        error = await device.expect("stream:error")
        conflict = error.child("conflict")
        assert conflict is not None
        assert conflict.string("type") == "replaced"
        await device.close()
        await second.ping()
        assert [each.connected for each in phone.devices()] == [True]


async def test_two_devices_are_told_the_same(network: SandboxNetwork, device: Device, phone: Phone) -> None:
    other, _ = await linked(network.network, phone)
    phone.block(FREYA)
    for each in (device, other):
        assert (await each.announced("account_sync")).child("blocklist") is not None
    await other.close()


async def test_two_accounts_hear_nothing_of_each_other(network: SandboxNetwork, device: Device) -> None:
    other, _ = await linked(network.network, network.phone(DANA))
    network.phone(DANA).block(FREYA)
    await other.announced("account_sync")
    await device.ping()
    assert not device.heard("notification")
    await other.close()


async def test_a_device_that_was_away_gets_what_it_missed_once(
    network: SandboxNetwork, device: Device, phone: Phone
) -> None:
    await device.close()
    phone.block(FREYA)
    phone.unblock(FREYA)
    async with Device(network.network, device.credentials) as again:
        await again.connect()
        preview = (await again.expect("ib")).child("offline_preview")
        assert preview is not None
        assert preview.string("notification") == "2"
        await again.ask("passive", "set", Node("active"))
        told = [await again.announced("account_sync") for _ in range(2)]
        assert [stanza.string("offline") for stanza in told] == ["0", "1"]
        offline = (await again.expect("ib")).child("offline")
        assert offline is not None
        assert offline.string("count") == "2"
        await again.ping()
    async with Device(network.network, device.credentials) as later:
        await later.login()
        assert not later.heard("notification")


async def test_what_was_not_acknowledged_comes_again(network: SandboxNetwork, device: Device, phone: Phone) -> None:
    phone.block(FREYA)
    first = await device.expect("notification")
    await device.close()
    async with Device(network.network, device.credentials) as again:
        await again.login()
        assert (await again.expect("notification")).string("id") == first.string("id")


async def test_a_receipt_is_acknowledged(device: Device) -> None:
    await device.send(Node("receipt", {"id": "ABC", "type": "peer_msg", "to": SERVER}))
    assert (await device.expect("ack")).string("id") == "ABC"


async def test_devices_outlive_the_service(
    network: SandboxNetwork, live: LiveWorld, conditions_folder: ConditionFolder, device: Device, tmp_path: Path
) -> None:
    root_key = network.network.root_key
    await network.close()
    await device.close()
    again = SandboxNetwork(live, conditions_folder, tmp_path / "network")
    await again.start()
    assert again.network.root_key == root_key
    live.commit(change_of_freya(live))
    async with Device(again.network, device.credentials) as later:
        await later.login()
        await later.announced("picture")
        assert not later.heard("message")
    await again.close()


def change_of_freya(live: LiveWorld) -> PictureChanged:
    """Freya takes another picture."""
    person = live.state.find(FREYA)
    assert person is not None
    assert person.lid is not None
    return PictureChanged(0, person.lid, "another")


# conditions


async def test_disconnect_cuts_connections_and_lets_nobody_in(
    network: SandboxNetwork, device: Device, conditions_folder: ConditionFolder
) -> None:
    conditions_folder.of(ME).set(Condition(Kind.DISCONNECT))
    await device.ended()
    async with Device(network.network, device.credentials) as again:
        await again.connect()
        await again.ended()
        assert not again.heard("success")
    conditions_folder.of(DANA).set(Condition(Kind.DISCONNECT))
    async with Device(network.network, device.credentials) as refused:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await refused.connect()
    conditions_folder.of(ME).clear()
    async with Device(network.network, device.credentials) as later:
        await later.login()


async def test_silence_holds_everything_until_it_is_cleared(
    network: SandboxNetwork, device: Device, conditions: Conditions, phone: Phone
) -> None:
    other, _ = await linked(network.network, network.phone(DANA))
    conditions.set(Condition(Kind.SILENCE))
    ping = await device.pose("w:p", "get")
    dropped = await device.pose("blocklist", "set", Node("item", {"jid": Jid("1", "lid"), "action": "block"}))
    phone.block(FREYA)
    await other.ping()
    await other.close()
    assert not device.heard("iq")
    assert not device.heard("notification")
    conditions.clear()
    await device.answer(ping)
    await device.announced("account_sync")
    await device.ping()
    assert not device.heard("iq", lambda node: node.string("id") == dropped)


async def test_logout_removes_one_device_once(device: Device, conditions: Conditions, phone: Phone) -> None:
    conditions.set(Condition(Kind.LOGOUT))
    assert (await device.expect("stream:error")).string("code") == "401"
    assert phone.devices() == ()
    assert conditions.all() == ()


async def test_logout_waits_for_a_device(network: SandboxNetwork, conditions: Conditions, phone: Phone) -> None:
    conditions.set(Condition(Kind.LOGOUT))
    credentials = await link(network.network, phone)
    async with Device(network.network, credentials) as device:
        await device.connect()
        assert (await device.expect("stream:error")).string("code") == "401"
    assert phone.devices() == ()


# faults


async def test_a_connection_is_told_that_it_was_replaced(network: SandboxNetwork, device: Device) -> None:
    assert network.faults.replace(ME) == 1
    conflict = (await device.expect("stream:error")).child("conflict")
    assert conflict is not None
    assert conflict.string("type") == "replaced"


async def test_a_stream_ends_with_a_code(network: SandboxNetwork, device: Device) -> None:
    assert network.faults.stream_error(ME, 503) == 1
    assert (await device.expect("stream:error")).string("code") == "503"
    assert network.faults.stream_error(DANA, 503) == 0


@pytest.mark.parametrize("reason", [401, 403, 405, 402, 406, 503])
async def test_logins_are_refused_as_often_as_asked(network: SandboxNetwork, away: Device, reason: int) -> None:
    network.faults.refuse_login(ME, reason, times=1)
    found, stanza = await failure(away)
    assert found == str(reason)
    assert stanza.string("expire") == ("3600" if reason == 402 else "")
    async with Device(network.network, away.credentials) as again:
        await again.login()


async def test_logins_are_refused_until_cleared(network: SandboxNetwork, credentials: Credentials) -> None:
    network.faults.refuse_login(ME, 503)
    for _ in range(2):
        async with Device(network.network, credentials) as device:
            assert (await failure(device))[0] == "503"
    network.faults.clear()
    async with Device(network.network, credentials) as device:
        await device.login()


@pytest.mark.parametrize(("kind", "seen"), [(Malformation.CRASH, "empty"), (Malformation.BAD_TAG, "undecryptable")])
async def test_wrong_bytes_are_sent_now_or_at_login(
    network: SandboxNetwork, device: Device, kind: Malformation, seen: str
) -> None:
    network.faults.malform(ME, kind, "now")
    await device.expect(seen)
    await device.close()
    network.faults.malform(ME, kind, "login", times=1)
    async with Device(network.network, device.credentials) as again:
        await again.connect()
        await again.expect(seen)


async def test_garbage_is_no_stanza(network: SandboxNetwork, device: Device) -> None:
    network.faults.malform(ME, Malformation.GARBAGE, "now")
    await device.expect("garbage")


async def test_a_forged_certificate_is_seen_through(network: SandboxNetwork, away: Device) -> None:
    network.faults.forge_certificate(times=1)
    with pytest.raises(BadSignature, match="not signed by this root"):
        await away.connect()
    async with Device(network.network, away.credentials) as again:
        await again.login()


async def test_notifications_are_dropped_for_good(network: SandboxNetwork, device: Device, phone: Phone) -> None:
    network.faults.drop_notifications(ME)
    phone.block(FREYA)
    network.faults.clear(ME)
    phone.unblock(FREYA)
    told = await device.announced("account_sync")
    blocklist = told.child("blocklist")
    assert blocklist is not None
    assert blocklist.children("item")[0].string("action") == "unblock"
    await device.ping()
    assert not device.heard("notification")


# what clients send wrong


async def test_a_frame_that_does_not_decrypt_ends_the_connection(
    device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    await device.send_frame(bytes(64))
    await device.ended()
    assert "does not decrypt" in caplog.text


async def test_a_stream_without_the_intro_is_ended(network: SandboxNetwork, caplog: pytest.LogCaptureFixture) -> None:
    async with aiohttp.ClientSession() as http, http.ws_connect(network.network.websocket) as socket:
        await socket.send_bytes(b"GET / HTTP/1.1")
        assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    assert "intro header" in caplog.text


async def test_a_client_that_hangs_up_at_once_is_no_trouble(
    network: SandboxNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    async with aiohttp.ClientSession() as http:
        for _ in range(3):
            await (await http.ws_connect(network.network.websocket)).close()
    assert not caplog.records


async def test_a_taken_port_is_an_error_and_leaves_nothing_open(network: SandboxNetwork, live: LiveWorld) -> None:
    port = int(network.network.websocket.partition("127.0.0.1:")[2].partition("/")[0])
    second = SandboxNetwork(live, ConditionFolder(), port=port)
    with pytest.raises(OSError, match="in use"):
        await second.start()
    await second.close()


async def test_a_message_that_a_device_cannot_read_is_said_aloud(
    device: Device, phone: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    await device.send(Node("receipt", {"id": "ABC", "type": "retry", "to": SERVER}))
    assert (await device.expect("ack")).string("type") == "retry"
    await device.send(Node("ack", {"id": "DEF", "class": "message", "error": "487", "to": SERVER}))
    await device.ping()
    assert "could not decrypt message ABC" in caplog.text
    assert "refused message DEF" in caplog.text


async def test_a_message_to_the_phone_is_taken(device: Device) -> None:
    await device.send(Node("message", {"id": "ABC", "to": Jid(ME.digits, "s.whatsapp.net"), "category": "peer"}))
    ack = await device.expect("ack")
    assert (ack.string("id"), ack.string("class")) == ("ABC", "message")
