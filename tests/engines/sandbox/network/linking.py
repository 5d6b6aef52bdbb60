"""A device that is not linked yet, and what it does to be."""

import asyncio
import base64

from lidbook.engine import Network
from lidbook_sandbox.network.phone import LinkedDevice, Phone
from lidbook_sandbox.network.wire.advertise import countersign
from lidbook_sandbox.network.wire.jid import SERVER, Jid
from lidbook_sandbox.network.wire.keys import KeyPair
from lidbook_sandbox.network.wire.node import Node
from lidbook_sandbox.network.wire.wire_pb2 import ADVSignedDeviceIdentity

from .device import Credentials, Device
from .wire.companion import CodeCompanion


class NewDevice(Device):
    """One connection of it."""

    refs: tuple[str, ...] = ()

    async def show(self) -> str:
        """Connect to be linked; returns the text of the QR code."""
        await self.connect()
        query = await self.expect("iq", lambda node: node.child("pair-device") is not None)
        offered = query.child("pair-device")
        assert offered is not None
        self.refs = tuple(ref.text for ref in offered.children("ref"))
        await self.send(Node("iq", {"to": SERVER, "id": query.string("id"), "type": "result"}))
        return self.code(self.refs[0])

    def code(self, ref: str) -> str:
        """The text of a QR code."""
        keys = (self.credentials.noise.public, self.credentials.companion.identity.public, self.credentials.adv_secret)
        parts = ",".join(base64.b64encode(key).decode() for key in keys)
        return f"https://wa.me/settings/linked_devices#{ref},{parts},9"

    async def accept(self, countersigner: KeyPair | None = None) -> Node:
        """Take a pair-success, and answer it; returns it. The JIDs are kept."""
        query = await self.expect("iq", lambda node: node.child("pair-success") is not None)
        success = query.child("pair-success")
        assert success is not None
        identity, named = success.child("device-identity"), success.child("device")
        assert identity is not None
        assert named is not None
        self.credentials.jid, self.credentials.lid = named.jid("jid"), named.jid("lid")
        own = self.credentials.companion.identity
        signed = countersign(own, identity.data, self.credentials.adv_secret)
        if countersigner is not None:
            signed = resign(signed, countersigner)
        content = Node("pair-device-sign", {}, [Node("device-identity", {"key-index": "1"}, signed)])
        await self.send(Node("iq", {"to": SERVER, "id": query.string("id"), "type": "result"}, [content]))
        return query

    async def ask_for_code(
        self, phone: str, code: str, *, display: str = "Chrome (Linux)"
    ) -> tuple[Node, CodeCompanion]:
        """Ask to be linked by a code; returns the answer, and what goes on with it."""
        half = CodeCompanion(code, self.credentials.companion.identity)
        content = [
            Node("link_code_pairing_wrapped_companion_ephemeral_pub", {}, half.hello),
            Node("companion_server_auth_key_pub", {}, self.credentials.noise.public),
            Node("companion_platform_id", {}, b"1"),
            Node("companion_platform_display", {}, display.encode()),
            Node("link_code_pairing_nonce", {}, b"\0"),
        ]
        jid = Jid(phone, "s.whatsapp.net")
        step = Node("link_code_companion_reg", {"jid": jid, "stage": "companion_hello"}, content)
        return await self.ask("md", "set", step), half

    async def finish_code(self, half: CodeCompanion) -> Node:
        """Go on once the code was typed; returns the server's answer."""
        told = await self.expect("notification", lambda node: node.string("type") == "link_code_companion_reg")
        step = told.child("link_code_companion_reg")
        assert step is not None
        wrapped, identity, ref = (
            step.child(tag)
            for tag in (
                "link_code_pairing_wrapped_primary_ephemeral_pub",
                "primary_identity_pub",
                "link_code_pairing_ref",
            )
        )
        assert wrapped is not None
        assert identity is not None
        assert ref is not None
        bundle = half.answer(wrapped.data, identity.data)
        self.credentials.adv_secret = half.adv_secret
        content = [
            Node("link_code_pairing_wrapped_key_bundle", {}, bundle),
            Node("companion_identity_public", {}, self.credentials.companion.identity.public),
            Node("link_code_pairing_ref", {}, ref.data),
        ]
        return await self.ask("md", "set", Node("link_code_companion_reg", {"stage": "companion_finish"}, content))


async def linked(network: Network, phone: Phone) -> tuple[Device, LinkedDevice]:
    """A device that was linked by its QR code, logged in and introduced."""
    credentials = await link(network, phone)
    device = await Device(network, credentials).login()
    await device.introduced()
    (number,) = [each for each in phone.devices() if each.number == (credentials.jid.device if credentials.jid else 0)]
    return device, number


async def link(network: Network, phone: Phone) -> Credentials:
    """The credentials of a device that was linked by its QR code, and is away."""
    async with NewDevice(network) as device:
        scanning = asyncio.create_task(phone.scan(await device.show()))
        await device.accept()
        await scanning
        assert (await device.expect("stream:error")).string("code") == "515"
        return device.credentials


def resign(signed: bytes, signer: KeyPair) -> bytes:
    """The same identity with a device signature by somebody else."""
    identity = ADVSignedDeviceIdentity.FromString(signed)
    identity.deviceSignature = signer.sign(b"anything")
    return identity.SerializeToString()
