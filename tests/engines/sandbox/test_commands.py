"""`lidbook sandbox …` as it is typed."""

import json
from pathlib import Path

from typer.testing import CliRunner

from lidbook.app import CoreSettings, Lidbook
from lidbook.capabilities import Capability
from lidbook.hooks import Hooks
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig
from lidbook.world.conditions import Condition, Conditions, Kind
from lidbook.world.files import load_world
from lidbook_sandbox.commands import commands
from lidbook_sandbox.engine import SandboxEngine

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


def test_a_condition_is_set_listed_and_cleared(tmp_path: Path) -> None:
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


def test_a_scan_is_a_condition_of_its_own(tmp_path: Path) -> None:
    run("scan", "--data-dir", str(tmp_path), "--account", "12025550100")
    file = tmp_path / "engines" / "sandbox" / "conditions" / "12025550100.json"
    assert Conditions(file).take(Kind.SCAN)


def test_wrong_arguments_say_what_there_is(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path), "--account", "12025550100")
    assert "contacts.check" in run("condition", "set", "slow", *where, "--capability", "nonsense", exit_code=2)
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


async def test_the_only_account_of_a_data_dir_need_not_be_named(tmp_path: Path) -> None:
    assert "say which account" in run("condition", "list", "--data-dir", str(tmp_path), exit_code=2)
    lidbook = await Lidbook.open(CoreSettings(tmp_path), engines=EngineRegistry.of(SandboxEngine), hooks=Hooks())
    await lidbook.sessions.create("one", SessionConfig())
    await lidbook.sessions.usable("one")
    run("condition", "set", "silence", "--data-dir", str(tmp_path))
    file = tmp_path / "engines" / "sandbox" / "conditions" / "12025550100.json"
    assert [condition.kind for condition in Conditions(file).all()] == [Kind.SILENCE]
    await lidbook.sessions.create("two", SessionConfig(settings={"people": 50}))
    await lidbook.sessions.usable("two")
    message = run("condition", "list", "--data-dir", str(tmp_path), exit_code=2)
    assert "12025550100," in message, "with two accounts it says which there are"
    await lidbook.close()
