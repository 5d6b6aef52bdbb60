"""The command line, as a user has it: real processes, real ports, real signals."""

import hashlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from lidbook import __version__
from lidbook_api.settings import variables
from lidbook_api.variables import READ_ELSEWHERE

from .programs import LIDBOOK, Run, Running, Start

CARDS = """\
BEGIN:VCARD
VERSION:3.0
FN:Ana Silva
TEL;TYPE=CELL:+55 11 91234-5678
END:VCARD
BEGIN:VCARD
VERSION:3.0
FN:Nobody Reachable
END:VCARD
BEGIN:VCARD
VERSION:3.0
FN:Ben Old
TEL:+44 7700 900123
END:VCARD
BEGIN:VCARD
VERSION:3.0
FN:Benjamin
TEL:+447700900123
END:VCARD
"""


def curl(running: Running, **variables: str) -> str:
    """Execute the line that the server prints, as a user would paste it."""
    found = re.search(r"^  try +(curl .+)$", running.said, re.MULTILINE)
    assert found, running.said
    done = subprocess.run(
        ["sh", "-c", found[1]], env={**os.environ, **variables}, capture_output=True, text=True, check=True
    )
    return done.stdout


# serve


def test_the_printed_line_works_as_it_stands(start: Start, tmp_path: Path) -> None:
    running = start()
    contacts = json.loads(curl(running))
    assert [contact["id"] for contact in contacts] == ["11231231231@c.us", "12025550100@c.us", "12025550111@c.us"]
    assert str(tmp_path / "home" / ".local" / "share" / "lidbook") in running.said
    assert "default: engine sandbox, WORKING, 22 contacts" in running.said
    assert "made up: the world demo" in running.said
    assert "nobody named an engine" in running.said
    assert running.said.count("Swagger UI") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_asked_and_comes_back_as_it_was(start: Start, tmp_path: Path, number: int) -> None:
    running = start("--data-dir", str(tmp_path / "data"))
    response = httpx.put(f"{running.url}/api/default/contacts/11231231231", json={"firstName": "Jane"})
    assert response.status_code == 200
    code, errors = running.stop(number)
    assert code == 0
    assert "Traceback" not in errors
    again = start("--data-dir", str(tmp_path / "data"))
    assert json.loads(curl(again))[0]["name"] == "Jane"
    assert again.stop()[0] == 0


def test_a_second_server_on_the_same_data_dir_is_refused_in_one_line(start: Start, run: Run, tmp_path: Path) -> None:
    start("--data-dir", str(tmp_path / "data"))
    refused = run("serve", "--port", "0", "--data-dir", str(tmp_path / "data"))
    assert refused.returncode == 1
    assert refused.stderr.startswith("lidbook: another lidbook (process ")
    assert len(refused.stderr.splitlines()) == 1


