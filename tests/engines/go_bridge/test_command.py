"""`lidbook engines install go-bridge`, and a server beside it: real processes, and a Go that is a script."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from api.programs import LIDBOOK, Run, Running, Start
from lidbook_api.commands.engines import commands

from . import waiting_host
from .fake_go import FakeGo, fake_go, without_go

NOT_BUILT = "its host is not built on this machine"


@pytest.fixture
def go(tmp_path: Path) -> FakeGo:
    """Builds a host that shows QR codes."""
    host = f"#!/bin/sh\\nexec {sys.executable} -I -S {waiting_host.__file__}\\n"
    return fake_go(tmp_path / "go", build=f'while [ "$1" != -o ]; do shift; done\nprintf \'{host}\' > "$2"')


def status_of(running: Running, session: str) -> dict[str, object]:
    """A session, once it is neither starting nor stopped."""
    httpx.get(f"{running.url}/api/contacts/all?session={session}")  # waits for it
    shown: dict[str, object] = httpx.get(f"{running.url}/api/sessions/{session}").json()
    return shown


# without Go


def test_without_go_the_engines_are_listed_with_what_is_missing(run: Run) -> None:
    done = run("engines", PATH=without_go())
    assert done.returncode == 0
    assert re.search(
        rf"^go-bridge \(also GOWS\)\n    .*\n    .*\n    not ready: {NOT_BUILT}; "
        r"mend it with:  lidbook engines install go-bridge$",
        done.stdout,
        re.MULTILINE,
    )
    assert re.search(r"^sandbox\n    .*\n    .*\n    ready$", done.stdout, re.MULTILINE)


def test_without_go_the_server_serves_and_the_session_says_what_is_missing(
    start: Start,
    tmp_path: Path,
) -> None:
    running = start("--data-dir", str(tmp_path / "data"), PATH=without_go())
    command = f"lidbook engines install go-bridge --data-dir {tmp_path / 'data'}"
    httpx.post(f"{running.url}/api/sessions", json={"name": "phone", "config": {"engine": "GOWS"}})
    session = status_of(running, "phone")
    assert (session["status"], session["statusReason"]) == ("FAILED", "runtime")
    assert session["statusMessage"] == f"go-bridge failed to start: {NOT_BUILT}; mend it with:  {command}"
    assert status_of(running, "default")["status"] == "WORKING"

    runtime = {"ready": False, "reason": NOT_BUILT, "remedy": command}
    assert httpx.get(f"{running.url}/api/engines").json()[0]["runtime"] == runtime
    assert httpx.get(f"{running.url}/api/engines/GOWS").json()["runtime"] == runtime
    health = httpx.get(f"{running.url}/health")
    assert health.status_code == 200
    assert health.json()["info"]["engines"]["notReady"] == {"go-bridge": f"{NOT_BUILT}; mend it with:  {command}"}


def test_the_doctor_says_what_is_missing_and_for_which_session(
    start: Start,
    run: Run,
    tmp_path: Path,
) -> None:
    data = str(tmp_path / "data")
    running = start("--data-dir", data)
    httpx.post(f"{running.url}/api/sessions", json={"name": "phone", "config": {"engine": "go-bridge"}})
    status_of(running, "phone")
    running.stop()
    done = run("doctor", "--data-dir", data, "--json", LIDBOOK_PORT="0")
    (finding,) = [each for each in json.loads(done.stdout)["findings"] if each["check"] == "engine go-bridge"]
    assert finding["says"] == f"not ready: {NOT_BUILT}; needed by session phone"
    assert finding["remedy"] == f"lidbook engines install go-bridge --data-dir {data}"
    assert done.returncode == 1


# installing


def test_after_the_installation_the_session_starts_in_the_same_server(
    start: Start,
    run: Run,
    go: FakeGo,
    tmp_path: Path,
) -> None:
    data = str(tmp_path / "data")
    running = start("--data-dir", data)
    httpx.post(f"{running.url}/api/sessions", json={"name": "phone", "config": {"engine": "go-bridge"}})
    assert status_of(running, "phone")["statusReason"] == "runtime"
    done = run("engines", "install", "GOWS", LIDBOOK_DATA_DIR=data, PATH=go.path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith(f"ready: {data}/engines/go-bridge/bin/go-bridge-")
    assert run("engines", "--data-dir", data).stdout.count("    ready\n") == 2
    httpx.post(f"{running.url}/api/sessions/phone/start")
    assert status_of(running, "phone")["status"] == "SCAN_QR_CODE"
    code = httpx.get(f"{running.url}/api/phone/auth/qr?format=raw").json()
    assert code["value"] == "scan me"
    assert httpx.get(f"{running.url}/api/engines/go-bridge").json()["runtime"]["ready"] is True


def test_an_engine_that_needs_nothing_has_nothing_installed(run: Run) -> None:
    done = run("engines", "install", "sandbox")
    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing to install\n", "")


def test_an_engine_that_is_not_there_is_not_installed(run: Run) -> None:
    done = run("engines", "install", "carrier-pigeon")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "lidbook: Engine 'carrier-pigeon' is not installed; installed: go-bridge, sandbox\n"


def test_what_went_wrong_is_on_stderr_with_the_command_to_try_again(
    run: Run,
    tmp_path: Path,
) -> None:
    go = fake_go(tmp_path / "go", build="echo ./main.go:7: undefined: x; exit 1")
    done = run("engines", "install", "go-bridge", PATH=go.path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    sentence, line = done.stderr.splitlines()
    assert sentence.startswith("lidbook: it could not be compiled: ")
    assert sentence.endswith(", then run  lidbook engines install go-bridge")
    assert line == "./main.go:7: undefined: x"


def test_a_data_dir_that_cannot_be_used_is_told_in_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("engines", "install", "go-bridge", "--data-dir", str(tmp_path / "file" / "data"))
    assert done.returncode == 1
    assert re.fullmatch(r"lidbook: cannot use the data dir .*: Not a directory; .*--data-dir\n", done.stderr)


def test_root_installs_nothing_that_the_servers_user_could_not_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, for which uid 0 is pretended where it is not true."""
    data = tmp_path / "data"
    data.mkdir()
    if os.geteuid() == 0:
        os.chown(data, 12345, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    done = CliRunner().invoke(commands, ["install", "go-bridge", "--data-dir", str(data)])
    assert done.exit_code == 1
    assert f"lidbook: {data} belongs to another user" in done.output
    assert f"run  sudo -u '#{data.stat().st_uid}' lidbook engines install go-bridge --data-dir {data}" in done.output
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ending_the_command_ends_the_compiler(
    number: signal.Signals,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """The compiler's children hold a pipe open: it ends when the last of them has."""
    os.mkfifo(tmp_path / "pipe")
    pipe = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    go = fake_go(tmp_path / "go", build=f"exec 3> {tmp_path / 'pipe'}; sleep 600 & echo begun here; wait")
    command = [LIDBOOK, "engines", "install", "go-bridge"]
    process = subprocess.Popen(
        command,
        env={**environment, "PATH": go.path, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line == "begun here\n":
            break
    os.set_blocking(pipe, True)
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert os.read(pipe, 1) == b""
    os.close(pipe)
    assert (process.returncode, errors) == (
        1,
        "lidbook: broken off; what was done so far is used when it is run again\n",
    )
