"""Names looked up for sends: those of one session that take long take nothing away from others."""

import asyncio
from collections.abc import Sequence
from typing import Final

from lidbook_api.webhooks.destinations import Destinations
from lidbook_api.webhooks.pool import Pool
from lidbook_api.webhooks.receivers import Receiver

LOOKUPS: Final = 200
LOOKUPS_SHARE: Final = 20
"""Of one session."""


class Lookups:
    """Lookups under way. One that nobody waits for any more holds its place to its end: a thread cannot be stopped."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        self._pool = Pool(LOOKUPS, share=LOOKUPS_SHARE)
        self._under_way: set[asyncio.Task[Sequence[str]]] = set()

    async def addresses(self, session: str, receiver: Receiver, *, trusted: bool) -> Sequence[str]:
        """As `Destinations.addresses`, when it is the session's turn."""
        await self._pool.enter(session, receiver.host)

        def ended(lookup: "asyncio.Task[Sequence[str]]") -> None:
            self._under_way.discard(lookup)
            self._pool.leave(session, receiver.host)
            if not lookup.cancelled():
                lookup.exception()  # whoever waited for it may be gone

        looked = self._destinations.addresses(receiver.host, receiver.port, trusted=trusted)
        lookup = asyncio.ensure_future(looked)
        self._under_way.add(lookup)
        lookup.add_done_callback(ended)
        return await asyncio.shield(lookup)

    def close(self) -> None:
        """Wait for none of them."""
        for lookup in self._under_way:
            lookup.cancel()
