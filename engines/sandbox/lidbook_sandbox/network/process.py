"""The process behind `lidbook sandbox`: one network, from the lock on its folder to the last of its devices."""

import asyncio
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog

from lidbook.engine import Network
from lidbook.errors import InvalidRequest
from lidbook.network_descriptor import descriptor_path, write_descriptor
from lidbook.world.changes import Change, NumberChanged, NumberReassigned
from lidbook.world.conditions import ConditionFolder
from lidbook.world.sources import WorldSource
from lidbook_sandbox.engine import LOOK_EVERY, SandboxEngine, conditions_folder
from lidbook_sandbox.network.server import SandboxNetwork
from lidbook_sandbox.network_folder import LastTime, lock_network, network_folder
from lidbook_sandbox.worlds import OpenWorld, Worlds

LOOPBACK: Final = "127.0.0.1"


class CannotServe(Exception):
    """The network cannot be served; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which world to serve, where, and for which data dir."""

    data_dir: Path
    source: WorldSource
    port: int = 0
    """0 takes the one of last time, or a free one where somebody else has that."""
    control_port: int = 0


@dataclass(frozen=True, slots=True)
class Linkable:
    """An account that a device can be linked to."""

    phone: str
    name: str | None
    devices: int


@dataclass(frozen=True, slots=True)
class Served:
    """A network that listens."""

    world: str
    network: Network
    accounts: tuple[Linkable, ...]


async def serve(wanted: Wanted, announce: Callable[[Served], None]) -> None:
    """Serve until SIGINT or SIGTERM; `announce` is called once it listens.

    Raises `CannotServe`, `NetworkRunning`, `InvalidWorld`, and `OSError` for a folder that cannot be used.
    """
    with _asked_to_stop() as stop, closing(_Lock(wanted.data_dir)):
        serving = asyncio.create_task(_serve(wanted, announce))
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (serving, stopped):
                task.cancel()
            await asyncio.wait({serving, stopped})
        if not serving.cancelled():
            serving.result()


async def _serve(wanted: Wanted, announce: Callable[[Served], None]) -> None:
    """The same, until it is cancelled."""
    folder = network_folder(wanted.data_dir)
    conditions = ConditionFolder(conditions_folder(wanted.data_dir / "engines" / SandboxEngine.name))
    async with (
        _opened(Worlds(folder / "worlds"), wanted.source) as world,
        _listening(world, conditions, folder, wanted) as network,
        _described(wanted.data_dir, network.network),
    ):
        with _remembered(folder, world, network):
            accounts = tuple(_linkable(world, network))
            announce(Served(world.live.state.name, network.network, accounts))
            await _look(conditions)


class _Lock:
    """The network's folder, to oneself."""

    def __init__(self, data_dir: Path) -> None:
        self._lock = lock_network(data_dir)

    def close(self) -> None:
        """Let another process have it."""
        self._lock.release()


@contextmanager
def _asked_to_stop() -> Iterator[asyncio.Event]:
    """Set by SIGINT and SIGTERM, which do nothing else meanwhile."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@asynccontextmanager
async def _opened(worlds: Worlds, source: WorldSource) -> AsyncIterator[OpenWorld]:
    world = await worlds.open(source)
    try:
        yield world
    finally:
        await worlds.close(world)


@asynccontextmanager
async def _listening(
    world: OpenWorld, conditions: ConditionFolder, folder: Path, wanted: Wanted
) -> AsyncIterator[SandboxNetwork]:
    """The network, with keys and devices that go with this world and no other."""
    last, kept = LastTime.of(folder), folder / "worlds" / world.key
    network = SandboxNetwork(
        world.live,
        conditions,
        kept,
        port=_chosen(wanted.port, last.port, "--port"),
        control_port=_chosen(wanted.control_port, last.control_port, "--control-port"),
    )
    try:
        await network.start()
    except OSError as error:
        raise CannotServe(f"cannot listen on {LOOPBACK}: {error.strerror or error}; try it again") from error
    except sqlite3.Error as error:
        raise CannotServe(
            f"what was kept of the world {world.key} cannot be used: {error}; move {kept} away to begin anew, with no "
            "linked device"
        ) from error
    try:
        yield network
    finally:
        await network.close()


@asynccontextmanager
async def _described(data_dir: Path, network: Network) -> AsyncIterator[None]:
    """Nobody is led to a network that is about to end."""
    path = descriptor_path(data_dir)
    write_descriptor(path, network)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _remembered(folder: Path, world: OpenWorld, network: SandboxNetwork) -> Iterator[None]:
    """Where it listens, and its accounts by the numbers they have now: other processes name them so."""
    where = network.network

    def remember(change: Change | None = None) -> None:
        if change is None or isinstance(change, NumberChanged | NumberReassigned):
            accounts = tuple(account.phone for account in _linkable(world, network))
            LastTime(_port(where.websocket), _port(where.control_url), accounts).keep(folder)

    remember()
    unsubscribe = world.live.subscribe(remember)
    try:
        yield
    finally:
        unsubscribe()


def _chosen(asked: int, last: int, option: str) -> int:
    """The port to listen on; 0 for any that is free. Raises `CannotServe` where somebody has the one asked for."""
    if asked == 0:
        return last if last != 0 and _fault(last) is None else 0
    fault = _fault(asked)
    if fault is not None:
        raise CannotServe(
            f"cannot listen on {LOOPBACK} port {asked}: {fault}; choose another {option}, or leave it out"
        )
    return asked


def _fault(port: int) -> str | None:
    """Why nothing can listen there; None if something can."""
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _linkable(world: OpenWorld, network: SandboxNetwork) -> Iterator[Linkable]:
    for lid in world.live.state.accounts:
        person = world.live.person(lid)
        if person.phone is not None:
            yield Linkable(person.phone.digits, person.pushname, len(network.phone(person.phone).devices()))


def _port(url: str) -> int:
    port = urlsplit(url).port
    if port is None:
        raise ValueError(f"{url} has no port")
    return port


async def _look(conditions: ConditionFolder) -> None:
    """Look whether another process switched a condition, for ever; a file that cannot be read is said once."""
    said: str | None = None
    while True:
        try:
            conditions.refresh()
            said = None
        except InvalidRequest as error:
            if error.message != said:
                structlog.stdlib.get_logger("lidbook.sandbox").warning(error.message)
            said = error.message
        await asyncio.sleep(LOOK_EVERY)
