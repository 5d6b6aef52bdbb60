"""A linked device that logs in: who it is, what it missed, and what it sends from then on."""

import logging
from collections.abc import Iterable
from typing import Final

from lidbook_sandbox.network.account import AccountServer
from lidbook_sandbox.network.connection import Connection
from lidbook_sandbox.network.faults import Malformation
from lidbook_sandbox.network.history import introduce
from lidbook_sandbox.network.queries import Queries, is_farewell
from lidbook_sandbox.network.stanzas import Attributes, lid_jid, seconds
from lidbook_sandbox.network.store import Device
from lidbook_sandbox.network.wire.jid import SERVER
from lidbook_sandbox.network.wire.node import Node

LOGGED_OUT: Final = 401
UNAVAILABLE: Final = 503
"""With this a device comes again later; it would forget its link with a 401."""
BANNED_FOR_NOW: Final = 402
BAN_SECONDS: Final = 3600

logger = logging.getLogger("lidbook.sandbox.network")


class LinkedSession:
    """One connection of one linked device."""

    def __init__(self, connection: Connection, account: AccountServer, device: Device, queries: Queries) -> None:
        self.device: Final = device
        self._connection = connection
        self._account = account
        self._queries = queries
        self._listens = False

    @property
    def listens(self) -> bool:
        """Whether the device has said that it takes what is announced."""
        return self._listens

    # Role

    def opened(self) -> None:
        """Let the device in, in place of any other connection it has; or refuse it."""
        account, number = self._account, self.device.number
        if account.is_away():
            self._connection.abort()
            return
        reason = account.faults.take_refusal(account.lid) or (None if account.has_number() else UNAVAILABLE)
        if reason is not None:
            more = {"code": "101", "expire": str(BAN_SECONDS)} if reason == BANNED_FOR_NOW else {}
            self._connection.refuse(reason, **more)
            return
        before = account.sessions.pop(number, None)
        if before is not None:
            before.fail(None, "replaced")
        account.sessions[number] = self
        self.device.last_seen = account.service.live.time()
        account.keep(self.device)
        malformed = account.faults.take_malformation(account.lid, "login")
        if malformed is not None:
            self.malform(malformed)
        self._welcome()
        account.obey()

    async def audible(self) -> None:
        """Return as soon as the server is not silent."""
        await self._account.while_holding(self._account.is_silent)

    def received(self, stanza: Node) -> None:
        """A query is answered; what was delivered is acknowledged; of the rest, what wants a receipt gets one."""
        if self._account.sessions.get(self.device.number) is not self:
            return
        match stanza.tag:
            case "iq":
                self._connection.spawn(self._query(stanza))
            case "ack":
                self._acknowledge(stanza)
            case "receipt":
                self._receipt(stanza)
            case "message":
                attributes = {"class": "message", "id": stanza.string("id"), "t": seconds()}
                self.send(Node("ack", {**attributes, "from": stanza.jid("to") or SERVER}))
            case _:
                pass  # presence, chatstate, ib: nothing that this server would answer

    def closed(self) -> None:
        """The device is away."""
        if self._account.sessions.get(self.device.number) is self:
            del self._account.sessions[self.device.number]

    # Session

    def send(self, stanza: Node) -> None:
        """Send a stanza once everything before it is sent."""
        self._connection.send(stanza)

    def fail(self, code: str | None, conflict: str | None) -> None:
        """Send a stream error and close."""
        self._connection.fail(code, conflict)

    def malform(self, kind: Malformation) -> None:
        """Send wrong bytes."""
        self._connection.malform(kind)

    def abort(self) -> None:
        """Cut the connection."""
        self._connection.abort()

    def _welcome(self) -> None:
        account = self._account
        waiting = account.waiting(self.device.number)
        counts = {kind: str(sum(stanza.tag == kind for stanza in waiting)) for kind in ("message", "notification")}
        success: Attributes = {"t": seconds(), "props": "27", "lid": lid_jid(account.lid, self.device.number)}
        self.send(Node("success", success))
        preview = {"count": str(len(waiting)), "appdata": "0", "receipt": "0", **counts}
        self.send(Node("ib", {"from": SERVER}, [Node("offline_preview", {**preview})]))

    def _listen(self) -> None:
        """Hand over what waited, then say that this was all: Baileys holds every event back until it hears so."""
        if self._listens:
            return
        waiting = self._account.waiting(self.device.number)
        for position, stanza in enumerate(waiting):
            self.send(Node(stanza.tag, {**stanza.attributes, "offline": str(position)}, stanza.content))
        self._listens = True
        self.send(Node("ib", {"from": SERVER}, [Node("offline", {"count": str(len(waiting))})]))
        if not self.device.introduced:
            self._account.spawn(introduce(self._account, self.device))

    async def _query(self, query: Node) -> None:
        answer = await self._queries.answer(self.device, query)
        if answer is not None:
            self.send(answer)
        if query.string("xmlns") == "passive" and query.child("active") is not None:
            self._listen()
        if answer is not None and is_farewell(query) and answer.string("type") == "result":
            self._account.remove(self.device.number)

    def _acknowledge(self, stanza: Node) -> None:
        if stanza.string("error"):
            logger.warning("a device refused %s %s", stanza.string("class"), stanza.string("id"))
        self._account.store.acknowledge(self._account.lid, self.device.number, stanza.string("id"))

    def _receipt(self, stanza: Node) -> None:
        kind = stanza.string("type")
        if kind == "retry":
            logger.warning("device %d could not decrypt message %s", self.device.number, stanza.string("id"))
        listed = stanza.child("list")
        items = [] if listed is None else listed.children("item")
        for identifier in (stanza.string("id"), *(item.string("id") for item in items)):
            self._account.store.acknowledge(self._account.lid, self.device.number, identifier)
        attributes: Attributes = {"class": "receipt", "id": stanza.string("id"), "from": stanza.jid("to") or SERVER}
        if kind:
            attributes["type"] = kind
        self.send(Node("ack", attributes))


class Stranger:
    """Whoever logs in with credentials that are void, or never were any."""

    def __init__(self, connection: Connection, why: str) -> None:
        self._connection = connection
        self._why = why

    def opened(self) -> None:
        """Refuse."""
        logger.warning("a login was refused: %s", self._why)
        self._connection.refuse(LOGGED_OUT)

    async def audible(self) -> None:
        """Nobody is kept waiting here."""

    def received(self, stanza: Node) -> None:
        """Nothing it sends means anything."""

    def closed(self) -> None:
        """There is nothing to forget."""


def device_of(
    accounts: Iterable[AccountServer], digits: str, number: int, noise: bytes
) -> tuple[AccountServer, Device] | str:
    """The device with these credentials, or why there is none.

    Digits and number may be those of several: of one account before it moved, and of the one that has the number now.
    """
    why = f"{digits} has no device {number}: it was removed, or never linked"
    for account in accounts:
        device = account.find(digits, number)
        if device is None:
            continue
        if device.noise == noise:
            return account, device
        why = f"device {number} of {digits} has another key"
    return why
