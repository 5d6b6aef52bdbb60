"""Running a server: from the settings to the last request.

Everything that can be wrong is found out before anything is started, and said in one line.
"""

import asyncio
import contextlib
import os
import shlex
import signal
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final, Literal, cast

import structlog
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from lidbook import __version__, logs
from lidbook.app import CoreSettings, Lidbook
from lidbook.engine import Engine, Network
from lidbook.errors import LidbookError
from lidbook.network_descriptor import described
from lidbook.registry import EngineRegistry
from lidbook.sessions.sessions import DEFAULT_ENGINE
from lidbook_api.access.key_text import PREFIX, WeakKey
from lidbook_api.access.local import has_admin_key
from lidbook_api.app import create_app
from lidbook_api.first_session import DEFAULT, WorldWanted, describe_sessions, prepare_sessions, read_world
from lidbook_api.gate import is_loopback
from lidbook_api.services import Services
from lidbook_api.settings import (
    KEY_VARIABLES,
    PLAIN_KEY_VARIABLE,
    ServerSettings,
    explain,
    variable_of,
    variables,
)
from lidbook_api.terminal_qr import ShownCodes
from lidbook_api.transport.descriptors import connections, raised
from lidbook_api.transport.door import Door
from lidbook_api.transport.server import DRAIN_SECONDS, LATE_SECONDS, Server
from lidbook_api.variables import refusals, remarks
from lidbook_api.websocket.protocol import WebSocketProtocol
from lidbook_api.websocket.sockets import VARIABLE as WS_CONNECTIONS

BACKLOG: Final = 2048
"""Connections that wait to be accepted, at most."""

MESSAGE_BYTES: Final = 64 * 1024
"""Longest message that a client may send over a websocket. None of them means anything."""


class CannotServe(Exception):
    """The server cannot start; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; the environment fills in the rest."""

    settings: Mapping[str, object]
    world: str | None = None
    people: int | None = None
    seed: int | None = None
    region: str | None = None


def run(wanted: Wanted) -> int:
    """Serve until told to stop. Returns the process's exit code."""
    try:
        _check_variables()
        settings = settings_from(wanted.settings)
        _check_host(settings.host)
        _check_locked(settings)
        engines = EngineRegistry.load()
        engine = _default_engine(engines, settings, wanted)
        world = WorldWanted.of(wanted.world, wanted.people, wanted.seed, wanted.region, engine)
        before, descriptors = raised()
        door = Door(connections(descriptors, settings.ws_connections))
        listening = _listen(settings, door)
    except (CannotServe, WeakKey, LidbookError) as error:
        _complain(str(error))
        return 2
    with contextlib.closing(listening):
        try:
            _make_data_dir(settings.data_dir)
        except CannotServe as error:
            _complain(str(error))
            return 1
        try:
            for line in read_world(world, settings.data_dir):
                _say(line)
        except LidbookError as error:
            _complain(error.message)
            return 2
        logs.configure(settings.level, json=settings.log_format == "json")
        for line in remarks(os.environ, variables()):
            structlog.stdlib.get_logger("lidbook.api").warning(line)
        _tell_limits(before, descriptors, door, settings)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_serve(settings, engines, world, listening, door))


async def _serve(
    settings: ServerSettings, engines: EngineRegistry, world: WorldWanted, listening: socket.socket, door: Door
) -> int:
    core = CoreSettings(
        settings.data_dir,
        settings.default_engine,
        settings.network,
        client=settings.client,
        at_boot=settings.at_boot,
        boot_delay=settings.auto_start_delay,
        webhooks=settings.webhooks,
        log_days=settings.log_days,
    )
    with _asked_to_stop() as stop:
        try:
            lidbook = await Lidbook.open(core, engines=engines)
        except LidbookError as error:
            _complain(error.message)
            return 1
        except (OSError, sqlite3.Error) as error:
            _complain(f"cannot open {settings.data_dir}: {error}{_remedy(error)}")
            return 1
        try:
            app = create_app(lidbook, settings)  # before any session comes up: it counts what they do
            _draw_codes(lidbook, settings)
            changed = await prepare_sessions(lidbook, world, settings.start_sessions)

            async def announce() -> None:
                lidbook.hooks.tell_server_started(_url(listening), settings.data_dir)
                sessions = await describe_sessions(lidbook)
                locked: bool = app.state.services.keys.locked
                where = _where(settings, lidbook.network, listening)
                lines = (*where, *changed, *sessions, *_try_it(lidbook, listening, locked=locked))
                _say("\n".join(lines))

            services: Services = app.state.services
            config = configured(app, settings, door)
            server = Server(config, services.stopping, announce=announce, ending=services.webhooks.finish)
            stop.ends(server)
            await server.serve(sockets=[listening])
        except LidbookError as error:
            _complain(error.message)
            return 1
        finally:
            lidbook.hooks.tell_server_stopping()
            await lidbook.close()
    return 0


