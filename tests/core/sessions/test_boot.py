"""What a server does with its sessions when it starts, and what they have from it that they do not say themselves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.sessions.engines import Script, scripted
from lidbook.app import CoreSettings, Lidbook
from lidbook.engine import ClientConfig, Proxy
from lidbook.hooks import Hooks
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig
from lidbook.sessions.surroundings import AtBoot
from lidbook.values import SessionStatus

SERVER = ClientConfig(Proxy("proxy:3128", "u", "s"), "Desk", "Firefox")


@asynccontextmanager
async def opened(
    data_dir: Path,
    script: Script,
    at_boot: AtBoot = AtBoot.WANTED,
    boot_delay: float = 0.0,
    client: ClientConfig | None = None,
) -> AsyncIterator[Lidbook]:
    settings = CoreSettings(
        data_dir,
        default_engine="scripted",
        at_boot=at_boot,
        boot_delay=boot_delay,
        client=client or ClientConfig(),
    )
    lidbook = await Lidbook.open(settings, engines=EngineRegistry.of(scripted(script)), hooks=Hooks())
    yield lidbook
    await lidbook.close()


async def two_sessions(data_dir: Path) -> None:
    """`runs` ran when the server ended, `stopped` did not."""
    async with opened(data_dir, Script()) as lidbook:
        await lidbook.sessions.create("runs", SessionConfig())
        await lidbook.sessions.create("stopped", SessionConfig(), start=False)
        await lidbook.sessions.usable("runs")


def status(lidbook: Lidbook, name: str) -> SessionStatus:
    return lidbook.sessions.get(name).status


@pytest.mark.parametrize(
    ("at_boot", "runs", "stopped"),
    [
        (AtBoot.WANTED, SessionStatus.WORKING, SessionStatus.STOPPED),
        (AtBoot.ALL, SessionStatus.WORKING, SessionStatus.WORKING),
        (AtBoot.NONE, SessionStatus.STOPPED, SessionStatus.STOPPED),
    ],
)
async def test_which_sessions_are_started(
    tmp_path: Path, at_boot: AtBoot, runs: SessionStatus, stopped: SessionStatus
) -> None:
    await two_sessions(tmp_path)
    async with opened(tmp_path, Script(), at_boot) as lidbook:
        for session in lidbook.sessions.all():
            await session.settled(10)
        assert (status(lidbook, "runs"), status(lidbook, "stopped")) == (runs, stopped)


async def test_what_is_not_started_is_still_wanted(tmp_path: Path) -> None:
    await two_sessions(tmp_path)
    async with opened(tmp_path, Script(), AtBoot.NONE) as lidbook:
        assert status(lidbook, "runs") is SessionStatus.STOPPED
    async with opened(tmp_path, Script()) as lidbook:
        assert (await lidbook.sessions.usable("runs")).status is SessionStatus.WORKING


async def test_all_of_them_stay_wanted(tmp_path: Path) -> None:
    await two_sessions(tmp_path)
    async with opened(tmp_path, Script(), AtBoot.ALL) as lidbook:
        await lidbook.sessions.usable("stopped")
    async with opened(tmp_path, Script()) as lidbook:
        assert (await lidbook.sessions.usable("stopped")).status is SessionStatus.WORKING


async def test_sessions_wait_before_they_start_and_can_be_stopped_meanwhile(tmp_path: Path) -> None:
    await two_sessions(tmp_path)
    script = Script()
    async with opened(tmp_path, script, boot_delay=3600) as lidbook:
        await asyncio.sleep(0)
        assert (status(lidbook, "runs"), script.sessions) == (SessionStatus.STARTING, [])
        await lidbook.sessions.stop("runs")
        assert status(lidbook, "runs") is SessionStatus.STOPPED
        await lidbook.sessions.start("runs")
        assert (await lidbook.sessions.usable("runs")).status is SessionStatus.WORKING


async def test_a_short_wait_ends(tmp_path: Path) -> None:
    await two_sessions(tmp_path)
    async with opened(tmp_path, Script(), boot_delay=0.01) as lidbook:
        assert (await lidbook.sessions.usable("runs")).status is SessionStatus.WORKING


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, SERVER),
        ({"markOnline": True}, ClientConfig(SERVER.proxy, "Desk", "Firefox", mark_online=True)),
        ({"client": {"deviceName": "Mine"}}, ClientConfig(SERVER.proxy, "Mine", "Firefox")),
        ({"proxy": {"server": "other:1"}}, ClientConfig(Proxy("other:1"), "Desk", "Firefox")),
    ],
)
async def test_what_a_session_does_not_say_the_server_says(
    tmp_path: Path, config: dict[str, object], expected: ClientConfig
) -> None:
    script = Script()
    async with opened(tmp_path, script, client=SERVER) as lidbook:
        await lidbook.sessions.create("default", SessionConfig.parse(config))
        session = await lidbook.sessions.usable("default")
        assert script.sessions[0].context.config == expected
        assert session.config.stored() == config
