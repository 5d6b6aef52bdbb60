"""Linking a device: by QR code and by pairing code, and what is refused."""

import asyncio

import pytest

from lidbook.capabilities import Capability
from lidbook.world.conditions import Condition, Conditions, Kind
from lidbook_sandbox.network.faults import Malformation
from lidbook_sandbox.network.phone import Phone, ScanRefused
from lidbook_sandbox.network.server import SandboxNetwork
from lidbook_sandbox.network.wire.advertise import countersign
from lidbook_sandbox.network.wire.errors import BadSignature
from lidbook_sandbox.network.wire.keys import KeyPair
from lidbook_sandbox.network.wire.node import Node
from lidbook_sandbox.network.wire.wire_pb2 import ClientPayload

from .device import Credentials
from .linking import NewDevice, linked
from .served import ME, conditions, conditions_folder, live, network, phone

__all__ = ["conditions", "conditions_folder", "live", "network", "phone"]


async def test_a_device_is_linked_by_its_qr_code(network: SandboxNetwork, phone: Phone) -> None:
    async with NewDevice(network.network) as device:
        scanning = asyncio.create_task(phone.scan(await device.show()))
        query = await device.accept()
        found = await scanning
        assert query.string("id")
        assert (found.number, found.platform, found.connected) == (1, "chrome (Test)", False)
        assert str(device.credentials.jid) == "12025550100:1@s.whatsapp.net"
        assert str(device.credentials.lid) == "104900213377001:1@lid"
        assert (await device.expect("stream:error")).string("code") == "515"
        assert not device.heard("xmlstreamend")


async def test_each_of_the_six_codes_is_good(network: SandboxNetwork, phone: Phone) -> None:
    async with NewDevice(network.network) as device:
        await device.show()
        assert len(device.refs) == 6
        scanning = asyncio.create_task(phone.scan(device.code(device.refs[5])))
        await device.accept()
        assert (await scanning).number == 1


async def test_devices_get_numbers_that_were_never_used_before(network: SandboxNetwork, phone: Phone) -> None:
    first, _ = await linked(network.network, phone)
    await first.close()
    assert await phone.log_out(1) == 1
    second, number = await linked(network.network, phone)
    await second.close()
    assert number.number == 2


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "no code of WhatsApp's"),
        ("https://wa.me/settings/linked_devices#a,b", "no code of WhatsApp's"),
        ("https://wa.me/settings/linked_devices#ref,AA==,AA==,AA==,9", "damaged"),
        ("ref,!!!!,!!!!,!!!!", "damaged"),
    ],
)
async def test_a_code_that_is_none_is_refused(phone: Phone, code: str, reason: str) -> None:
    with pytest.raises(ScanRefused, match=reason):
        await phone.scan(code)


async def test_a_code_that_nobody_shows_is_refused(network: SandboxNetwork, phone: Phone) -> None:
    async with NewDevice(network.network) as device:
        await device.show()
        with pytest.raises(ScanRefused, match="expired"):
            await phone.scan(device.code("2@somebody-else"))
        gone = device.code(device.refs[0])
    async with NewDevice(network.network) as device:
        await device.show()
        with pytest.raises(ScanRefused, match="expired"):
            await phone.scan(gone)


async def test_a_code_with_the_keys_of_another_device_is_refused(network: SandboxNetwork, phone: Phone) -> None:
    async with NewDevice(network.network) as device:
        await device.show()
        ref = device.refs[0]
        async with NewDevice(network.network, Credentials()) as other:
            with pytest.raises(ScanRefused, match="does not belong"):
                await phone.scan(other.code(ref))


