"""Giving up a world that is being made: a large one takes longer than whoever asked for it may wait."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")

EVERY: Final = 1000
"""How many people are made between two looks at whether anybody still wants them."""

Wanted = Callable[[], bool]
"""Whether anybody still waits for the world; asked from the thread that makes it."""


class WorldUnwanted(Exception):
    """Nobody waits for the world any more, and it was not finished."""


def always() -> bool:
    """Somebody waits, however long it takes."""
    return True


def while_wanted(items: Iterable[T], wanted: Wanted) -> Iterator[T]:
    """The same items. Raises `WorldUnwanted` as soon as nobody wants what is made of them."""
    for count, item in enumerate(items):
        if count % EVERY == 0 and not wanted():
            raise WorldUnwanted
        yield item
