"""A large world that nobody wants any more is not finished."""

from collections.abc import Callable

import pytest

from lidbook.world.generator import generate_world
from lidbook.world.live import LiveWorld
from lidbook.world.sources import WorldSource, open_source
from lidbook.world.wanted import EVERY, WorldUnwanted


def looks(allowed: int) -> Callable[[], bool]:
    """Wanted for so many looks."""
    left = iter(range(allowed))
    return lambda: next(left, None) is not None


def test_a_world_is_given_up_wherever_it_is() -> None:
    people = 3 * EVERY
    allowed = 0
    while True:
        try:
            made = open_source(WorldSource(people=people), looks(allowed)).world
        except WorldUnwanted:
            allowed += 1
        else:
            break
    assert allowed > 10, "it was asked for in every part of the work"
    assert made == generate_world(people), "being asked for changes nothing"


def test_a_world_is_given_up_while_it_comes_to_life() -> None:
    world = generate_world(2 * EVERY)
    for allowed in range(4):
        with pytest.raises(WorldUnwanted):
            LiveWorld(world, wanted=looks(allowed))
