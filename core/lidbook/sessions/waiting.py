"""Waiting for what is shown of a session to become as somebody wants it."""

import asyncio
from collections.abc import Callable


class Waiting:
    """Who waits; each looks again whenever something else is shown."""

    def __init__(self) -> None:
        self._futures: set[asyncio.Future[None]] = set()

    def look_again(self) -> None:
        """Something else is shown now."""
        for future in self._futures:
            if not future.done():
                future.set_result(None)

    async def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until it holds, or for so long; says whether it does."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not holds() and (left := end - loop.time()) > 0:
            future: asyncio.Future[None] = loop.create_future()
            self._futures.add(future)
            try:
                await asyncio.wait({future}, timeout=left)
            finally:
                self._futures.discard(future)
        return holds()
