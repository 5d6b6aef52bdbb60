"""Which session is in which host: the hosts of one engine."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from lidbook.engine import Log, Network
from lidbook.errors import EngineDisconnected
from lidbook.hosts.group import Group
from lidbook.hosts.host import Host
from lidbook.hosts.process import HostProgram
from lidbook.hosts.reading import JsonObject
from lidbook.hosts.tenant import Tenant
from lidbook.hosts.timings import LAUNCHES, Timings


class HostSupervisor:
    """Places sessions in hosts, a network and so many sessions each, and keeps apart those that crash them."""

    def __init__(
        self, engine: str, program: Callable[[], HostProgram], sessions_per_host: int, timings: Timings
    ) -> None:
        self._engine = engine
        self._program = program
        self._sessions_per_host = sessions_per_host
        self._timings = timings
        self._launching = asyncio.Semaphore(LAUNCHES)
        self._groups: list[Group] = []
        self._at: dict[str, Group] = {}
        self._suspects: set[str] = set()
        """Names of sessions that crashed a host in which they were alone, or would not stop."""

    def processes(self) -> Mapping[str, int]:
        """Host -> process id, for those that run now."""
        return {f"host-{group.number}": group.pid for group in self._groups if group.pid is not None}

    async def start(self, tenant: Tenant) -> None:
        """Find a host for it, and begin. Raises what `Group.join` raises."""
        is_suspect = tenant.name in self._suspects
        group = None if is_suspect else self._with_room(tenant.network)
        if group is None:
            group = self._another(tenant.network, is_suspect=is_suspect)
        self._at[tenant.run] = group
        await group.join(tenant)

    async def stop(self, tenant: Tenant) -> None:
        """End it, whatever its host does; one that was never started is no error."""
        group = self._at.pop(tenant.run, None)
        if group is not None:
            await group.leave(tenant)

    async def call(self, tenant: Tenant, method: str, params: JsonObject, timeout: float) -> JsonObject:  # noqa: ASYNC109
        """Ask its host."""
        group = self._at.get(tenant.run)
        if group is None:
            raise EngineDisconnected("the session is not running in any host")
        return await group.call(tenant, method, params, timeout)

    async def close(self) -> None:
        """End all hosts that there are now."""
        groups, self._groups = self._groups, []
        await asyncio.gather(*(group.close() for group in groups))

    # what groups say

    def split(self, group: Group, tenants: Sequence[Tenant]) -> None:
        """Give these a host of their own."""
        another = self._another(group.network, is_suspect=True, restarts=group.restarts)
        self._at.update((tenant.run, another) for tenant in tenants)
        another.adopt(tenants)

    def quarantine(self, tenant: Tenant) -> None:
        """It is alone from now on."""
        self._suspects.add(tenant.name)

    def acquit(self, tenant: Tenant) -> None:
        """It may be among others again, the next time it is started."""
        self._suspects.discard(tenant.name)

    def forget(self, group: Group) -> None:
        """It is over."""
        if group in self._groups:
            self._groups.remove(group)

    def _with_room(self, network: Network | None) -> Group | None:
        for group in self._groups:
            has_room = len(group.tenants) < self._sessions_per_host
            if group.network == network and has_room and not group.is_over and not group.is_under_suspicion:
                return group
        return None

    def _another(self, network: Network | None, *, is_suspect: bool, restarts: int = 0) -> Group:
        from structlog.stdlib import get_logger  # noqa: PLC0415 - who lists the engines needs none

        taken = {group.number for group in self._groups}
        number = next(number for number in range(1, len(taken) + 2) if number not in taken)
        group = Group(
            number,
            network,
            self._launch,
            self,
            self._timings,
            get_logger("lidbook.hosts").bind(engine=self._engine, host_process=f"host-{number}"),
            is_suspect=is_suspect,
            restarts=restarts,
        )
        self._groups.append(group)
        return group

    async def _launch(self, network: Network | None, log: Log) -> Host:
        async with self._launching:
            program = await asyncio.to_thread(self._program)
            return await Host.launch(program, self._engine, network, log, self._timings)
