"""Time and chance, as the lanes see them."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lidbook.clock import now_ms
from lidbook_api.webhooks.retries import Random

Pause = Callable[[float, asyncio.Event], Awaitable[None]]
"""Let so many seconds pass, or fewer when the event is set."""


async def pause(seconds: float, early: asyncio.Event) -> None:
    """Let time pass for real; never without letting others have their turn."""
    await asyncio.sleep(0)
    if seconds > 0:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await early.wait()


@dataclass(frozen=True, slots=True)
class Timing:
    """What a test replaces."""

    clock: Callable[[], int] = now_ms
    """Milliseconds since 1970."""
    pause: Pause = pause
    random: Random = random.random