def test_a_port_in_use_is_told_in_one_line(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = run("serve", "--port", str(taken.getsockname()[1]))
    assert refused.returncode == 2
    assert re.fullmatch(r"lidbook: cannot listen on .*choose another --port\n", refused.stderr)


def test_a_data_dir_that_cannot_be_used_is_told_in_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = run("serve", "--port", "0", "--data-dir", str(tmp_path / "file" / "data"))
    assert refused.returncode == 1
    assert re.fullmatch(r"lidbook: cannot use the data dir .*--data-dir\n", refused.stderr)


def test_a_database_that_is_none_is_told_in_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "lidbook.sqlite3").write_bytes(b"this is no database, and long enough to be looked at" * 100)
    refused = run("serve", "--port", "0", "--data-dir", str(tmp_path / "data"))
    assert refused.returncode == 1
    assert re.fullmatch(r"lidbook: cannot open .*; restore a backup:  lidbook restore FILE --replace\n", refused.stderr)


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["--host", "0.0.0.0"], {}, "set LIDBOOK_API_KEY"),
        (["--host", "0.0.0.0"], {"WAHA_NO_API_KEY": "True", "WAHA_API_KEY": ""}, "set LIDBOOK_API_KEY"),
        ([], {"WAHA_API_KEY": "123"}, "known to everybody"),
        ([], {"WAHA_NO_API_KEY": "perhaps"}, "WAHA_NO_API_KEY: must be true, false, 1 or 0"),
        ([], {"LIDBOOK_API_KEY": "hunter2"}, "fewer than 8 characters"),
        (["--host", "banana"], {}, "'banana' is no address of this machine: give --host"),
        ([], {"LIDBOOK_LOG_DAYS": "-1"}, "LIDBOOK_LOG_DAYS: Input should be greater than or equal to 0"),
        ([], {"WHATSAPP_START_SESSION": "good,bad!"}, "WHATSAPP_START_SESSION: a session's name has letters"),
        ([], {"LIDBOOK_START_SESSION": "keys"}, "LIDBOOK_START_SESSION: 'keys' is part of a path"),
        ([], {"WHATSAPP_DEFAULT_ENGINE": "NOWEB"}, "WHATSAPP_DEFAULT_ENGINE: Engine 'NOWEB' is not installed"),
        (["--engine", "carrier-pigeon"], {}, "Engine 'carrier-pigeon' is not installed; installed: go-bridge, sandbox"),
        (["--world", "nowhere.vcf"], {}, "there is no file "),
        (["--world", "atlantis"], {}, "atlantis"),
        (["--world", "demo", "--people", "5"], {}, "not both"),
        (["--seed", "5"], {}, "--people"),
        (["--people", "-1"], {}, "--people"),
    ],
)
def test_what_cannot_be_served_is_told_before_anything_starts(
    run: Run, tmp_path: Path, arguments: list[str], variables: dict[str, str], message: str
) -> None:
    refused = run("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), *arguments, **variables)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "data" / "lidbook.sqlite3").exists()


def test_an_address_book_is_not_read_before_the_port_is_had(run: Run, tmp_path: Path) -> None:
    (tmp_path / "my.vcf").write_text(CARDS)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        refused = run("serve", "--port", number, "--data-dir", str(tmp_path / "data"), "--world", "my.vcf")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert not (tmp_path / "data").exists()


def test_the_variable_with_an_entry_that_is_ignored_is_the_one_that_is_set(start: Start) -> None:
    for name in ("LIDBOOK_API_KEY_EXCLUDE_PATH", "WHATSAPP_API_KEY_EXCLUDE_PATH"):
        assert f"'api/(.*)' in {name}: name whole paths" in start("--data-dir", name, **{name: "api/(.*)"}).said


def test_with_a_key_the_printed_line_takes_it_from_the_environment(start: Start) -> None:
    key = "6c35dcbf31914c65a90f29e2ca1840d2"
    running = start("--host", "0.0.0.0", WAHA_API_KEY=key)
    assert key not in running.said
    assert len(json.loads(curl(running, WAHA_API_KEY=key))) == 3
    assert httpx.get(f"{running.url}/api/sessions").status_code == 401


def test_with_a_hashed_key_the_printed_line_does_not_offer_the_hash(start: Start) -> None:
    key = "6c35dcbf31914c65a90f29e2ca1840d2"
    hashed = "sha512:" + hashlib.sha512(key.encode()).hexdigest()
    assert "X-Api-Key: YOUR-KEY" in start(WAHA_API_KEY=hashed).said
    running = start("--data-dir", "other", WAHA_API_KEY=hashed, WAHA_API_KEY_PLAIN=key)
    assert len(json.loads(curl(running, WAHA_API_KEY_PLAIN=key))) == 3


def test_people_are_made_up_and_the_same_seed_makes_the_same(start: Start, tmp_path: Path) -> None:
    first = start("--data-dir", str(tmp_path / "a"), "--people", "50", "--seed", "7")
    second = start("--data-dir", str(tmp_path / "b"), "--people", "50", "--seed", "7")
    assert "made up: 50 of them, seed 7" in first.said
    assert curl(first) == curl(second) != "[]"


def test_another_world_is_taken_loudly_and_the_old_people_are_gone(start: Start, tmp_path: Path) -> None:
    data = ["--data-dir", str(tmp_path / "data")]
    start(*data).stop()
    changed = start(*data, "--people", "30", "--seed", "3")
    assert "CHANGED" in changed.said
    contacts = httpx.get(f"{changed.url}/api/contacts/all").json()
    assert "11231231231@c.us" not in [contact["id"] for contact in contacts]
    session = httpx.get(f"{changed.url}/api/sessions/default").json()
    assert session["config"] == {"settings": {"people": 30, "seed": 3}}
    changed.stop()
    same = start(*data, "--people", "30", "--seed", "3")
    assert "CHANGED" not in same.said
    same.stop()
    assert "CHANGED" not in start(*data).said


def test_an_address_book_is_served_and_what_cannot_be_used_is_named(start: Start, tmp_path: Path) -> None:
    (tmp_path / "my.vcf").write_text(CARDS)
    running = start("--data-dir", str(tmp_path / "data"), "--world", "my.vcf")
    assert "3 cards used" in running.said
    assert "that makes 2 people, as 1 numbers" in running.said
    assert "Nobody Reachable" in running.said
    report = tmp_path / "data" / "my.vcf.report.txt"
    assert f"all of them are in {report}" in running.said
    assert "Nobody Reachable" in report.read_text("utf-8")
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert "Benjamin: 447700900123 stands on line" in report.read_text("utf-8")
    names = [contact["name"] for contact in httpx.get(f"{running.url}/api/contacts/all").json()]
    assert {"Ana Silva", "Ben Old"} <= set(names)
    session = httpx.get(f"{running.url}/api/sessions/default").json()
    assert session["config"]["settings"]["world"] == str(tmp_path / "my.vcf")


def test_a_long_list_of_unusable_cards_is_cut_on_the_screen_and_whole_in_the_file(start: Start, tmp_path: Path) -> None:
    empty = "".join(f"BEGIN:VCARD\nVERSION:3.0\nFN:Empty {n}\nEND:VCARD\n" for n in range(30))
    (tmp_path / "my.vcf").write_text(CARDS + empty)
    running = start("--data-dir", str(tmp_path / "data"), "--world", "my.vcf")
    assert "and 12 more; all of them are in" in running.said
    assert len((tmp_path / "data" / "my.vcf.report.txt").read_text("utf-8").splitlines()) == 32


def test_sessions_named_in_the_environment_are_started(start: Start) -> None:
    running = start(WHATSAPP_START_SESSION="sales,support")
    names = [session["name"] for session in httpx.get(f"{running.url}/api/sessions").json()]
    assert names == ["default", "sales", "support"]


# the other commands


def test_help_names_the_commands(run: Run) -> None:
    shown = run("--help")
    assert shown.returncode == 0
    for command in (
        "serve",
        "sessions",
        "keys",
        "backup",
        "restore",
        "doctor",
        "engines",
        "features",
        "openapi",
        "sandbox",
    ):
        assert re.search(rf"^  {command} ", shown.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    "heavy",
    [
        "fastapi",
        "httpx",
        "orjson",
        "phonenumbers",
        "pydantic",
        "pydantic_settings",
        "rich",
        "segno",
        "sqlite3",
        "starlette",
        "structlog",
        "uvicorn",
        "vobject",
    ],
)
def test_the_command_line_itself_imports_nothing_heavy(environment: dict[str, str], heavy: str) -> None:
    code = f"import sys, lidbook_api.cli; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"lidbook {__version__}\n"


def test_engines(run: Run) -> None:
    version = re.escape(__version__)
    sandbox = rf"^sandbox\n    A simulated .*\n    from lidbook {version}\n    ready$"
    assert re.search(sandbox, run("engines").stdout, re.MULTILINE)


def test_features_are_shown_and_written(run: Run, tmp_path: Path) -> None:
    assert "contacts.list" in run("features").stdout
    assert run("features", "--write").stdout == "wrote features.md\n"
    assert (tmp_path / "features.md").read_text("utf-8").startswith("<!-- Generated by")
    run("features", "--write", "other.md")
    assert (tmp_path / "other.md").read_text("utf-8") == (tmp_path / "features.md").read_text("utf-8")


def test_openapi_is_printed_whatever_the_settings(run: Run) -> None:
    assert json.loads(run("openapi", WAHA_API_KEY="123").stdout)["info"]["title"] == "Lidbook"


def test_a_strangers_broken_command_is_reported_and_stops_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    distribution = tmp_path / "stranger-1.dist-info"
    distribution.mkdir()
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1\n")
    (distribution / "entry_points.txt").write_text(
        "[lidbook.commands]\nabsent = no_such_module:app\nserve = json:dumps\nplain = json:dumps\n"
    )
    shown = subprocess.run(
        [LIDBOOK, "--help"],
        env={**environment, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0
    assert "command 'absent' cannot be used: ModuleNotFoundError" in shown.stderr
    assert "command 'plain' cannot be used: json:dumps is no typer.Typer" in shown.stderr
    assert "command 'serve' cannot be used" in shown.stderr
    assert "sandbox" in shown.stdout


# what is written about it

OPERATE = Path(__file__).parents[2] / "docs" / "operate.md"


def test_the_commands_and_variables_in_the_document_exist(run: Run) -> None:
    text = OPERATE.read_text("utf-8")
    shown = run("--help").stdout
    for command in set(re.findall(r"\blidbook (serve|[a-z]+)(?= |`|$|\n)", text)) - {"lidbook"}:
        assert re.search(rf"^  {command} ", shown, re.MULTILINE), command
    assert set(re.findall(r"LIDBOOK_[A-Z_]+", text)) <= variables() | READ_ELSEWHERE.keys()
    for option in set(re.findall(r"lidbook (backup|restore|doctor)[^`\n]* (--[a-z-]+)", text)):
        assert option[1] in run(option[0], "--help").stdout
