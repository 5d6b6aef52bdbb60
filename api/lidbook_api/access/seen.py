"""The sessions as one request sees them: routes have no other way to reach a session."""

from collections.abc import MutableMapping
from typing import Any

from lidbook.engine import Engine
from lidbook.errors import InvalidConfig, NotAllowed
from lidbook.session_config import SessionConfig
from lidbook.sessions.session import Session
from lidbook.sessions.sessions import Sessions
from lidbook.values import SessionStatus
from lidbook_api.access.audit import SESSION
from lidbook_api.access.scopes import Access, Scope
from lidbook_api.webhooks.destinations import Destinations


class SeenSessions:
    """`Sessions`, where every name is checked against the key before anything is looked up or done.

    Every method may raise `NotAllowed`, the same for a session that exists and for one that does not. What changes a
    session asks for the scope of that change as well, whatever the route's own scope is.
    """

    def __init__(
        self,
        sessions: Sessions,
        access: Access,
        destinations: Destinations,
        noted: MutableMapping[str, Any] | None = None,
    ) -> None:
        """`noted` is where the session asked for is noted for the audit log: the request's ASGI scope."""
        self._sessions = sessions
        self._access = access
        self._destinations = destinations
        self._noted: MutableMapping[str, Any] = {} if noted is None else noted

    def admit(self, name: str, scope: Scope = Scope.PUBLIC) -> None:
        """Raise `NotAllowed` unless the key has this scope and is for this session: of this name, and this very one."""
        access = self._access
        session = self._sessions.find(name)
        if session is not None:
            self._noted[SESSION] = name
        if access.is_admin:
            return
        access.require_session(name)
        if session is None or session.id != access.session_id:
            raise NotAllowed("this key is for an earlier session of that name")
        access.require(scope)

    def all(self) -> list[Session]:
        """Every session that the key sees, by name."""
        if self._access.is_admin:
            return self._sessions.all()
        session = self._sessions.find(self._access.session or "")
        return [session] if session is not None and session.id == self._access.session_id else []

    def find(self, name: str) -> Session | None:
        """The session, or None."""
        self.admit(name)
        return self._sessions.find(name)

    def get(self, name: str) -> Session:
        """The session. Raises `SessionNotFound`."""
        self.admit(name)
        return self._sessions.get(name)

    def ready(self, name: str) -> Session | None:
        """The session if it is WORKING at this moment."""
        self.admit(name)
        return self._sessions.ready(name)

    async def usable(self, name: str, expected: SessionStatus = SessionStatus.WORKING) -> Session:
        """The session in the status expected. Raises `SessionMissing`, `SessionNotReady`."""
        self.admit(name)
        return await self._sessions.usable(name, expected)

    async def create(self, name: str | None, config: SessionConfig, *, start: bool = True) -> Session:
        """A new session, which only an admin makes."""
        self._access.require(Scope.ADMIN)
        await self._destinations.check(config, None, trusted=True)
        session = await self._sessions.create(name, config, start=start)
        self._noted[SESSION] = session.name
        return session

    async def update(self, name: str, config: SessionConfig) -> Session:
        """Another config. Raises `InvalidConfig` where a session key would decide what only the operator does."""
        self.admit(name, Scope.SETTING)
        session = self._sessions.get(name)
        if not self._access.is_admin:
            self._check_modest(session, config)
        is_admin = self._access.is_admin
        await self._destinations.check(config, session.config, trusted=is_admin)
        return await self._sessions.update(name, config, set_by="admin" if is_admin else "session")

    async def delete(self, name: str) -> None:
        """Forget the session."""
        self.admit(name, Scope.DELETE)
        await self._sessions.delete(name)

    async def start(self, name: str) -> Session:
        """Want the session running."""
        self.admit(name, Scope.CONTROL)
        return await self._sessions.start(name)

    async def stop(self, name: str) -> Session | None:
        """Want the session stopped."""
        self.admit(name, Scope.CONTROL)
        return await self._sessions.stop(name)

    async def restart(self, name: str) -> Session:
        """Stop and start."""
        self.admit(name, Scope.CONTROL)
        return await self._sessions.restart(name)

    async def logout(self, name: str) -> Session:
        """Unlink the account."""
        self.admit(name, Scope.CONTROL)
        return await self._sessions.logout(name)

    async def reset(self, name: str) -> Session:
        """Forget credentials and directory."""
        self.admit(name, Scope.DELETE)
        return await self._sessions.reset(name)

    def engine(self, engine_class: type[Engine]) -> Engine:
        """The one instance of an engine in this server."""
        return self._sessions.engine(engine_class)

    def _check_modest(self, session: Session, config: SessionConfig) -> None:
        """Only the operator says what runs on this machine, what of it is read and how much of it is taken.

        Before the settings are looked at: what is wrong with them may tell which files there are.
        """
        engine = self._sessions.engine_class(config, session)
        if engine.name != session.engine.name:
            raise InvalidConfig(["config.engine may only be changed with an admin key: it says what the server runs"])
        for names, why in (
            (engine.settings.local_files, "it names a file of the server"),
            (engine.settings.costly, "it decides how much of the server's machine the session takes"),
        ):
            for name in sorted(names):
                given = config.settings.get(name)
                if given is not None and given != session.config.settings.get(name):
                    raise InvalidConfig([f"config.settings.{name} may only be changed with an admin key: {why}"])
