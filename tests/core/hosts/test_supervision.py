"""A host that falls is started again with its sessions; a session over which it falls is found, and put by itself."""

import asyncio
import os
import signal
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import psutil
import pytest

from core.hosts.conftest import Opening
from core.hosts.stand_in import QUICK, Opened, Studio
from lidbook.errors import EngineDisconnected, EngineError, EngineUnavailable
from lidbook.hosts import Timings
from lidbook.hosts.host import Host
from lidbook.hosts.timings import Restarts
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.values import AboutAnswer, Person, SessionStatus, StatusReason

ADA = Person(PhoneNumber("15550199"), Lid("9199"))
CRASHED = (SessionStatus.STARTING, StatusReason.CRASHED)
WORKING = (SessionStatus.WORKING, None)
GIVEN_UP = (SessionStatus.FAILED, StatusReason.CRASHED)


def hosts(studio: Studio) -> set[int]:
    return set(studio.engine.processes().values())


def age(pid: int) -> float:
    """Seconds for which a process has been there."""
    return time.time() - psutil.Process(pid).create_time()


async def test_sessions_share_a_host_that_is_started_for_the_first(studio: Studio) -> None:
    assert hosts(studio) == set()
    first, second = await studio.working(1), await studio.working(2)

    assert studio.engine.processes() == {"host-1": studio.host_of(first)}
    assert studio.host_of(second) == studio.host_of(first)


async def test_a_hundred_sessions_fill_two_hosts_of_fifty(opening: Opening) -> None:
    async with opening(sessions_per_host=50) as studio:
        everybody = [studio.open(number) for number in range(100)]
        await asyncio.gather(*(each.session.start() for each in everybody))
        await studio.until(lambda: all(each.context.is_working for each in everybody))

        assert sorted(Counter(map(studio.host_of, everybody)).values()) == [50, 50]
        assert set(studio.engine.processes()) == {"host-1", "host-2"}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_a_host_that_is_killed_is_started_again_with_its_sessions(how: signal.Signals, studio: Studio) -> None:
    both = [await studio.working(1), await studio.working(2)]
    before = studio.host_of(both[0])
    os.kill(before, how)
    await studio.until(lambda: all(each.context.statuses == [WORKING, CRASHED, WORKING] for each in both))

    assert both[0].context.details[1] == f"its host was killed by {how.name}"
    assert hosts(studio) == {studio.host_of(both[0])} == {studio.host_of(both[1])} != {before}
    assert await both[1].session.about([ADA]) == [AboutAnswer(ADA, "Busy")]


async def test_a_call_under_way_fails_when_the_host_falls(studio: Studio) -> None:
    waits = await studio.working(1, answers={"contacts.about": "silence"})
    falls = await studio.working(2, answers={"contacts.delete": "crash"})
    waiting = asyncio.create_task(waits.session.about([ADA]))

    with pytest.raises(EngineDisconnected):
        await falls.session.delete_contact(ADA)
    with pytest.raises(EngineDisconnected, match="try again"):
        await waiting
    await studio.until(lambda: all(each.context.statuses[1:] == [CRASHED, WORKING] for each in (waits, falls)))
    assert falls.context.details[1] == "its host exited with status 3: panic: asked too much"


async def test_a_call_while_the_host_is_away_fails_at_once(opening: Opening) -> None:
    async with opening(timings=replace(QUICK, first=3600.0, longest=3600.0)) as studio:
        opened = await studio.working(1)
        await studio.working(2)
        os.kill(studio.host_of(opened), signal.SIGKILL)
        await studio.until(lambda: opened.context.statuses[1:] == [CRASHED, WORKING])
        os.kill(studio.host_of(opened), signal.SIGKILL)
        await studio.until(lambda: opened.context.statuses[3:] == [CRASHED])

        with pytest.raises(EngineDisconnected, match="started again"):
            await opened.session.about([ADA])
        await opened.session.stop()
        assert opened.context.status_now == CRASHED


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("crash", "exited with status 3: panic: poison 0"),
        ("segfault", "was killed by SIGSEGV"),
        ("deaf", "did not answer 3 pings"),
        ("hang", "did not answer 3 pings"),
        ("close", "was killed, for its socket was closed"),
        ("malformed", "was killed, for it wrote a line that is no message: no JSON"),
        ("batch", "was killed, for it wrote a line that is no message: JSON that is no request"),
        ("endless", "was killed, for it wrote a line of more than 16 MiB"),
    ],
)
async def test_a_session_that_fells_its_host_twice_alone_is_given_up(how: str, words: str, studio: Studio) -> None:
    opened = await studio.start(0, how)
    await studio.until(lambda: opened.context.status_now == GIVEN_UP)

    assert opened.context.statuses == [CRASHED, GIVEN_UP]
    detail = opened.context.details[-1]
    assert detail is not None
    assert detail.startswith("its host, with no other session in it, ")
    assert words in detail
    await studio.until(lambda: hosts(studio) == set())


