"""Credentials: each engine of each session its own, all of a change or none."""

import asyncio
import sqlite3
from importlib.resources import files
from pathlib import Path

import pytest

from core.sessions.conftest import Core, open_core
from core.sessions.engines import Script
from lidbook.data_dir import database_path
from lidbook.directory.database import Database
from lidbook.session_config import SessionConfig
from lidbook.sessions.vault import DatabaseVault, forget_vaults


async def test_blobs_of_the_same_name_do_not_meet(tmp_path: Path) -> None:
    database = Database(tmp_path / "db")
    vaults = [DatabaseVault(database, session, engine) for session in (1, 2) for engine in ("a", "b")]
    for number, vault in enumerate(vaults):
        await vault.put({"key": bytes([number])})
    assert [await vault.get("key") for vault in vaults] == [b"\0", b"\1", b"\2", b"\3"]
    await vaults[0].put({"key": None})
    assert [await vault.get("key") for vault in vaults] == [None, b"\1", b"\2", b"\3"]
    await forget_vaults(database, 1)
    assert [await vault.get("key") for vault in vaults] == [None, None, b"\2", b"\3"]
    database.close()


async def test_a_change_whose_second_blob_fails_leaves_neither(tmp_path: Path) -> None:
    database = Database(tmp_path / "db")
    vault = DatabaseVault(database, 1, "a")
    await vault.put({"kept": b"old", "other": b"old"})

    def refuse_the_second(connection: sqlite3.Connection) -> None:
        connection.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON vault WHEN new.name = 'second' "
            "BEGIN SELECT RAISE(ABORT, 'the second fails'); END"
        )

    await database.write(refuse_the_second)
    with pytest.raises(sqlite3.IntegrityError, match="the second fails"):
        await vault.put({"first": b"new", "kept": b"new", "other": None, "second": b"new"})
    beside = asyncio.gather(
        vault.put({"in time": b"1"}),
        vault.put({"first": b"new", "second": b"new"}),
        vault.put({"in time too": b"2"}),
        return_exceptions=True,
    )
    assert [type(each) for each in await beside] == [type(None), sqlite3.IntegrityError, type(None)]
    stored = database.reader.execute("SELECT name, value FROM vault ORDER BY name").fetchall()
    assert stored == [("in time", b"1"), ("in time too", b"2"), ("kept", b"old"), ("other", b"old")]
    database.close()


async def test_a_link_made_before_blobs_belonged_to_engines_is_kept(tmp_path: Path) -> None:
    connection = sqlite3.connect(database_path(tmp_path))
    first = files("lidbook.directory").joinpath("schema", "0001_directory.sql").read_text()
    connection.executescript(
        first
        + """
        INSERT INTO session (id, name, engine, config, desired, status, created_at)
        VALUES (7, 's', 'second', '{"settings": {"needs_scan": true}}', 'running', 'WORKING', 1);
        INSERT INTO directory (session, account_lid) VALUES (7, '9100@lid');
        INSERT INTO vault (session, name, value) VALUES (7, 'link', x'01');
        PRAGMA user_version = 1;
        """
    )
    connection.close()
    lidbook = await open_core(tmp_path, Script())
    session = await lidbook.sessions.usable("s")
    assert await session.vault.get("link") == b"\1"
    await lidbook.close()


async def test_an_engine_is_given_its_own_blobs_alone(core: Core) -> None:
    await core.lidbook.sessions.create("s", SessionConfig())
    session = await core.lidbook.sessions.usable("s")
    await core.script.sessions[-1].context.vault.put({"key": b"of the first"})
    await core.lidbook.sessions.update("s", SessionConfig(engine="second"))
    await core.lidbook.sessions.usable("s")
    context = core.script.sessions[-1].context
    assert await context.vault.get("key") is None
    await context.vault.put({"key": b"of the second"})
    await core.lidbook.sessions.update("s", SessionConfig(engine="scripted"))
    assert await session.vault.get("key") == b"of the first"
