"""The network: one WhatsApp service on loopback, for all accounts of a world."""

import logging
import secrets
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from aiohttp import web

from lidbook.engine import Network
from lidbook.errors import InvalidRequest, NotOnWhatsApp
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.world.changes import Change, NumberChanged, NumberReassigned, RoleChanged
from lidbook.world.conditions import ConditionFolder, Conditions
from lidbook.world.live import LiveWorld
from lidbook_sandbox.network.account import AccountServer, Session
from lidbook_sandbox.network.announcements import Roles, announce
from lidbook_sandbox.network.connection import Connection, Role
from lidbook_sandbox.network.control.application import control_application
from lidbook_sandbox.network.faults import Faults
from lidbook_sandbox.network.login import LinkedSession, Stranger, device_of
from lidbook_sandbox.network.pairing import Unpaired
from lidbook_sandbox.network.phone import Phone
from lidbook_sandbox.network.pictures import picture_route
from lidbook_sandbox.network.queries import Queries
from lidbook_sandbox.network.store import NetworkStore
from lidbook_sandbox.network.wire.certificates import chain
from lidbook_sandbox.network.wire.errors import HandshakeRefused
from lidbook_sandbox.network.wire.keys import KeyPair
from lidbook_sandbox.network.wire.noise import Responder
from lidbook_sandbox.network.wire.wire_pb2 import ClientPayload

LOOPBACK: Final = "127.0.0.1"
LARGEST_MESSAGE: Final = 1 << 22
TOKEN_SIZE: Final = 32

logger = logging.getLogger("lidbook.sandbox.network")


