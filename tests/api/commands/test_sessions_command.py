"""`lidbook sessions` against a server of its own."""

import http.server
import json
import os
import pty
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from api.programs import LIDBOOK, Run, Running, Start

KEY = "6c35dcbf31914c65a90f29e2ca1840d2"
SCANNED: dict[str, object] = {"require_scan": True, "qr_seconds": 1.5, "qr_rounds": 20}


@pytest.fixture
def server(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Running:
    """A server with session `default`; commands find it by themselves."""
    running = start("--data-dir", str(tmp_path / "data"))
    environment["LIDBOOK_URL"] = running.url
    return running


def make(server: Running, name: str, **settings: object) -> None:
    """A session that waits to be scanned."""
    body = {"name": name, "config": {"engine": "sandbox", "settings": settings}}
    assert httpx.post(f"{server.url}/api/sessions", json=body).status_code == 201


def status(server: Running, name: str) -> str:
    return str(httpx.get(f"{server.url}/api/sessions/{name}").json()["status"])


@contextmanager
def drawing(environment: dict[str, str], *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """`lidbook sessions qr`, while it runs."""
    with subprocess.Popen(
        [LIDBOOK, "sessions", "qr", *arguments],
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def codes(process: "subprocess.Popen[str]") -> Iterator[str]:
    """The codes that are drawn."""
    assert process.stdout is not None
    drawn: list[str] = []
    for line in process.stdout:
        if "scan this" in line:
            yield "".join(drawn)
            drawn = []
        else:
            drawn.append(line)


def test_sessions_are_listed(server: Running, run: Run) -> None:
    make(server, "second", require_scan=True)
    httpx.post(f"{server.url}/api/sessions/second/stop")
    done = run("sessions", "list")
    assert done.returncode == 0
    title, *rows = [re.split(r"\s{2,}", line.strip()) for line in done.stdout.splitlines()]
    assert title[:4] == ["NAME", "STATUS", "ENGINE", "ACCOUNT"]
    assert rows[0][:6] == ["default", "WORKING", "sandbox (assumed)", "Robin", "12025550100", "104900213377001"]
    assert rows[1] == ["second", "STOPPED", "sandbox"]
    listed = json.loads(run("sessions", "list", "--json").stdout)
    assert listed == httpx.get(f"{server.url}/api/sessions?all=true").json()


def test_one_is_shown(server: Running, run: Run) -> None:
    shown = run("sessions", "show", "default").stdout
    assert re.search(r"^status +WORKING$", shown, re.MULTILINE)
    assert re.search(r"^account +Robin  12025550100  LID 104900213377001$", shown, re.MULTILINE)
    assert re.search(r"^sync +contacts: \d+ of \d+, complete$", shown, re.MULTILINE)
    assert json.loads(run("sessions", "show", "default", "--json").stdout)["name"] == "default"


def test_one_is_made_from_a_file_and_from_standard_input(server: Running, run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"metadata": {"a": "b"}}')
    made = run("sessions", "create", "one", "--config", "config.json", "--no-start")
    assert (made.returncode, made.stdout) == (0, "one: STOPPED\n")
    assert httpx.get(f"{server.url}/api/sessions/one").json()["config"] == {"metadata": {"a": "b"}}
    run("sessions", "create", "two", "--engine", "SANDBOX", "--config", "-", given='{"settings": {"people": 3}}')
    assert httpx.get(f"{server.url}/api/sessions/two").json()["config"] == {
        "engine": "SANDBOX",
        "settings": {"people": 3},
    }


REFUSED = [
    (["create", "default"], "422 Session 'default' already exists"),
    (["create", "x", "--engine", "pigeon"], "400 config.engine 'pigeon'"),
    (["create", "x", "--config", "nowhere.json"], "cannot read nowhere.json: No such file"),
    (["create", "x", "--config", "broken.json"], "broken.json is not JSON"),
    (["create", "x", "--config", "list.json"], "list.json must be a JSON object"),
    (["create", "a/b"], "400 "),
    (["show", "nobody"], "404 Session not found"),
    (["show", "../keys"], "404 "),
    (["start", "nobody"], "404 Session not found"),
    (["stop", "nobody"], "404 Session not found"),
    (["delete", "nobody", "--yes"], "404 Session not found"),
    (["reset", "nobody", "--yes"], "404 Session not found"),
    (["qr", "nobody"], "404 Session not found"),
    (["code", "default", "12025550100"], "422 Can request code only in SCAN_QR_CODE status"),
    (["delete", "default"], "nobody is there to ask whether that is meant: give --yes"),
    (["reset", "default"], "nobody is there to ask whether that is meant: give --yes"),
]


def test_what_cannot_be_done_is_told_in_one_line(server: Running, run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    for arguments, message in REFUSED:
        refused = run("sessions", *arguments, given="")
        assert refused.returncode == 1
        assert message in refused.stderr
        assert refused.stderr.startswith("lidbook: ")
        assert len(refused.stderr.splitlines()) == 1
    assert status(server, "default") == "WORKING"


def test_one_is_stopped_started_restarted_and_logged_out(server: Running, run: Run) -> None:
    assert run("sessions", "stop", "default").stdout == "default: STOPPED\n"
    assert run("sessions", "start", "default").returncode == 0
    assert run("sessions", "restart", "default").returncode == 0
    assert run("sessions", "logout", "default").returncode == 0
    assert status(server, "default") in ("STARTING", "WORKING")


def answered(environment: dict[str, str], answer: bytes, *arguments: str) -> tuple[int, str]:
    """Run a command on a terminal, and answer what it asks."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [LIDBOOK, *arguments], env=environment, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    ) as process:
        os.close(theirs)
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, answer)
        try:
            while more := os.read(ours, 1000):
                shown += more
        except OSError:
            pass  # the other end is closed
    os.close(ours)
    return process.returncode, shown.decode()


@pytest.mark.parametrize("command", ["delete", "reset"])
def test_who_says_no_loses_nothing(server: Running, environment: dict[str, str], command: str) -> None:
    code, shown = answered(environment, b"n\n", "sessions", command, "default")
    assert (code, "nothing was done" in shown) == (1, True)
    assert status(server, "default") == "WORKING"


def test_who_says_yes_deletes(server: Running, environment: dict[str, str]) -> None:
    assert answered(environment, b"y\n", "sessions", "delete", "default")[0] == 0
    assert httpx.get(f"{server.url}/api/sessions/default").status_code == 404


def test_deleting_and_resetting_without_being_asked(server: Running, run: Run) -> None:
    assert run("sessions", "reset", "default", "--yes").returncode == 0
    assert run("sessions", "delete", "default", "--yes").stdout == "default: deleted\n"


def test_codes_are_drawn_until_one_is_scanned(
    server: Running, run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    make(server, "new", **SCANNED)
    with drawing(environment, "new") as process:
        drawn = codes(process)
        first = next(drawn)
        assert next(drawn) != first
        assert "▄" in first
        assert run("sandbox", "scan", "--data-dir", str(tmp_path / "data")).returncode == 0
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, errors.replace("new: STARTING\n", "")) == (0, "")
    assert rest.endswith("new: WORKING\n")


def test_a_code_that_nobody_scans_ends_in_failure(server: Running, environment: dict[str, str]) -> None:
    make(server, "new", require_scan=True, qr_seconds=1.5, qr_rounds=1)
    with drawing(environment, "new") as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "new: FAILED (qr_expired): nobody scanned the QR code" in errors
    assert "lidbook sessions start new" in errors


def test_whoever_waits_for_a_code_is_told_that_a_passkey_is_asked_for(
    server: Running, environment: dict[str, str]
) -> None:
    make(server, "new", require_passkey=True, passkey_seconds=3, qr_rounds=1)
    with drawing(environment, "new") as process:
        _, errors = process.communicate(timeout=20)
    assert "new: PASSKEY_REQUIRED\n" in errors
    assert "new: FAILED (qr_expired): nobody scanned the QR code, or answered for the passkey" in errors


def test_one_code_is_drawn_once(server: Running, run: Run) -> None:
    make(server, "new", require_scan=True)
    done = run("sessions", "qr", "new", "--once")
    assert done.returncode == 0
    assert done.stdout.count("scan this") == 1
    assert "\x1b" not in done.stdout


def test_a_session_that_works_needs_no_code(server: Running, run: Run) -> None:
    done = run("sessions", "qr", "default")
    assert (done.returncode, done.stdout) == (0, "default: WORKING\n")


def test_a_session_that_is_stopped_has_none(server: Running, run: Run) -> None:
    run("sessions", "stop", "default")
    refused = run("sessions", "qr", "default")
    assert refused.returncode == 1
    assert "default: STOPPED; start it with  lidbook sessions start default" in refused.stderr


def test_a_pairing_code(server: Running, run: Run) -> None:
    make(server, "new", require_scan=True)
    run("sessions", "qr", "new", "--once")
    assert re.fullmatch(r"[0-9A-Z]{4}-[0-9A-Z]{4}\n", run("sessions", "code", "new", "+1 202 555-0100").stdout)


def test_the_key_is_asked_for_and_taken_from_the_environment(start: Start, run: Run) -> None:
    server = start(LIDBOOK_API_KEY=KEY)
    refused = run("sessions", "list", "--url", server.url)
    assert (refused.returncode, "set LIDBOOK_API_KEY, or give --key" in refused.stderr) == (1, True)
    assert run("sessions", "list", "--url", server.url, LIDBOOK_API_KEY=KEY).returncode == 0
    assert run("sessions", "list", "--url", server.url, "--key", KEY).returncode == 0
    refused = run("sessions", "list", "--url", server.url, LIDBOOK_API_KEY="another")
    assert (refused.returncode, "refuses the API key in LIDBOOK_API_KEY" in refused.stderr) == (1, True)
    assert "another" not in refused.stderr


class Stranger(http.server.BaseHTTPRequestHandler):
    """A server that is no Lidbook, and answers with the status that its path begins with."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(int(self.path.split("/")[1]))
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.mark.parametrize("status", [200, 401, 404, 502])
def test_what_is_no_lidbook_is_called_so(run: Run, status: int) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as stranger:
        thread = threading.Thread(target=stranger.serve_forever)
        thread.start()
        refused = run("sessions", "list", "--url", f"http://127.0.0.1:{stranger.server_port}/{status}")
        stranger.shutdown()
        thread.join()
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert "is no Lidbook" in refused.stderr


def test_a_list_says_what_to_do_about_a_code_and_about_the_network(server: Running, run: Run, tmp_path: Path) -> None:
    make(server, "new", require_scan=True)
    run("sessions", "qr", "new", "--once")
    run("sandbox", "condition", "set", "disconnect", "--data-dir", str(tmp_path / "data"))
    said = next(shown for _ in range(30) if "(network)" in (shown := run("sessions", "list").stdout))
    assert "lidbook sessions qr new" in said
    assert re.search(r"default +STARTING \(network\) .*network is away", said)


def test_a_config_on_the_command_line_is_told_where_it_belongs(server: Running, run: Run) -> None:
    refused = run("sessions", "create", "x", "--config", '{"engine": "sandbox"}')
    assert (refused.returncode, "give a file that holds it, or - for standard input" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:1", "is the server running? Say where with --url"),
        ("localhost:3000", "is no URL"),
        ("http://", "is no URL"),
    ],
)
def test_a_server_that_is_not_there_is_told_in_one_line(run: Run, url: str, message: str) -> None:
    refused = run("sessions", "list", "--url", url)
    assert refused.returncode == 1
    assert message in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
