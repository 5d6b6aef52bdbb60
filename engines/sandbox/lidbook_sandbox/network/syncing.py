"""`w:sync:app:state`: fetching app state, and uploading patches to it.

A patch may only follow the last one: whoever uploads on top of an older one is told what came between (409), applies
it and tries again.
"""

import logging
from typing import Final

from lidbook.capabilities import Capability
from lidbook.world.conditions import Kind
from lidbook_sandbox.network.account import AccountServer
from lidbook_sandbox.network.lines import CONTACT
from lidbook_sandbox.network.stanzas import Attributes, result
from lidbook_sandbox.network.store import Device
from lidbook_sandbox.network.synced import COLLECTIONS, CONTACTS, SETTINGS
from lidbook_sandbox.network.wire.app_state import Mutation, Operation
from lidbook_sandbox.network.wire.errors import BadMac, Malformed
from lidbook_sandbox.network.wire.node import Node
from lidbook_sandbox.network.wire.wire_pb2 import SyncdPatch

PAGE: Final = 10
"""How many patches one answer holds; the client comes again while `has_more_patches`."""

logger = logging.getLogger("lidbook.sandbox.network")


class Syncing:
    """The app state of one account, as its devices ask for it."""

    def __init__(self, account: AccountServer) -> None:
        self._account = account
        self._retelling: dict[tuple[int, str], tuple[int, list[bytes]]] = {}
        """What a device has not fetched yet of a collection that is retold to it, and after which version."""

    def capability(self, query: Node) -> Capability | None:
        """Which live call an upload is; fetching is none, and neither is what the account's keys do not read."""
        for collection in _collections(query):
            patch = collection.child("patch")
            if patch is None or not self._follows(collection):
                continue
            try:
                mutations, _ = self._account.book.collections.read(collection.string("name"), patch.data)
            except (BadMac, Malformed):
                continue
            for mutation in mutations:
                if mutation.index[:1] == (CONTACT,):
                    removed = mutation.operation is Operation.REMOVE
                    return Capability.CONTACTS_DELETE if removed else Capability.CONTACTS_UPDATE
        return None

    async def answer(self, device: Device, query: Node) -> Node:
        """The answer for every collection that is asked for."""
        author = self._account.author
        await self._account.book.open()
        for collection in _collections(query):
            await self._retell(device, collection)
        self._account.author = author
        capability = self.capability(query)
        collections = [self._collection(device, collection, capability) for collection in _collections(query)]
        return result(query, Node("sync", {}, collections))

    def _collection(self, device: Device, asked: Node, capability: Capability | None) -> Node:
        name = asked.string("name")
        if name not in COLLECTIONS:
            return _error(name, 404, "item-not-found")
        patch = asked.child("patch")
        if patch is None:
            return self._next(device, name, _number(asked.string("version")))
        return self._upload(device, asked, patch.data, capability)

    async def _retell(self, device: Device, asked: Node) -> None:
        """Get ready for a device that asks for everything."""
        name = asked.string("name")
        if asked.string("return_snapshot") != "true" or asked.child("patch") is not None or name not in COLLECTIONS:
            return
        patches = await self._account.book.collections.retold(name)
        self._retelling[device.number, name] = (0, patches)

    def _next(self, device: Device, name: str, version: int) -> Node:
        """The next patches for a device: of what is being retold to it, else what came after its version."""
        after, patches = self._retelling.pop((device.number, name), (0, []))
        if not patches or version != after:
            return self._page(name, version, {})
        page, rest = patches[:PAGE], patches[PAGE:]
        reached = SyncdPatch.FromString(page[-1]).version.version
        if rest:
            self._retelling[device.number, name] = (reached, rest)
        more = bool(rest) or reached < self._account.book.collections.version(name)
        attributes: Attributes = {"name": name, "version": str(reached), "has_more_patches": str(more).lower()}
        return Node("collection", attributes, [Node("patches", {}, [Node("patch", {}, patch) for patch in page])])

    def _page(self, name: str, version: int, more: Attributes, *children: Node) -> Node:
        state = self._account.book.collections
        patches = state.patches(name, version, PAGE)
        reached = version + len(patches)
        attributes: Attributes = {"name": name, "version": str(reached), **more}
        attributes["has_more_patches"] = "true" if reached < state.version(name) else "false"
        listed = [Node("patches", {}, [Node("patch", {}, patch) for patch in patches])] if patches else []
        return Node("collection", attributes, [*children, *listed])

    def _upload(self, device: Device, asked: Node, patch: bytes, capability: Capability | None) -> Node:
        account, name = self._account, asked.string("name")
        if capability is not None and account.conditions.take(Kind.CONFLICT, capability):
            self._interfere(name)
        if not self._follows(asked):
            conflict = Node("error", {"code": "409", "text": "conflict"})
            return self._page(name, _number(asked.string("version")), {"type": "error"}, conflict)
        try:
            mutations, after = account.book.collections.read(name, patch)
        except (BadMac, Malformed) as error:
            logger.warning("a patch of device %d was refused: %s", device.number, error)
            return _error(name, 400, "bad-request")
        _check(mutations)
        account.book.take(name, patch, mutations, after)
        account.tell_collection(name, account.others())
        return Node("collection", {"name": name, "version": str(after.version)})

    def _interfere(self, name: str) -> None:
        """Let the phone be faster, with something that changes nothing; the device hears of it with the refusal alone.

        whatsmeow applies the patches of a refusal without its lock, so a notification besides would race with them.
        """
        self._account.spares_author = True
        try:
            if name == SETTINGS:
                self._account.book.rename()
            elif name == CONTACTS:
                self._account.book.rewrite()
        finally:
            self._account.spares_author = False

    def _follows(self, asked: Node) -> bool:
        """Whether the client's patch is made on top of the last one."""
        return _number(asked.string("version")) == self._account.book.collections.version(asked.string("name"))


def _check(mutations: list[Mutation]) -> None:
    for mutation in mutations:
        if not mutation.index:
            raise Malformed("a mutation with an empty index")


def _collections(query: Node) -> list[Node]:
    sync = query.child("sync")
    return [] if sync is None else sync.children("collection")


def _error(name: str, code: int, text: str) -> Node:
    return Node("collection", {"name": name, "type": "error"}, [Node("error", {"code": str(code), "text": text})])


def _number(text: str) -> int:
    """A version; a client without any leaves it out."""
    return int(text) if text.isascii() and text.isdigit() else 0
