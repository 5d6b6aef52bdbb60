"""`lidbook sandbox`: one network on a data dir, found again after it ended, however it ended."""

import json
import os
import pty
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from lidbook.network_descriptor import descriptor_path, is_listening, read_descriptor
from lidbook.world.conditions import Condition, Conditions, Kind
from lidbook_sandbox.network_folder import network_folder

from .processes import LIDBOOK, Lidbook, Phone, Serve, read


def test_it_says_where_it_is_for_as_long_as_it_is_there(serve: Serve, lidbook: Lidbook, tmp_path: Path) -> None:
    network = serve()
    path = descriptor_path(tmp_path / "data")
    assert network.said == f"the sandbox network of the world demo listens on {network.descriptor['websocket']}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert is_listening(read_descriptor(path))
    assert network.stop() == (0, "")
    assert not path.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_keys_and_addresses_are_those_of_last_time(serve: Serve, number: int) -> None:
    network = serve()
    before = network.descriptor
    assert network.stop(number) == (0, "")
    assert serve("serve").descriptor == before


def test_after_a_kill_it_comes_back_as_it_was(serve: Serve, phone: Phone, tmp_path: Path) -> None:
    network = serve()
    before = network.descriptor
    phone("edit", "447700900106", "Owen", "Hart")
    network.stop(signal.SIGKILL)
    assert descriptor_path(tmp_path / "data").exists(), "nobody was there to remove it"
    assert "does not run any more" in phone("devices", exit_code=1)
    again = serve()
    assert again.descriptor == before
    assert "is not in the address book" in phone("delete", "447700900106"), "what was changed is still so"


def test_a_port_that_somebody_took_meanwhile_is_left_to_them(serve: Serve) -> None:
    network = serve()
    port = int(network.websocket.split(":")[2].partition("/")[0])
    key = network.descriptor["root_key"]
    network.stop()
    with socket.create_server(("127.0.0.1", port)):
        again = serve()
        assert again.websocket != network.websocket
        assert again.descriptor["root_key"] == key


def test_a_port_that_was_asked_for_is_needed(serve: Serve, lidbook: Lidbook) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for option in ("--port", "--control-port"):
            refused = lidbook("sandbox", option, port)
            assert (refused.returncode, refused.stdout) == (1, "")
            assert f"cannot listen on 127.0.0.1 port {port}" in refused.stderr
            assert option in refused.stderr
    assert f":{port}/" in serve("--port", port).websocket


def test_a_second_one_says_who_has_the_data_dir(serve: Serve, lidbook: Lidbook) -> None:
    network = serve()
    second = lidbook("sandbox")
    assert second.returncode == 1
    assert f"runs already, in process {network.process.pid}" in second.stderr
    assert network.stop() == (0, "")
    serve()


def test_an_account_that_moves_is_known_by_its_new_number_in_either_spelling(
    serve: Serve, phone: Phone, lidbook: Lidbook, tmp_path: Path
) -> None:
    serve()
    conditions = ("sandbox", "condition")
    assert lidbook(*conditions, "set", "slow", "--account", "12025550100").returncode == 0
    phone("number", "12025550100", "+553188886666")
    for spelling in ("553188886666", "+55 31 98888-6666"):
        done = lidbook(*conditions, "list", "--account", spelling)
        assert (done.returncode, "slow" in done.stdout) == (0, True), done
    lidbook(*conditions, "set", "silence", "--account", "5531988886666")
    folder = tmp_path / "data" / "engines" / "sandbox" / "conditions"
    assert [file.name for file in folder.iterdir()] == ["553188886666.json"]
    assert "is the account of no session" in lidbook(*conditions, "list", "--account", "12025550100").stderr


def test_another_world_has_keys_of_its_own(serve: Serve, phone: Phone) -> None:
    network = serve()
    before = network.descriptor
    network.stop()
    other = serve("--people", "30", "--seed", "7")
    assert "the world" in other.said
    assert other.descriptor["root_key"] != before["root_key"]
    assert read(phone("devices", "--json")) == []
    other.stop()
    assert serve().descriptor == before


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--world", "none.json"), 2, "cannot read the world"),
        (("--world", "x.txt"), 2, "is no world"),
        (("--seed", "3"), 2, "--seed is for --people"),
        (("--region", "BR"), 2, "--region is for an address book"),
        (("--people", "3", "--world", "demo"), 2, "not both"),
        (("--people", "3", "serve"), 2, "give it after the command serve"),
        (("--data-dir", "/proc/nowhere"), 1, "choose another --data-dir"),
    ],
)
def test_what_cannot_be_served_is_said(lidbook: Lidbook, arguments: tuple[str, ...], code: int, says: str) -> None:
    refused = lidbook("sandbox", *arguments)
    assert (refused.returncode, refused.stdout) == (code, "")
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr


