"""Who is to blame for a fall and who is not: kills from outside, sessions that hang, poisons that take their time."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from core.hosts import misbehaving
from core.hosts.conftest import Opening, loop_has_had_a_child
from core.hosts.stand_in import PROGRAM, QUICK, Kept, MisbehavingEngine, Opened, Studio
from core.hosts.test_supervision import ADA, CRASHED, GIVEN_UP, WORKING, age, hosts
from lidbook.capabilities import Feed
from lidbook.errors import EngineDisconnected
from lidbook.hosts import HostProgram
from lidbook.hosts.host import Host
from lidbook.values import AboutAnswer


async def test_a_session_stopped_while_it_is_being_started_is_not_started_after_all(studio: Studio) -> None:
    other, opened = await studio.working(1), studio.open(2)
    asked, gate = asyncio.Event(), asyncio.Event()

    async def waits(feed: Feed) -> bool:
        asked.set()
        await gate.wait()
        return False

    opened.context.is_synced = waits  # type: ignore[method-assign]
    starting = asyncio.create_task(opened.session.start())
    await asked.wait()
    stopping = asyncio.create_task(opened.session.stop())
    for _ in range(3):
        await asyncio.sleep(0)
    gate.set()
    with pytest.raises(EngineDisconnected):
        await starting
    await stopping

    assert await other.session.about([ADA]) == [AboutAnswer(ADA, "Busy")]  # the host has done all that it was asked
    assert opened.written("starts") == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_hosts_that_are_killed_from_outside_are_nobodys_fault(how: signal.Signals, studio: Studio) -> None:
    everybody = [await studio.working(number) for number in range(4)]
    for _ in range(4):
        (host,) = hosts(studio)
        os.kill(host, how)
        await studio.until(lambda host=host: host not in hosts(studio))  # type: ignore[misc]
        await studio.until(lambda: all(each.context.is_working for each in everybody))
        await studio.until(lambda: len(set(map(studio.host_of, everybody))) == 1)

    assert len(hosts(studio)) == 1
    assert GIVEN_UP not in [status for each in everybody for status in each.context.statuses]
    newcomer = await studio.working(5)
    assert hosts(studio) == {studio.host_of(newcomer)}


async def test_a_session_is_found_out_though_its_hosts_are_killed_from_outside_as_well(studio: Studio) -> None:
    good, poison = await studio.working(1), await studio.working(2, answers={"contacts.about": "crash"})
    os.kill(studio.host_of(good), signal.SIGKILL)
    await studio.until(lambda: poison.context.statuses == [WORKING, CRASHED, WORKING])
    await fell_by(poison, studio)
    await fell_by(poison, studio)
    os.kill(studio.host_of(poison), signal.SIGKILL)
    await studio.until(lambda: poison.context.statuses == [WORKING, *[CRASHED, WORKING] * 4])
    await fell_by(poison, studio)

    assert poison.context.status_now == GIVEN_UP
    await studio.until(lambda: good.context.is_working)


async def test_sessions_that_would_not_stop_are_no_fault_of_those_who_stay(studio: Studio) -> None:
    first = await studio.working(1, answers={"session.stop": "silence"})
    second = await studio.working(2, answers={"session.stop": "silence"})
    stays = await studio.working(3)
    for goes, falls in ((first, 1), (second, 2)):
        await goes.session.stop()
        await studio.until(lambda falls=falls: stays.context.statuses == [WORKING, *[CRASHED, WORKING] * falls])  # type: ignore[misc]

    assert stays.context.details[1] == "its host did not stop a session in 1 s"
    assert hosts(studio) == {studio.host_of(stays)}
    again = await studio.working(1)
    assert studio.host_of(again) != studio.host_of(stays)
    newcomer = await studio.working(4)
    assert studio.host_of(newcomer) == studio.host_of(stays)


async def test_a_poison_that_takes_its_time_is_found_and_not_acquitted_soon(opening: Opening) -> None:
    async with opening(timings=replace(QUICK, steady=0.0)) as studio:  # every fall is after a steady while
        good = [await studio.working(number) for number in range(3)]
        poison = await studio.working(3, answers={"contacts.about": "crash"})
        for _ in range(5):
            await fell_by(poison, studio)

        assert poison.context.status_now == GIVEN_UP
        await studio.until(lambda: all(each.context.is_working for each in good))
        for _ in range(2):
            await poison.session.stop()
            poison = await studio.working(3)
            assert studio.host_of(poison) not in map(studio.host_of, good)


async def test_two_crashes_that_are_far_apart_tell_nobody_apart(opening: Opening) -> None:
    async with opening(timings=replace(QUICK, steady=0.0)) as studio:
        good, falls = await studio.working(1), await studio.working(2, answers={"contacts.about": "crash"})
        for _ in range(2):
            await fell_by(falls, studio)
            await studio.until(lambda: good.context.is_working)

        assert hosts(studio) == {studio.host_of(good)} == {studio.host_of(falls)}


async def fell_by(poison: Opened, studio: Studio) -> None:
    """Have it crash its host, and wait until it works again or is given up."""
    told = len(poison.context.statuses)
    with suppress(EngineDisconnected):
        await poison.session.about([ADA])
    await studio.until(lambda: poison.context.statuses[told:] in ([CRASHED, WORKING], [CRASHED, GIVEN_UP], [GIVEN_UP]))


@pytest.mark.parametrize("how", ["crash", "close"])
async def test_nothing_that_a_host_started_is_left_when_it_has_ended(
    how: str, opening: Opening, tmp_path: Path
) -> None:
    noted = tmp_path / "started"
    script = f'sleep 60 & echo $! >> "{noted}"; exec {sys.executable} -I -S "{misbehaving.__file__}"'
    async with opening(argv=("/bin/sh", "-c", script)) as studio:
        opened = await studio.start(0, how)
        await studio.until(lambda: opened.context.status_now == GIVEN_UP)
        started = [int(line) for line in noted.read_text().split()]
        assert len(started) == 2
        await studio.until(lambda: not any(map(runs, started)))


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_host_is_over_when_all_tasks_are_cancelled(tmp_path: Path, anyio_backend: str) -> None:
    await loop_has_had_a_child()
    others = asyncio.all_tasks()
    host = await Host.launch(HostProgram(PROGRAM), "misbehaving", None, Kept(), QUICK)
    for task in asyncio.all_tasks() - others:
        task.cancel()

    async with asyncio.timeout(10):
        await asyncio.shield(host.ended)
    await Studio(tmp_path, MisbehavingEngine(tmp_path)).until(lambda: psutil.Process().children() == [])


async def test_no_task_is_left_when_hosts_were_ended(tmp_path: Path, anyio_backend: str) -> None:
    before = asyncio.all_tasks()
    engine = MisbehavingEngine(tmp_path)
    studio = Studio(tmp_path, engine)
    async with engine.running():
        falls = await studio.start(1, "crash")
        await studio.until(lambda: falls.context.status_now == GIVEN_UP)
        await falls.session.stop()
        works = await studio.working(2)
        await works.session.stop()

    assert asyncio.all_tasks() == before


async def test_a_host_is_not_killed_for_pings_that_the_core_was_too_busy_to_hear_of(studio: Studio) -> None:
    gate = asyncio.Event()
    sessions = [await studio.working(number, answers={"contacts.about": "ask much"}) for number in range(5)]
    for each in sessions:
        each.context.kept.gate = gate
        assert await each.session.about([ADA]) == [AboutAnswer(ADA, "Busy")]
    (host,) = hosts(studio)
    await studio.until(lambda: age(host) > 2.5)

    assert hosts(studio) == {host}
    gate.set()
    assert await sessions[0].session.query_lids([]) == {}
    assert all(each.context.statuses == [WORKING] for each in sessions)
