"""A device in Python: enough of a WhatsApp client to be linked, to log in, to ask, and to read what it is told."""

import asyncio
import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import aiohttp

from lidbook.engine import Network
from lidbook_sandbox.network.wire import binary
from lidbook_sandbox.network.wire.app_state import AppStateKey, CollectionState, Mutation, decode_patch, encode_patch
from lidbook_sandbox.network.wire.certificates import check_chain
from lidbook_sandbox.network.wire.errors import HandshakeRefused, Malformed
from lidbook_sandbox.network.wire.frames import INTRO, FrameReader, frame
from lidbook_sandbox.network.wire.jid import SERVER, Jid
from lidbook_sandbox.network.wire.keys import DJB, KeyPair
from lidbook_sandbox.network.wire.node import Node
from lidbook_sandbox.network.wire.noise import Cipher, Initiator
from lidbook_sandbox.network.wire.wire_pb2 import (
    ClientPayload,
    DeviceProps,
    HistorySync,
    Message,
    SyncdPatch,
)

from .wire.companion import Companion

WAIT = 10.0
"""Seconds after which a test gives up on something that should have happened."""


class Closed(Exception):
    """The server closed the connection."""


@dataclass(slots=True)
class Credentials:
    """What a device keeps."""

    noise: KeyPair = field(default_factory=KeyPair.generate)
    companion: Companion = field(default_factory=Companion.generate)
    adv_secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    jid: Jid | None = None
    lid: Jid | None = None


