"""The contract an engine implements.

An engine is a class named in the entry-point group `lidbook.engines`. It declares which facts it feeds and overrides
the live calls it can serve; what it supports follows from that. Its `claims` say how well, and why not.
"""

import abc
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from lidbook.background import Background
from lidbook.capabilities import FEEDS_NEEDED, Capability, Claim, Feed
from lidbook.claims import Provision, held_against
from lidbook.errors import LidbookError, NotSupported
from lidbook.facts import Facts, Picture
from lidbook.identifiers import Lid, PhoneNumber, UserId
from lidbook.passkey import PasskeyAssertion, PasskeyChallenge
from lidbook.reasons import reason_of, said_by
from lidbook.runtime import Runtime
from lidbook.values import (
    AboutAnswer,
    Account,
    AddressBookEntry,
    Image,
    Person,
    Registration,
    SessionStatus,
    StatusReason,
)

API_VERSION: Final = 1
"""Version of this contract; an engine states the one it was written for and is refused on any other."""

_Method = TypeVar("_Method", bound=Callable[..., Any])


def provides(capability: Capability) -> Callable[[_Method], _Method]:
    """Mark the method of `EngineSession` that serves a capability."""

    def mark(method: _Method) -> _Method:
        vars(method)["capability"] = capability
        return method

    return mark


class EngineSettings(BaseModel):
    """Base of an engine's own settings, `config.settings` of a session. Unknown keys are refused with a 400; a string
    below a field describes it to users."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    local_files: ClassVar[frozenset[str]] = frozenset()
    """Names of settings that name a file of the server's machine: a session key may not change them."""
    costly: ClassVar[frozenset[str]] = frozenset()
    """Names of settings that decide how much of the server's machine a session takes: nor these."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A session's own way out: `server` is host:port."""

    server: str
    username: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """What every engine honours of a session's config, whatever its own settings."""

    proxy: Proxy | None = None
    device_name: str | None = None
    browser_name: str | None = None
    mark_online: bool = False
    """Off by default: while a linked device is shown online, the phone stays silent."""


@dataclass(frozen=True, slots=True)
class Network:
    """Where WhatsApp is, as the sandbox network's descriptor says. None in a context means the real one."""

    websocket: str
    web_page: str
    root_key: bytes
    control_url: str
    control_token: str = field(repr=False)
    """What whoever steers the network sends, as `Authorization: Bearer …`; no host of an engine is told it."""


class Vault(Protocol):
    """Named blobs that outlive the process: an engine's credentials, per session."""

    async def get(self, name: str) -> bytes | None:
        """The blob, or None."""

    async def put(self, blobs: Mapping[str, bytes | None]) -> None:
        """Write all of these or none; None deletes. Returns after COMMIT."""


class Log(Protocol):
    """Structured log: an event in a few words, and values by name. Phone numbers are shortened by the core."""

    def debug(self, event: str, **values: object) -> None:
        """For the author of the engine."""

    def info(self, event: str, **values: object) -> None:
        """For the operator."""

    def warning(self, event: str, **values: object) -> None:
        """For the operator, who should look."""

    def error(self, event: str, **values: object) -> None:
        """For the operator, who must act."""

    def exception(self, event: str, **values: object) -> None:
        """The same, with the exception that is being handled."""


class SessionContext(Protocol):
    """What the core gives an engine for one running session."""

    session: str
    """The session's name."""
    settings: EngineSettings
    """`config.settings`, validated by the engine's own model."""
    config: ClientConfig
    network: Network | None
    folder: Path
    """A private folder that outlives the process, for libraries that insist on files."""
    vault: Vault
    log: Log

    async def facts(self, facts: Facts) -> None:
        """Feed the directory. Returns after COMMIT: what was awaited here survives a crash.

        Await one call before the next; that is the back-pressure. Any size is taken, a few thousand at a time is best.
        Report WORKING with the account first: until then nobody knows whose facts they are, and it is a `ValueError`.
        Raises `LoggedOut` when the directory is another account's, `EngineDisconnected` once stopped, `StorageFailed`.
        """

    async def sync(
        self, feed: Feed, *, expected: int | None = None, received: int | None = None, complete: bool = False
    ) -> None:
        """Report progress of a first sync; `complete=True` after its last facts were awaited, never before."""

    async def is_synced(self, feed: Feed) -> bool:
        """Whether a sync of this feed was completed before. If not, a resumed session must fetch everything again."""

    def status(
        self,
        status: SessionStatus,
        reason: StatusReason | None = None,
        *,
        account: Account | None = None,
        detail: str | None = None,
    ) -> None:
        """Report a change of status. WORKING needs the account; `detail` tells the operator in a sentence what the
        reason does not."""

    def qr(self, value: str) -> None:
        """Show a QR code: implies SCAN_QR_CODE. Call again for each new one."""

    def passkey_challenge(self, challenge: PasskeyChallenge) -> None:
        """Show what the account's passkey has to sign: implies PASSKEY_REQUIRED. Call again for each new one.

        It is kept in memory, until another status is reported; QR codes that turn up meanwhile end it, so keep them.
        """

    def passkey_confirmation(self, code: str) -> None:
        """Show the code that has to be the one on the phone: implies PASSKEY_CONFIRMATION_REQUIRED.

        Where WhatsApp lets the owner skip that, confirm without showing it.
        """


