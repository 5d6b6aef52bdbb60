"""What a linked device asks, which live call each query is, and what the conditions make of the answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from lidbook.capabilities import Capability
from lidbook.errors import NotOnWhatsApp
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.values import Person
from lidbook.world.conditions import Kind
from lidbook_sandbox.network.account import AccountServer
from lidbook_sandbox.network.groups import answer_groups
from lidbook_sandbox.network.pictures import answer_picture
from lidbook_sandbox.network.stanzas import Attributes, lid_jid, pn_jid, refusal, result, user_of
from lidbook_sandbox.network.store import Device
from lidbook_sandbox.network.syncing import Syncing
from lidbook_sandbox.network.usync import Usync, capability_of, protocols
from lidbook_sandbox.network.wire.errors import Malformed
from lidbook_sandbox.network.wire.keys import DJB, verify
from lidbook_sandbox.network.wire.node import Node

FEW_PREKEYS: Final = 3
"""What a device without prekeys is told it has: told 0, both libraries upload 812, which takes whatsmeow seconds."""
PRIVACY: Final = ("last", "online", "profile", "status", "groupadd", "readreceipts", "calladd")

Handler = Callable[[Device, Node], Awaitable[Node] | Node]

logger = logging.getLogger("lidbook.sandbox.network")


def is_farewell(query: Node) -> bool:
    """Whether the device unlinks itself."""
    return query.string("xmlns") == "md" and query.child("remove-companion-device") is not None


class Queries:
    """Answers all devices of one account; `base` is where pictures are fetched."""

    def __init__(self, account: AccountServer, base: str) -> None:
        self._account = account
        self._base = base
        self._syncing = Syncing(account)
        self._usync = Usync(account.service, self._devices, base)
        self._handlers: Final[dict[str, Handler]] = {
            "usync": lambda _, query: self._usync.answer(query),
            "w:profile:picture": lambda _, query: answer_picture(account.service, query, base),
            "blocklist": self._blocklist,
            "w:g2": lambda _, query: answer_groups(account.service, query),
            "w:sync:app:state": self._syncing.answer,
            "encrypt": self._encrypt,
            "privacy": self._privacy,
            "abt": lambda _, query: result(query, Node("props", {"protocol": "1", "hash": "sandbox"})),
            "w:m": self._media,
            "md": self._multidevice,
        }

    async def answer(self, device: Device, query: Node) -> Node | None:
        """The answer to a query; None when there never is one."""
        account = self._account
        account.conditions.refresh()
        try:
            capability = self._capability(query)
        except Malformed as error:
            logger.warning("a query of device %d was refused: %s", device.number, error)
            return refusal(query, 400, "bad-request")
        if account.condition(Kind.SILENCE, capability) is not None:
            return None
        limit = account.condition(Kind.RATE_LIMIT, capability)
        if limit is not None:
            return refusal(query, 429, "rate-overlimit", backoff=f"{limit.retry_after:g}")
        slow = account.condition(Kind.SLOW, capability)
        if slow is not None:
            await asyncio.sleep(slow.milliseconds / 1000)
        answer = await self._handled(device, query)
        await account.while_holding(lambda: account.condition(Kind.TIMEOUT, capability) is not None)
        return answer

    async def _handled(self, device: Device, query: Node) -> Node:
        handler = self._handlers.get(query.string("xmlns"))
        if handler is None:
            return result(query)
        self._account.author = device.number
        try:
            answer = handler(device, query)
            return answer if isinstance(answer, Node) else await answer
        except Malformed as error:
            logger.warning("a query of device %d was refused: %s", device.number, error)
            return refusal(query, 400, "bad-request")
        finally:
            self._account.author = None

    def _capability(self, query: Node) -> Capability | None:
        match query.string("xmlns"):
            case "usync":
                return capability_of(protocols(query))
            case "w:profile:picture":
                return Capability.CONTACTS_PICTURE
            case "blocklist":
                item = query.child("item")
                actions = {"block": Capability.CONTACTS_BLOCK, "unblock": Capability.CONTACTS_UNBLOCK}
                return None if item is None else actions.get(item.string("action"))
            case "w:g2":
                return Capability.GROUPS_REFRESH if query.child("participating") is not None else None
            case "w:sync:app:state":
                return self._syncing.capability(query)
            case "md":
                return Capability.SESSION_LOGOUT if is_farewell(query) else None
            case _:
                return None

    def _devices(self, lid: Lid) -> tuple[int, ...]:
        return tuple(self._account.devices) if lid == self._account.lid else ()

    # Blocklist

    def _blocklist(self, _: Device, query: Node) -> Node:
        item = query.child("item")
        if item is None:
            return result(query, blocklist_node(self._account))
        service = self._account.service
        lid, phone = user_of(item.jid("jid")), user_of(item.jid("pn_jid"))
        person = Person(
            phone if isinstance(phone, PhoneNumber) else lid if isinstance(lid, PhoneNumber) else None,
            lid if isinstance(lid, Lid) else None,
        )
        if not person.identifiers:
            return refusal(query, 400, "bad-request")
        try:
            if item.string("action") == "block":
                service.block(person)
            else:
                service.unblock(person)
        except NotOnWhatsApp as error:
            logger.warning("a device was refused: %s", error.message)
            return refusal(query, 404, "item-not-found")
        return result(query, blocklist_node(self._account))

    # Keys

    def _encrypt(self, device: Device, query: Node) -> Node:
        store, lid = self._account.store, self._account.lid
        if query.child("count") is not None:
            count = store.count_prekeys(lid, device.number) or FEW_PREKEYS
            return result(query, Node("count", {"value": str(count)}))
        if query.child("digest") is not None:
            return result(query, self._digest(device))
        signed, listed = query.child("skey") or query.child("rotate"), query.child("list")
        if signed is not None and signed.tag == "rotate":
            signed = signed.child("skey")
        if signed is not None and not self._keep_signed(device, query, signed):
            return refusal(query, 406, "not-acceptable")
        if listed is not None:
            keys = [(int.from_bytes(_data(key, "id"), "big"), _data(key, "value")) for key in listed.children("key")]
            if any(len(public) != 32 for _, public in keys):
                return refusal(query, 406, "not-acceptable")
            store.put_prekeys(lid, device.number, keys)
        return result(query)

    def _keep_signed(self, device: Device, query: Node, signed: Node) -> bool:
        """Keep a signed prekey; False unless the device's own identity signed it."""
        identity = query.child("identity")
        public, signature = _data(signed, "value"), _data(signed, "signature")
        if identity is not None and identity.data != device.identity:
            logger.warning("device %d uploaded keys of another identity", device.number)
            return False
        if not verify(device.identity, DJB + public, signature):
            logger.warning("device %d uploaded a prekey that it did not sign", device.number)
            return False
        device.signed_id = int.from_bytes(_data(signed, "id"), "big")
        device.signed_key, device.signature = public, signature
        self._account.keep(device)
        return True

    def _digest(self, device: Device) -> Node:
        registration = device.registration.to_bytes(4, "big")
        return Node(
            "digest",
            {},
            [
                Node("registration", {}, registration),
                Node("type", {}, DJB),
                Node("identity", {}, device.identity),
                Node("skey", {}, [Node("id", {}, device.signed_id.to_bytes(3, "big"))]),
            ],
        )

    # Everything else

    def _privacy(self, _: Device, query: Node) -> Node:
        if query.string("type") != "get":
            return result(query)
        categories = [Node("category", {"name": name, "value": "all"}) for name in PRIVACY]
        return result(query, Node("privacy", {}, categories))

    def _media(self, _: Device, query: Node) -> Node:
        """Where media are: at this server, which has none; all history comes inside messages."""
        host = Node("host", {"hostname": self._base.rpartition("/")[2]})
        attributes: Attributes = {"auth": "sandbox", "ttl": "3600", "auth_ttl": "3600", "max_buckets": "1"}
        return result(query, Node("media_conn", attributes, [host]))

    def _multidevice(self, device: Device, query: Node) -> Node:
        """`remove-companion-device`: the session ends once this is answered."""
        farewell = query.child("remove-companion-device")
        jid = None if farewell is None else farewell.jid("jid")
        if jid is not None and jid.device != device.number:
            return refusal(query, 403, "forbidden")
        if farewell is not None:
            self._account.forget(device.number)
        return result(query)


def blocklist_node(account: AccountServer) -> Node:
    """The whole blocklist, with the phone numbers that the account knows."""
    items = [Node("item", blocked_attributes(account, lid)) for lid in account.service.state.blocked]
    return Node("list", {"dhash": dhash(account)}, items)


def blocked_attributes(account: AccountServer, lid: Lid) -> Attributes:
    """How somebody blocked is named."""
    attributes: Attributes = {"jid": lid_jid(lid)}
    person = account.service.live.state.people.get(lid)
    phone = None if person is None else account.service.shown(person).phone
    if phone is not None:
        attributes["pn_jid"] = pn_jid(phone)
    return attributes


def dhash(account: AccountServer) -> str:
    """A name for the blocklist as it is now; no client looks at more than whether it is the same."""
    return f"{account.service.state.blocklist_changed}:{len(account.service.state.blocked)}"


def _data(node: Node, tag: str) -> bytes:
    child = node.child(tag)
    return b"" if child is None else child.data