def configured(app: FastAPI, settings: ServerSettings, door: Door | None = None) -> uvicorn.Config:
    """How uvicorn serves the app. Its own log is kept to warnings: the rest names URLs, and those may hold a key."""
    door = door or Door()
    return uvicorn.Config(
        app,
        lifespan="on",
        http=_http(door),
        ws=cast("type[asyncio.Protocol]", partial(WebSocketProtocol, door=door)),
        ws_max_size=MESSAGE_BYTES,
        ws_ping_interval=settings.ws_ping_seconds,
        ws_ping_timeout=settings.ws_ping_seconds,
        ws_per_message_deflate=False,
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS + LATE_SECONDS,
        backlog=backlog(door),
    )


def _http(door: Door) -> "type[asyncio.Protocol] | Literal['h11']":
    """Our protocol, or where its parser is not to be had uvicorn's other one: that bounds heads, but no waiting."""
    try:
        from lidbook_api.transport.connection import HttpProtocol  # noqa: PLC0415 - not on every platform
    except ImportError:
        return "h11"
    return cast("type[asyncio.Protocol]", partial(HttpProtocol, door=door))


class _Stop:
    """That the process was asked to end, whether or not there is a server yet."""

    def __init__(self) -> None:
        self._asked = False
        self._server: uvicorn.Server | None = None

    def ends(self, server: uvicorn.Server) -> None:
        """End this server when asked, at once if that was before."""
        self._server = server
        server.should_exit = self._asked

    def ask(self, _signal: int, _frame: FrameType | None) -> None:
        """The handler of signals."""
        self._asked = True
        if self._server is not None:
            self._server.should_exit = True


@contextlib.contextmanager
def _asked_to_stop() -> Iterator[_Stop]:
    """SIGTERM and SIGINT end the server, and not the process with a signal: uvicorn raises those it got once more."""
    stop = _Stop()
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_variables() -> None:
    """Raise `CannotServe` for what must not be passed over in silence."""
    refused = list(refusals(os.environ))
    if refused:
        raise CannotServe("\n".join(refused))


def _draw_codes(lidbook: Lidbook, settings: ServerSettings) -> None:
    """Have QR codes drawn, if somebody sees them: a code links whoever scans it, and is nothing for a log."""
    if not settings.print_qr:
        return
    if sys.stdout.isatty():
        lidbook.hooks.register(ShownCodes(lidbook.sessions.find, sys.stdout), "lidbook_api.terminal_qr")
    else:
        log = structlog.stdlib.get_logger("lidbook.api")
        log.warning("QR codes are drawn on a terminal only: see them with  lidbook sessions qr NAME")


