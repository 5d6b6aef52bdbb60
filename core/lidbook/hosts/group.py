"""Sessions that share a host: it is started, started again when it falls, and left when the last of them is gone."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from lidbook.engine import Log, Network
from lidbook.errors import EngineDisconnected, EngineUnavailable, LidbookError
from lidbook.hosts.channel import ChannelClosed
from lidbook.hosts.host import Cause, Ending, Host
from lidbook.hosts.reading import JsonObject
from lidbook.hosts.tenant import Tenant
from lidbook.hosts.timings import BOOTS, CRASHES, FALLS, Restarts, Timings
from lidbook.reasons import reason_of
from lidbook.values import StatusReason


class Keeper(Protocol):
    """Who keeps the groups."""

    def split(self, group: "Group", tenants: Sequence[Tenant]) -> None:
        """Give these, which were in the group, a host of their own."""

    def quarantine(self, tenant: Tenant) -> None:
        """Remember that this session's host crashed while it was alone in it, or that it would not stop."""

    def acquit(self, tenant: Tenant) -> None:
        """Its host has not crashed for long."""

    def forget(self, group: "Group") -> None:
        """The group is over."""


class Group:
    """One host at a time, and the sessions in it.

    After `CRASHES` in a row, or `FALLS` within `Timings.window`, the sessions are halved, and each half is halved again
    as soon as its host crashes, until one is alone: that one is quarantined, the others stay where they are. Hosts that
    were killed from outside, or because a session would not stop, say nothing of those that are in them.
    """

    def __init__(
        self,
        number: int,
        network: Network | None,
        launch: Callable[[Network | None, Log], Awaitable[Host]],
        keeper: Keeper,
        timings: Timings,
        log: Log,
        *,
        is_suspect: bool = False,
        restarts: int = 0,
    ) -> None:
        self.number: Final = number
        self.network: Final = network
        self.tenants: Final[dict[str, Tenant]] = {}
        self.is_over = False
        """Whether it takes nobody any more."""
        self._launch = launch
        self._keeper = keeper
        self._timings = timings
        self._log = log
        self._host: Host | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._starts: set[asyncio.Task[None]] = set()
        self._begun: dict[str, asyncio.Future[None]] = {}
        self._unused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._leaving: asyncio.TimerHandle | None = None
        self._time = asyncio.get_running_loop().time
        self._crashes = 0
        self._fell_at: deque[float] = deque(maxlen=FALLS)
        self._calm_since = self._time()
        self._boots = 0
        self._is_suspect = is_suspect
        self._restarts = Restarts(timings, restarts)
        self._delay = 0.0
        self._is_restart = False

    @property
    def pid(self) -> int | None:
        """Its host's process id, while there is one."""
        return None if self._host is None else self._host.pid

    @property
    def is_under_suspicion(self) -> bool:
        """Whether a session in it may be one that crashes hosts."""
        return (self._is_suspect and not self._is_calm) or (self._crashes > 0 and not self._is_steady)

    async def join(self, tenant: Tenant) -> None:
        """Begin a session, which returns as soon as a host has taken it, or fell over it.

        Raises `LidbookError` when there is no host to be had, or it will not begin the session.
        """
        self.tenants[tenant.run] = tenant
        begun = self._begun[tenant.run] = asyncio.get_running_loop().create_future()
        self._stay()
        if self._keeping is None:
            self.keep()
        elif self._host is not None:
            self._begin(self._host, tenant)
        try:
            await begun
        finally:
            self._begun.pop(tenant.run, None)

    def adopt(self, tenants: Sequence[Tenant]) -> None:
        """Take sessions whose host fell, and start them on another."""
        self.tenants.update((tenant.run, tenant) for tenant in tenants)
        self._delay, self._is_restart = self._restarts.soon(), True
        self.keep()

    def keep(self) -> None:
        """Begin to keep a host."""
        self._keeping = asyncio.create_task(self._keep(), name=f"host group {self.number}")

    async def leave(self, tenant: Tenant) -> None:
        """End a session; whatever its host does, it is ended."""
        self.tenants.pop(tenant.run, None)
        self._answer(tenant, EngineDisconnected("the session was stopped before it had begun"))
        if self._is_calm:
            self._keeper.acquit(tenant)
        if self._host is not None and self._host.has(tenant) and not await self._host.stop(tenant):
            self._keeper.quarantine(tenant)
        self._linger()

    async def call(self, tenant: Tenant, method: str, params: JsonObject, timeout: float) -> JsonObject:  # noqa: ASYNC109
        """Ask its host. Raises `EngineDisconnected` while there is none."""
        if self._host is None:
            raise EngineDisconnected("the engine's host is being started again; try again")
        return await self._host.call(tenant, method, params, timeout)

    async def close(self) -> None:
        """End the host, whoever is in it."""
        self.is_over = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})

    # the host's life

    async def _keep(self) -> None:
        try:
            while self.tenants:
                await asyncio.sleep(self._delay)
                await self._one_host()
                self._is_restart = True
        except Exception as error:  # noqa: BLE001 - it is logged, and told to the sessions
            self._log.exception("hosts could not be kept")
            self._give_up(list(self.tenants.values()), error)
        finally:
            self.is_over = True
            self._stay()
            for task in self._starts:
                task.cancel()
            for begun in self._begun.values():
                if not begun.done():
                    begun.set_exception(EngineDisconnected("the engine's hosts were ended"))
            self._keeper.forget(self)

    async def _one_host(self) -> None:
        """Launch a host and see to it until it ends."""
        try:
            host = await self._launch(self.network, self._log)
        except LidbookError as error:
            self._did_not_come_up(error)
            return
        self._boots = 0
        self._host = host
        try:
            apart = self._timings.apart if self._is_restart else 0.0
            for place, tenant in enumerate(self.tenants.values()):
                self._begin(host, tenant, place * apart)
            self._linger()
            either: tuple[asyncio.Future[Any], ...] = (host.ended, self._unused)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not host.ended.done():
                return
            was_steady = self._is_steady
        finally:
            self._host = None
            if not host.ended.done():
                await host.close()
        self._fell(host.ended.result(), was_steady=was_steady)

    def _linger(self) -> None:
        """Without sessions, wait whether another comes."""
        if self.tenants or self._host is None:
            return
        self._stay()
        self._leaving = asyncio.get_running_loop().call_later(self._timings.idle, self._leave_host)

    def _stay(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()

    def _leave_host(self) -> None:
        if not self.tenants:
            self.is_over = True
            if not self._unused.done():
                self._unused.set_result(None)

    def _begin(self, host: Host, tenant: Tenant, delay: float = 0.0) -> None:
        task = asyncio.create_task(self._start(host, tenant, delay), name=f"start {tenant.run}")
        self._starts.add(task)
        task.add_done_callback(self._starts.discard)

    async def _start(self, host: Host, tenant: Tenant, delay: float) -> None:
        await asyncio.sleep(delay)
        if tenant.run not in self.tenants or host is not self._host:
            return
        try:
            await host.start(tenant)
        except ChannelClosed:
            return  # it fell, which is seen to there
        except Exception as error:  # noqa: BLE001 - it is the session's, and is told to whoever started it
            self._give_up([tenant], error)
        else:
            self._answer(tenant, None)

    def _answer(self, tenant: Tenant, error: Exception | None) -> bool:
        """Tell whoever waits for the session to begin; says whether anybody did."""
        begun = self._begun.get(tenant.run)
        if begun is None or begun.done():
            return False
        if error is None:
            begun.set_result(None)
        else:
            begun.set_exception(error)
        return True

    def _give_up(self, tenants: Sequence[Tenant], error: Exception) -> None:
        """These cannot go on: an error to those that are being started, a report of the others."""
        for tenant in tenants:
            if self.tenants.pop(tenant.run, None) is not None and not self._answer(tenant, error):
                said = error.message if isinstance(error, LidbookError) else type(error).__name__
                tenant.fail(reason_of(error), said)

    def _did_not_come_up(self, error: LidbookError) -> None:
        """No session is to blame; those that are being started are tried again by the core."""
        self._boots += 1
        self._delay = self._restarts.delay()
        self._log.error("a host did not come up", error=error.message, attempt=self._boots)
        is_hopeless = isinstance(error, EngineUnavailable) or self._boots >= BOOTS
        waiting = [tenant for run, tenant in self.tenants.items() if run in self._begun]
        self._give_up(list(self.tenants.values()) if is_hopeless else waiting, error)

    def _fell(self, ending: Ending, *, was_steady: bool) -> None:
        """Start it again; after a second time in a row, or a third in the window, find out over whom it fell."""
        tenants = list(self.tenants.values())
        if was_steady:
            self._crashes = 0
            self._restarts.forget()
        is_enough = ending.cause is Cause.CRASH and self._is_one_too_many(tenants)
        self._log.error(
            "a host fell",
            how=ending.how,
            cause=ending.cause.value,
            sessions=len(tenants),
            crashes=self._crashes,
            **({"exception": "\n".join(ending.report)} if ending.report else {}),
        )
        if is_enough and len(tenants) == 1:
            self._quarantine(tenants[0], ending)
            return
        for tenant in tenants:
            tenant.crashed(f"its host {ending.said}")
            self._answer(tenant, None)
        if is_enough and tenants:
            self._is_suspect = True
            half = tenants[(len(tenants) + 1) // 2 :]
            for tenant in half:
                del self.tenants[tenant.run]
            self._log.warning("the sessions of the host are told apart", here=len(self.tenants), there=len(half))
            self._keeper.split(self, half)
            self._delay = self._restarts.soon()  # each halving gets further: innocents wait no longer each time
        else:
            self._delay = 0.0 if ending.cause is Cause.STOP else self._restarts.delay()

    def _is_one_too_many(self, tenants: Sequence[Tenant]) -> bool:
        """Count a crash; says whether the sessions are to be told apart for it."""
        now = self._time()
        if self._is_calm:
            self._is_suspect = False
            for tenant in tenants:
                self._keeper.acquit(tenant)
        self._calm_since = now
        self._crashes += 1
        self._fell_at.append(now)
        lately = sum(now - fell_at < self._timings.window for fell_at in self._fell_at)
        return self._is_suspect or self._crashes >= CRASHES or lately >= FALLS

    def _quarantine(self, tenant: Tenant, ending: Ending) -> None:
        self._log.error("a session crashes its host; it gets one of its own from now on", session=tenant.name)
        del self.tenants[tenant.run]
        self._keeper.quarantine(tenant)
        tenant.fail(StatusReason.CRASHED, f"its host, with no other session in it, {ending.said}")
        self._answer(tenant, None)

    @property
    def _is_steady(self) -> bool:
        return self._host is not None and self._host.uptime >= self._timings.steady

    @property
    def _is_calm(self) -> bool:
        """Whether no host of the group has crashed for long."""
        return self._time() - self._calm_since >= self._timings.window

    @property
    def restarts(self) -> int:
        """Restarts in a row."""
        return self._restarts.count
