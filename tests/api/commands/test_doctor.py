"""`lidbook doctor`: a healthy machine, and each thing that can be wrong with one."""

import asyncio
import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from api.programs import Run, Start
from lidbook.app import CoreSettings, Lidbook
from lidbook.data_dir import database_path
from lidbook.engine import Network
from lidbook.network_descriptor import descriptor_path, write_descriptor
from lidbook.session_config import SessionConfig

KEY = "6c35dcbf31914c65a90f29e2ca1840d2"
Findings = dict[str, tuple[str, str, str | None]]
Diagnose = Callable[..., tuple[int, Findings]]


@pytest.fixture
def diagnose(run: Run, tmp_path: Path, environment: dict[str, str]) -> Diagnose:
    """Runs `lidbook doctor --json`; returns its exit code and the findings by name, the last of each."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        environment["LIDBOOK_PORT"] = str(free.getsockname()[1])

    def diagnose(*arguments: str, **variables: str) -> tuple[int, Findings]:
        done = run("doctor", "--json", "--data-dir", str(tmp_path / "data"), *arguments, **variables)
        assert done.stderr == ""
        said = json.loads(done.stdout)
        broken = [finding for finding in said["findings"] if finding["level"] == "broken"]
        assert said["ok"] is (not broken) is (done.returncode == 0)
        return done.returncode, {f["check"]: (f["level"], f["says"], f["remedy"]) for f in said["findings"]}

    return diagnose


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a server with one session left."""
    folder = tmp_path_factory.mktemp("left") / "data"

    async def serve() -> None:
        lidbook = await Lidbook.open(CoreSettings(folder))
        await lidbook.sessions.create("default", SessionConfig())
        await lidbook.sessions.usable("default")
        await lidbook.close()

    asyncio.run(serve())
    return folder


@pytest.fixture
def data_dir(left: Path, tmp_path: Path) -> Path:
    """A copy of that, for one test."""
    return shutil.copytree(left, tmp_path / "data")


def change(data_dir: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(database_path(data_dir), isolation_level=None)) as connection:
        connection.execute(statement, values)


def install(folder: Path, name: str, entry_points: str) -> None:
    """A stranger's distribution."""
    distribution = folder / f"{name}-1.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (distribution / "entry_points.txt").write_text(entry_points)


def test_all_is_well(data_dir: Path, diagnose: Diagnose) -> None:
    code, findings = diagnose()
    assert code == 0
    assert {level for level, _, _ in findings.values()} == {"ok", "note"}
    assert set(findings) == {
        "python", "clock", "settings", "keys", "port", "data dir", "space", "server", "schema", "database", "log",
        "engine go-bridge", "engine sandbox", "plugins", "sessions",
    }  # fmt: skip
    assert findings["sessions"][1] == "1, of which 1 are wanted running"


def test_it_is_told_to_people_too(data_dir: Path, run: Run) -> None:
    done = run("doctor", "--data-dir", str(data_dir), LIDBOOK_PORT="0")
    assert done.returncode == 0
    assert "ok       engine sandbox   ready\n" in done.stdout
    assert done.stdout.endswith("\nnothing is broken\n")
    database_path(data_dir).write_bytes(b"no database" * 1000)
    done = run("doctor", "--data-dir", str(data_dir), LIDBOOK_PORT="0")
    assert done.returncode == 1
    assert "BROKEN   database         " in done.stdout
    assert "-> lidbook restore FILE --replace\n" in done.stdout
    assert done.stdout.endswith("checks found something broken\n")


def test_before_the_first_start_nothing_is_broken_and_nothing_is_made(diagnose: Diagnose, tmp_path: Path) -> None:
    code, findings = diagnose()
    assert (code, findings["data dir"][0]) == (0, "note")
    assert f"lidbook serve --data-dir {tmp_path}/data" == findings["data dir"][2]
    assert not (tmp_path / "data").exists()


