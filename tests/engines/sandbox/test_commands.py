"""`lidbook sandbox …` as it is typed."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lidbook.app import CoreSettings, Lidbook
from lidbook.capabilities import Capability
from lidbook.hooks import Hooks
from lidbook.identifiers import PhoneNumber
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig
from lidbook.sessions.session import Session
from lidbook.values import SessionStatus
from lidbook.world.conditions import Condition, Conditions, Kind
from lidbook.world.files import load_world
from lidbook.world.generator import default_phone
from lidbook_sandbox.accounts import account_meant, conditions_file
from lidbook_sandbox.commands import commands
from lidbook_sandbox.engine import SandboxEngine
from lidbook_sandbox.scanning import NoCodeShown, scan

CARDS = """BEGIN:VCARD
VERSION:3.0
N:Silva;Ana;;;
FN:Ana Silva
TEL;TYPE=CELL:+55 31 98888-7777
END:VCARD
BEGIN:VCARD
VERSION:3.0
FN:Aninha
TEL:+55 31 8888-7777
END:VCARD
BEGIN:VCARD
VERSION:3.0
FN:Nobody
END:VCARD
"""


def run(*arguments: str, exit_code: int = 0) -> str:
    result = CliRunner().invoke(commands, list(arguments))
    assert result.exit_code == exit_code, result.output
    return result.output


async def test_a_condition_is_set_listed_and_cleared(lidbook: Lidbook, tmp_path: Path) -> None:
    await lidbook.sessions.create("one", SessionConfig(), start=False)
    where = ("--data-dir", str(tmp_path), "--account", "+1 202 555 0100")
    run("condition", "set", "rate-limit", *where, "--retry-after", "5", "--capability", "contacts.check")
    file = tmp_path / "engines" / "sandbox" / "conditions" / "12025550100.json"
    assert Conditions(file).all() == (
        Condition(Kind.RATE_LIMIT, frozenset({Capability.CONTACTS_CHECK}), retry_after=5),
    )
    assert "retry after 5 s" in run("condition", "list", *where)
    run("condition", "set", "silence", *where)
    run("condition", "clear", "rate-limit", *where)
    assert [condition.kind for condition in Conditions(file).all()] == [Kind.SILENCE]
    assert "nothing is switched on" in run("condition", "clear", *where)


def test_wrong_arguments_say_what_there_is(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path), "--account", "12025550100")
    assert "contacts.check" in run("condition", "set", "slow", *where, "--capability", "nonsense", exit_code=2)
    assert "sandbox scan" in run("condition", "set", "scan", *where, exit_code=2)
    assert "--capability" in run("condition", "set", "logout", *where, "--capability", "contacts.check", exit_code=2)
    assert "country code" in run("scan", "--data-dir", str(tmp_path), "--account", "0171 2345678", exit_code=2)


def test_checking_an_address_book_names_every_card_that_was_not_used(tmp_path: Path) -> None:
    file = tmp_path / "my.vcf"
    file.write_text(CARDS)
    output = run("world", "check", str(file))
    assert "line 12: Nobody" in output
    assert "as Ana Silva" in output
    report = json.loads(run("world", "check", str(file), "--json"))
    assert (report["cards"], report["numbers"], len(report["merged"]), len(report["refused"])) == (2, 2, 1, 1)
    assert report["addressBook"] == 1


def test_checking_the_demo_and_a_missing_file(tmp_path: Path) -> None:
    assert json.loads(run("world", "check", "--json"))["people"] == 25
    assert "cannot read" in run("world", "check", str(tmp_path / "none.json"), exit_code=1)


def test_a_generated_file_can_be_loaded(tmp_path: Path) -> None:
    file = tmp_path / "made.json"
    run("world", "generate", "50", str(file), "--seed", "3")
    assert len(load_world(file).people) == 51


@pytest.fixture
async def lidbook(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Lidbook]:
    """A core that runs on `tmp_path`."""
    lidbook = await Lidbook.open(CoreSettings(tmp_path), engines=EngineRegistry.of(SandboxEngine), hooks=Hooks())
    yield lidbook
    await lidbook.close()


async def waiting(lidbook: Lidbook, name: str, **settings: object) -> Session:
    """A session that shows a code."""
    config = SessionConfig.parse({"engine": "sandbox", "settings": {"require_scan": True, **settings}})
    session = await lidbook.sessions.create(name, config)
    assert await session.until(lambda status: status is SessionStatus.SCAN_QR_CODE, 10)
    return session


async def test_a_scan_links_a_session_that_shows_a_code_and_waits_until_it_did(lidbook: Lidbook) -> None:
    where = ("--data-dir", str(lidbook.settings.data_dir))
    session = await waiting(lidbook, "one")
    said = await asyncio.to_thread(run, "scan", *where)
    assert said.endswith("scanned\n"), "whose it is follows from the session's world"
    assert await session.until(lambda status: status is SessionStatus.WORKING, 10)
    grown = await waiting(lidbook, "two", people=5)
    number = default_phone(5)
    assert number is not None
    assert (await asyncio.to_thread(run, "scan", *where, "--account", number.digits)).endswith("scanned\n")
    assert await grown.until(lambda status: status is SessionStatus.WORKING, 10)
    assert grown.account is not None
    assert grown.account.phone == number


async def test_of_two_sessions_that_show_a_code_one_scan_links_one(lidbook: Lidbook) -> None:
    sessions = [await waiting(lidbook, name) for name in ("one", "two")]
    for left in (1, 0):
        unlinked = [session for session in sessions if session.status is SessionStatus.SCAN_QR_CODE]
        await asyncio.to_thread(run, "scan", "--data-dir", str(lidbook.settings.data_dir))
        linking = [asyncio.create_task(s.until(lambda status: status is SessionStatus.WORKING, 10)) for s in unlinked]
        _, others = await asyncio.wait(linking, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        assert sum(session.status is SessionStatus.SCAN_QR_CODE for session in sessions) == left


async def test_a_scan_that_nobody_waits_for_is_refused_and_forgotten(lidbook: Lidbook) -> None:
    where = ("--data-dir", str(lidbook.settings.data_dir))
    await lidbook.sessions.create("linked", SessionConfig())
    await lidbook.sessions.usable("linked")
    assert "no session of 12025550100 shows a code" in await asyncio.to_thread(run, "scan", *where, exit_code=1)
    session = await waiting(lidbook, "later")
    assert not await session.until(lambda status: status is SessionStatus.WORKING, 0.05)


async def test_a_scan_that_nobody_takes_is_taken_back(lidbook: Lidbook, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir = lidbook.settings.data_dir
    await waiting(lidbook, "one")
    engine = lidbook.sessions.engine(SandboxEngine)
    assert isinstance(engine, SandboxEngine)
    monkeypatch.setattr(engine.conditions, "refresh", lambda: None)  # a server that was killed looks at nothing
    with pytest.raises(NoCodeShown, match="shows a code"):
        await asyncio.to_thread(scan, data_dir, None, 0.3)
    file = data_dir / "engines" / "sandbox" / "conditions" / "12025550100.json"
    assert Conditions(file).all() == ()


async def test_a_session_that_begins_to_wait_drops_a_scan_made_before(lidbook: Lidbook) -> None:
    await lidbook.sessions.create("linked", SessionConfig())
    await lidbook.sessions.usable("linked")
    folder = lidbook.settings.data_dir / "engines" / "sandbox" / "conditions"
    Conditions(folder / "12025550100.json").set(Condition(Kind.SCAN))
    session = await waiting(lidbook, "later")
    assert not await session.until(lambda status: status is SessionStatus.WORKING, 0.05)
    assert Conditions(folder / "12025550100.json").all() == ()


async def test_an_account_that_is_nobodys_is_refused_by_naming_those_there_are(lidbook: Lidbook) -> None:
    await lidbook.sessions.create("one", SessionConfig())
    await lidbook.sessions.usable("one")
    where = ("--data-dir", str(lidbook.settings.data_dir), "--account", "12025550199")
    for command in (("scan",), ("condition", "set", "silence"), ("condition", "list")):
        said = await asyncio.to_thread(run, *command, *where, exit_code=2)
        assert "12025550199 is the account of no session" in " ".join(said.split())
        assert "12025550100" in said
    assert not (lidbook.settings.data_dir / "engines" / "sandbox" / "conditions" / "12025550199.json").exists()


async def test_what_a_condition_is_for_is_what_happens(lidbook: Lidbook) -> None:
    await lidbook.sessions.create("one", SessionConfig())
    await lidbook.sessions.usable("one")
    where = ("--data-dir", str(lidbook.settings.data_dir))
    assert "every live call" in run("condition", "set", "rate-limit", *where)
    run("condition", "clear", *where)
    said = run("condition", "set", "logout", *where)
    assert "one session, any of them" in said
    assert "every live call" not in said


async def test_the_only_account_of_a_data_dir_need_not_be_named(lidbook: Lidbook, tmp_path: Path) -> None:
    assert "say which account" in run("condition", "list", "--data-dir", str(tmp_path), exit_code=2)
    await lidbook.sessions.create("one", SessionConfig())
    await lidbook.sessions.usable("one")
    run("condition", "set", "silence", "--data-dir", str(tmp_path))
    file = tmp_path / "engines" / "sandbox" / "conditions" / "12025550100.json"
    assert [condition.kind for condition in Conditions(file).all()] == [Kind.SILENCE]
    await lidbook.sessions.create("two", SessionConfig(settings={"people": 50}))
    await lidbook.sessions.usable("two")
    message = run("condition", "list", "--data-dir", str(tmp_path), exit_code=2)
    assert "12025550100," in message, "with two accounts it says which there are"


def test_an_account_goes_by_the_spelling_that_it_has_whatever_was_written_before(tmp_path: Path) -> None:
    served = PhoneNumber("553188887777")
    typed = PhoneNumber("5531988887777")
    Conditions(conditions_file(tmp_path, typed)).set(Condition(Kind.SILENCE))
    for spelling in (served, typed):
        assert account_meant(tmp_path, spelling.digits, [], [served]) == served
