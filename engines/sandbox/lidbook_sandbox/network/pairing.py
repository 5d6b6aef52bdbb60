"""Linking a device: codes to scan, pairing codes, and the exchange in which phone and device accept each other."""

import asyncio
import binascii
import logging
import re
import secrets
from dataclasses import dataclass, field
from typing import Final, Protocol

from google.protobuf.message import DecodeError

from lidbook.capabilities import Capability
from lidbook.identifiers import PhoneNumber
from lidbook.world.conditions import Kind
from lidbook_sandbox.network.account import AccountServer
from lidbook_sandbox.network.connection import Connection
from lidbook_sandbox.network.faults import Malformation
from lidbook_sandbox.network.stanzas import Attributes, lid_jid, new_id, pn_jid, refusal, result, seconds, user_of
from lidbook_sandbox.network.store import Device
from lidbook_sandbox.network.wire.advertise import Introduction, introduce
from lidbook_sandbox.network.wire.errors import BadSignature, Malformed
from lidbook_sandbox.network.wire.jid import SERVER
from lidbook_sandbox.network.wire.keys import DJB, verify
from lidbook_sandbox.network.wire.link_code import Agreed, CodeEntry
from lidbook_sandbox.network.wire.node import Node
from lidbook_sandbox.network.wire.wire_pb2 import ClientPayload, DeviceProps

REFS: Final = 6
FIRST_REF: Final = 60.0
"""Seconds for which a client shows the first code; `NEXT_REF` for each of the others."""
NEXT_REF: Final = 20.0
ANSWER: Final = 20.0
"""Seconds a device has for its part."""
LEAVE: Final = 5.0
"""Seconds a device that was linked has to close by itself."""
_DISPLAY: Final = re.compile(r"[A-Za-z0-9 .]{1,40} \([A-Za-z0-9 .]{1,40}\)")

logger = logging.getLogger("lidbook.sandbox.network")


class ScanRefused(Exception):
    """The phone does not link the device; the message says why."""


class Accounts(Protocol):
    """Where the account of a phone number is."""

    def account(self, phone: PhoneNumber) -> AccountServer | None:
        """The account with this number, if it is one of the world's."""


@dataclass(frozen=True, slots=True)
class _CodeRequest:
    """A device that shows a pairing code for `account`."""

    account: AccountServer
    ref: str
    wrapped: bytes
    bundle: "asyncio.Future[tuple[bytes, bytes]]" = field(compare=False)
    """Its key bundle and identity, once it has answered the phone."""


