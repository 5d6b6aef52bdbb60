"""Some of the same on uvloop, on which servers run: it starts, hears and reaps children in a way of its own."""

import pytest

from core.hosts.test_blame import test_nothing_that_a_host_started_is_left_when_it_has_ended
from core.hosts.test_calls import test_every_call_is_answered
from core.hosts.test_channel import (
    raw,
    test_of_one_who_asks_more_than_can_be_answered_no_more_is_read_until_then,
    test_of_one_who_does_not_read_no_more_is_read_until_then,
)
from core.hosts.test_core import core, test_nothing_acknowledged_is_lost_when_hosts_are_killed_while_they_feed
from core.hosts.test_supervision import (
    test_a_host_that_does_not_come_up_fails_those_who_start,
    test_a_host_that_is_not_there_is_unavailable,
    test_of_sixteen_sessions_the_poison_is_found_and_the_others_go_on,
)
from core.hosts.test_traffic import test_what_a_host_prints_disturbs_nobody

pytest.importorskip("uvloop", reason="uvloop is not made for this platform")

__all__ = [
    "core",
    "raw",
    "test_a_host_that_does_not_come_up_fails_those_who_start",
    "test_a_host_that_is_not_there_is_unavailable",
    "test_every_call_is_answered",
    "test_nothing_acknowledged_is_lost_when_hosts_are_killed_while_they_feed",
    "test_nothing_that_a_host_started_is_left_when_it_has_ended",
    "test_of_one_who_asks_more_than_can_be_answered_no_more_is_read_until_then",
    "test_of_one_who_does_not_read_no_more_is_read_until_then",
    "test_of_sixteen_sessions_the_poison_is_found_and_the_others_go_on",
    "test_what_a_host_prints_disturbs_nobody",
]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """uvloop."""
    return "asyncio", {"use_uvloop": True}
