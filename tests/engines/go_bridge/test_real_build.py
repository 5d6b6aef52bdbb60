"""The host as it is: built by real Go of the sources in the package, and saying hello."""

import asyncio
import json
import socket
import subprocess
from pathlib import Path

from lidbook_go_bridge.runtime import GoBridgeRuntime
from runtimes import go_bridge_runtime

from .built import BuiltGoBridge

HELLO = {"protocol": 1, "engine": "go-bridge", "network": None, "log_level": "info"}


def test_it_is_built_and_says_hello_and_ends_with_its_socket(go_bridge_binary: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = subprocess.Popen(
                [go_bridge_binary],
                env={"LIDBOOK_HOST_FD": str(theirs.fileno()), "HOME": "/nonexistent"},
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
        ours.settimeout(20)
        ours.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "hello", "params": HELLO}).encode() + b"\n")
        answer = json.loads(ours.makefile("rb").readline())
    assert answer["id"] == 1
    assert answer["result"]["protocol"] == 1
    assert "whatsmeow" in answer["result"]["library"]
    assert process.wait(20) == 0


def test_what_is_built_needs_no_library_of_this_machine(go_bridge_binary: Path) -> None:
    """No C library, so that it runs wherever it was built for, whatever is upgraded around it."""
    assert b"/ld-linux" not in go_bridge_binary.read_bytes()


def test_what_is_built_already_is_not_built_again(go_bridge_binary: Path) -> None:
    before = go_bridge_binary.stat().st_mtime_ns
    lines: list[str] = []
    asyncio.run(go_bridge_runtime().install(lines.append))
    assert lines == [f"ready: {go_bridge_binary}"]
    assert go_bridge_binary.stat().st_mtime_ns == before


def test_an_engine_of_the_tests_has_it_wherever_it_is(go_bridge_binary: Path, tmp_path: Path) -> None:
    engine = BuiltGoBridge(tmp_path)
    assert engine.runtime().check().ready
    assert Path(engine.program().argv[0]).samefile(go_bridge_binary)
    assert GoBridgeRuntime(tmp_path).binary().is_symlink()