def test_without_the_extra_it_says_how_to_get_it(lidbook: Lidbook, environment: dict[str, str], tmp_path: Path) -> None:
    hidden = tmp_path / "site" / "sitecustomize.py"
    hidden.parent.mkdir()
    hidden.write_text(
        "import importlib.abc, sys\n"
        "class Hide(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('aiohttp', 'xeddsa'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hide())\n"
    )
    environment["PYTHONPATH"] = str(hidden.parent)
    refused = lidbook("sandbox")
    assert refused.returncode == 1
    assert "needs aiohttp, xeddsa: install it with  pip install 'lidbook[sandbox]'" in refused.stderr
    assert lidbook("sandbox", "world", "check").returncode == 0
    assert "no sandbox network runs" in lidbook("phone", "devices").stderr


def test_a_damaged_memory_of_last_time_only_costs_the_address(serve: Serve, tmp_path: Path) -> None:
    serve().stop()
    (network_folder(tmp_path / "data") / "last.json").write_text('{"port": []}')
    serve()


def test_a_journal_torn_by_a_crash_is_taken_up(serve: Serve, phone: Phone, tmp_path: Path) -> None:
    network = serve()
    phone("rename", "447700900101", "Amelia A.")
    network.stop(signal.SIGKILL)
    (journal,) = network_folder(tmp_path / "data").glob("worlds/*/changes.jsonl")
    with journal.open("a") as file:
        file.write('{"change":"Pushname')
    serve()
    assert "goes by" in phone("rename", "447700900101", "Amelia B.")
    assert [json.loads(line)["pushname"] for line in journal.read_text().splitlines()] == ["Amelia A.", "Amelia B."]


def test_conditions_that_another_command_sets_are_the_networks(serve: Serve, lidbook: Lidbook, tmp_path: Path) -> None:
    """No session of the data dir need be there: the network's accounts are accounts as well."""
    serve("--world", "demo").stop()
    setting = ("sandbox", "condition", "set", "rate-limit", "--retry-after", "5")
    assert "12025550100, 12025550114" in lidbook(*setting).stderr
    assert lidbook(*setting, "--account", "12025550100").returncode == 0
    file = tmp_path / "data" / "engines" / "sandbox" / "conditions" / "12025550100.json"
    assert Conditions(file).all() == (Condition(Kind.RATE_LIMIT, retry_after=5),)


def test_it_looks_at_conditions_while_nobody_asks(serve: Serve, tmp_path: Path) -> None:
    network = serve()
    file = tmp_path / "data" / "engines" / "sandbox" / "conditions" / "12025550100.json"
    file.parent.mkdir(parents=True)
    file.write_text("?")
    assert network.process.stderr is not None
    assert "holds no conditions" in network.process.stderr.readline()
    file.unlink()
    assert network.stop() == (0, "")


def test_its_folder_is_for_its_owner_alone(serve: Serve, tmp_path: Path) -> None:
    serve()
    for folder in (tmp_path / "data", network_folder(tmp_path / "data")):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_damaged_store_says_what_to_move_away(serve: Serve, lidbook: Lidbook, tmp_path: Path) -> None:
    serve().stop()
    folder = network_folder(tmp_path / "data") / "worlds" / "demo"
    (folder / "network.sqlite3").write_bytes(b"no database at all, " * 100)
    refused = lidbook("sandbox")
    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
    assert f"move {folder} away to begin anew" in refused.stderr
    assert not descriptor_path(tmp_path / "data").exists()
    folder.rename(tmp_path / "away")
    serve()


def test_a_world_that_is_still_being_made_up_holds_nobody_up(environment: dict[str, str]) -> None:
    """The signal comes before there is a network."""
    command = [LIDBOOK, "sandbox", "--people", "3000000"]
    with subprocess.Popen(command, env=environment, stdout=-1, stderr=-1, text=True) as process:
        lock = network_folder(Path(environment["LIDBOOK_DATA_DIR"])) / "lidbook.lock"
        while not (lock.exists() and lock.read_text()):
            assert process.poll() is None
        process.terminate()
        assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0


def test_on_a_terminal_it_says_how_to_go_on(environment: dict[str, str], tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [LIDBOOK, "sandbox", "--data-dir", str(tmp_path / "my data")]
    with subprocess.Popen(command, env=environment, stdout=theirs, stderr=subprocess.PIPE) as process:
        os.close(theirs)
        said = ""
        while "Ctrl-C" not in said:
            said += os.read(ours, 4096).decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        os.close(ours)
    for line in ("12025550100", f"LIDBOOK_NETWORK=sandbox lidbook serve --data-dir '{tmp_path}/my data'", "phone scan"):
        assert line in said
