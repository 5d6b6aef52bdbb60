"""A simulated WhatsApp for one test: a world that changes, its accounts, and what goes wrong on the way to them."""

import asyncio
from collections.abc import Callable
from functools import cached_property
from typing import Final

from lidbook.capabilities import Capability
from lidbook.identifiers import PhoneNumber, parse_dialable
from lidbook.testing.cast import Cast
from lidbook.world.conditions import Condition, ConditionFolder, Conditions, Kind
from lidbook.world.device import Device
from lidbook.world.live import LiveWorld
from lidbook.world.model import World
from lidbook.world.service import WorldService


class Simulation:
    """One world, lived in by its first account, which the engine under test is linked to, and by others.

    An engine is put on it by its author: through a `device` in this process, or through a server of the
    author's own that answers what `service` says and obeys `conditions`.
    """

    def __init__(self, world: World) -> None:
        self.world: Final = world
        self.live: Final = LiveWorld(world)
        self.conditions_of: Final = ConditionFolder()
        """What is made to happen to each account, by its phone number."""

    @cached_property
    def service(self) -> WorldService:
        """What the server answers to the account, and what its phone may do."""
        return WorldService(self.live)

    @cached_property
    def other(self) -> WorldService:
        """The same for the world's second account."""
        return WorldService(self.live, self.live.person(self.world.accounts[1].lid).phone)

    @property
    def phone(self) -> PhoneNumber:
        """The account's number."""
        return self.service.account().phone

    @property
    def conditions(self) -> Conditions:
        """What is made to happen to the account."""
        return self.conditions_of.of(self.phone)

    @cached_property
    def cast(self) -> Cast:
        """Who plays what in the tests, found by what was true of them before anything happened."""
        return Cast(WorldService(LiveWorld(self.world)))

    def device(self, account: str | None = None) -> Device:
        """A device of the account with this phone number, for engines that are put on it in this process."""
        service = WorldService(self.live, None if account is None else parse_dialable(account))
        return Device(service, self.conditions_of.of(service.account().phone))

    async def later(self) -> None:
        """Return when the clock has gone on: an answer and a notification of one millisecond have no order.

        A wire that counts seconds needs no more than that, for an engine that dates it by `clock.within_second`.
        """
        await asyncio.sleep(TICK)

    def make(self, kind: Kind, capability: Capability | None = None, *, times: int = 1) -> Callable[[], None]:
        """Let something happen to the account, for one live call or for all; the answer ends it."""
        capabilities = frozenset() if capability is None else frozenset({capability})
        self.conditions.set(Condition(kind, capabilities, retry_after=RETRY_AFTER, milliseconds=SLOW, times=times))
        return lambda: self.conditions.clear(kind)


TICK: Final = 0.002
"""Seconds until another millisecond has begun."""
RETRY_AFTER: Final = 7.0
"""Seconds that the server asks for when it limits."""
SLOW: Final = 50
"""Milliseconds that every answer takes longer when the server is slow."""
