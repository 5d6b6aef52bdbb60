"""Budgets: what is left of them."""

import pytest

from lidbook.capabilities import Capability
from lidbook.errors import RateLimited
from lidbook.sessions.budget import Budget


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def test_what_was_never_touched_is_not_listed() -> None:
    assert Budget(Clock()).left == {}


def test_what_is_left_falls_with_use_and_comes_back_with_time() -> None:
    clock = Clock()
    budget = Budget(clock)
    budget.spend(Capability.CONTACTS_CHECK, 50)
    assert budget.left == {Capability.CONTACTS_CHECK: pytest.approx(0.5)}
    clock.now += 5
    assert budget.left == {Capability.CONTACTS_CHECK: pytest.approx(0.75)}
    clock.now += 3600
    assert budget.left == {Capability.CONTACTS_CHECK: 1.0}


def test_nothing_is_left_while_whatsapp_says_too_many() -> None:
    clock = Clock()
    budget = Budget(clock)
    budget.spend(Capability.CONTACTS_CHECK)
    budget.close(Capability.CONTACTS_CHECK, 30)
    assert budget.left == {Capability.CONTACTS_CHECK: 0.0}
    with pytest.raises(RateLimited):
        budget.spend(Capability.CONTACTS_CHECK)
    clock.now += 31
    assert budget.left == {Capability.CONTACTS_CHECK: 1.0}


def test_without_budgets_nothing_is_listed() -> None:
    budget = Budget(Clock(), factor=0)
    budget.spend(Capability.CONTACTS_CHECK)
    assert budget.left == {}
