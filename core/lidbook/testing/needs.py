"""Which capabilities, feeds and helps of its author a compliance test needs, and which apply to an engine."""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import pytest

from lidbook.capabilities import Capability, Feed
from lidbook.engine import Engine

ASKING: Final = (
    Capability.CONTACTS_CHECK,
    Capability.LIDS_QUERY,
    Capability.CONTACTS_ABOUT,
    Capability.CONTACTS_PICTURE,
    Capability.CONTACTS_UPDATE,
    Capability.CONTACTS_DELETE,
    Capability.CONTACTS_BLOCK,
    Capability.CONTACTS_UNBLOCK,
    Capability.GROUPS_REFRESH,
)
"""Live calls that the server of a linked account answers."""

_Test = TypeVar("_Test", bound=Callable[..., object])


def needs(*wanted: Capability | Feed) -> Callable[[_Test], _Test]:
    """Run this test only for engines that provide these capabilities and supply these feeds."""

    def mark(test: _Test) -> _Test:
        marked: _Test = pytest.mark.lidbook_needs(*wanted)(test)
        return marked

    return mark


def world_of(people: int) -> Callable[[_Test], _Test]:
    """Run this test on a world of so many made-up people."""

    def mark(test: _Test) -> _Test:
        marked: _Test = pytest.mark.lidbook_world(people)(test)
        return marked

    return mark


def lacks(engine: type[Engine], wanted: tuple[Capability | Feed, ...]) -> list[str]:
    """What of this the engine does not say of itself."""
    return [
        each.value
        for each in wanted
        if (each not in engine.feeds if isinstance(each, Feed) else not engine.claim(each).provided)
    ]


def refused(engine: type[Engine]) -> list[Capability]:
    """What an engine does not provide."""
    return [capability for capability in Capability if not engine.claim(capability).provided]


def asking(engine: type[Engine]) -> list[Capability]:
    """The live calls of an engine that ask the server on behalf of a linked account."""
    return [c for c in ASKING if engine.claim(c).provided]


PARAMETERS: Final[Mapping[str, Callable[[type[Engine]], list[Capability]]]] = {"refused": refused, "faulty": asking}
"""Argument of a compliance test -> the capabilities that it stands for, one test each; with none there is no test."""