class EngineSession:
    """One running session of an engine: start, stop, and one method a live capability.

    Every method may raise `EngineTimeout`, `EngineDisconnected`, `LoggedOut`, `RateLimited` and `EngineError`. Base
    methods of capabilities refuse with `NotSupported`; an engine overrides those it serves, and no others.
    """

    engine: ClassVar[type["Engine"]]
    """The engine this belongs to, set when the engine class is made. Engines that name the same session class each get
    a subclass of it, so make sessions through `Engine.session`."""

    def __init__(self, context: SessionContext) -> None:
        self.context = context
        self._background = Background(self._failed)

    def begin(self, work: Coroutine[object, object, None]) -> None:
        """Do this beside the calls, until `stop`. What it raises ends the session: `LoggedOut` and `EngineUnavailable`
        until somebody starts it, anything else until the next attempt."""
        self._background.begin(work)

    async def start(self) -> None:
        """Begin to connect and return soon; report what happens through `context.status` and `context.qr`.

        All sessions share one event loop: whatever blocks (a file, a library that waits) belongs into a thread.
        """
        raise NotImplementedError

    async def stop(self) -> None:
        """Disconnect and free everything; keep the credentials. Never raises for a session already down.

        The base ends what was begun with `begin`; an override calls it.
        """
        await self._background.end()

    @provides(Capability.SESSION_LOGOUT)
    async def logout(self) -> None:
        """Unlink this device from the account and forget its credentials."""
        raise self._refusal(Capability.SESSION_LOGOUT)

    @provides(Capability.SESSION_PAIRING_CODE)
    async def pairing_code(self, phone: PhoneNumber) -> str:
        """A code like `ABCD-EFGH` for the owner of `phone` to type."""
        raise self._refusal(Capability.SESSION_PAIRING_CODE)

    @provides(Capability.SESSION_PASSKEY)
    async def answer_passkey(self, assertion: PasskeyAssertion) -> None:
        """Hand over what the passkey signed of the challenge shown last. Raises `PasskeyRefused`; try again then.

        Returns when it is taken; that the device is linked, or a code has to be confirmed, is reported as ever.
        """
        raise self._refusal(Capability.SESSION_PASSKEY)

    @provides(Capability.SESSION_PASSKEY)
    async def confirm_passkey(self) -> None:
        """Say that the owner saw the code shown last on the phone as well. Raises `PasskeyRefused`."""
        raise self._refusal(Capability.SESSION_PASSKEY)

    @provides(Capability.SESSION_SCREENSHOT)
    async def screenshot(self) -> Image:
        """What the engine's browser shows now."""
        raise self._refusal(Capability.SESSION_SCREENSHOT)

    @provides(Capability.CONTACTS_CHECK)
    async def check(self, phones: Sequence[PhoneNumber]) -> Sequence[Registration]:
        """Ask the server about each number, in one query; one answer a number, in the same order."""
        raise self._refusal(Capability.CONTACTS_CHECK)

    @provides(Capability.LIDS_QUERY)
    async def query_lids(self, phones: Sequence[PhoneNumber]) -> Mapping[PhoneNumber, Lid | None]:
        """Ask the server for the LID of each number, in one query; None where it has none."""
        raise self._refusal(Capability.LIDS_QUERY)

    @provides(Capability.CONTACTS_ABOUT)
    async def about(self, persons: Sequence[Person]) -> Sequence[AboutAnswer]:
        """Ask for each person's about text, in one query; in the same order."""
        raise self._refusal(Capability.CONTACTS_ABOUT)

    @provides(Capability.CONTACTS_PICTURE)
    async def picture(self, person: Person) -> Picture:
        """Ask for the address of a person's profile picture, in full size."""
        raise self._refusal(Capability.CONTACTS_PICTURE)

    @provides(Capability.CONTACTS_UPDATE)
    async def update_contact(
        self, person: Person, first_name: str, last_name: str | None, *, save_on_phone: bool
    ) -> AddressBookEntry:
        """Write a contact; returns it as read back. On a conflict: resync, try again, and only then `Conflict`."""
        raise self._refusal(Capability.CONTACTS_UPDATE)

    @provides(Capability.CONTACTS_DELETE)
    async def delete_contact(self, person: Person) -> None:
        """Remove a contact from the address book; a person who is not in it is no error."""
        raise self._refusal(Capability.CONTACTS_DELETE)

    @provides(Capability.CONTACTS_BLOCK)
    async def block(self, person: Person) -> frozenset[UserId]:
        """Block a person, known by both identifiers where possible; returns the whole blocklist as read back."""
        raise self._refusal(Capability.CONTACTS_BLOCK)

    @provides(Capability.CONTACTS_UNBLOCK)
    async def unblock(self, person: Person) -> frozenset[UserId]:
        """Unblock a person; returns the whole blocklist as read back."""
        raise self._refusal(Capability.CONTACTS_UNBLOCK)

    @provides(Capability.GROUPS_REFRESH)
    async def refresh_groups(self) -> None:
        """Fetch all groups with participants and feed them, a `GroupListFact` last; return when all are awaited."""
        raise self._refusal(Capability.GROUPS_REFRESH)

    def _failed(self, error: Exception) -> None:
        unforeseen = None if isinstance(error, LidbookError) else error
        self.context.log.error("the engine session failed", error=said_by(error), exc_info=unforeseen)
        self.context.status(SessionStatus.FAILED, reason_of(error))

    def _refusal(self, capability: Capability) -> NotSupported:
        return NotSupported(self.engine.name, capability.value, self.engine.claim(capability).note)


