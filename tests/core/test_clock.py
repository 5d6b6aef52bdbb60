"""Time as facts use it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lidbook.clock import Moments, within_second


def test_no_moment_is_given_twice() -> None:
    moments = Moments(lambda: 5)
    assert [moments(), moments(), moments()] == [5, 6, 7]


def test_a_moment_is_now_when_time_has_passed() -> None:
    times = iter((5, 9, 2))
    moments = Moments(lambda: next(times))
    assert [moments(), moments(), moments()] == [5, 9, 10]


@pytest.mark.parametrize(
    ("arrived_ms", "as_of"),
    [
        (1_700_000_005_250, 1_700_000_005_250),
        (1_700_000_009_000, 1_700_000_005_999),
        (1_699_999_999_000, 1_700_000_005_000),
    ],
    ids=["within the second", "later, as after a time offline", "earlier, by a clock that is behind"],
)
def test_what_is_dated_in_seconds_is_as_of_its_arrival_within_that_second(arrived_ms: int, as_of: int) -> None:
    assert within_second(1_700_000_005, arrived_ms) == as_of


@given(st.integers(0, 2**33), st.integers(0, 2**43), st.integers(0, 2**43))
def test_such_a_time_never_leaves_its_second_and_keeps_the_order_of_arrival(
    seconds: int, arrived: int, later: int
) -> None:
    assert within_second(seconds, arrived) // 1000 == seconds
    first, second = sorted((arrived, later))
    assert within_second(seconds, first) <= within_second(seconds, second)