class Device:
    """One connection; credentials may be used for another one after it."""

    def __init__(self, network: Network, credentials: Credentials | None = None) -> None:
        self.credentials = credentials or Credentials()
        self.states: dict[str, CollectionState] = {}
        self.app_state_key: AppStateKey | None = None
        self.history: list[HistorySync] = []
        self._network = network
        self._http = aiohttp.ClientSession()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._send: Cipher | None = None
        self._reading: asyncio.Task[None] | None = None
        self._heard: list[Node] = []
        self._more = asyncio.Condition()
        self._ended = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if self._socket is not None:
            await self._socket.close()
        await self._http.close()

    # The connection

    async def connect(self, payload: ClientPayload | None = None) -> Self:
        """Shake hands. Raises `BadSignature` for a certificate that the network's root key did not sign."""
        self._socket = await self._http.ws_connect(self._network.websocket, compress=15)
        assert self._socket.compress == 0, "whatsmeow cannot read compressed messages"
        reader = FrameReader(intro=False)
        initiator = Initiator(self.credentials.noise)
        await self._socket.send_bytes(INTRO + frame(initiator.hello()))
        (answer,) = reader.feed(await self._socket.receive_bytes())
        static, chain = initiator.read(answer)
        check_chain(chain, self._network.root_key, static)
        finish, receive, self._send = initiator.finish((payload or self._payload()).SerializeToString())
        await self._socket.send_bytes(frame(finish))
        self._reading = asyncio.create_task(self._read(reader, receive))
        return self

    async def login(self) -> Self:
        """Connect and become active, so that everything is told from then on."""
        await self.connect()
        await self.expect("success")
        await self.ask("passive", "set", Node("active"))
        await self.expect("ib", lambda node: node.child("offline") is not None)
        return self

    async def send(self, stanza: Node) -> None:
        """Send a stanza."""
        assert self._send is not None
        await self.send_frame(self._send.encrypt(binary.encode(stanza)))

    async def send_frame(self, payload: bytes) -> None:
        """Send a frame as it is."""
        assert self._socket is not None
        await self._socket.send_bytes(frame(payload))

    async def expect(self, tag: str, wanted: Callable[[Node], bool] = lambda _: True) -> Node:
        """The next stanza like this, taken from what was heard; others stay. Raises `Closed` and `TimeoutError`."""
        async with asyncio.timeout(WAIT), self._more:
            while True:
                for stanza in self._heard:
                    if stanza.tag == tag and wanted(stanza):
                        self._heard.remove(stanza)
                        return stanza
                if self._ended:
                    raise Closed(tag)
                await self._more.wait()

    async def ended(self) -> None:
        """Return once the server has closed."""
        async with asyncio.timeout(WAIT), self._more:
            await self._more.wait_for(lambda: self._ended)

    def heard(self, tag: str, wanted: Callable[[Node], bool] = lambda _: True) -> list[Node]:
        """What was heard and not taken yet."""
        return [stanza for stanza in self._heard if stanza.tag == tag and wanted(stanza)]

    # Questions

    async def ask(self, xmlns: str, kind: str, *content: Node, to: Jid = SERVER, target: Jid | None = None) -> Node:
        """Ask and wait for the answer, be it a refusal."""
        identifier = await self.pose(xmlns, kind, *content, to=to, target=target)
        return await self.answer(identifier)

    async def pose(self, xmlns: str, kind: str, *content: Node, to: Jid = SERVER, target: Jid | None = None) -> str:
        """Ask; returns the id of the answer to come."""
        identifier = secrets.token_hex(6)
        attributes: dict[str, str | Jid] = {"id": identifier, "xmlns": xmlns, "type": kind, "to": to}
        if target is not None:
            attributes["target"] = target
        await self.send(Node("iq", attributes, list(content) or None))
        return identifier

    async def answer(self, identifier: str) -> Node:
        """The answer with this id."""
        return await self.expect("iq", lambda node: node.string("id") == identifier)

    async def ping(self) -> None:
        """Return once the server has read everything sent so far, and sent everything before."""
        assert (await self.ask("w:p", "get")).string("type") == "result"

    async def usync(self, protocols: list[Node], *users: Node) -> list[Node]:
        """The users of the answer to a usync query."""
        answer = await self.ask("usync", "get", usync(protocols, *users))
        assert answer.string("type") == "result", answer
        listed = answer.child("usync")
        assert listed is not None
        found = listed.child("list")
        assert found is not None
        return found.children("user")

    # What the phone tells

    async def introduced(self) -> None:
        """Read the key and all of the history."""
        while not self.history or self.history[-1].progress < 100:
            await self.told()

    async def told(self) -> Message:
        """The next message of the phone, decrypted, and acknowledged."""
        stanza = await self.expect("message", lambda node: node.string("category") == "peer")
        message = self.read(stanza)
        await self.acknowledge(stanza)
        protocol = message.protocolMessage
        for key in protocol.appStateSyncKeyShare.keys:
            self.app_state_key = AppStateKey(key.keyID.keyID, key.keyData.keyData)
        if protocol.HasField("historySyncNotification"):
            payload = protocol.historySyncNotification.initialHistBootstrapInlinePayload
            self.history.append(HistorySync.FromString(inflate(payload)))
        return message

    def read(self, stanza: Node) -> Message:
        """The encrypted message in a stanza."""
        encrypted = stanza.child("enc")
        assert encrypted is not None
        return Message.FromString(self.credentials.companion.decrypt(encrypted.data))

    async def acknowledge(self, stanza: Node) -> None:
        """Say that a stanza arrived."""
        await self.send(Node("ack", {"class": stanza.tag, "id": stanza.string("id"), "to": SERVER}))

    async def announced(self, kind: str) -> Node:
        """The next notification of this type, acknowledged."""
        stanza = await self.expect("notification", lambda node: node.string("type") == kind)
        await self.acknowledge(stanza)
        return stanza

    # App state

    async def sync(self, name: str, *, anew: bool = False) -> list[Mutation]:
        """Fetch what is new in a collection, or all of it, and check every MAC."""
        if anew:
            self.states.pop(name, None)
        found: list[Mutation] = []
        more = True
        while more:
            state = self.states.get(name, CollectionState())
            snapshot = state.version == 0
            attributes: dict[str, str | Jid] = {"name": name, "return_snapshot": str(snapshot).lower()}
            if not snapshot:
                attributes["version"] = str(state.version)
            collection = await self.collection(Node("collection", attributes))
            found += self.apply(name, collection)
            more = collection.string("has_more_patches") == "true"
        return found

    async def collection(self, asked: Node) -> Node:
        """The collection in the answer to a query for one."""
        answer = await self.ask("w:sync:app:state", "set", Node("sync", {}, [asked]))
        sync = answer.child("sync")
        assert sync is not None, answer
        return sync.children("collection")[0]

    def apply(self, name: str, collection: Node) -> list[Mutation]:
        """Apply the patches of an answer."""
        assert self.app_state_key is not None
        patches = collection.child("patches")
        found: list[Mutation] = []
        for patch in [] if patches is None else patches.children("patch"):
            state = self.states.get(name, CollectionState())
            version = SyncdPatch.FromString(patch.data).version.version
            keys = {self.app_state_key.id: self.app_state_key}
            mutations, self.states[name] = decode_patch(state, keys, name, version, patch.data)
            found += mutations
        return found

    def patch(self, name: str, *mutations: Mutation) -> bytes:
        """A patch on top of what was fetched last."""
        assert self.app_state_key is not None
        state = self.states.get(name, CollectionState())
        return encode_patch(state, self.app_state_key, name, state.version + 1, mutations, state_version=False)[0]

    async def upload(self, name: str, patch: bytes) -> Node:
        """Upload a patch; returns the collection of the answer."""
        version = str(self.states.get(name, CollectionState()).version)
        attributes: dict[str, str | Jid] = {"name": name, "version": version, "return_snapshot": "false"}
        return await self.collection(Node("collection", attributes, [Node("patch", {}, patch)]))

    # Inside

    def _payload(self) -> ClientPayload:
        credentials = self.credentials
        if credentials.jid is not None:
            return ClientPayload(username=int(credentials.jid.user), device=credentials.jid.device, passive=True)
        bundle = credentials.companion.bundle(None)
        properties = DeviceProps(os="Test", platformType=DeviceProps.CHROME)
        return ClientPayload(
            devicePairingData=ClientPayload.DevicePairingRegistrationData(
                eRegid=bundle.registration_id.to_bytes(4, "big"),
                eKeytype=DJB,
                eIdent=bundle.identity,
                eSkeyID=bundle.signed_prekey_id.to_bytes(3, "big"),
                eSkeyVal=bundle.signed_prekey,
                eSkeySig=bundle.signed_prekey_signature,
                deviceProps=properties.SerializeToString(),
            )
        )

    async def _read(self, reader: FrameReader, receive: Cipher) -> None:
        assert self._socket is not None
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.BINARY:
                    frames = reader.feed(message.data)
                    assert len(frames) == 1, "whatsmeow takes one frame a message"
                    plain = receive.decrypt(frames[0])
                    stanza = _decoded(plain)
                    async with self._more:
                        self._heard.append(stanza)
                        self._more.notify_all()
        except HandshakeRefused:
            async with self._more:
                self._heard.append(Node("undecryptable"))
        finally:
            async with self._more:
                self._ended = True
                self._more.notify_all()


def usync(protocols: list[Node], *users: Node) -> Node:
    """A usync query."""
    attributes: dict[str, str | Jid] = {
        "sid": "1",
        "mode": "query",
        "last": "true",
        "index": "0",
        "context": "interactive",
    }
    return Node("usync", attributes, [Node("query", {}, protocols), Node("list", {}, list(users))])


def typed(number: str) -> Node:
    """A user of a usync query, as whatsmeow asks for a number."""
    return Node("user", {}, [Node("contact", {}, f"{number}@c.us")])


def named(jid: str) -> Node:
    """A user of a usync query by JID."""
    return Node("user", {"jid": Jid.parse(jid)})


def inflate(data: bytes) -> bytes:
    """What an inline history payload holds."""
    return zlib.decompress(data)


def _decoded(plain: bytes) -> Node:
    if not plain:
        return Node("empty")
    try:
        return binary.decode(plain)
    except Malformed:
        return Node("garbage")
