"""Waiting for what an engine does, and not for ever: a library that hangs holds up nobody but itself."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

T = TypeVar("T")

GRACE: Final = 2.0
"""Seconds that something which was cancelled may take to end; after that it is left to itself."""


async def at_most(seconds: float, work: Awaitable[T]) -> T:
    """What `work` returns or raises; it is cancelled, and `TimeoutError` raised, when it takes longer.

    Unlike `asyncio.timeout`, this returns though `work` does not heed that it was cancelled. What `work` cancels
    of its own is raised as `CancelledError`, as if it were the caller's: see `is_cancelled`.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        await _give_up(task)
        raise
    if not done:
        await _give_up(task)
        raise TimeoutError(f"not done after {seconds:g} s")
    return task.result()


async def _give_up(task: "asyncio.Future[T]") -> None:
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    task.cancel()
    await asyncio.wait({task}, timeout=GRACE)


def is_cancelled() -> bool:
    """Whether it is this task that was cancelled, and not something of an engine's own that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
