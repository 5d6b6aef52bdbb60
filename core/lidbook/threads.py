"""Work of others in a thread that holds up nobody: not even the end of the process."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
A = TypeVar("A")


def in_own_thread(work: Callable[[], T], name: str) -> "asyncio.Future[T]":
    """What `work` returns or raises; called in a daemon thread of its own.

    Unlike with `asyncio.to_thread`, neither `asyncio.run` nor the interpreter waits for a thread that hangs.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            tell(future.set_result, context.run(work))
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it
            tell(future.set_exception, error)

    def tell(settle: Callable[[A], None], value: A) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if future.done() else settle(value))

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
