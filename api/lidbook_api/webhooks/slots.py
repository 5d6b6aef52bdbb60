"""How many sends may be under way at once, so that receivers that hang take nothing away from those that answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

SENDS: Final = 200
SENDS_PER_HOST: Final = 10
PROBES: Final = 50
"""Sends to receivers that did not answer the last time: they have places of their own."""
PROBES_PER_HOST: Final = 2


class Slots:
    """Places for sends, overall and for each host."""

    def __init__(self) -> None:
        self._all = {False: asyncio.Semaphore(SENDS), True: asyncio.Semaphore(PROBES)}
        self._hosts: dict[tuple[str, bool], tuple[asyncio.Semaphore, int]] = {}
        """By host and whether it is for probes: the places, and how many hold one or wait for one."""

    @asynccontextmanager
    async def taken(self, host: str, *, probing: bool) -> AsyncIterator[None]:
        """Hold a place for one send; `probing` when the receiver did not answer the last time."""
        key = (host, probing)
        places, users = self._hosts.get(key) or (asyncio.Semaphore(PROBES_PER_HOST if probing else SENDS_PER_HOST), 0)
        self._hosts[key] = (places, users + 1)
        try:
            async with places, self._all[probing]:
                yield
        finally:
            places, users = self._hosts.pop(key)
            if users > 1:
                self._hosts[key] = (places, users - 1)
