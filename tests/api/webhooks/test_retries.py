"""When it is tried again."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from lidbook.session_config import RetriesConfiguration
from lidbook_api.webhooks.retries import Retries, retry_after

NOW = 1_767_225_600.0


def delays(policy: Retries, count: int, random: float = 0.0) -> list[float]:
    return [policy.seconds(attempt, lambda: random) for attempt in range(1, count + 1)]


def test_wahas_defaults_are_fifteen_attempts_every_two_seconds() -> None:
    assert Retries.of(None) == Retries.of(RetriesConfiguration()) == Retries("constant", 2.0, 15)
    assert delays(Retries.of(None), 3) == [2, 2, 2]


def test_each_policy_waits_as_wahas_does() -> None:
    assert delays(Retries("constant", 3), 4) == [3, 3, 3, 3]
    assert delays(Retries("linear", 3), 4) == [3, 6, 9, 12]
    assert delays(Retries("exponential", 3), 4) == [6, 12, 24, 48]
    assert delays(Retries("exponential", 3), 2, random=0.5) == pytest.approx([6.6, 13.2])


def test_no_delay_is_no_delay() -> None:
    for policy in ("constant", "linear", "exponential"):
        retries = Retries.of(RetriesConfiguration(policy=policy, delay_seconds=0, attempts=2))
        assert delays(retries, 3) == [0, 0, 0]


def test_no_policy_waits_for_more_than_an_hour() -> None:
    assert Retries("exponential", 2).seconds(10_000, lambda: 0.9) == 3600
    assert Retries("constant", 10**9).seconds(1, lambda: 0) == 3600


def test_a_receiver_that_is_away_is_looked_for_ever_more_rarely_and_every_30_s_at_last() -> None:
    retries = Retries("constant", 2, attempts=3)
    assert [retries.seconds_while_silent(n, lambda: 0) for n in range(1, 10)] == [2, 2, 2, 4, 8, 16, 30, 30, 30]
    assert retries.seconds_while_silent(10_000, lambda: 0.999) == pytest.approx(24, abs=0.1)
    eager = Retries("constant", 0, attempts=2)
    assert [eager.seconds_while_silent(n, lambda: 0) for n in range(1, 6)] == [0, 0, 2, 4, 8]
    assert Retries("exponential", 60).seconds_while_silent(5, lambda: 0.9) == 30


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 0),
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("-5", 0),
        ("999999", 3600),
        ("9" * 400, 3600),
        ("soon", 0),
        ("1.5", 0),
        ("٣", 3),
        (format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True), 90),
        (format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True), 0),
        (format_datetime(datetime.fromtimestamp(NOW + 90_000, UTC), usegmt=True), 3600),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_an_hour_at_most(value: str | None, seconds: float) -> None:
    assert retry_after(value, NOW) == seconds