async def test_a_device_that_signs_with_another_key_is_not_linked(
    network: SandboxNetwork, phone: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    async with NewDevice(network.network) as device:
        scanning = asyncio.create_task(phone.scan(await device.show()))
        await device.accept(countersigner=KeyPair.generate())
        with pytest.raises(ScanRefused, match="does not verify"):
            await scanning
        assert (await device.expect("stream:error")).string("code") == "401"
    assert phone.devices() == ()
    assert "was not linked" in caplog.text


async def test_a_device_that_refuses_the_phone_is_not_linked(network: SandboxNetwork, phone: Phone) -> None:
    async with NewDevice(network.network) as device:
        scanning = asyncio.create_task(phone.scan(await device.show()))
        query = await device.expect("iq", lambda node: node.child("pair-success") is not None)
        error = Node("error", {"code": "401", "text": "hmac-mismatch"})
        await device.send(Node("iq", {"id": query.string("id"), "type": "error"}, [error]))
        with pytest.raises(ScanRefused, match="401 hmac-mismatch"):
            await scanning
    assert phone.devices() == ()


async def test_a_device_that_goes_away_while_it_is_linked_is_not_linked(network: SandboxNetwork, phone: Phone) -> None:
    async with NewDevice(network.network) as device:
        scanning = asyncio.create_task(phone.scan(await device.show()))
        await device.expect("iq", lambda node: node.child("pair-success") is not None)
    with pytest.raises(ScanRefused, match="went away"):
        await scanning


async def test_the_phone_signs_for_whoever_showed_the_code_alone(network: SandboxNetwork, phone: Phone) -> None:
    async with NewDevice(network.network) as device:
        scanning = asyncio.create_task(phone.scan(await device.show()))
        query = await device.expect("iq", lambda node: node.child("pair-success") is not None)
        success = query.child("pair-success")
        assert success is not None
        identity = success.child("device-identity")
        assert identity is not None
        with pytest.raises(BadSignature, match="HMAC"):
            countersign(device.credentials.companion.identity, identity.data, bytes(32))
        scanning.cancel()


async def test_a_registration_with_an_unsigned_prekey_is_refused(
    network: SandboxNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    async with NewDevice(network.network) as device:
        data = ClientPayload.DevicePairingRegistrationData(eIdent=KeyPair.generate().public, eSkeyVal=bytes(32))
        await device.connect(ClientPayload(devicePairingData=data))
        await device.ended()
    assert "not signed" in caplog.text


async def test_a_query_of_a_device_that_is_not_linked_is_refused(network: SandboxNetwork) -> None:
    async with NewDevice(network.network) as device:
        await device.show()
        answer = await device.ask("blocklist", "get")
        error = answer.child("error")
        assert error is not None
        assert error.string("code") == "401"
        await device.ping()


# by code


@pytest.mark.parametrize("writing", ["ABCD-1234", "abcd1234", " ABCD 1234 "])
async def test_a_device_is_linked_by_a_pairing_code(network: SandboxNetwork, phone: Phone, writing: str) -> None:
    async with NewDevice(network.network) as device:
        await device.show()
        answer, half = await device.ask_for_code(ME.digits, "ABCD1234")
        assert answer.string("type") == "result"
        entering = asyncio.create_task(phone.enter_code(writing))
        assert (await device.finish_code(half)).string("type") == "result"
        await device.accept()
        assert (await entering).number == 1


async def test_another_code_is_refused_and_the_right_one_still_works(network: SandboxNetwork, phone: Phone) -> None:
    async with NewDevice(network.network) as device:
        await device.show()
        _, half = await device.ask_for_code(ME.digits, "ABCD1234")
        entering = asyncio.create_task(phone.enter_code("ABCD1235"))
        await device.finish_code(half)
        with pytest.raises(ScanRefused, match="shows another code"):
            await entering
        _, half = await device.ask_for_code(ME.digits, "ABCD1234")
        entering = asyncio.create_task(phone.enter_code("ABCD1234"))
        await device.finish_code(half)
        await device.accept()
        assert (await entering).number == 1


async def test_what_is_no_code_is_refused(network: SandboxNetwork, phone: Phone) -> None:
    with pytest.raises(ScanRefused, match="no device shows"):
        await phone.enter_code("ABCD1234")
    async with NewDevice(network.network) as device:
        await device.show()
        await device.ask_for_code(ME.digits, "ABCD1234")
        with pytest.raises(ScanRefused, match="eight letters"):
            await phone.enter_code("ABC")


@pytest.mark.parametrize(
    ("number", "display", "code"), [("19998887777", "Chrome (Linux)", "404"), (ME.digits, "Chrome", "400")]
)
async def test_a_code_for_nobody_or_for_a_nameless_device_is_refused(
    network: SandboxNetwork, number: str, display: str, code: str
) -> None:
    async with NewDevice(network.network) as device:
        await device.show()
        answer, _ = await device.ask_for_code(number, "ABCD1234", display=display)
        error = answer.child("error")
        assert error is not None
        assert error.string("code") == code


async def test_pairing_codes_are_limited(network: SandboxNetwork, conditions: Conditions) -> None:
    limited = Condition(Kind.RATE_LIMIT, frozenset({Capability.SESSION_PAIRING_CODE}), retry_after=7)
    conditions.set(limited)
    async with NewDevice(network.network) as device:
        await device.show()
        answer, _ = await device.ask_for_code(ME.digits, "ABCD1234")
        error = answer.child("error")
        assert error is not None
        assert (error.string("code"), error.string("backoff")) == ("429", "7")


# faults


async def test_a_515_can_come_together_with_the_end(network: SandboxNetwork, phone: Phone) -> None:
    network.faults.early_close_515(ME)
    async with NewDevice(network.network) as device:
        scanning = asyncio.create_task(phone.scan(await device.show()))
        await device.accept()
        await scanning
        assert (await device.expect("stream:error")).string("code") == "515"
        await device.ended()


async def test_pairing_can_be_held(network: SandboxNetwork, phone: Phone) -> None:
    network.faults.hold_pairing(ME)
    async with NewDevice(network.network) as device:
        scanning = asyncio.create_task(phone.scan(await device.show()))
        await device.ping()
        assert not device.heard("iq")
        network.faults.clear(ME)
        await device.accept()
        assert (await scanning).number == 1


async def test_what_kills_whatsmeow_at_pairing_is_a_success_without_an_id(
    network: SandboxNetwork, phone: Phone
) -> None:
    network.faults.malform(ME, Malformation.CRASH, "pairing", times=1)
    async with NewDevice(network.network) as device:
        scanning = asyncio.create_task(phone.scan(await device.show()))
        query = await device.expect("iq", lambda node: node.child("pair-success") is not None)
        assert "id" not in query.attributes
        scanning.cancel()


async def test_other_malformations_reach_a_device_that_is_linked(network: SandboxNetwork, phone: Phone) -> None:
    network.faults.malform(ME, Malformation.BAD_TAG, "pairing", times=1)
    async with NewDevice(network.network) as device:
        scanning = asyncio.create_task(phone.scan(await device.show()))
        await device.expect("undecryptable")
        scanning.cancel()