async def test_of_sixteen_sessions_the_poison_is_found_and_the_others_go_on(studio: Studio) -> None:
    good = [await studio.working(number) for number in range(15)]
    poison = await studio.start(15, "work", "crash")
    await studio.until(lambda: poison.context.status_now == GIVEN_UP)
    await studio.until(lambda: all(each.context.is_working for each in good))

    assert (GIVEN_UP[0], GIVEN_UP[1]) not in [status for each in good for status in each.context.statuses]
    assert sorted(Counter(map(studio.host_of, good)).values()) == [1, 2, 4, 8]
    assert hosts(studio) == set(map(studio.host_of, good))
    assert most_starts(good) <= 7


def most_starts(sessions: list[Opened]) -> int:
    return max(len(each.written("starts")) for each in sessions)


async def test_a_poison_is_alone_from_then_on_and_newcomers_join_those_who_are_not_suspected(opening: Opening) -> None:
    async with opening(timings=replace(QUICK, steady=1.0, window=1.0)) as studio:
        good = await studio.working(1)
        poison = await studio.start(2, "crash")
        await studio.until(lambda: poison.context.status_now == GIVEN_UP and good.context.is_working)
        await poison.session.stop()
        again = await studio.working(2, "work")
        stranger = await studio.working(3)

        assert len({studio.host_of(good), studio.host_of(again), studio.host_of(stranger)}) == 3
        await studio.until(lambda: all(age(pid) > 2.0 for pid in hosts(studio)))
        newcomer = await studio.working(4)
        assert studio.host_of(newcomer) == studio.host_of(good)
        await again.session.stop()
        acquitted = await studio.working(2, "work")
        assert studio.host_of(acquitted) == studio.host_of(good)


async def test_a_poison_that_stays_one_is_given_up_at_its_first_crash_without_others(studio: Studio) -> None:
    first = await studio.start(1, "crash")
    await studio.until(lambda: first.context.status_now == GIVEN_UP)
    await first.session.stop()
    again = await studio.start(1, "crash")
    await studio.until(lambda: again.context.status_now == GIVEN_UP)

    assert again.context.statuses == [GIVEN_UP]


async def test_one_crash_says_nothing_of_a_session(studio: Studio) -> None:
    good = await studio.working(1)
    opened = await studio.start(2, "crash once", "work")
    await studio.until(lambda: opened.context.is_working and good.context.statuses[-2:] == [CRASHED, WORKING])

    assert opened.context.statuses == [CRASHED, WORKING]
    assert studio.host_of(opened) == studio.host_of(good)


async def test_two_poisons_are_both_found(studio: Studio) -> None:
    good = [await studio.working(number) for number in range(4)]
    poisons = [studio.open(number, "crash") for number in (8, 9)]
    await asyncio.gather(*(each.session.start() for each in poisons))
    await studio.until(lambda: all(each.context.status_now == GIVEN_UP for each in poisons))
    await studio.until(lambda: all(each.context.is_working for each in good))


# stopping


async def test_a_session_that_was_stopped_is_left_alone(studio: Studio) -> None:
    stays, goes = await studio.working(1), await studio.working(2)
    await goes.session.stop()
    await goes.session.stop()
    os.kill(studio.host_of(stays), signal.SIGKILL)
    await studio.until(lambda: stays.context.statuses == [WORKING, CRASHED, WORKING])

    assert goes.context.statuses == [WORKING]
    assert len(goes.written("starts")) == 1


async def test_a_host_that_does_not_stop_a_session_is_killed(studio: Studio) -> None:
    hangs = await studio.working(1, answers={"session.stop": "silence"})
    other = await studio.working(2)
    before = studio.host_of(other)
    await hangs.session.stop()
    await studio.until(lambda: other.context.statuses == [WORKING, CRASHED, WORKING])

    assert other.context.details[1] == "its host did not stop a session in 1 s"
    assert before not in hosts(studio)


async def test_a_session_is_stopped_though_its_host_is_dead(opening: Opening) -> None:
    async with opening(timings=replace(QUICK, ping=3600.0)) as studio:
        opened = await studio.working(1)
        os.kill(studio.host_of(opened), signal.SIGSTOP)
        await opened.session.stop()
        await studio.until(lambda: hosts(studio) == set())


