"""`usync`, the query about users: several protocols at once, each answered for every user in the list.

As far as whatsmeow and Baileys read it; a protocol that is not known here is answered for nobody.
"""

from collections.abc import Callable
from typing import Final
from zlib import crc32

from lidbook.capabilities import Capability
from lidbook.facts import PictureState
from lidbook.identifiers import Lid, PhoneNumber, UserId
from lidbook.values import Person
from lidbook.world.model import WorldPerson
from lidbook.world.service import WorldService
from lidbook_sandbox.network.lines import person_of
from lidbook_sandbox.network.pictures import address
from lidbook_sandbox.network.stanzas import Attributes, lid_jid, pn_jid, refusal, result, seconds, user_jid, user_of
from lidbook_sandbox.network.wire.jid import LEGACY_SERVER
from lidbook_sandbox.network.wire.node import Node
from lidbook_sandbox.network.wire.wire_pb2 import LocalizedName, VerifiedNameCertificate

LARGEST: Final = 10_000
"""How many users one query may be about."""

DeviceNumbers = Callable[[Lid], tuple[int, ...]]
"""The linked devices of whoever has this LID."""


def protocols(query: Node) -> tuple[str, ...]:
    """What a usync query asks, by name."""
    usync = query.child("usync")
    asked = None if usync is None else usync.child("query")
    return () if asked is None else tuple(node.tag for node in asked.children())


def capability_of(names: tuple[str, ...]) -> Capability | None:
    """Which live call a query with these protocols is."""
    if "contact" in names:
        return Capability.CONTACTS_CHECK
    if "status" in names:
        return Capability.CONTACTS_ABOUT
    return Capability.LIDS_QUERY if "lid" in names else None


class Usync:
    """Answers for one account."""

    def __init__(self, service: WorldService, devices: DeviceNumbers, base: str) -> None:
        self._service = service
        self._devices = devices
        self._base = base

    def answer(self, query: Node) -> Node:
        """The answer to a whole query."""
        usync = query.child("usync")
        asked = None if usync is None else usync.child("query")
        listed = None if usync is None else usync.child("list")
        if usync is None or asked is None or listed is None:
            return refusal(query, 400, "bad-request")
        users = listed.children("user")
        if len(users) > LARGEST:
            return refusal(query, 413, "too-many-users")
        wanted = {node.tag: node for node in asked.children()}
        answers = [answer for user in users if (answer := self._user(user, wanted)) is not None]
        results = Node("result", {}, [Node(name) for name in wanted])
        return result(query, Node("usync", dict(usync.attributes), [results, Node("list", {}, answers)]))

    def _user(self, user: Node, wanted: dict[str, Node]) -> Node | None:
        contact = user.child("contact")
        named = user_of(user.jid("jid"))
        typed = _typed(contact.text) if contact is not None and contact.data else None
        asked = named if typed is None else typed
        if asked is None:
            lid = user.child("lid")
            asked = None if lid is None else user_of(lid.jid("jid"))
        if asked is None:
            return None
        found = self._service.resolve(Person(*person_of(asked)))
        if "contact" in wanted:
            attributes = self._checked(asked, found, lids=wanted["contact"].string("addressing_mode") == "lid")
        else:
            attributes = {"jid": user_jid(asked)}
        query = b"" if contact is None else contact.data
        parts = (self._protocol(name, asked, found, query) for name in wanted)
        return Node("user", attributes, [part for part in parts if part is not None])

    def _checked(self, asked: UserId, found: WorldPerson | None, *, lids: bool) -> Attributes:
        """Under which JIDs the server has whoever was typed; for strangers, the number as it was asked."""
        if found is None or found.lid is None:
            return {"pn_jid" if lids else "jid": user_jid(asked)}
        if lids or found.phone is None:
            phone = found.phone if isinstance(asked, PhoneNumber) else self._service.shown(found).phone
            attributes: Attributes = {"jid": lid_jid(found.lid)}
            if phone is not None:
                attributes["pn_jid"] = pn_jid(phone)
            return attributes
        return {"jid": pn_jid(found.phone)}

    def _protocol(self, name: str, asked: UserId, found: WorldPerson | None, query: bytes) -> Node | None:
        match name:
            case "contact":
                return Node("contact", {"type": "in" if found is not None else "out"}, query or None)
            case "lid":
                return self._lid(asked, found, checked=bool(query))
            case "status":
                return self._status(asked, found)
            case "business":
                return business(found)
            case "picture":
                return self._picture(asked)
            case "devices":
                return self._device_list(found)
            case "username":
                return None if found is None or found.username is None else Node("username", {}, found.username)
            case "disappearing_mode":
                return None if found is None else Node("disappearing_mode", {"duration": "0", "t": "0"})
            case _:
                return None

    def _lid(self, asked: UserId, found: WorldPerson | None, *, checked: bool) -> Node | None:
        """The LID of exactly this spelling; together with a check, that of whoever the number belongs to."""
        if isinstance(asked, Lid):
            return None
        lid = found.lid if checked and found is not None else self._service.lids([asked])[asked]
        return None if lid is None else Node("lid", {"val": lid_jid(lid)})

    def _status(self, asked: UserId, found: WorldPerson | None) -> Node:
        if found is None:
            return Node("status", {"code": "404"})
        (answer,) = self._service.about([Person(*person_of(asked))])
        if answer.about is None:
            return Node("status", {"code": "401"})
        return Node("status", {"t": seconds(found.since)}, answer.about.encode())

    def _picture(self, asked: UserId) -> Node | None:
        state, url = address(self._service, asked, self._base)
        if state is PictureState.HIDDEN:
            return Node("picture", {"code": "401"})
        if url is None:
            return None
        return Node("picture", {"id": url.rpartition("/")[2].partition(".jpg")[0]})

    def _device_list(self, found: WorldPerson | None) -> Node | None:
        if found is None or found.lid is None:
            return None
        devices = [Node("device", {"id": "0"})]
        devices += [Node("device", {"id": str(n), "key-index": str(n)}) for n in self._devices(found.lid)]
        numbers = ",".join(node.string("id") for node in devices)
        return Node("devices", {}, [Node("device-list", {"hash": f"2:{crc32(numbers.encode()):08x}"}, devices)])


def business(person: WorldPerson | None) -> Node | None:
    """A business's own element, with the certificate of its name when that is verified; nothing for anybody else."""
    if person is None or not (person.business or person.verified_name):
        return None
    if person.verified_name is None:
        return Node("business")
    return Node("business", {}, [verified_name(person, person.verified_name)])


def verified_name(person: WorldPerson, name: str) -> Node:
    """The certificate of a business's name. It bears no signature: no client checks one."""
    details = VerifiedNameCertificate.Details(
        serial=int.from_bytes(name.encode()[:7], "big"),
        issuer="smb:wa",
        verifiedName=name,
        localizedNames=[LocalizedName(lg="en", lc="US", verifiedName=name)],
        issueTime=person.since // 1000,
    )
    certificate = VerifiedNameCertificate(details=details.SerializeToString())
    attributes: Attributes = {"v": "1", "verified_level": "unknown", "serial": str(details.serial)}
    return Node("verified_name", attributes, certificate.SerializeToString())


def _typed(text: str) -> UserId | None:
    """The number in a contact query: `+5511…` from Baileys, `+5511…@c.us` from whatsmeow."""
    digits = text.removesuffix("@" + LEGACY_SERVER).removeprefix("+")
    return PhoneNumber(digits) if digits.isascii() and digits.isdigit() else None
