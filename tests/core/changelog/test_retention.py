"""How long the log is kept."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
import structlog

from lidbook.app import CoreSettings, Lidbook
from lidbook.changelog.log import ChangeLog, append
from lidbook.changelog.retention import DAY_MS, keep_pruned, prune_all
from lidbook.directory.database import Database
from lidbook.hooks import Hooks
from lidbook.hookspecs import ChangeKind
from lidbook.registry import EngineRegistry

from .conftest import make_session

NOW = 100 * DAY_MS
LOG = structlog.stdlib.get_logger("test")


async def log_of(database: Database, session: int, *ages: float) -> ChangeLog:
    """A log with an entry for each age in days."""

    def work(connection: sqlite3.Connection) -> None:
        for age in ages:
            append(connection, session, round(NOW - age * DAY_MS), ChangeKind.SESSION_STATUS, "s")

    await database.write(work)
    return ChangeLog(database, session)


async def until_pruned(log: ChangeLog, seq: int) -> None:
    async with asyncio.timeout(10):
        while log.pruned() < seq:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.001)


async def test_every_sessions_log_is_pruned(database: Database, session: int) -> None:
    logs = [await log_of(database, of, 9, 8, 7.5, 3, 0) for of in (session, await make_session(database, "other"))]
    await prune_all(database, NOW - 7 * DAY_MS)
    assert [log.pruned() for log in logs] == [3, 3]
    assert [[change.seq for change in log.after(0)] for log in logs] == [[4, 5], [4, 5]]


async def test_it_is_pruned_at_the_start_and_again_and_again(database: Database, session: int) -> None:
    log = await log_of(database, session, 9, 3)
    now = NOW
    pruning = asyncio.create_task(keep_pruned(database, 7, lambda: now, LOG, every=0.001))
    await until_pruned(log, 1)
    assert log.pruned() == 1
    now += 5 * DAY_MS
    await until_pruned(log, 2)
    pruning.cancel()
    await asyncio.wait([pruning])


@pytest.mark.parametrize("days", [0, -1])
async def test_nothing_is_pruned_when_it_is_kept_for_ever(database: Database, session: int, days: float) -> None:
    log = await log_of(database, session, 10_000, 0)
    await keep_pruned(database, days, lambda: NOW, LOG)
    assert (log.pruned(), len(log.after(0))) == (0, 2)


async def test_a_round_that_fails_is_tried_again(
    database: Database, session: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await log_of(database, session, 9)
    write, failures = database.write, 0

    async def full_at_first(*args: object) -> object:
        nonlocal failures
        if failures < 2:
            failures += 1
            raise sqlite3.OperationalError("database or disk is full")
        return await write(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "write", full_at_first)
    with structlog.testing.capture_logs() as logs:
        pruning = asyncio.create_task(keep_pruned(database, 7, lambda: NOW, structlog.get_logger(), every=0.001))
        await until_pruned(log, 1)
        pruning.cancel()
        await asyncio.wait([pruning])
    assert [entry["log_level"] for entry in logs] == ["error", "error"]


async def test_a_server_prunes_what_is_older_than_its_settings_say(tmp_path: Path) -> None:
    async def opened(log_days: float) -> Lidbook:
        settings = CoreSettings(tmp_path, log_days=log_days)
        return await Lidbook.open(settings, engines=EngineRegistry.of(), hooks=Hooks())

    lidbook = await opened(0)
    session = await make_session(lidbook.database, "s")
    log = await log_of(lidbook.database, session, 1)  # of 1970, as this test's clock has it
    assert len(log.after(0)) == 1
    await lidbook.close()
    lidbook = await opened(7)
    await until_pruned(ChangeLog(lidbook.database, session), 1)
    await lidbook.close()
    assert lidbook._pruning.cancelled()
