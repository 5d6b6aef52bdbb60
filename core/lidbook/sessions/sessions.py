"""All sessions of a server: made, changed, started, stopped, found."""

import asyncio
import functools
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import orjson

from lidbook.capabilities import Capability
from lidbook.changelog import cursors
from lidbook.directory import syncs
from lidbook.engine import Engine, EngineSettings
from lidbook.errors import InvalidConfig, SessionExists, SessionMissing, SessionNotFound
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig
from lidbook.sessions import rows
from lidbook.sessions.engine_choice import EngineChoice, settings_of
from lidbook.sessions.folders import forget_folder
from lidbook.sessions.names import check_name, new_name
from lidbook.sessions.session import Session
from lidbook.sessions.supervisor import Supervisor
from lidbook.sessions.surroundings import AtBoot, Surroundings
from lidbook.sessions.turns import Turns
from lidbook.values import SessionStatus, StatusReason

STARTS_AT_ONCE: Final = 8
"""How many sessions of one engine may be starting at the same time, so that a server with hundreds comes up at all."""

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
        self._choice = EngineChoice(engines, default_engine, DEFAULT_ENGINE, around.data_dir)
        self._ready_timeout = ready_timeout
        self._sessions: dict[str, Session] = {}
        self._turns = Turns()
        self._starting: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(STARTS_AT_ONCE))
        """By engine: one whose starts hang does not keep the others from starting."""
        self._attempts: dict[str, asyncio.Task[None]] = {}
        """The start of each name that is under way or waits for its turn."""
        self._supervisor = Supervisor(self._start_again, around.monotonic, around.delays)
        self._booting: set[asyncio.Task[None]] = set()
        self._changing: set[asyncio.Future[Any]] = set()
        self._closed = False

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
        """The session, in the status expected; STARTING is waited for, unless its next attempt is further away than
        that. Raises `SessionMissing`, `SessionNotReady`."""
        session = self._sessions.get(name)
        if session is None:
            raise SessionMissing(name)
        if session.status is SessionStatus.STARTING and self._supervisor.due_in(name) < self._ready_timeout:
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
            engine, assumed = self._choice.of_new(config)
            settings = settings_of(engine, config)
            await asyncio.to_thread(forget_folder, self._around.data_dir, name)  # of one whose deletion was cut short
            created_at = self._around.clock()
            desired: rows.Desired = "running" if start else "stopped"

            def work(connection: sqlite3.Connection) -> int:
                made = rows.insert(
                    connection,
                    name=name,
                    engine=engine.name,
                    engine_assumed=assumed,
                    config=orjson.dumps(config.stored()),
                    desired=desired,
                    created_at=created_at,
                )
                cursors.keep(connection, made, cursors.trust(config, None, self._around.webhooks, "admin"))
                return made

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
            session = Session(row, engine, settings, config, self._around, self._supervisor)
            self._sessions[name] = session
            self._around.hooks.tell_session_configured(name)
            if assumed:
                session.log.warning(
                    "no engine was named, so this session is simulated: its people are made up", engine=engine.name
                )
            if start:
                await self._start(session)
            return session

    @_to_the_end
    async def update(self, name: str, config: SessionConfig, *, set_by: cursors.SetBy = "admin") -> Session:
        """Another config, as a whole; see `SessionConfig.after` for what stays. A session that is wanted running is
        started anew. Once it is stored it stays, however the start goes. `set_by` is for webhooks, see `cursors`."""
        self._choose(config, self.get(name))
        async with self._locked(name, interrupting=True):
            session = self.get(name)
            engine, assumed, settings = self._choose(config, session)
            config = config.after(session.config)
            trust = cursors.trust(config, session.config, self._around.webhooks, set_by)

            def work(connection: sqlite3.Connection) -> None:
                rows.update_config(
                    connection,
                    session.id,
                    engine=engine.name,
                    engine_assumed=assumed,
                    config=orjson.dumps(config.stored()),
                )
                cursors.keep(connection, session.id, trust)
                if engine.name != session.engine.name:
                    syncs.begin_anew(connection, session.id)

            await self._around.database.write(work)
            session.config = config
            self._around.hooks.tell_session_configured(name)
            if session.desired == "running":
                await session.stop()
            session.engine, session.engine_assumed, session.engine_settings = engine, assumed, settings
            await self._start_if_wanted(session)
            return session

    @_to_the_end
    async def delete(self, name: str) -> None:
        """Unlink the device and forget the session: config, credentials, directory, folder. One that is not there is
        deleted already.
        """
        async with self._locked(name, interrupting=True):
            session = self._sessions.get(name)
            if session is None:
                return
            await session.stop(unlink=True)
            await self._around.database.write(lambda connection: rows.delete(connection, name))
            del self._sessions[name]
            self._around.hooks.tell_session_deleted(name)
            await asyncio.to_thread(forget_folder, self._around.data_dir, name)

    @_to_the_end
    async def start(self, name: str) -> Session:
        """Want the session running, and start it unless it is. A failed one is started anew."""
        async with self._locked(name):
            session = self.get(name)
            await self._want(session, "running")
            self._supervisor.forget(name)
            await self._start(session)
            return session

    @_to_the_end
    async def stop(self, name: str) -> Session | None:
        """Want the session stopped, and stop it; None when there is none of that name."""
        async with self._locked(name, interrupting=True):
            session = self._sessions.get(name)
            if session is None:
                return None
            await self._want(session, "stopped")
            await session.stop()
            return session

    @_to_the_end
    async def restart(self, name: str) -> Session:
        """Stop and start."""
        async with self._locked(name, interrupting=True):
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
            await session.logout()
            await self._start_if_wanted(session)
            return session

    @_to_the_end
    async def reset(self, name: str) -> Session:
        """Forget credentials and directory, keep name and config; for when another account is to be linked."""
        async with self._locked(name, interrupting=True):
            session = self.get(name)
            await session.logout(erase=True)
            await self._start_if_wanted(session)
            return session

    # the whole

    async def load(self) -> None:
        """Bring back what is stored, and start in the background what is wanted running."""
        kept: list[tuple[int, cursors.Trust]] = []
        for row in await self._around.database.write(rows.load_all):
            try:
                config = SessionConfig.parse(orjson.loads(row.config))
                kept.append((row.id, cursors.trust(config, config, self._around.webhooks, "nobody")))
            except (InvalidConfig, ValueError):
                config = SessionConfig(engine=row.engine)
                self._around.log.exception("a stored config cannot be read any more", session=row.name)
            engine = self._choice.of_stored(row.engine)
            session = Session(row, engine, EngineSettings(), config, self._around, self._supervisor)
            self._sessions[row.name] = session

        def keep(connection: sqlite3.Connection) -> None:
            for session_id, trust in kept:
                cursors.keep(connection, session_id, trust)

        await self._around.database.write(keep)
        if self._around.at_boot is AtBoot.ALL:
            await asyncio.gather(*(self._want(session, "running") for session in self.all()))
        starts = self._around.at_boot is not AtBoot.NONE
        wanted = [session for session in self.all() if starts and session.desired == "running"]
        left = [session for session in self.all() if session not in wanted and session.was_left_running]
        await asyncio.gather(*(session.stop() for session in left))
        for session in wanted:
            session.announce_start()
            self._begin(session, self._around.boot_delay)

    async def close(self) -> None:
        """Stop every session; what is wanted running stays wanted. Starts that are under way are cut short."""
        self._closed = True
        self._supervisor.close()
        for task in (*self._attempts.values(), *self._booting):
            task.cancel()
        ending = (*self._attempts.values(), *self._booting, *self._changing)
        await asyncio.gather(*ending, return_exceptions=True)
        stopped = await asyncio.gather(*(s.stop() for s in self._sessions.values()), return_exceptions=True)
        failed = [error for error in stopped if isinstance(error, BaseException)]
        if failed:
            raise failed[0]

    # within

    def _changed(self, task: "asyncio.Future[Any]") -> None:
        self._changing.discard(task)
        if not task.cancelled():
            task.exception()  # raised where it is awaited, if anybody still does

    def _begin(self, session: Session, delay: float = 0.0) -> None:
        task = asyncio.create_task(self._boot(session, delay), name=f"start {session.name}")
        self._booting.add(task)
        task.add_done_callback(self._booted)

    async def _boot(self, session: Session, delay: float) -> None:
        await asyncio.sleep(delay)
        async with self._locked(session.name):
            is_current = self._sessions.get(session.name) is session
            if is_current and session.desired == "running" and session.status is SessionStatus.STARTING:
                await self._start(session)

    def _booted(self, task: asyncio.Task[None]) -> None:
        self._booting.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._around.log.error("a session could not be started", exc_info=error)

    def _start_again(self, name: str) -> None:
        """Another attempt, unless somebody has done something about the session meanwhile."""
        session = self._sessions.get(name)
        if session is not None and not session.is_running:
            self._begin(session)

    def engine_class(self, config: SessionConfig, session: Session) -> type[Engine]:
        """The engine of a session with this config, whatever its settings. Raises `UnknownEngine`, `InvalidConfig`."""
        return session.engine if config.engine is None else self._choice.of_new(config)[0]

    def engine(self, engine_class: type[Engine]) -> Engine:
        """The one instance of an engine in this server, made when it is first asked for."""
        return self._choice.instance(engine_class)

    def _choose(self, config: SessionConfig, session: Session) -> tuple[type[Engine], bool, EngineSettings]:
        """The engine that a session has with this config, whether nobody chose it, and its settings."""
        if config.engine is None:
            engine, assumed = session.engine, session.engine_assumed
        else:
            engine, assumed = self._choice.of_new(config)
        kept = config.keeps_settings  # a start looks at them again, and says what is wrong with them
        return engine, assumed, session.engine_settings if kept else settings_of(engine, config)

    async def _start_if_wanted(self, session: Session) -> None:
        if session.desired == "running":
            await self._start(session)

    async def _start(self, session: Session) -> None:
        """One attempt, in its turn; it may be cut short by another change, which says what becomes of the session."""
        if session.is_running or self._closed:
            return
        session.announce_start()
        session.engine = self._choice.of_stored(session.engine.name)
        try:
            session.engine_settings = settings_of(session.engine, session.config)
        except InvalidConfig as error:
            await session.fail(StatusReason.RUNTIME, error.message)
            return
        if self._turns.is_wanted_soon(session.name):
            return
        attempt = self._attempts[session.name] = asyncio.create_task(self._attempt(session))
        try:
            await asyncio.wait({attempt})
        finally:
            del self._attempts[session.name]
        if not attempt.cancelled():
            attempt.result()

    async def _attempt(self, session: Session) -> None:
        async with self._starting[session.engine.name]:
            await session.start(self._choice.instance)

    async def _want(self, session: Session, desired: rows.Desired) -> None:
        if session.desired != desired:
            await self._around.database.write(lambda connection: rows.set_desired(connection, session.id, desired))
            session.desired = desired

    @asynccontextmanager
    async def _locked(self, name: str, *, interrupting: bool = False) -> AsyncIterator[None]:
        """One change of a name at a time. `interrupting` cuts starts short instead of waiting for them."""
        if interrupting and name in self._attempts:
            self._attempts[name].cancel()
        try:
            async with self._turns.of(name, hasty=interrupting):
                yield
        except BaseException:
            session = self._sessions.get(name)
            if interrupting and session is not None:
                self._begin(session)  # the change came to nothing, and may have taken a start from it
            raise