class Unpaired:
    """One connection of a device that is not linked to anybody."""

    def __init__(self, connection: Connection, payload: ClientPayload, accounts: Accounts) -> None:
        data = payload.devicePairingData
        if not verify(data.eIdent, DJB + data.eSkeyVal, data.eSkeySig):
            raise BadSignature("the signed pre-key of the device is not signed by its identity key")
        self.identity: Final = data.eIdent
        self.connection: Final = connection
        self._data = data
        self._accounts = accounts
        self._refs: dict[str, float] = {}
        self._code: _CodeRequest | None = None
        self._answers: dict[str, asyncio.Future[Node]] = {}
        self._linked = False

    # Role

    def opened(self) -> None:
        """Hand out the codes; the connection ends with the last of them."""
        now = asyncio.get_running_loop().time()
        refs = ["2@" + secrets.token_urlsafe(24) for _ in range(REFS)]
        self._refs = {ref: now + FIRST_REF + NEXT_REF * position for position, ref in enumerate(refs)}
        children = [Node("ref", {}, ref.encode()) for ref in refs]
        self._ask("set", Node("pair-device", {}, children))
        self.connection.close_after(FIRST_REF + NEXT_REF * (REFS - 1))

    async def audible(self) -> None:
        """Whom no account belongs to, no condition keeps waiting."""

    def received(self, stanza: Node) -> None:
        """Answers of the device, and its two steps of pairing by code."""
        if stanza.tag != "iq":
            return
        if stanza.string("type") in ("result", "error"):
            waiting = self._answers.pop(stanza.string("id"), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(stanza)
            return
        step = stanza.child("link_code_companion_reg")
        if stanza.string("xmlns") == "md" and step is not None:
            self.connection.spawn(self._step(stanza, step))
        elif stanza.string("xmlns") == "w:p":
            self.connection.send(result(stanza))
        else:
            self.connection.send(refusal(stanza, 401, "not-authorized"))

    def closed(self) -> None:
        """Nobody can scan what this device shows any more."""
        self._refs.clear()
        for waiting in self._answers.values():
            waiting.cancel()
        if self._code is not None:
            self._code.bundle.cancel()

    # What the phone does

    def shows(self, ref: str) -> bool:
        """Whether this ref is one of this device's, and still good."""
        return self._refs.get(ref, 0.0) > asyncio.get_running_loop().time()

    def asks_for(self, account: AccountServer) -> bool:
        """Whether it shows a pairing code for the account."""
        return self._code is not None and self._code.account is account

    async def enter_code(self, code: str) -> Agreed:
        """Enter the code it shows, on the phone it asked for. Raises `WrongCode`, `Malformed` and `ScanRefused`."""
        request = self._code
        if request is None:
            raise ScanRefused("no device shows a pairing code for this account")
        entry = await asyncio.to_thread(CodeEntry.begin, code, request.account.identity, request.wrapped)
        content = [
            Node("link_code_pairing_wrapped_primary_ephemeral_pub", {}, entry.wrapped),
            Node("primary_identity_pub", {}, request.account.identity.public),
            Node("link_code_pairing_ref", {}, request.ref.encode()),
        ]
        step = Node("link_code_companion_reg", {"stage": "primary_hello"}, content)
        attributes: Attributes = {"from": SERVER, "type": "link_code_companion_reg", "id": new_id(), "t": seconds()}
        self.connection.send(Node("notification", attributes, [step]))
        try:
            async with asyncio.timeout(ANSWER):
                bundle, identity = await asyncio.shield(request.bundle)
        except TimeoutError as error:
            raise ScanRefused(f"the device did not answer the code within {ANSWER:g} s") from error
        except asyncio.CancelledError as error:
            if request.bundle.cancelled():
                raise ScanRefused("the device went away") from error
            raise
        return entry.finish(bundle, identity)

    async def link(self, account: AccountServer, adv_secret: bytes) -> Device:
        """Accept the device, and be accepted by it. Raises `ScanRefused`, and `NotOnWhatsApp` if the number is lost."""
        if self._linked:
            raise ScanRefused("this device is being linked already")
        self._linked = True
        try:
            return await self._link(account, adv_secret)
        except BaseException:
            self._linked = False
            raise

    # Steps

    async def _link(self, account: AccountServer, adv_secret: bytes) -> Device:
        await account.faults.pairing_released(account.lid)
        number = account.store.next_number(account.lid, account.service.state.device)
        timestamp = account.service.live.time() // 1000
        introduction = introduce(
            account.identity, self.identity, adv_secret, key_index=number, raw_id=1, timestamp=timestamp
        )
        answer = await self._offer(account, number, introduction)
        self._confirm(introduction, answer)
        device = self._device(account, number)
        account.add(device)
        self._dismiss(account)
        return device

    async def _offer(self, account: AccountServer, number: int, introduction: Introduction) -> Node:
        """Send pair-success and wait for the device's own signature."""
        jids: Attributes = {"jid": pn_jid(account.number(), number), "lid": lid_jid(account.lid, number)}
        children = [
            Node("device-identity", {}, introduction.box),
            Node("device", jids),
            Node("platform", {"name": "android"}),
        ]
        malformed = account.faults.take_malformation(account.lid, "pairing")
        if malformed is not None and malformed is not Malformation.CRASH:
            self.connection.malform(malformed)
        bare = malformed is Malformation.CRASH
        waiting = self._ask("set", Node("pair-success", {}, children), bare=bare)
        try:
            async with asyncio.timeout(ANSWER):
                return await asyncio.shield(waiting)
        except TimeoutError as error:
            raise ScanRefused(f"the device did not answer within {ANSWER:g} s") from error
        except asyncio.CancelledError as error:
            if waiting.cancelled():
                raise ScanRefused("the device went away") from error
            raise

    def _confirm(self, introduction: Introduction, answer: Node) -> None:
        if answer.string("type") == "error":
            error = answer.child("error")
            text = "" if error is None else f" ({error.string('code')} {error.string('text')})"
            raise ScanRefused(f"the device did not accept the phone{text}")
        signed = answer.child("pair-device-sign")
        identity = None if signed is None else signed.child("device-identity")
        try:
            introduction.confirm(b"" if identity is None else identity.data)
        except (BadSignature, Malformed) as error:
            logger.warning("a device was not linked: %s", error)
            self.connection.fail("401", None)
            raise ScanRefused(str(error)) from error

    def _device(self, account: AccountServer, number: int) -> Device:
        data, now = self._data, account.service.live.time()
        return Device(
            account.lid,
            number,
            account.number().digits,
            self.connection.client_static,
            self.identity,
            int.from_bytes(data.eRegid, "big"),
            int.from_bytes(data.eSkeyID, "big"),
            data.eSkeyVal,
            data.eSkeySig,
            _platform(data.deviceProps),
            now,
            now,
        )

    def _dismiss(self, account: AccountServer) -> None:
        """Send it to log in. The client closes: whatsmeow loses a 515 that comes together with the end."""
        self.connection.send(Node("stream:error", {"code": "515"}))
        if account.faults.closes_early(account.lid):
            self.connection.close()
        else:
            self.connection.close_after(LEAVE)

    async def _step(self, query: Node, step: Node) -> None:
        match step.string("stage"):
            case "companion_hello":
                answer = await self._hello(query, step)
            case "companion_finish":
                answer = self._finish(query, step)
            case _:
                answer = refusal(query, 400, "bad-request")
        if answer is not None:
            self.connection.send(answer)

    async def _hello(self, query: Node, step: Node) -> Node | None:
        """A device shows a pairing code: the server tells it under which name it knows that, and the phone of it."""
        phone = user_of(step.jid("jid"))
        wrapped = _data(step, "link_code_pairing_wrapped_companion_ephemeral_pub")
        display = _data(step, "companion_platform_display").decode(errors="replace")
        if not isinstance(phone, PhoneNumber) or len(wrapped) != 80 or not _DISPLAY.fullmatch(display):
            return refusal(query, 400, "bad-request")
        account = self._accounts.account(phone)
        if account is None:
            return refusal(query, 404, "item-not-found")
        account.conditions.refresh()
        capability = Capability.SESSION_PAIRING_CODE
        if account.condition(Kind.SILENCE, capability) is not None:
            return None
        limit = account.condition(Kind.RATE_LIMIT, capability)
        if limit is not None:
            return refusal(query, 429, "rate-overlimit", backoff=f"{limit.retry_after:g}")
        slow = account.condition(Kind.SLOW, capability)
        if slow is not None:
            await asyncio.sleep(slow.milliseconds / 1000)
        ref = secrets.token_urlsafe(24)
        self._code = _CodeRequest(account, ref, wrapped, asyncio.get_running_loop().create_future())
        answer = Node("link_code_pairing_ref", {}, ref.encode())
        await account.while_holding(lambda: account.condition(Kind.TIMEOUT, capability) is not None)
        return result(query, Node("link_code_companion_reg", {"stage": "companion_hello"}, [answer]))

    def _finish(self, query: Node, step: Node) -> Node:
        request = self._code
        if request is None or _data(step, "link_code_pairing_ref") != request.ref.encode():
            return refusal(query, 404, "item-not-found")
        bundle = _data(step, "link_code_pairing_wrapped_key_bundle")
        if not request.bundle.done():
            request.bundle.set_result((bundle, _data(step, "companion_identity_public")))
        return result(query)

    def _ask(self, kind: str, child: Node, *, bare: bool = False) -> "asyncio.Future[Node]":
        """Send a query of the server's; `bare` without the id, which kills whatsmeow."""
        identifier = new_id()
        attributes: Attributes = {"from": SERVER, "type": kind, "xmlns": "md", "t": seconds()}
        if not bare:
            attributes["id"] = identifier
        waiting = asyncio.get_running_loop().create_future()
        self._answers[identifier] = waiting
        self.connection.send(Node("iq", attributes, [child]))
        return waiting


def parse_qr(code: str) -> tuple[str, bytes, bytes, bytes]:
    """Ref, Noise key, identity key and ADV secret in the text of a QR code. Raises `ScanRefused`."""
    parts = code.rpartition("#")[2].split(",")
    if len(parts) < 4:
        raise ScanRefused("this is no code of WhatsApp's: scan the one that the device shows under linked devices")
    try:
        noise, identity, secret = (_decoded(part) for part in parts[1:4])
    except ValueError as error:
        raise ScanRefused("the code is damaged: scan it again") from error
    return parts[0], noise, identity, secret


def _decoded(text: str) -> bytes:
    value = binascii.a2b_base64(text, strict_mode=True)
    if len(value) != 32:
        raise ValueError(text)
    return value


def _data(node: Node, tag: str) -> bytes:
    child = node.child(tag)
    return b"" if child is None else child.data


def _platform(properties: bytes) -> str:
    """What the device calls itself, as the phone lists it."""
    try:
        parsed = DeviceProps.FromString(properties)
    except DecodeError:
        return "unknown"
    kind = DeviceProps.PlatformType.Name(parsed.platformType).lower()
    return f"{kind} ({parsed.os})" if parsed.os else kind
