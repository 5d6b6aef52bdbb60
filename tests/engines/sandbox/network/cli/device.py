"""A device that is linked to an account of a network in another process: as much of it as linking takes."""

import base64
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from lidbook_sandbox.network.wire import binary
from lidbook_sandbox.network.wire.advertise import countersign
from lidbook_sandbox.network.wire.certificates import check_chain
from lidbook_sandbox.network.wire.frames import INTRO, FrameReader, frame
from lidbook_sandbox.network.wire.jid import SERVER
from lidbook_sandbox.network.wire.keys import DJB, KeyPair
from lidbook_sandbox.network.wire.node import Node
from lidbook_sandbox.network.wire.noise import Initiator
from lidbook_sandbox.network.wire.wire_pb2 import ClientPayload

PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a device keeps: `jid` is its number at the account, as digits:device."""

    noise: KeyPair
    identity: KeyPair
    digits: str
    number: int


class Connected:
    """One connection, after its handshake; the server has to prove itself with the network's root key."""

    def __init__(self, websocket: str, root_key: bytes, noise: KeyPair, payload: ClientPayload) -> None:
        self._open = ExitStack()
        connecting = connect(websocket, open_timeout=PATIENCE, compression=None, proxy=None)
        self._socket: ClientConnection = self._open.enter_context(connecting)
        self._frames, self._waiting = FrameReader(intro=False), list[bytes]()
        initiator = Initiator(noise)
        self._socket.send(INTRO + frame(initiator.hello()))
        static, chain = initiator.read(self._frame())
        check_chain(chain, root_key, static)
        finish, self._receive, self._send = initiator.finish(payload.SerializeToString())
        self._socket.send(frame(finish))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def stanza(self) -> Node | None:
        """The next one; None once the server has closed."""
        try:
            return binary.decode(self._receive.decrypt(self._frame()))
        except ConnectionClosed:
            return None

    def until(self, tag: str) -> Node:
        """The next one with this tag."""
        while (stanza := self.stanza()) is not None:
            if stanza.tag == tag:
                return stanza
        raise AssertionError(f"the server closed before any <{tag}>")

    def send(self, stanza: Node) -> None:
        """Send one."""
        self._socket.send(frame(self._send.encrypt(binary.encode(stanza))))

    def _frame(self) -> bytes:
        while not self._waiting:
            data = self._socket.recv(PATIENCE)
            assert isinstance(data, bytes)
            self._waiting += self._frames.feed(data)
        return self._waiting.pop(0)


class Unlinked:
    """A device that shows a QR code."""

    def __init__(self, websocket: str, root_key: str) -> None:
        self._noise, self._identity, self._secret = KeyPair.generate(), KeyPair.generate(), bytes(range(32))
        signed = KeyPair.generate()
        payload = ClientPayload(
            devicePairingData=ClientPayload.DevicePairingRegistrationData(
                eRegid=b"\x00\x00\x00\x2a",
                eIdent=self._identity.public,
                eSkeyID=b"\x00\x00\x01",
                eSkeyVal=signed.public,
                eSkeySig=self._identity.sign(DJB + signed.public),
            )
        )
        self._connected = Connected(websocket, bytes.fromhex(root_key), self._noise, payload)
        codes = self._connected.until("iq").child("pair-device")
        assert codes is not None
        self.codes = [ref.text for ref in codes.children("ref")]

    @property
    def code(self) -> str:
        """The text in the QR code that it shows."""
        keys = (self._noise.public, self._identity.public, self._secret)
        return ",".join((self.codes[0], *(base64.b64encode(key).decode() for key in keys)))

    def link(self) -> Credentials:
        """Wait until the code is scanned, and accept the phone."""
        with self._connected as connected:
            asked = connected.until("iq")
            success = asked.child("pair-success")
            assert success is not None
            device, box = success.child("device"), success.child("device-identity")
            assert device is not None
            assert box is not None
            jid = device.jid("jid")
            assert jid is not None
            signed = countersign(self._identity, box.data, self._secret)
            answer = Node("pair-device-sign", {}, [Node("device-identity", {"key-index": str(jid.device)}, signed)])
            connected.send(Node("iq", {"to": SERVER, "type": "result", "id": asked.string("id")}, [answer]))
            assert connected.until("stream:error").string("code") == "515"
            return Credentials(self._noise, self._identity, jid.user, jid.device)


def log_in(websocket: str, root_key: str, credentials: Credentials) -> Connected:
    """Connect a device that is linked."""
    payload = ClientPayload(username=int(credentials.digits), device=credentials.number)
    return Connected(websocket, bytes.fromhex(root_key), credentials.noise, payload)
