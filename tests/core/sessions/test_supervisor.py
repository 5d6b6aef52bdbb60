"""Another attempt: later each time, at no round moment, and not for ever."""

import asyncio

import pytest

from lidbook.sessions.supervisor import ATTEMPTS, STEADY, Delays, Supervisor
from lidbook.values import StatusReason


class Time:
    """Time that a test moves, and sleepers that wake when it has."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asleep: list[tuple[float, asyncio.Event]] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        sleeper = (self.now + seconds, asyncio.Event())
        self.asleep.append(sleeper)
        try:
            await sleeper[1].wait()
        finally:
            self.asleep.remove(sleeper)

    async def pass_by(self, seconds: float) -> None:
        await _settle()
        self.now += seconds
        for due, event in self.asleep:
            if due <= self.now:
                event.set()
        await _settle()


class Chance:
    """What comes out of the dice."""

    def __init__(self) -> None:
        self.value = 0.0

    def __call__(self) -> float:
        return self.value


class Watched:
    """A supervisor, the attempts it began, and what it goes by."""

    def __init__(self, delays: Delays | None = None) -> None:
        self.time, self.chance = Time(), Chance()
        self.begun: list[str] = []
        self.supervisor = Supervisor(
            self.begun.append, self.time.monotonic, delays or Delays(), self.chance, self.time.sleep
        )

    def fail(self, reason: StatusReason = StatusReason.CRASHED) -> float:
        delay = self.supervisor.failed("s", reason)
        assert delay is not None
        self.supervisor.try_again("s", delay)
        return delay


async def _settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_delays_double_until_the_longest() -> None:
    watched = Watched()
    delays = [watched.fail(StatusReason.NETWORK) for _ in range(12)]
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    watched.supervisor.close()


async def test_a_delay_is_between_half_and_the_whole() -> None:
    watched = Watched()
    watched.chance.value = 1.0
    assert [watched.fail() for _ in range(3)] == [0.5, 1, 2]
    watched.chance.value = 0.5
    assert watched.fail() == 6
    watched.supervisor.close()


async def test_chance_is_real_unless_a_test_says_otherwise() -> None:
    supervisor = Supervisor(lambda _: None, lambda: 0.0)
    delays = {supervisor.failed(f"s{number}", StatusReason.NETWORK) for number in range(50)}
    assert len(delays) > 40
    assert all(delay is not None and 0.5 <= delay <= 1 for delay in delays)
    supervisor.close()


async def test_an_attempt_begins_when_its_time_has_come_and_not_before() -> None:
    watched = Watched()
    watched.fail()
    watched.fail()
    assert watched.supervisor.due_in("s") == 2
    await watched.time.pass_by(1.9)
    assert watched.begun == [], "the first plan was replaced by the second"
    await watched.time.pass_by(0.2)
    assert watched.begun == ["s"]
    assert watched.supervisor.due_in("s") == 0
    assert watched.supervisor.attempts("s") == 2


async def test_what_is_forgotten_is_not_begun_and_counts_no_more() -> None:
    watched = Watched()
    watched.fail()
    watched.fail()
    watched.supervisor.forget("s")
    await watched.time.pass_by(1000)
    assert (watched.begun, watched.time.asleep, watched.supervisor.attempts("s")) == ([], [], 0)
    assert watched.fail() == 1
    watched.supervisor.close()


async def test_what_is_forgotten_between_its_failure_and_its_plan_is_not_begun() -> None:
    watched = Watched()
    delay = watched.supervisor.failed("s", StatusReason.CRASHED)
    assert delay is not None
    watched.supervisor.forget("s")
    watched.supervisor.try_again("s", delay)
    await watched.time.pass_by(1000)
    assert watched.begun == []


async def test_an_attempt_that_somebody_else_began_is_not_begun_twice_and_still_counts() -> None:
    watched = Watched()
    watched.fail()
    watched.supervisor.begun("s")
    await watched.time.pass_by(1000)
    assert (watched.begun, watched.supervisor.attempts("s")) == ([], 1)
    assert watched.fail() == 2
    watched.supervisor.close()


async def test_a_session_that_was_steady_is_counted_anew() -> None:
    watched = Watched()
    for _ in range(5):
        watched.fail()
    watched.supervisor.works("s")
    await watched.time.pass_by(STEADY)
    watched.supervisor.works("s")  # said again after a short loss of the network
    assert watched.fail() == 1
    watched.supervisor.close()


async def test_a_session_that_worked_for_a_moment_is_not_counted_anew() -> None:
    watched = Watched()
    for _ in range(5):
        watched.fail()
    watched.supervisor.works("s")
    watched.time.now += STEADY - 1
    assert watched.fail() == 32
    watched.supervisor.close()


@pytest.mark.parametrize("reason", [StatusReason.CRASHED, StatusReason.TIMEOUT])
async def test_it_gives_up_after_sixteen_attempts(reason: StatusReason) -> None:
    watched = Watched()
    for _ in range(16):
        watched.fail(reason)
    assert watched.supervisor.failed("s", reason) is None
    await watched.time.pass_by(1000)
    assert watched.begun == []
    assert watched.fail(reason) == 1, "whoever starts it by hand has all attempts again"
    watched.supervisor.close()


async def test_the_network_is_waited_for_as_long_as_it_takes() -> None:
    watched = Watched()
    assert [watched.fail(StatusReason.NETWORK) for _ in range(500)][-1] == 300
    watched.supervisor.close()


async def test_a_long_night_without_network_uses_up_no_other_attempts() -> None:
    watched = Watched()
    for _ in range(50):
        watched.fail(StatusReason.NETWORK)
    for _ in range(16):
        watched.fail(StatusReason.CRASHED)
    assert watched.supervisor.failed("s", StatusReason.CRASHED) is None


@pytest.mark.parametrize("reason", sorted(set(StatusReason) - ATTEMPTS.keys()))
async def test_what_needs_a_person_is_not_tried_again(reason: StatusReason) -> None:
    watched = Watched()
    watched.fail()
    assert watched.supervisor.failed("s", reason) is None
    await watched.time.pass_by(1000)
    assert watched.begun == []


async def test_sessions_are_counted_each_for_itself() -> None:
    watched = Watched(Delays(first=10, longest=20))
    assert [watched.supervisor.failed(name, StatusReason.CRASHED) for name in ("a", "a", "b", "a")] == [10, 20, 10, 20]
    watched.supervisor.close()


async def test_nothing_begins_once_it_is_closed() -> None:
    watched = Watched()
    watched.fail()
    watched.supervisor.close()
    watched.fail()
    await watched.time.pass_by(1000)
    assert (watched.begun, watched.time.asleep) == ([], [])
