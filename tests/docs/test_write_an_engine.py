"""The Python of `docs/write-an-engine.md` does what the page says of it, beyond being run."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lidbook.engine_template import new_engine
from lidbook.errors import EngineDisconnected, EngineError, EngineTimeout, RateLimited
from lidbook.facts import BATCH, FieldFact, LinkFact
from lidbook.hooks import Hooks
from lidbook.hookspecs import Change, ChangeKind
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.sessions.fact_check import check
from lidbook.testing import EngineCompliance, Simulation
from lidbook.testing.cast import phone_of
from lidbook.world.conditions import Kind
from lidbook.world.sources import WorldSource, open_source

from .blocks import ROOT, blocks

PAGE = ROOT / "docs" / "write-an-engine.md"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the page's blocks define, with the generated package beside them."""
    folder = tmp_path_factory.mktemp("package")
    for path, text in new_engine("my-engine").items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        names: dict[str, Any] = {"__name__": "page"}
        for block in blocks(PAGE):
            if block.language == "python":
                exec(compile(block.text, block.where, "exec"), names)  # noqa: S102 - it is our own page
        yield names
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == "lidbook_my_engine":
                del sys.modules[name]


def test_what_a_library_says_becomes_facts_that_the_core_takes(said: dict[str, Any]) -> None:
    saved = said["Saved"]("15550100:3@s.whatsapp.net", "9100@lid", "Ann", None, 1_700_000_000)
    facts = list(said["told"](saved))
    check(facts)
    link, first, full = facts
    assert link == LinkFact(PhoneNumber("15550100"), Lid("9100"), link.source, 1_700_000_000_000)
    assert isinstance(first, FieldFact)
    assert (first.user, first.value, full.value) == (PhoneNumber("15550100"), "Ann", None)


async def test_a_thread_waits_for_a_slow_directory_and_loses_nothing(said: dict[str, Any]) -> None:
    class Context:
        taken: list[int]
        largest = 0

        async def facts(self, facts: list[int]) -> None:
            self.largest = max(self.largest, len(facts))
            await asyncio.sleep(0)
            self.taken += facts
            if len(self.taken) == many:
                whole.set()

    many, whole, context = 3 * BATCH, asyncio.Event(), Context()
    context.taken = []
    queue: asyncio.Queue[int] = asyncio.Queue(100)
    tell = said["from_a_thread"](asyncio.get_running_loop(), queue)
    library = threading.Thread(target=lambda: [tell(number) for number in range(many)])
    feeding = asyncio.ensure_future(said["feed"](context, queue))
    library.start()
    async with asyncio.timeout(30):
        await whole.wait()
    library.join()
    feeding.cancel()
    assert context.taken == list(range(many))
    assert context.largest <= BATCH


async def test_a_librarys_errors_are_the_cores(said: dict[str, Any]) -> None:
    limited, other = said["LibraryError"](429, 7), said["LibraryError"](500)
    for raised, expected in (
        (ConnectionResetError(), EngineDisconnected),
        (limited, RateLimited),
        (other, EngineError),
    ):
        with pytest.raises(expected) as caught:
            async with said["answered"]("contacts.check", 1):
                raise raised
        assert caught.value.__cause__ is raised
    with pytest.raises(EngineTimeout, match=r"no answer to contacts.check within 0.01 s"):
        async with said["answered"]("contacts.check", 0.01):
            await asyncio.Event().wait()


async def test_a_host_runs_as_long_as_sessions_do(said: dict[str, Any]) -> None:
    host = said["WithHost"]()
    assert host.processes() == {}
    async with host.running():
        (process,) = host.processes().values()
        os.kill(process, 0)
    assert host.processes() == {}
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_settings_that_name_a_file_are_named(said: dict[str, Any]) -> None:
    settings = said["MySettings"]
    assert settings.local_files <= settings.model_fields.keys()
    assert not said["NeedsNode"]().check().ready or said["NeedsNode"]().check().reason is None


async def test_a_server_of_ones_own_obeys_the_simulation(said: dict[str, Any]) -> None:
    simulation = Simulation(open_source(WorldSource()).world)
    device, stranger = simulation.device(), phone_of(simulation.cast.stranger)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await said["serve_checks"](device, reader, writer)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        question = f'["{stranger.digits}", "15550000000"]\n'.encode()
        writer.write(question)
        assert await reader.readline() == b"[true, false]\n"
        over = simulation.make(Kind.RATE_LIMIT)
        writer.write(question)
        assert await reader.readline() == b'{"limited": 7.0}\n'
        over()
        simulation.make(Kind.DISCONNECT)
        writer.write(question)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


def test_a_plugin_hears_of_a_lid_that_resolved(said: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    class Plugin:
        lidbook_changes_committed = staticmethod(said["lidbook_changes_committed"])

    hooks = Hooks()
    hooks.register(Plugin(), "page")
    hooks.tell_changes_committed("shop", [Change(1, 1, ChangeKind.LID_RESOLVED, "9100@lid", other="15550100@c.us")])
    assert capsys.readouterr().out == "shop: 9100@lid is 15550100@c.us\n"


def test_the_kit_takes_both_classes_and_refuses_one_without_a_reason(said: dict[str, Any]) -> None:
    assert issubclass(said["TestMyEngineForNow"], EngineCompliance)
    text = Path(PAGE).read_text("utf-8").partition("class TestMyEngineForNow")[2].partition("```")[0]
    silent = f"class TestMyEngineForNow{text}".replace(
        '(reason="the library hears of new push names only after a restart")', ""
    )
    with pytest.raises(TypeError, match="takes the place of a compliance test"):
        exec(silent, said)  # noqa: S102 - it is our own page