def backlog(door: Door) -> int:
    """How many connections may wait to be accepted: all of them are before the first is shown to the door."""
    return min(BACKLOG, max(16, door.most // 8))


def settings_from(given: Mapping[str, object]) -> ServerSettings:
    """What is given, and the environment for the rest. Raises `CannotServe`."""
    try:
        return ServerSettings.model_validate(given)
    except ValidationError as error:
        raise CannotServe(explain(error)) from error


def _check_host(host: str) -> None:
    """Raise `CannotServe` where the host is no address at all."""
    try:
        socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CannotServe(
            f"{host!r} is no address of this machine: give --host, or LIDBOOK_HOST, one that it has, as 127.0.0.1, or "
            "0.0.0.0 for all of them"
        ) from error


def _default_engine(engines: EngineRegistry, settings: ServerSettings, wanted: Wanted) -> type[Engine]:
    """The engine of sessions that name none. Raises `CannotServe`, which says who named it."""
    try:
        return engines.get(settings.default_engine or DEFAULT_ENGINE)
    except LidbookError as error:
        place = "--engine" if "default_engine" in wanted.settings else variable_of("default_engine", os.environ)
        raise CannotServe(f"{place}: {error.message}" if settings.default_engine else error.message) from error


def _check_locked(settings: ServerSettings) -> None:
    """Raise `CannotServe` where others would reach a server that asks for no key, or has none that opens it."""
    if is_loopback(settings.host) or settings.key() is not None:
        return
    try:
        if has_admin_key(settings.data_dir):
            return
    except sqlite3.Error as error:
        raise CannotServe(f"cannot read the keys in {settings.data_dir}: {error}") from error
    raise CannotServe(
        f"{settings.host} can be reached by others, so an API key is needed: make one with  lidbook keys create "
        f"--admin --local --data-dir {shlex.quote(str(settings.data_dir))}  or set LIDBOOK_API_KEY, for instance with  "
        "export LIDBOOK_API_KEY=$(openssl rand -hex 16)  or stay on --host 127.0.0.1"
    )


def _make_data_dir(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CannotServe(
            f"cannot use the data dir {data_dir}: {error.strerror}; choose one with --data-dir"
        ) from error
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise CannotServe(f"cannot write to the data dir {data_dir}; choose one with --data-dir")


def _tell_limits(before: int, descriptors: int, door: Door, settings: ServerSettings) -> None:
    log = structlog.stdlib.get_logger("lidbook.api")
    if descriptors > before:
        log.info("file descriptors raised", before=before, now=descriptors, connections=door.most)
    if door.most <= settings.ws_connections:
        log.warning(
            "too few file descriptors for the websockets that are allowed: raise the limit (ulimit -n, LimitNOFILE)",
            descriptors=descriptors,
            connections=door.most,
            **{WS_CONNECTIONS: settings.ws_connections},
        )


def _listen(settings: ServerSettings, door: Door) -> socket.socket:
    address = (settings.host.strip("[]"), settings.port)
    try:
        family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server(address, family=family, backlog=backlog(door))
    except OSError as error:
        raise CannotServe(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error}; choose another --port"
        ) from error


def _remedy(error: Exception) -> str:
    """What mends a database that cannot be read; nothing where it is busy, or the disk full."""
    damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
    return "; restore a backup:  lidbook restore FILE --replace" if damaged else ""


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(f"lidbook: {text}\n")


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - recognised, not bound
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _where(settings: ServerSettings, network: Network | None, listening: socket.socket) -> Iterator[str]:
    url = _url(listening)
    yield f"Lidbook {__version__} listens on {url}"
    if network is not None:
        yield f"  NETWORK     {described(network)}"
    if settings.public_url is not None:
        yield f"  clients     {settings.public_url}"
    if settings.swagger_enabled:
        yield f"  Swagger UI  {url}/"
    yield f"  data dir    {settings.data_dir}"
    for pattern in settings.patterns:
        place = variable_of("open_paths", os.environ)
        yield f"  ignored     '{pattern}' in {place}: name whole paths, such as health"


def _try_it(lidbook: Lidbook, listening: socket.socket, *, locked: bool) -> Iterator[str]:
    names = [session.name for session in lidbook.sessions.all()]
    if not names:
        return
    key = f' -H "X-Api-Key: {_key_in_the_environment()}"' if locked else ""
    name = DEFAULT if DEFAULT in names else names[0]
    yield f"  try         curl -s{key} '{_url(listening)}/api/contacts/all?session={name}&limit=3'"


def _key_in_the_environment() -> str:
    """How a shell with this environment writes the key: by the name of its variable, never by its value."""
    for name in (*KEY_VARIABLES, PLAIN_KEY_VARIABLE):
        value = os.environ.get(name, "")
        if value and not value.startswith(PREFIX):
            return f"${name}"
    return "YOUR-KEY"