def test_a_server_that_runs_is_named(start: Start, diagnose: Diagnose, tmp_path: Path) -> None:
    running = start("--data-dir", str(tmp_path / "data"))
    code, findings = diagnose(LIDBOOK_PORT=running.url.rpartition(":")[2])
    assert code == 0
    assert findings["server"] == ("ok", f"process {running.process.pid} has the data dir", None)
    assert "is in use, by the server" in findings["port"][1]
    assert running.stop()[0] == 0


def test_a_data_dir_that_is_a_file(diagnose: Diagnose, tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    code, findings = diagnose()
    assert (code, findings["data dir"][0]) == (1, "broken")


def test_a_data_dir_that_others_can_read(data_dir: Path, diagnose: Diagnose) -> None:
    data_dir.chmod(0o755)
    code, findings = diagnose()
    assert (code, findings["data dir"][0], findings["data dir"][2]) == (0, "warning", f"chmod 700 {data_dir}")


def test_what_an_interrupted_restore_left(data_dir: Path, diagnose: Diagnose) -> None:
    left = data_dir.with_name(".data.restore-abc")
    left.mkdir()
    code, findings = diagnose()
    assert (code, findings["restore"][0]) == (0, "note")
    assert str(left) in findings["restore"][1]


def test_a_damaged_database(data_dir: Path, diagnose: Diagnose) -> None:
    with database_path(data_dir).open("r+b") as file:
        file.seek(4096 * 4)
        file.write(b"\xff" * 4096 * 12)
    code, findings = diagnose()
    assert (code, findings["database"][0], findings["database"][2]) == (1, "broken", "lidbook restore FILE --replace")


def test_a_database_of_a_newer_version(data_dir: Path, diagnose: Diagnose) -> None:
    change(data_dir, "PRAGMA user_version = 99")
    code, findings = diagnose()
    assert (code, findings["schema"][0]) == (1, "broken")
    assert findings["schema"][2] == "install the newer Lidbook the way this one was installed, see docs/operate.md"


def test_a_database_of_an_older_version(data_dir: Path, diagnose: Diagnose) -> None:
    change(data_dir, "PRAGMA user_version = 1")
    code, findings = diagnose()
    assert (code, findings["schema"][0]) == (0, "note")


def test_a_clock_that_was_set_back(data_dir: Path, diagnose: Diagnose) -> None:
    change(data_dir, "UPDATE log SET at = 4102444800000")
    code, findings = diagnose()
    assert (code, findings["clock"][0]) == (0, "warning")
    assert "the database was written at 2100-01-01" in findings["clock"][1]


def test_a_port_that_another_program_has(data_dir: Path, diagnose: Diagnose) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, findings = diagnose(LIDBOOK_PORT=str(taken.getsockname()[1]))
    assert (code, findings["port"][0]) == (1, "broken")
    assert "in use by another program" in findings["port"][1]


def test_a_port_that_another_data_dirs_server_has_is_nothing_broken(
    start: Start, data_dir: Path, diagnose: Diagnose, tmp_path: Path
) -> None:
    for variables in ({}, {"LIDBOOK_API_KEY": KEY, "WHATSAPP_SWAGGER_ENABLED": "false"}):
        other = start("--data-dir", str(tmp_path / "other"), **variables)
        code, findings = diagnose(LIDBOOK_PORT=other.url.rpartition(":")[2])
        assert (code, findings["port"][0]) == (0, "note")
        assert "in use by a Lidbook on another data dir" in findings["port"][1]
        assert other.stop()[0] == 0


def test_an_address_that_is_not_this_machines(data_dir: Path, diagnose: Diagnose) -> None:
    code, findings = diagnose(LIDBOOK_HOST="192.0.2.1", LIDBOOK_API_KEY=KEY)
    assert (code, findings["port"][0]) == (1, "broken")
    assert "nothing can listen on 192.0.2.1" in findings["port"][1]


@pytest.mark.parametrize(
    ("variables", "level", "says"),
    [
        ({}, "note", "answers requests from this machine only"),
        ({"LIDBOOK_API_KEY": KEY}, "ok", "there is one in the environment"),
        ({"LIDBOOK_API_KEY": "sha512:" + "0f" * 64}, "ok", "there is one in the environment"),
        ({"LIDBOOK_API_KEY": "quite-short"}, "warning", "11 characters, and can be guessed"),
        ({"LIDBOOK_HOST": "0.0.0.0"}, "broken", "can be reached by others"),
    ],
)
def test_keys(data_dir: Path, diagnose: Diagnose, variables: dict[str, str], level: str, says: str) -> None:
    code, findings = diagnose(**variables)
    assert (code, findings["keys"][0]) == (int(level == "broken"), level)
    assert says in findings["keys"][1]


def test_a_key_in_the_data_dir(data_dir: Path, run: Run, diagnose: Diagnose) -> None:
    assert run("keys", "create", "--admin", "--local", "--data-dir", str(data_dir)).returncode == 0
    code, findings = diagnose(LIDBOOK_HOST="0.0.0.0")
    assert (code, findings["keys"]) == (0, ("ok", "there is an admin key in the data dir", None))


@pytest.mark.parametrize(
    ("variables", "level", "says"),
    [
        ({"LIDBOOK_HOTS": "0.0.0.0"}, "warning", "LIDBOOK_HOTS is set and means nothing here"),
        ({"WAHA_NAMESPACE": "x"}, "warning", "WAHA_NAMESPACE is set and means nothing here"),
        ({"WHATSAPP_SESSIONS_MONGO_URL": "x"}, "broken", "WHATSAPP_SESSIONS_MONGO_URL is set, but"),
        ({"WAHA_API_KEY": "123"}, "broken", "known to everybody"),
        ({"WAHA_API_KEY": "short"}, "broken", "fewer than 8 characters"),
        ({"LIDBOOK_LOG_DAYS": "-1"}, "broken", "LIDBOOK_LOG_DAYS: Input should be greater than or equal to 0"),
        ({"WHATSAPP_DEFAULT_ENGINE": "NOWEB"}, "broken", "WHATSAPP_DEFAULT_ENGINE: Engine 'NOWEB' is not installed"),
        ({"WAHA_PRINT_QR": "maybe"}, "broken", "WAHA_PRINT_QR: must be true, false, 1 or 0"),
    ],
)
def test_settings(run: Run, tmp_path: Path, variables: dict[str, str], level: str, says: str) -> None:
    done = run("doctor", "--json", "--data-dir", str(tmp_path / "data"), **{"LIDBOOK_PORT": "0", **variables})
    found = [f for f in json.loads(done.stdout)["findings"] if f["check"] == "settings"]
    assert done.returncode == int(level == "broken")
    assert [f for f in found if f["level"] == level and says in f["says"] and f["remedy"]]


def test_a_sandbox_network_in_whatsapps_place(data_dir: Path, diagnose: Diagnose) -> None:
    code, findings = diagnose(LIDBOOK_NETWORK="sandbox")
    assert (code, findings["network"][0]) == (1, "broken")
    assert findings["network"][2] == (
        f"lidbook sandbox --data-dir {data_dir}, or unset LIDBOOK_NETWORK to speak to WhatsApp"
    )
    with socket.create_server(("127.0.0.1", 0)) as network:
        port = network.getsockname()[1]
        there, here = f"ws://127.0.0.1:{port}/ws/chat", f"http://127.0.0.1:{port}/"
        write_descriptor(descriptor_path(data_dir), Network(there, here, bytes(32), here, "0" * 64))
        code, findings = diagnose(LIDBOOK_NETWORK="sandbox")
    assert (code, findings["network"][0]) == (0, "warning")
    assert findings["network"][1].startswith("engines speak to a sandbox network, NOT to WhatsApp")
    assert "network" not in diagnose()[1]


def test_what_strangers_brought_and_is_broken(data_dir: Path, diagnose: Diagnose, tmp_path: Path) -> None:
    install(
        tmp_path / "site",
        "stranger",
        "[lidbook.engines]\nabsent = no_such_module:Engine\n"
        "[lidbook.plugins]\ndeaf = json:dumps\n[lidbook.commands]\nplain = json:dumps\n",
    )
    install(tmp_path / "site", "twin", "[lidbook.engines]\nsandbox = lidbook_sandbox.engine:SandboxEngine\n")
    code, findings = diagnose(PYTHONPATH=str(tmp_path / "site"))
    assert code == 1
    assert findings["engine absent"][0] == "broken"
    assert "no_such_module" in findings["engine absent"][1]
    assert "uninstall all but one" in findings["engine sandbox"][1] or "is not there" in findings["engine sandbox"][1]
    assert findings["plugin deaf"][0] == "broken"
    assert "command 'plain' cannot be used" in findings["command"][1]


ENGINE = """
from lidbook.capabilities import Capability, absent
from lidbook.engine import *
from lidbook.runtime import Runtime, RuntimeStatus
class S(EngineSession): ...
class R(Runtime):
    def check(self):
        {}
class Far(Engine):
    name, title, api_version, feeds, session = "far", "Far", API_VERSION, frozenset(), S
    claims = {{c: absent("no") for c in Capability}}
    def runtime(self): return R()
"""


@pytest.mark.parametrize(
    ("check", "says", "remedy"),
    [
        ('return RuntimeStatus(False, "no browser", "get a browser")', "not ready: no browser", "get a browser"),
        ("raise OSError('no luck')", "not ready: its check failed: OSError: no luck", None),
    ],
)
def test_an_engine_that_lacks_something(
    data_dir: Path, diagnose: Diagnose, tmp_path: Path, check: str, says: str, remedy: str | None
) -> None:
    install(tmp_path / "site", "far", "[lidbook.engines]\nfar = far_engine:Far\n")
    (tmp_path / "site" / "far_engine.py").write_text(ENGINE.format(check))
    code, findings = diagnose(PYTHONPATH=str(tmp_path / "site"))
    assert (code, findings["engine far"]) == (0, ("note", says, remedy))
    change(data_dir, "UPDATE session SET engine = 'far'")
    code, findings = diagnose(PYTHONPATH=str(tmp_path / "site"))
    assert (code, findings["engine far"]) == (1, ("broken", f"{says}; needed by session default", remedy))
    code, findings = diagnose()
    assert (code, findings["engine far"][1]) == (1, "is not there, and needed by session default")


@pytest.mark.parametrize(
    ("status", "reason", "remedy"),
    [
        ("FAILED", "account_changed", "lidbook sessions reset default"),
        ("FAILED", "logged_out", "lidbook sessions restart default && lidbook sessions qr default"),
        ("FAILED", "qr_expired", "lidbook sessions qr default"),
        ("FAILED", "banned", "look at the phone"),
        ("FAILED", "replaced", "lidbook sessions restart default"),
        ("FAILED", "outdated", "update the engine, then  lidbook sessions restart default"),
        ("FAILED", "crashed", "lidbook sessions show default"),
        ("SCAN_QR_CODE", None, "lidbook sessions qr default"),
    ],
)
def test_a_session_that_needs_somebody(
    data_dir: Path, diagnose: Diagnose, status: str, reason: str | None, remedy: str
) -> None:
    change(data_dir, "UPDATE session SET status = ?, reason = ?", status, reason)
    code, findings = diagnose()
    level, says, mends = findings["session"]
    assert (code, level) == (0, "warning")
    assert says == f"default: {status}" + (f" ({reason})" if reason else "")
    assert remedy in (mends or "")
    change(data_dir, "UPDATE session SET desired = 'stopped'")
    assert "session" not in diagnose()[1]


def test_a_remedy_is_printable(data_dir: Path, run: Run) -> None:
    change(data_dir, "UPDATE session SET status = 'FAILED', name = ?", "a\n\x1b[31mb")
    done = run("doctor", "--data-dir", str(data_dir), LIDBOOK_PORT="0")
    assert "\x1b" not in done.stdout
    assert os.linesep.join(done.stdout.splitlines()).count("a\\n\\x1b[31mb") >= 1
