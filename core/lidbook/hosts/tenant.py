"""One run of one session, as its host's messages reach it."""

import asyncio
import base64
import binascii
import secrets
from collections.abc import Callable, Mapping
from typing import Final

from pydantic import JsonValue

from lidbook.capabilities import Feed
from lidbook.engine import Network, SessionContext
from lidbook.errors import EngineDisconnected
from lidbook.hosts.encoding import account, challenge, client_json, member
from lidbook.hosts.fact_encoding import facts
from lidbook.hosts.output import presentable
from lidbook.hosts.reading import JsonObject, Malformed, inner, optional_text, optional_whole, text, truth
from lidbook.hosts.refusals import INVALID, REFUSED, UNKNOWN_METHOD, Refusal, Refused
from lidbook.values import SessionStatus, StatusReason

MOST: Final = 64
"""Requests of one session that may wait; more are refused, so that a host that floods costs no memory."""
_STOPPED: Final = "this session was stopped or started anew"


class Tenant:
    """What a host says of a session, told to the core; each run of a session is another tenant."""

    def __init__(self, context: SessionContext, settings: Callable[[], dict[str, JsonValue]]) -> None:
        self.name: Final = context.session
        self.run: Final = f"{context.session}.{secrets.token_hex(8)}"
        """What the host calls it: never the same again, so that what is said of an earlier run is nobody's."""
        self.log: Final = context.log
        self._context = context
        self._settings = settings
        self._feeding: object | None = None
        self._turns = {"facts": asyncio.Lock(), "vault": asyncio.Lock()}
        self._answering: set[asyncio.Task[object]] = set()
        self._over = asyncio.Event()

    @property
    def network(self) -> Network | None:
        """Where WhatsApp is for it."""
        return self._context.network

    async def start_params(self) -> JsonObject:
        """What `session.start` says; asked anew for each start, as syncs may be complete by then."""
        synced: list[JsonValue] = [feed.value for feed in Feed if await self._context.is_synced(feed)]
        return {
            "session": self.run,
            "folder": str(self._context.folder),
            "settings": self._settings(),
            "client": client_json(self._context.config),
            "synced": synced,
        }

    def crashed(self, detail: str) -> None:
        """Its host fell, and is started again; what that one fed last may still be on its way to the disk."""
        self._feeding = None
        self._report(SessionStatus.STARTING, StatusReason.CRASHED, detail)

    def fail(self, reason: StatusReason, detail: str) -> None:
        """It cannot go on; whether it is tried again is for the core to say."""
        self._report(SessionStatus.FAILED, reason, detail)

    def give_up(self) -> None:
        """Refuse from now on, and what is being stored: the host waits for that before it ends the session."""
        self._over.set()
        for task in self._answering:
            task.cancel()

    async def end(self) -> None:
        """The same, and wait until nothing of it is under way."""
        self.give_up()
        if self._answering:
            await asyncio.wait(self._answering)

    def told(self, method: str, params: JsonObject) -> None:
        """A notification. One that cannot be read ends the run: what the session is doing is not known any more."""
        if self._over.is_set():
            return
        try:
            self._hear(method, params)
        except Malformed as error:
            self.log.warning("the host told something that cannot be", method=method, error=str(error))
            self.fail(StatusReason.CRASHED, f"its host sent a {method} that cannot be: {error}")

    async def asked(self, method: str, params: JsonObject) -> JsonObject:
        """A request. Raises `Refused`, `Malformed`, and what the context raises."""
        answer = {
            "facts": self._facts,
            "sync": self._sync,
            "vault.get": self._vault_get,
            "vault.put": self._vault_put,
        }.get(method)
        if answer is None:
            raise Refused(Refusal(UNKNOWN_METHOD, f"the core does not know {presentable(method)}"))
        if self._over.is_set():
            raise EngineDisconnected(_STOPPED)
        if len(self._answering) >= MOST:
            raise Refused(Refusal(REFUSED, f"more than {MOST} requests of a session at once", {"code": INVALID}))
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._answering.add(task)
        try:
            return await answer(params)
        except asyncio.CancelledError as error:
            if not self._over.is_set():
                raise
            task.uncancel()
            raise EngineDisconnected(_STOPPED) from error
        finally:
            self._answering.discard(task)

    def _hear(self, method: str, params: JsonObject) -> None:
        match method:
            case "status":
                status = member(params, "status", SessionStatus, but=SessionStatus.STOPPED)
                reason = None if params.get("reason") is None else member(params, "reason", StatusReason)
                own = None if params.get("account") is None else account(inner(params, "account"))
                detail = optional_text(params, "detail")
                self._context.status(status, reason, account=own, detail=detail and presentable(detail))
            case "qr":
                self._context.qr(text(params, "value"))
            case "passkey_challenge":
                self._context.passkey_challenge(challenge(inner(params, "challenge")))
            case "passkey_confirmation":
                self._context.passkey_confirmation(text(params, "code"))
            case _:
                self.log.debug("the host told something unknown", method=method)

    def _report(self, status: SessionStatus, reason: StatusReason, detail: str) -> None:
        if not self._over.is_set():
            self._context.status(status, reason, detail=detail)

    async def _facts(self, params: JsonObject) -> JsonObject:
        if self._feeding is not None:
            raise Refused(Refusal(REFUSED, "one facts request of a session at a time", {"code": INVALID}))
        this = self._feeding = object()
        try:
            async with self._turns["facts"]:  # before they are read: a sync that was sent after them waits as well
                await self._context.facts(await facts(params))
        finally:
            if self._feeding is this:
                self._feeding = None
        return {}

    async def _sync(self, params: JsonObject) -> JsonObject:
        feed, complete = member(params, "feed", Feed), truth(params, "complete", otherwise=False)
        expected, received = optional_whole(params, "expected"), optional_whole(params, "received")
        async with self._turns["facts"]:
            await self._context.sync(feed, expected=expected, received=received, complete=complete)
        return {}

    async def _vault_get(self, params: JsonObject) -> JsonObject:
        name = text(params, "name")
        async with self._turns["vault"]:
            value = await self._context.vault.get(name)
        return {"value": None if value is None else base64.b64encode(value).decode()}

    async def _vault_put(self, params: JsonObject) -> JsonObject:
        blobs = _blobs(inner(params, "blobs"))
        async with self._turns["vault"]:
            await self._context.vault.put(blobs)
        return {}


def _blobs(of: JsonObject) -> Mapping[str, bytes | None]:
    blobs: dict[str, bytes | None] = {}
    for name in of:
        written = optional_text(of, name)
        try:
            blobs[name] = None if written is None else base64.b64decode(written, validate=True)
        except binascii.Error as error:
            raise Malformed(f"blobs.{name} must be base64") from error
    return blobs
