"""Running a server: from the settings to the last request.

Everything that can be wrong is found out before anything is started, and said in one line.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from lidbook import __version__, logs
from lidbook.app import CoreSettings, Lidbook
from lidbook.errors import LidbookError
from lidbook.registry import EngineRegistry
from lidbook.sessions.sessions import DEFAULT_ENGINE
from lidbook_api.app import create_app
from lidbook_api.first_session import DEFAULT, WorldWanted, describe_sessions, prepare_sessions, read_world
from lidbook_api.keys import PREFIX, WeakKey
from lidbook_api.settings import KEY_VARIABLES, PLAIN_KEY_VARIABLE, ServerSettings, explain

DRAIN_SECONDS: Final = 15
"""How long running requests may take after the server was asked to stop."""

BACKLOG: Final = 2048


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
        settings = settings_from(wanted.settings)
        engines = EngineRegistry.load()
        engine = engines.get(settings.default_engine or DEFAULT_ENGINE)
        world = WorldWanted.of(wanted.world, wanted.people, wanted.seed, wanted.region, engine)
        _make_data_dir(settings.data_dir)
        for line in read_world(world, settings.data_dir):
            _say(line)
        listening = _listen(settings)
    except (CannotServe, WeakKey, LidbookError) as error:
        _complain(str(error))
        return 2
    logs.configure(settings.log_level, json=settings.log_format == "json")
    with contextlib.closing(listening), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(settings, engines, world, listening))


async def _serve(
    settings: ServerSettings, engines: EngineRegistry, world: WorldWanted, listening: socket.socket
) -> int:
    core = CoreSettings(settings.data_dir, settings.default_engine, settings.network)
    with _asked_to_stop() as stop:
        try:
            lidbook = await Lidbook.open(core, engines=engines)
        except LidbookError as error:
            _complain(error.message)
            return 1
        except (OSError, sqlite3.Error) as error:
            _complain(f"cannot open {settings.data_dir}: {error}")
            return 1
        try:
            changed = await prepare_sessions(lidbook, world, settings.start_sessions)

            async def announce() -> None:
                lidbook.hooks.tell_server_started(_url(listening), settings.data_dir)
                sessions = await describe_sessions(lidbook)
                lines = (*_where(settings, listening), *changed, *sessions, *_try_it(lidbook, settings, listening))
                _say("\n".join(lines))

            server = _Server(create_app(lidbook, settings), announce)
            stop.ends(server)
            await server.serve(sockets=[listening])
        except LidbookError as error:
            _complain(error.message)
            return 1
        finally:
            lidbook.hooks.tell_server_stopping()
            await lidbook.close()
    return 0


class _Server(uvicorn.Server):
    """uvicorn, with something to say once requests are answered."""

    def __init__(self, app: FastAPI, announce: Callable[[], Coroutine[None, None, None]]) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            backlog=BACKLOG,
        )
        super().__init__(config)
        self._announce = announce
        self._announcing: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so: what is printed works from then on."""
        await super().startup(sockets=sockets)
        self._announcing = asyncio.create_task(self._announce())
        self._announcing.add_done_callback(_report)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is under way."""
        if self._announcing is not None:
            self._announcing.cancel()
            await asyncio.gather(self._announcing, return_exceptions=True)
        await super().shutdown(sockets=sockets)


def _report(announcing: asyncio.Task[None]) -> None:
    """A server that cannot describe itself still serves, and says what was wrong."""
    if not announcing.cancelled() and (error := announcing.exception()) is not None:
        structlog.stdlib.get_logger("lidbook.api").error("could not describe the server", exc_info=error)


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


def settings_from(given: Mapping[str, object]) -> ServerSettings:
    """What is given, and the environment for the rest. Raises `CannotServe`."""
    try:
        return ServerSettings.model_validate(given)
    except ValidationError as error:
        raise CannotServe(explain(error)) from error


def _make_data_dir(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CannotServe(
            f"cannot use the data dir {data_dir}: {error.strerror}; choose one with --data-dir"
        ) from error
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise CannotServe(f"cannot write to the data dir {data_dir}; choose one with --data-dir")


def _listen(settings: ServerSettings) -> socket.socket:
    address = (settings.host.strip("[]"), settings.port)
    try:
        family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
        raise CannotServe(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error}; choose another --port"
        ) from error


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


def _where(settings: ServerSettings, listening: socket.socket) -> Iterator[str]:
    url = _url(listening)
    yield f"Lidbook {__version__} listens on {url}"
    yield f"  Swagger UI  {url}/"
    yield f"  data dir    {settings.data_dir}"
    for pattern in settings.patterns:
        yield f"  ignored     '{pattern}' in {KEY_VARIABLES[1]}_EXCLUDE_PATH: name whole paths, such as health"


def _try_it(lidbook: Lidbook, settings: ServerSettings, listening: socket.socket) -> Iterator[str]:
    names = [session.name for session in lidbook.sessions.all()]
    if not names:
        return
    key = f' -H "X-Api-Key: {_key_in_the_environment()}"' if settings.key() is not None else ""
    name = DEFAULT if DEFAULT in names else names[0]
    yield f"  try         curl -s{key} '{_url(listening)}/api/contacts/all?session={name}&limit=3'"


def _key_in_the_environment() -> str:
    """How a shell with this environment writes the key: by the name of its variable, never by its value."""
    for name in (*KEY_VARIABLES, PLAIN_KEY_VARIABLE):
        value = os.environ.get(name, "")
        if value and not value.startswith(PREFIX):
            return f"${name}"
    return "YOUR-KEY"
