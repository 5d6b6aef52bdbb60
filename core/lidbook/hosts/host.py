"""One host that said hello: its sessions, its heartbeat, and how it ended."""

import asyncio
import logging
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydantic import JsonValue

from lidbook.engine import Log, Network
from lidbook.errors import EngineDisconnected, EngineError, EngineTimeout, EngineUnavailable
from lidbook.hosts.channel import Channel, ChannelClosed
from lidbook.hosts.encoding import network_json
from lidbook.hosts.output import Output, presentable
from lidbook.hosts.process import HostProcess, HostProgram
from lidbook.hosts.reading import JsonObject, Malformed, inner, optional_text, text, whole
from lidbook.hosts.refusals import SAID, Refused, error_of
from lidbook.hosts.tenant import Tenant
from lidbook.hosts.timings import Timings

PROTOCOL: Final = 1
"""Version of the host protocol; a host that speaks another is refused."""
GRACE: Final = 2.0
"""Seconds after a call's own timeout in which the host may still say that it timed out."""
_EXITING: Final = 0.5
"""Seconds in which a host that closed its socket may exit, so that its own exit status is seen."""
_FROM_OUTSIDE: Final = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Signals that no process gets for what its own code did: somebody sent them, or the system ran out of memory."""
_LEVELS: Final = frozenset({"debug", "info", "warning", "error"})
_OURS: Final = frozenset({"event", "level", "timestamp", "logger", "exception", "exc_info", "stack_info", "self"})
"""Names of values that mean something to the log itself."""


class Cause(StrEnum):
    """On whose account a host ended."""

    CRASH = "crash"
    """Its own, or that of a session in it."""
    OUTSIDE = "outside"
    """Somebody killed it, or the system did; Lidbook did not."""
    STOP = "stop"
    """Lidbook killed it, for a session would not stop; those that stay have no part in it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a host ended."""

    how: str
    """The end of a sentence: `was killed by SIGSEGV`."""
    telling: str | None
    """The line of standard error that says why."""
    report: Sequence[str]
    """The last lines of it."""
    cause: Cause = Cause.CRASH

    @property
    def said(self) -> str:
        """Both, for people."""
        return self.how if self.telling is None else f"{self.how}: {self.telling}"


class Host:
    """A child process with sessions in it. `ended` is set once, after it is reaped and nothing of it is left."""

    def __init__(self, process: HostProcess, log: Log, timings: Timings) -> None:
        loop = asyncio.get_running_loop()
        self.pid: Final = process.pid
        self.ended: Final[asyncio.Future[Ending]] = loop.create_future()
        self._process = process
        self._log = log
        self._timings = timings
        self._time = loop.time
        self._since = loop.time()
        self._tenants: dict[str, Tenant] = {}
        self._starting: dict[str, asyncio.Task[JsonObject]] = {}
        self._leaving: set[str] = set()
        self._unanswered = 0
        self._answered_at = loop.time()
        self._why: str | None = None
        self._cause: Cause | None = None
        self._channel: Channel
        self._watching: asyncio.Task[None]
        self._beating: asyncio.Task[None] | None = None

    @classmethod
    async def launch(
        cls, program: HostProgram, engine: str, network: Network | None, log: Log, timings: Timings
    ) -> "Host":
        """A host that has said hello.

        Raises `EngineUnavailable` when it cannot be run or speaks another version, `EngineTimeout` and `EngineError`
        when it does not come up. However this ends, no process is left over.
        """
        process = await HostProcess.spawn(program, Output(log, asyncio.get_running_loop().time))
        host = cls(process, log, timings)
        try:
            host._channel = await Channel.over(process.socket, host, log)
        except BaseException:
            process.kill()
            process.socket.close()
            await process.exited()
            process.close()
            raise
        host._watching = asyncio.create_task(host._watch(), name=f"host {host.pid}")
        try:
            await host._greet(engine, network)
        except BaseException:
            host.kill("did not come up")
            await asyncio.shield(host.ended)
            raise
        return host

    @property
    def uptime(self) -> float:
        """Seconds for which it has been up, or was."""
        return self._time() - self._since

    def has(self, tenant: Tenant) -> bool:
        """Whether this session was given to it, and not taken back."""
        return tenant.run in self._tenants

    async def start(self, tenant: Tenant) -> None:
        """Have it begin a session. Raises `ChannelClosed` when it ends meanwhile, `EngineError` when it will not."""
        self._tenants[tenant.run] = tenant
        params = await tenant.start_params()
        if tenant.run in self._leaving or tenant.run not in self._tenants:
            raise EngineDisconnected("the session was stopped before it had begun")
        starting = asyncio.create_task(self._channel.request("session.start", params, self._timings.start))
        self._starting[tenant.run] = starting
        starting.add_done_callback(lambda ended: self._begun(tenant, ended))
        try:
            await asyncio.shield(starting)
        except TimeoutError as error:
            raise EngineTimeout("the host took too long to begin a session") from error
        except Refused as error:
            raise error_of(error.refusal, "session.start") from error
        except ValueError as error:
            raise EngineError(f"session.start cannot be written down: {error}") from error

    async def stop(self, tenant: Tenant) -> bool:
        """Have it end a session; one that does not do so in time is killed. Raises nothing.

        Returns False when the session is what hangs: the host answered pings meanwhile. What the core itself is slow to
        store is refused meanwhile: the host is not to hang for that.
        """
        self._leaving.add(tenant.run)
        began = self._time()
        hurry = asyncio.get_running_loop().call_later(self._timings.stop / 2, tenant.give_up)
        try:
            async with asyncio.timeout(self._timings.stop):
                starting = self._starting.get(tenant.run)
                if starting is not None:
                    await asyncio.wait({starting})
                await self._channel.request("session.stop", {"session": tenant.run}, self._timings.stop)
        except TimeoutError:
            is_alive = self._answered_at > began
            self.kill(f"did not stop a session in {self._timings.stop:g} s", Cause.STOP)
            await asyncio.shield(self.ended)
            return not is_alive
        except ChannelClosed:
            pass  # nothing of it runs any more
        except Refused as error:
            self._log.warning(
                "the host would not stop a session", session=tenant.name, error=presentable(str(error), SAID)
            )
        finally:
            hurry.cancel()
            self._tenants.pop(tenant.run, None)
            self._leaving.discard(tenant.run)
        return True

    async def call(self, tenant: Tenant, method: str, params: JsonObject, timeout: float) -> JsonObject:  # noqa: ASYNC109
        """What it answers to a live call. Raises what the host says went wrong, in the core's terms."""
        if tenant.run not in self._tenants:
            raise EngineDisconnected("the session is not running in its host; try again")
        asked = {**params, "session": tenant.run, "timeout": timeout}
        try:
            return await self._channel.request(method, asked, timeout + GRACE)
        except TimeoutError as error:
            raise EngineTimeout(f"no answer from the host to {method} in {timeout:g} s") from error
        except ChannelClosed as error:
            raise EngineDisconnected(f"the host ended during {method}; try again") from error
        except Refused as error:
            raise error_of(error.refusal, method) from error
        except ValueError as error:
            raise EngineError(f"{method} cannot be written down: {error}") from error

    def kill(self, why: str, cause: Cause = Cause.CRASH) -> None:
        """End it at once; `why` ends a sentence."""
        self._why, self._cause = self._why or why, self._cause or cause
        self._process.kill()
        self._channel.abort()

    async def close(self) -> None:
        """Close its socket, at which it exits; kill it when it does not."""
        self._why = self._why or "was not needed any more"
        await self._channel.close()
        await asyncio.shield(self.ended)

    # what it says

    async def asked(self, method: str, params: JsonObject) -> JsonObject:
        """A request of one of its sessions."""
        run = text(params, "session")
        tenant = self._tenants.get(run)
        if tenant is None:
            self._log.debug("a request of a session that is over", method=method, run=run)
            raise EngineDisconnected("this session was stopped or started anew")
        try:
            return await tenant.asked(method, params)
        except (Malformed, Refused, ValueError, TypeError) as error:
            if self._process.output.admits():
                tenant.log.warning("what the host asked for cannot be", method=presentable(method), error=str(error))
            raise

    def told(self, method: str, params: JsonObject) -> None:
        """A notification; of a session that is over it is nobody's."""
        run = params.get("session")
        tenant = self._tenants.get(run) if isinstance(run, str) else None
        if method == "log":
            self._noted(tenant.log if tenant is not None else self._log, params)
        elif tenant is None:
            self._log.debug("told of a session that is over", method=method, run=run)
        else:
            tenant.told(method, params)

    def _noted(self, log: Log, params: JsonObject) -> None:
        if not self._process.output.admits():
            return
        try:
            level, event = text(params, "level"), text(params, "event")
            values = {} if params.get("values") is None else inner(params, "values")
        except Malformed as error:
            self._log.warning("the host logged something that cannot be", error=str(error))
            return
        say = getattr(log, level if level in _LEVELS else "info")
        say(event, **{f"host_{name}" if name in _OURS else name: value for name, value in values.items()})

    # its life

    async def _greet(self, engine: str, network: Network | None) -> None:
        level = "debug" if logging.getLogger().isEnabledFor(logging.DEBUG) else "info"
        hello: Mapping[str, JsonValue] = {
            "protocol": PROTOCOL,
            "engine": engine,
            "network": network_json(network),
            "log_level": level,
        }
        try:
            answer = await self._channel.request("hello", hello, self._timings.hello)
            spoken = whole(answer, "protocol")
            name, version, library = text(answer, "name"), text(answer, "version"), optional_text(answer, "library")
        except TimeoutError as error:
            raise EngineTimeout(f"the host did not say hello in {self._timings.hello:g} s") from error
        except ChannelClosed as error:
            ending = await asyncio.shield(self.ended)
            raise EngineError(f"the host {ending.said}, before it said hello") from error
        except Refused as error:
            raise _stranger(engine, f"refused the hello: {presentable(str(error), SAID)}") from error
        except Malformed as error:
            raise _stranger(engine, f"answered the hello with something that cannot be: {error}") from error
        if spoken != PROTOCOL:
            raise _stranger(engine, f"speaks version {spoken} of the host protocol, not {PROTOCOL}")
        self._log.info("the host is up", pid=self.pid, host=name, version=version, library=library)
        self._since = self._time()
        self._beating = asyncio.create_task(self._beat(), name=f"heartbeat of host {self.pid}")

    def _begun(self, tenant: Tenant, starting: "asyncio.Task[JsonObject]") -> None:
        self._starting.pop(tenant.run, None)
        if not starting.cancelled():
            starting.exception()  # it is seen to where it is waited for, if anybody still does

    async def _beat(self) -> None:
        pings: set[asyncio.Task[None]] = set()
        while True:
            await asyncio.sleep(self._timings.ping)
            if self._channel.is_behind:
                continue  # what it answered may lie there unread
            if self._unanswered >= self._timings.missed:
                self.kill(f"did not answer {self._timings.missed} pings")
                return
            self._unanswered += 1
            ping = asyncio.create_task(self._ping())
            pings.add(ping)
            ping.add_done_callback(pings.discard)

    async def _ping(self) -> None:
        try:
            await self._channel.request("ping", {}, self._timings.ping * (self._timings.missed + 1))
        except (ChannelClosed, TimeoutError):
            return  # it is being dealt with
        except Refused:
            self._log.debug("the host refuses pings, which is an answer")
        self._unanswered, self._answered_at = 0, self._time()

    async def _watch(self) -> None:
        """From its start until it is reaped: whichever ends first, its socket or the process, ends the other."""
        exited = asyncio.create_task(self._process.exited())
        is_ours = True
        try:
            either: tuple[asyncio.Future[Any], ...] = (exited, self._channel.closed)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if exited.done():
                await asyncio.wait({self._channel.closed}, timeout=_EXITING)  # what it said last is still to be read
            elif not self._channel.is_broken and self._process.status is None:
                await self._process.exited(self._timings.exit if self._why else _EXITING)
            is_ours = self._process.status is None
            self._process.kill()
            await asyncio.wait({exited})
            self._process.kill_what_it_left()
        finally:  # when the loop is closed as well, where every task is cancelled
            self._process.kill()
            exited.cancel()
            self._channel.abort()
            if self._beating is not None:
                self._beating.cancel()
            self._process.close()
            self.ended.set_result(self._ending(is_ours=is_ours))

    def _ending(self, *, is_ours: bool) -> Ending:
        output, status = self._process.output, self._process.status
        cause = Cause.OUTSIDE if not is_ours and status is not None and -status in _FROM_OUTSIDE else Cause.CRASH
        return Ending(self._how(is_ours=is_ours), output.telling, output.report, self._cause or cause)

    def _how(self, *, is_ours: bool) -> str:
        status = self._process.status
        if self._why is not None:
            return self._why
        if is_ours:
            return f"was killed, for {self._channel.closed.result()}"
        if status is not None and status < 0:
            return f"was killed by {_signal(-status)}"
        return f"exited with status {status}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _stranger(engine: str, what: str) -> EngineUnavailable:
    return EngineUnavailable(
        f"the host of {engine} {what}: install the engine's runtime again, it is of another version"
    )
