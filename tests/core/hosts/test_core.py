"""Hosts under a real core: what was acknowledged is stored, who is to blame is shown, and nothing is left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.hosts import serving_child
from core.hosts.conftest import loop_has_had_a_child, open_descriptors
from core.hosts.misbehaving import facts
from core.hosts.stand_in import MisbehavingEngine, Studio
from lidbook.app import CoreSettings, Lidbook
from lidbook.facts import Field
from lidbook.hooks import Hooks
from lidbook.identifiers import parse_wire
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig
from lidbook.sessions.session import Session
from lidbook.sessions.supervisor import Delays
from lidbook.values import SessionStatus, StatusReason


class Core:
    """An open core whose only engine has hosts."""

    def __init__(self, lidbook: Lidbook, data_dir: Path) -> None:
        self.lidbook = lidbook
        self.data_dir = data_dir
        self.until = Studio(data_dir, MisbehavingEngine(data_dir)).until

    async def create(self, name: str, **settings: Any) -> Session:
        return await self.lidbook.sessions.create(name, SessionConfig.parse({"settings": settings}))

    def folder(self, name: str) -> Path:
        return self.data_dir / "sessions" / name / "misbehaving"

    def hosts(self) -> set[int]:
        return set(self.lidbook.sessions.engine(MisbehavingEngine).processes().values())

    def acknowledged(self, name: str) -> list[int]:
        path = self.folder(name) / "acked"
        return [int(line) for line in path.read_text().split()] if path.exists() else []


@pytest.fixture
async def core(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Core]:
    await loop_has_had_a_child()
    before = open_descriptors()
    lidbook = await Lidbook.open(
        CoreSettings(tmp_path, default_engine="misbehaving", delays=Delays(first=0.001, longest=0.004)),
        engines=EngineRegistry.of(MisbehavingEngine),
        hooks=Hooks(),
    )
    yield Core(lidbook, tmp_path)
    await lidbook.close()
    assert psutil.Process().children() == []
    assert open_descriptors() == before


def lost(session: Session, batches: list[int]) -> set[str]:
    """Who of these batches is not in the directory."""
    people = {fact["user"] for batch in batches for fact in facts(batch)}
    return {user for user in people if session.directory.said(parse_wire(user), Field.FULL_NAME) is None}


async def test_nothing_acknowledged_is_lost_when_hosts_are_killed_while_they_feed(core: Core) -> None:
    session = await core.create("one", do=["work", "feed"], number=1)
    for round_ in range(1, 4):
        wanted = len(core.acknowledged("one")) + 5
        await core.until(lambda wanted=wanted: len(core.acknowledged("one")) >= wanted)  # type: ignore[misc]
        (host,) = core.hosts()
        os.kill(host, signal.SIGKILL)
        await core.until(lambda host=host: core.hosts() not in ({host}, set()) or session.reason is not None)  # type: ignore[misc]
        assert lost(session, core.acknowledged("one")) == set(), f"round {round_}"
        await core.until(lambda: session.status is SessionStatus.WORKING)


async def test_a_session_that_crashes_its_hosts_says_so_and_is_tried_again_alone(core: Core) -> None:
    good = await core.create("good", number=1)
    await core.lidbook.sessions.usable("good")
    poison = await core.create("poison", do=["crash"], number=2)
    await core.until(lambda: poison.status is SessionStatus.FAILED)

    assert poison.reason is StatusReason.CRASHED
    assert poison.detail is not None
    assert "its host, with no other session in it, exited with status 3: panic: poison 2" in poison.detail
    await core.until(lambda: good.status is SessionStatus.WORKING)
    assert len(core.hosts()) == 1


async def test_one_that_recovers_works_again_in_a_host_of_its_own(core: Core) -> None:
    good = await core.create("good", number=1)
    await core.lidbook.sessions.usable("good")
    folder = core.folder("better")
    folder.mkdir(parents=True)
    better = await core.create("better", do=["crash three times", "work"], number=2)
    await core.until(lambda: better.status is SessionStatus.WORKING)
    await core.until(lambda: good.status is SessionStatus.WORKING)

    assert len(core.hosts()) == 2
    assert better.detail is None


async def test_facts_before_the_session_works_are_refused(core: Core) -> None:
    await core.create("early", do=["feed early"], number=1)
    await core.lidbook.sessions.usable("early")

    answer = (core.folder("early") / "early").read_text()
    assert "report WORKING with the account before feeding facts" in answer
    assert '"code": "invalid"' in answer


async def test_a_stopped_session_leaves_no_host(core: Core) -> None:
    await core.create("one", number=1)
    await core.lidbook.sessions.usable("one")
    assert len(core.hosts()) == 1
    await core.lidbook.sessions.stop("one")

    assert core.hosts() == set()


def child(data_dir: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, serving_child.__file__, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(serving_child.__file__).parents[2])},
    )


@pytest.mark.parametrize("killed", [True, False])
def test_a_host_ends_with_its_server(killed: bool, tmp_path: Path) -> None:
    with child(tmp_path) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        host = psutil.Process(int(server.stdout.readline()))
        if killed:
            server.kill()
        else:
            server.stdin.close()
        host.wait(10)
        assert server.wait(20) == (-signal.SIGKILL if killed else 0)
