"""The same question once, however many ask it at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar, cast

T = TypeVar("T")


class SingleFlight:
    """What is being asked now, by question."""

    def __init__(self) -> None:
        self._flying: dict[Hashable, asyncio.Task[object]] = {}

    async def once(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Whoever asks the same while it is under way gets the same answer; leaving does not end it for others."""
        task = self._flying.get(key)
        if task is None:

            async def fly() -> object:
                return await work()

            task = asyncio.get_running_loop().create_task(fly())
            self._flying[key] = task

            def landed(task: asyncio.Task[object]) -> None:
                self._flying.pop(key, None)
                if not task.cancelled():
                    task.exception()

            task.add_done_callback(landed)
        return cast("T", await asyncio.shield(task))
