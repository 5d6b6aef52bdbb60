"""All sessions of a server: made, changed, started, stopped, found."""

import asyncio
import functools
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import orjson
from pydantic import ValidationError

from lidbook.capabilities import Capability
from lidbook.engine import Engine, EngineSettings
from lidbook.errors import (
    EngineNotFound,
    EngineUnavailable,
    InvalidConfig,
    SessionExists,
    SessionMissing,
    SessionNotFound,
    UnknownEngine,
)
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig
from lidbook.sessions import rows
from lidbook.sessions.missing import missing_engine
from lidbook.sessions.names import check_name, new_name
from lidbook.sessions.session import Session, Surroundings
from lidbook.values import SessionStatus, StatusReason

STARTS_AT_ONCE: Final = 8
"""How many sessions may be starting at the same time, so that a server with hundreds comes up at all."""

DEFAULT_ENGINE: Final = "sandbox"

P = ParamSpec("P")
T = TypeVar("T")


def _to_the_end(
    change: Callable[Concatenate["Sessions", P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["Sessions", P], Coroutine[Any, Any, T]]:
    """A change that was begun is finished, though nobody waits for it any more: half a change is no state."""

    async def begun(self: "Sessions", /, *args: P.args, **kwargs: P.kwargs) -> T:
        task = asyncio.create_task(change(self, *args, **kwargs))
        self._changing.add(task)
        task.add_done_callback(self._changed)
        return await asyncio.shield(task)

    functools.update_wrapper(begun, change)
    return begun


class Sessions:
    """Every session by name. One change of one session at a time; different sessions do not wait for each other."""

    def __init__(
        self, around: Surroundings, engines: EngineRegistry, default_engine: str | None, ready_timeout: float
    ) -> None:
        self._around = around
        self._registry = engines
        self._default_engine = default_engine
        self._ready_timeout = ready_timeout
        self._sessions: dict[str, Session] = {}
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        """The lock of a name, and how many hold it or wait for it."""
        self._engines: dict[str, Engine] = {}
        self._starting = asyncio.Semaphore(STARTS_AT_ONCE)
        self._booting: set[asyncio.Task[None]] = set()
        self._changing: set[asyncio.Future[Any]] = set()

    # finding

    def all(self) -> list[Session]:
        """Every session, by name."""
        return [self._sessions[name] for name in sorted(self._sessions)]

    def find(self, name: str) -> Session | None:
        """The session, or None."""
        return self._sessions.get(name)

    def get(self, name: str) -> Session:
        """The session. Raises `SessionNotFound`."""
        session = self._sessions.get(name)
        if session is None:
            raise SessionNotFound(name)
        return session

    def ready(self, name: str) -> Session | None:
        """The session if it is WORKING at this moment; else ask `usable`, which waits or says why not."""
        session = self._sessions.get(name)
        return session if session is not None and session.status is SessionStatus.WORKING else None

    async def usable(self, name: str, expected: SessionStatus = SessionStatus.WORKING) -> Session:
        """The session, in the status expected; STARTING is waited for. Raises `SessionMissing`, `SessionNotReady`."""
        session = self._sessions.get(name)
        if session is None:
            raise SessionMissing(name)
        if session.status is SessionStatus.STARTING:
            await session.settled(self._ready_timeout)
        if session.status is not expected:
            raise session.not_ready((expected,))
        return session

    # changing

    @_to_the_end
    async def create(self, name: str | None, config: SessionConfig, *, start: bool = True) -> Session:
        """A new session. Raises `InvalidSessionName`, `SessionExists`, `UnknownEngine`, `InvalidConfig`."""
        name = name or new_name()
        check_name(name)
        async with self._locked(name):
            if name in self._sessions:
                raise SessionExists(name)
            engine, assumed = self._engine_for(config, None)
            settings = _settings_for(engine, config)
            created_at = self._around.clock()
            desired: rows.Desired = "running" if start else "stopped"

            def work(connection: sqlite3.Connection) -> int:
                return rows.insert(
                    connection,
                    name=name,
                    engine=engine.name,
                    engine_assumed=assumed,
                    config=orjson.dumps(config.stored()),
                    desired=desired,
                    created_at=created_at,
                )

            session_id = await self._around.database.write(work)
            row = rows.SessionRow(
                session_id,
                name,
                engine.name,
                assumed,
                b"",
                desired,
                SessionStatus.STOPPED,
                None,
                None,
                created_at,
                None,
            )
            session = Session(row, engine, settings, config, self._around)
            self._sessions[name] = session
            if assumed:
                session.log.warning(
                    "no engine was named, so this session is simulated: its people are made up", engine=engine.name
                )
            if config.webhooks:
                session.log.warning("webhooks are stored, and not delivered by this version")
            if start:
                await self._start(session)
            return session

    @_to_the_end
    async def update(self, name: str, config: SessionConfig) -> Session:
        """Another config, as a whole. An engine that it does not name stays; a running session is started anew."""
        async with self._locked(name):
            session = self.get(name)
            engine, assumed = self._engine_for(config, session)
            settings = _settings_for(engine, config)
            was_running = session.is_running
            if was_running:
                await session.stop()
            await self._around.database.write(
                lambda connection: rows.update_config(
                    connection,
                    session.id,
                    engine=engine.name,
                    engine_assumed=assumed,
                    config=orjson.dumps(config.stored()),
                )
            )
            session.engine, session.engine_assumed = engine, assumed
            session.engine_settings, session.config = settings, config
            if was_running:
                await self._start(session)
            return session

    @_to_the_end
    async def delete(self, name: str) -> None:
        """Forget the session: config, credentials, directory, folder. One that is not there is deleted already."""
        async with self._locked(name):
            session = self._sessions.get(name)
            if session is not None:
                await session.stop()
            else:
                return
            await self._around.database.write(lambda connection: rows.delete(connection, name))
            del self._sessions[name]
            folder = self._around.data_dir / "sessions" / name
            if folder.exists():
                await asyncio.to_thread(shutil.rmtree, folder)

    @_to_the_end
    async def start(self, name: str) -> Session:
        """Want the session running, and start it unless it is. A failed one is started anew."""
        async with self._locked(name):
            session = self.get(name)
            await self._want(session, "running")
            if session.status is SessionStatus.FAILED:
                await session.stop()
            await self._start(session)
            return session

    @_to_the_end
    async def stop(self, name: str) -> Session | None:
        """Want the session stopped, and stop it; None when there is none of that name."""
        async with self._locked(name):
            session = self._sessions.get(name)
            if session is None:
                return None
            await self._want(session, "stopped")
            await session.stop()
            return session

    @_to_the_end
    async def restart(self, name: str) -> Session:
        """Stop and start."""
        async with self._locked(name):
            session = self.get(name)
            await self._want(session, "running")
            await session.stop()
            await self._start(session)
            return session

    @_to_the_end
    async def logout(self, name: str) -> Session:
        """Unlink the device, keep config and directory; started again if it was running, to be linked anew."""
        async with self._locked(name):
            session = self.get(name)
            if session.is_running:
                session.require(Capability.SESSION_LOGOUT)
            was_running = session.is_running
            await session.logout()
            if was_running:
                await self._start(session)
            return session

    @_to_the_end
    async def reset(self, name: str) -> Session:
        """Forget credentials and directory, keep name and config; for when another account is to be linked."""
        async with self._locked(name):
            session = self.get(name)
            was_running = session.is_running or session.desired == "running"
            await session.stop()
            await session.vault.clear()
            await session.directory.erase()
            session.account = None
            folder = self._around.data_dir / "sessions" / name
            if folder.exists():
                await asyncio.to_thread(shutil.rmtree, folder)
            if was_running:
                await self._start(session)
            return session

    # the whole

    async def load(self) -> None:
        """Bring back what is stored, and start in the background what is wanted running."""
        for row in await self._around.database.write(rows.load_all):
            try:
                config = SessionConfig.parse(orjson.loads(row.config))
            except InvalidConfig:
                config = SessionConfig(engine=row.engine)
                self._around.log.exception("a stored config cannot be read any more", session=row.name)
            session = Session(row, self._usable_engine(row.engine), EngineSettings(), config, self._around)
            self._sessions[row.name] = session
            if row.desired == "running":
                session.announce_start()
                task = asyncio.create_task(self._boot(session))
                self._booting.add(task)
                task.add_done_callback(self._booting.discard)

    async def close(self) -> None:
        """Stop every session; what is wanted running stays wanted."""
        for task in self._booting:
            task.cancel()
        await asyncio.gather(*self._booting, *self._changing, return_exceptions=True)
        stopped = await asyncio.gather(*(s.stop() for s in self._sessions.values()), return_exceptions=True)
        failed = [error for error in stopped if isinstance(error, BaseException)]
        if failed:
            raise failed[0]

    # within

    def _changed(self, task: "asyncio.Future[Any]") -> None:
        self._changing.discard(task)
        if not task.cancelled():
            task.exception()  # raised where it is awaited, if anybody still does

    async def _boot(self, session: Session) -> None:
        async with self._locked(session.name):
            if session.desired == "running" and self._sessions.get(session.name) is session:
                await self._start(session)

    def engine(self, engine_class: type[Engine]) -> Engine:
        """The one instance of an engine in this server, made when it is first asked for."""
        engine = self._engines.get(engine_class.name)
        if type(engine) is not engine_class:
            folder = self._around.data_dir / "engines" / engine_class.name
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            engine = self._engines[engine_class.name] = engine_class(folder)
        return engine

    async def _start(self, session: Session) -> None:
        if not session.is_running:
            session.announce_start()
        session.engine = self._usable_engine(session.engine.name)
        try:
            session.engine_settings = _settings_for(session.engine, session.config)
        except InvalidConfig as error:
            await session.fail(StatusReason.RUNTIME, error.message)
            return
        async with self._starting:
            await session.start(self.engine)

    def _usable_engine(self, name: str) -> type[Engine]:
        """The engine of a stored session; a stand-in that says why when it cannot be had."""
        try:
            return self._registry.get(name)
        except (EngineNotFound, EngineUnavailable) as error:
            return missing_engine(name, error.message)

    async def _want(self, session: Session, desired: rows.Desired) -> None:
        if session.desired != desired:
            await self._around.database.write(lambda connection: rows.set_desired(connection, session.id, desired))
            session.desired = desired

    def _engine_for(self, config: SessionConfig, session: Session | None) -> tuple[type[Engine], bool]:
        """The engine that a config means, and whether nobody chose it."""
        name = config.engine
        if name is None and session is not None:
            return session.engine, session.engine_assumed
        assumed = name is None and self._default_engine is None
        name = name or self._default_engine or DEFAULT_ENGINE
        try:
            return self._registry.get(name), assumed
        except EngineNotFound as error:
            raise UnknownEngine(name, self._registry.names()) from error
        except EngineUnavailable as error:
            raise InvalidConfig([f"config.engine: {error.message}"]) from error

    @asynccontextmanager
    async def _locked(self, name: str) -> AsyncIterator[None]:
        lock, users = self._locks.get(name) or (asyncio.Lock(), 0)
        self._locks[name] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(name)
            if users > 1:
                self._locks[name] = (lock, users - 1)


def _settings_for(engine: type[Engine], config: SessionConfig) -> EngineSettings:
    """`config.settings` as the engine's own model has it. Raises `InvalidConfig`, one message a fault."""
    try:
        return engine.settings.model_validate(config.settings)
    except ValidationError as error:
        known = ", ".join(sorted(engine.settings.model_fields)) or "none"
        raise InvalidConfig(
            [
                f"{'.'.join(('config.settings', *map(str, fault['loc'])))}: "
                f"{fault['msg'].removeprefix('Value error, ')} (settings of {engine.name}: {known})"
                for fault in error.errors(include_url=False, include_input=False)
            ]
        ) from error