async def test_a_host_without_sessions_is_kept_for_a_while(opening: Opening) -> None:
    async with opening(timings=replace(QUICK, idle=0.3)) as studio:
        opened = await studio.working(1)
        kept = studio.host_of(opened)
        await opened.session.stop()
        again = await studio.working(2)
        assert studio.host_of(again) == kept
        await again.session.stop()
        await studio.until(lambda: hosts(studio) == set())
        assert studio.host_of(await studio.working(3)) != kept


# coming up


async def test_a_host_that_is_not_there_is_unavailable(opening: Opening) -> None:
    async with opening(argv=("/nowhere/host",)) as studio:
        with pytest.raises(EngineUnavailable, match="/nowhere/host cannot be started: No such file"):
            await studio.start(1)


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        ("newer", "speaks version 2 of the host protocol, not 1: install"),
        ("refused", "refused the hello"),
        ("nonsense", "cannot be: protocol must be a whole number"),
    ],
)
async def test_a_host_of_another_version_is_unavailable(hello: str, words: str, opening: Opening) -> None:
    async with opening(environment={"HOST_HELLO": hello}) as studio:
        with pytest.raises(EngineUnavailable, match=words):
            await studio.start(1)


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        ("crash", "exited with status 3: panic: no hello from me, before it said hello"),
        ("silence", "did not say hello in 0.5 s"),
    ],
)
async def test_a_host_that_does_not_come_up_fails_those_who_start(hello: str, words: str, opening: Opening) -> None:
    async with opening(environment={"HOST_HELLO": hello}, timings=replace(QUICK, hello=0.5)) as studio:
        started = [studio.open(number) for number in range(3)]
        errors = await asyncio.gather(*(each.session.start() for each in started), return_exceptions=True)

        assert all(isinstance(error, EngineError) for error in errors)
        assert all(words in str(error) for error in errors)
        assert [each.context.statuses for each in started] == [[], [], []]


async def test_a_host_that_is_coming_up_is_ended_as_well(opening: Opening) -> None:
    environment = {"HOST_HELLO": "silence"}
    async with opening(environment=environment, timings=replace(QUICK, hello=3600.0)) as studio:
        starting = asyncio.create_task(studio.start(1))
        await studio.until(lambda: len(psutil.Process().children()) == 1)
        starting.cancel()
        await asyncio.wait({starting})
        assert studio.engine.processes() == {}


async def test_sessions_are_given_up_when_their_host_does_not_come_up_again(opening: Opening) -> None:
    folder_of: dict[str, str] = {}
    async with opening(environment=folder_of) as studio:
        opened = await studio.working(1)
        flag = opened.context.folder / "never"
        folder_of["HOST_HELLO"] = str(flag)
        os.kill(studio.host_of(opened), signal.SIGKILL)
        await studio.until(lambda: opened.context.status_now == GIVEN_UP)
        assert opened.context.details[-1] == ("the host exited with status 3: panic: not yet, before it said hello")
        await opened.session.stop()


async def test_a_host_that_comes_up_late_gets_its_sessions_back(opening: Opening) -> None:
    environment: dict[str, str] = {}
    timings = Timings(ping=0.2, stop=1.0, exit=1.0, first=0.2, longest=0.2)
    async with opening(environment=environment, timings=timings) as studio:
        opened = await studio.working(1)
        flag = opened.context.folder / "now"
        environment["HOST_HELLO"] = str(flag)
        os.kill(studio.host_of(opened), signal.SIGKILL)
        await studio.until(lambda: opened.context.status_now == CRASHED)
        flag.touch()
        await studio.until(lambda: opened.context.is_working)


def test_restarts_are_later_each_time_up_to_a_limit() -> None:
    restarts = Restarts(Timings(), chance=lambda: 0.0)

    assert [restarts.delay() for _ in range(9)] == [0, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]
    restarts.forget()
    assert restarts.delay() == 0
    assert Restarts(Timings(), 1, chance=lambda: 1.0).delay() == 0.1


def test_the_halves_of_those_that_fell_follow_soon_however_often_they_are_halved() -> None:
    restarts = Restarts(Timings(), 9, chance=lambda: 0.0)

    assert [restarts.soon(), restarts.soon(), restarts.count] == [0.2, 0.2, 9]


async def test_no_more_than_four_hosts_come_up_at_once(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    coming_up, most = 0, 0
    launch = Host.launch

    async def counted(*args: Any) -> Host:
        nonlocal coming_up, most
        coming_up += 1
        most = max(most, coming_up)
        try:
            return await launch(*args)
        finally:
            coming_up -= 1

    monkeypatch.setattr(Host, "launch", counted)
    async with opening(sessions_per_host=1) as studio:
        everybody = [studio.open(number) for number in range(12)]
        await asyncio.gather(*(each.session.start() for each in everybody))
        await studio.until(lambda: all(each.context.is_working for each in everybody))

        assert (most, len(hosts(studio))) == (4, 12)
