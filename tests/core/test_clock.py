"""Time as facts use it."""

from lidbook.clock import Moments


def test_no_moment_is_given_twice() -> None:
    moments = Moments(lambda: 5)
    assert [moments(), moments(), moments()] == [5, 6, 7]


def test_a_moment_is_now_when_time_has_passed() -> None:
    times = iter((5, 9, 2))
    moments = Moments(lambda: next(times))
    assert [moments(), moments(), moments()] == [5, 9, 10]