class SandboxNetwork:
    """Serves from `start` to `close`; keys, devices and app state are kept in `folder`."""

    def __init__(
        self,
        live: LiveWorld,
        conditions: ConditionFolder,
        folder: Path | None = None,
        *,
        port: int = 0,
        control_port: int = 0,
    ) -> None:
        self.live: Final = live
        self.conditions: Final = conditions
        self.faults: Final = Faults(self._reach, live.account)
        self._folder = folder
        self._ports = (port, control_port)
        self._accounts: dict[Lid, AccountServer] = {}
        self._queries: dict[Lid, Queries] = {}
        self._unpaired: list[Unpaired] = []
        self._connections: set[Connection] = set()
        self._network: Network | None = None
        self._roles = Roles(live)
        self._opened = AsyncExitStack()

    async def start(self) -> None:
        """Open what is kept, and listen on 127.0.0.1. Raises `OSError` where a port is taken.

        Nobody is answered before every account is there: a device that is refused forgets that it was linked.
        """
        async with AsyncExitStack() as opened:
            store = opened.enter_context(NetworkStore(self._folder))
            main, control = (opened.enter_context(socket.create_server((LOOPBACK, port))) for port in self._ports)
            self._keys = tuple(store.key_pair(name) for name in ("root", "intermediate", "static"))
            base = f"http://{LOOPBACK}:{main.getsockname()[1]}"
            self._network = Network(
                websocket=f"ws://{LOOPBACK}:{main.getsockname()[1]}/ws/chat",
                web_page=f"{base}/",
                root_key=self._keys[0].public,
                control_url=f"http://{LOOPBACK}:{control.getsockname()[1]}",
                control_token=_token(store),
            )
            opened.callback(self.live.subscribe(self._announce))
            for lid in self.live.state.accounts:
                await self._open(opened, store, lid, base)
            application = web.Application()
            application.add_routes([web.get("/ws/chat", self._websocket), picture_route(self.live)])
            await self._serve(opened, application, main)
            await self._serve(opened, control_application(self), control)
            self._opened = opened.pop_all()

    async def close(self) -> None:
        """Cut every connection and let go of everything."""
        self._network = None
        for connection in tuple(self._connections):
            connection.abort()
        await self._opened.aclose()

    @property
    def network(self) -> Network:
        """Where it listens. Raises `RuntimeError` before `start`."""
        if self._network is None:
            raise RuntimeError("the network does not listen: start it first")
        return self._network

    def phone(self, account: PhoneNumber) -> Phone:
        """The phone of an account. Raises `NotOnWhatsApp`, naming the accounts there are."""
        try:
            lid = self.live.account(account)
        except NotOnWhatsApp as error:
            lost = [lid for lid, served in self._accounts.items() if not served.has_number()]
            if not lost:
                raise
            raise NotOnWhatsApp(
                f"{error.message}; {lost[0]} lost its number: give it one with  lidbook phone number {lost[0]} NUMBER"
            ) from error
        return Phone(self._accounts[lid], lambda: self._unpaired)

    # For pairing

    def account(self, phone: PhoneNumber) -> AccountServer | None:
        """The account with this number, if it is one of the world's."""
        try:
            return self._accounts.get(self.live.account(phone))
        except NotOnWhatsApp:
            return None

    # Connections

    async def _open(self, opened: AsyncExitStack, store: NetworkStore, lid: Lid, base: str) -> None:
        account = AccountServer(self.live, lid, self._conditions_of(lid), store, self.faults)
        opened.push_async_callback(account.close)
        self._accounts[lid] = account
        self._queries[lid] = Queries(account, base)
        if account.devices:
            await account.book.open()
            account.obey()

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        self.conditions.refresh()
        if self._accounts and all(account.is_away() for account in self._accounts.values()):
            raise web.HTTPServiceUnavailable
        response = web.WebSocketResponse(compress=False, max_msg_size=LARGEST_MESSAGE)
        await response.prepare(request)
        root, intermediate, static = self._keys
        if self.faults.take_forgery():
            root = KeyPair.generate()
        responder = Responder(static, chain(root, intermediate, static.public))
        connection = Connection(response, request.transport, responder, self._role)
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
            self._unpaired = [unpaired for unpaired in self._unpaired if unpaired.connection is not connection]
        return response

    def _role(self, connection: Connection, payload: ClientPayload) -> Role:
        if payload.HasField("devicePairingData"):
            unpaired = Unpaired(connection, payload, self)
            self._unpaired.append(unpaired)
            return unpaired
        if not payload.HasField("username"):
            raise HandshakeRefused("the client neither logs in nor wants to be linked")
        found = device_of(self._accounts.values(), str(payload.username), payload.device, connection.client_static)
        if isinstance(found, str):
            return Stranger(connection, found)
        account, device = found
        return LinkedSession(connection, account, device, self._queries[account.lid])

    async def _serve(self, opened: AsyncExitStack, application: web.Application, listening: socket.socket) -> None:
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        opened.push_async_callback(runner.cleanup)
        await runner.setup()
        await web.SockSite(runner, listening).start()

    # The world

    def _announce(self, change: Change) -> None:
        happened = self._roles.happened(change) if isinstance(change, RoleChanged) else None
        if isinstance(change, NumberChanged | NumberReassigned):
            self._move_conditions()
        for account in self._accounts.values():
            announce(account, change, happened)

    def _move_conditions(self) -> None:
        """Name the conditions of every account by its number now: first all are taken away, for numbers are swapped."""
        try:
            named = [(account, self._conditions_of(lid)) for lid, account in self._accounts.items()]
            moved = [(account, new) for account, new in named if new is not account.conditions]
            held = [account.conditions.remove() for account, _ in moved]
            for (account, new), conditions in zip(moved, held, strict=True):
                account.follow(new, conditions)
        except InvalidRequest as error:
            logger.warning("the conditions of an account that moved to another number stay behind: %s", error.message)

    def _conditions_of(self, lid: Lid) -> Conditions:
        return self.conditions.of(self.live.person(lid).phone or lid)

    def _reach(self, account: Lid) -> Sequence[Session]:
        return tuple(self._accounts[account].sessions.values())


def _token(store: NetworkStore) -> str:
    """What whoever steers the network has to know; kept, so that a descriptor is good after a restart."""
    kept = store.secret("control token")
    if kept is None:
        kept = secrets.token_bytes(TOKEN_SIZE)
        store.keep_secret("control token", kept)
    return kept.hex()