def _methods(capability: Capability) -> tuple[str, ...]:
    members = inspect.getmembers(EngineSession, inspect.isfunction)
    return tuple(name for name, method in members if vars(method).get("capability") is capability)


LIVE_CALLS: Final[Mapping[Capability, tuple[str, ...]]] = {
    capability: _methods(capability) for capability in Capability if capability.served_by == "engine"
}
"""Which methods of `EngineSession` serve which capability: one each, but for passkeys, which take two steps."""


class Engine(abc.ABC):
    """One way to reach WhatsApp; one class a name, one instance a server.

    Subclasses set the class attributes; claims that do not fit what is written are a `TypeError` when it is made.
    """

    name: ClassVar[str]
    """Short, lower case, what `config.engine` says."""
    title: ClassVar[str]
    """One line for people."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other names that mean this engine, WAHA's for instance."""
    api_version: ClassVar[int]
    """The `API_VERSION` this was written for."""
    feeds: ClassVar[frozenset[Feed]]
    """What this engine tells the directory."""
    claims: ClassVar[Mapping[Capability, Claim]] = {}
    """Level and note, where there is more to say than yes; a capability that is not provided needs `absent(why)`."""
    proved_on: ClassVar[Mapping[str, str]] = {}
    """Where the claims were proved, for features.md: place -> what was run there."""
    settings: ClassVar[type[EngineSettings]] = EngineSettings
    """Model of `config.settings`."""
    session: ClassVar[type[EngineSession]]
    """What `open` makes."""

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if inspect.isabstract(cls):
            return
        missing = [a for a in ("name", "title", "api_version", "feeds", "session") if not hasattr(cls, a)]
        if missing:
            raise TypeError(f"engine {cls.__name__} does not set {', '.join(missing)}")
        cls._matrix = held_against(cls.claims, lambda capability: _provision(cls, capability), cls.name)
        if cls.session is EngineSession or "engine" in vars(cls.session):  # shared, or inherited with the engine
            cls.session = type(cls.session.__name__, (cls.session,), {"__module__": cls.session.__module__})
        cls.session.engine = cls

    _matrix: ClassVar[Mapping[Capability, Claim]]

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        """A folder of this engine's own, for what its sessions share."""

    @classmethod
    def claim(cls, capability: Capability) -> Claim:
        """Level and note for one capability."""
        return cls._matrix[capability]

    @classmethod
    def matrix(cls) -> Mapping[Capability, Claim]:
        """Level and note for every capability."""
        return cls._matrix

    def runtime(self) -> Runtime:
        """What this engine needs on the machine."""
        return Runtime()

    def open(self, context: SessionContext) -> EngineSession:
        """A session, not yet started."""
        return self.session(context)

    def processes(self) -> Mapping[str, int]:
        """The child processes that run for this engine now: a name that stays the same -> process id."""
        return {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Held open by the core while any session of this engine runs; for what they share."""
        yield


def _provision(engine: type[Engine], capability: Capability) -> Provision:
    """How far what `engine` feeds and overrides goes for one capability."""
    if capability in FEEDS_NEEDED:
        lacking = ", ".join(sorted(FEEDS_NEEDED[capability] - engine.feeds))
        return Provision((f"the feeds lack {lacking}",) if lacking else ())
    session, methods = engine.session, LIVE_CALLS[capability]
    bare = [method for method in methods if getattr(session, method) is getattr(EngineSession, method)]
    sentences = tuple(f"{session.__name__}.{method} is not overridden" for method in bare)
    return Provision(sentences, is_begun=0 < len(bare) < len(methods))
