"""What go-bridge survives, with many sessions in one host: ten of them, or `LIDBOOK_CROWD=100` with figures by `-s`.

LIDBOOK_CROWD=100 .venv/bin/pytest tests/engines/go_bridge/test_faults.py -s
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from lidbook.errors import EngineError, EngineTimeout
from lidbook.identifiers import PhoneNumber
from lidbook.sessions.session import Session
from lidbook.values import SessionStatus, StatusReason
from lidbook.world.conditions import Condition, Kind
from lidbook.world.crowded import crowded_world
from lidbook.world.generator import generate_world
from lidbook_sandbox.network.faults import Malformation

from .crowd import PATIENCE, SESSIONS, Crowd, crowd_of

ALL = range(SESSIONS)
SECOND_NAME = "Somebody Else"


@pytest.fixture
async def crowd(tmp_path: Path, go_bridge_binary: Path) -> AsyncIterator[Crowd]:
    """All sessions linked, and synced."""
    async with crowd_of(crowded_world(SESSIONS), tmp_path) as crowd:
        await crowd.begin(ALL)
        await crowd.working(ALL)
        await crowd.synced(ALL)
        yield crowd


async def test_a_killed_host_comes_back_with_every_session_and_every_name(crowd: Crowd) -> None:
    before = [await crowd.bodies(number) for number in ALL]
    linked = len(crowd.scans)
    crowd.kill_host()
    began = time.perf_counter()
    await crowd.until(
        lambda: any(crowd.session(number).status is not SessionStatus.WORKING for number in ALL),
        "the loss of the host to be noticed",
    )
    await crowd.working(ALL)
    figure(f"{SESSIONS} sessions WORKING again after kill -9 of their host", time.perf_counter() - began)
    assert len(crowd.scans) == linked, "somebody had to scan again"
    for number in ALL:
        assert (await crowd.bodies(number)).differences(before[number]) == []


async def test_what_the_phones_change_while_the_host_is_dead_arrives(crowd: Crowd) -> None:
    saved = [saved_by(crowd, number) for number in ALL]
    crowd.kill_host()
    for number in ALL:
        crowd.network.phone(crowd.accounts[number]).edit(saved[number], SECOND_NAME)
    await crowd.until(
        lambda: all(name_of(crowd, number, saved[number]) == SECOND_NAME for number in ALL),
        "the names that the phones gave meanwhile",
    )
    assert await crowd.differences(0) == []


async def test_a_session_that_crashes_its_host_is_set_apart(crowd: Crowd) -> None:
    poison, others = SESSIONS // 2, [number for number in ALL if number != SESSIONS // 2]
    crowd.network.faults.malform(crowd.accounts[poison], Malformation.CRASH, "login")
    crowd.kill_host()
    began = time.perf_counter()
    session = crowd.session(poison)
    assert await session.until(lambda _status: is_set_apart(session), PATIENCE), "no quarantine"
    await crowd.working(others)
    figure(f"one of {SESSIONS} sessions found out and set apart, the others WORKING", time.perf_counter() - began)
    told = len(crowd.statuses)
    attempt = session.detail
    assert await session.until(lambda _status: is_set_apart(session) and session.detail != attempt, PATIENCE)
    crowd.network.faults.clear(crowd.accounts[poison])
    await crowd.working([poison])
    assert {name for name, _ in crowd.statuses[told:]} == {session.name}, "it took others down with it"
    assert len(crowd.hosts()) > 1


async def test_a_malformed_stanza_harms_neither_session_nor_host(crowd: Crowd) -> None:
    hosts = crowd.hosts()
    crowd.network.faults.malform(crowd.accounts[0], Malformation.GARBAGE, "now")
    registration = (await crowd.session(0).engine_session.check([crowd.accounts[1]]))[0]
    assert registration.phone == crowd.accounts[1]
    assert crowd.hosts() == hosts


async def test_a_stream_that_cannot_be_decrypted_any_more_is_an_error_and_no_empty_answer(crowd: Crowd) -> None:
    hosts = crowd.hosts()
    crowd.network.faults.malform(crowd.accounts[0], Malformation.BAD_TAG, "now")
    with pytest.raises(EngineTimeout):
        await crowd.session(0).engine_session.check([crowd.accounts[1]])
    assert (await crowd.session(1).engine_session.check([crowd.accounts[1]]))[0].registered
    await crowd.lidbook.sessions.restart("s000")
    await crowd.working(ALL)
    assert (await crowd.session(0).engine_session.check([crowd.accounts[1]]))[0].registered
    assert crowd.hosts() == hosts


async def test_a_server_that_falls_silent_is_an_error_and_no_empty_answer(crowd: Crowd) -> None:
    crowd.network.conditions.of(crowd.accounts[0]).set(Condition(Kind.SILENCE))
    engine_session = crowd.session(0).engine_session
    with pytest.raises(EngineTimeout):
        await engine_session.check([crowd.accounts[1]])
    answers = await crowd.session(1).engine_session.check([crowd.accounts[1]])
    assert answers[0].registered, "another session of the same host waited, too"


async def test_a_server_that_closes_with_the_515_is_reached_again(tmp_path: Path, go_bridge_binary: Path) -> None:
    async with crowd_of(crowded_world(SESSIONS), tmp_path) as crowd:
        for account in crowd.accounts:
            crowd.network.faults.early_close_515(account)
        await crowd.begin(ALL)
        await crowd.working(ALL)
        assert sorted(crowd.scans) == sorted(crowd.session(number).name for number in ALL)


async def test_a_conflict_on_a_contact_update_is_resolved(crowd: Crowd) -> None:
    for number in ALL:
        crowd.network.conditions.of(crowd.accounts[number]).set(Condition(Kind.CONFLICT))

    saved = [saved_by(crowd, number) for number in ALL]

    async def rename(number: int) -> None:
        await crowd.session(number).live.update_contact(saved[number], "Second", "Try")

    await asyncio.gather(*(rename(number) for number in ALL))
    assert {name_of(crowd, number, saved[number]) for number in ALL} == {"Second Try"}
    assert await crowd.differences(0) == []


async def test_a_device_that_the_phone_removes_is_logged_out_and_alone_in_that(crowd: Crowd) -> None:
    await crowd.network.phone(crowd.accounts[0]).log_out()
    await crowd.status(0, SessionStatus.FAILED, StatusReason.LOGGED_OUT)
    assert all(crowd.session(number).status is SessionStatus.WORKING for number in ALL[1:])
    await crowd.lidbook.sessions.start("s000")
    await crowd.working(ALL)
    assert crowd.scans.count("s000") == 2


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (402, StatusReason.BANNED),
        (406, StatusReason.BANNED),
        (405, StatusReason.OUTDATED),
        (401, StatusReason.LOGGED_OUT),
    ],
)
async def test_a_refused_login_says_why(crowd: Crowd, reason: int, status: StatusReason) -> None:
    crowd.network.faults.refuse_login(crowd.accounts[0], reason)
    await crowd.lidbook.sessions.restart("s000")
    await crowd.status(0, SessionStatus.FAILED, status)


async def test_a_replaced_connection_says_so_and_stays_away(crowd: Crowd) -> None:
    assert crowd.network.faults.replace(crowd.accounts[0]) == 1
    await crowd.status(0, SessionStatus.FAILED, StatusReason.REPLACED)


async def test_a_stream_error_is_no_end(crowd: Crowd) -> None:
    for code in (503, 500):
        assert crowd.network.faults.stream_error(crowd.accounts[0], code) == 1
        await crowd.until(
            lambda: crowd.session(0).status is not SessionStatus.WORKING, "the end of the connection to be noticed"
        )
        await crowd.working(ALL)


async def test_a_server_with_another_certificate_is_not_believed(tmp_path: Path, go_bridge_binary: Path) -> None:
    async with crowd_of(crowded_world(1), tmp_path) as crowd:
        crowd.network.faults.forge_certificate()
        await crowd.begin([0])
        await crowd.until(lambda: crowd.session(0).reason is not None, "the refusal of the certificate")
        assert crowd.session(0).qr is None
        crowd.network.faults.clear()
        await crowd.working([0])


async def test_thirty_sessions_starting_at_once_all_work(tmp_path: Path, go_bridge_binary: Path) -> None:
    sessions = range(30)
    async with crowd_of(crowded_world(30), tmp_path) as crowd:
        began = time.perf_counter()
        await crowd.begin(sessions)
        await crowd.working(sessions)
        figure("30 sessions, begun at once: linked and WORKING", time.perf_counter() - began)
        await crowd.synced(sessions)
        for number in (0, 17, 29):
            assert await crowd.differences(number) == []


@pytest.mark.parametrize("people", [5_000, 50_000] if SESSIONS > 10 else [5_000])
async def test_a_large_address_book_arrives_without_a_lost_name(
    people: int, tmp_path: Path, go_bridge_binary: Path
) -> None:
    async with crowd_of(generate_world(people), tmp_path) as crowd:
        began = time.perf_counter()
        await crowd.begin([0])
        await crowd.until(lambda: crowd.session(0).status is SessionStatus.WORKING, "the session to work", patience=120)
        await crowd.until(lambda: is_synced(crowd), "every feed to be complete", patience=60 + people / 100)
        figure(f"{people:,} people from the scan to the last name", time.perf_counter() - began)
        assert await crowd.differences(0) == []


async def test_an_engine_error_leaves_the_session_working(crowd: Crowd) -> None:
    with pytest.raises(EngineError):
        await crowd.session(0).engine_session.pairing_code(crowd.accounts[0])
    assert crowd.session(0).status is SessionStatus.WORKING


def is_set_apart(session: Session) -> bool:
    """Whether its last host fell with nobody else in it."""
    return session.reason is StatusReason.CRASHED and "with no other session in it" in (session.detail or "")


def is_synced(crowd: Crowd) -> bool:
    """Whether the first session was told everything."""
    syncs = crowd.session(0).directory.syncs()
    return len(syncs) >= 5 and all(sync.complete for sync in syncs)


def saved_by(crowd: Crowd, number: int) -> PhoneNumber:
    """Somebody in an account's address book."""
    service = crowd.network.phone(crowd.accounts[number]).service
    person = next(saved.person for saved in service.address_book() if saved.person.phone is not None)
    assert person.phone is not None
    return person.phone


def name_of(crowd: Crowd, number: int, user: PhoneNumber) -> str | None:
    """What an account's directory says is somebody's name."""
    name: str | None = orjson.loads(crowd.session(number).directory.contact(user))["name"]
    return name


def figure(what: str, seconds: float) -> None:
    """Shown by `-s`."""
    sys.stdout.write(f"\n{what}: {seconds:.2f} s\n")
