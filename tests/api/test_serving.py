"""A served process: how it ends, what it takes from the environment, what it shows and logs."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import httpx
import pytest

from lidbook_api.transport.server import DRAIN_SECONDS
from lidbook_api.webhooks.webhooks import DRAIN

from .programs import LIDBOOK, Run, Running, Start

KEY = "6c35dcbf31914c65a90f29e2ca1840d2"
HALF = b"POST /api/contacts/block HTTP/1.1\r\nHost: localhost\r\nContent-Length: 28\r\n\r\n{"


@contextmanager
def sent(running: Running, request: bytes) -> Iterator[socket.socket]:
    """A connection on which the server has got this."""
    with socket.create_connection(("127.0.0.1", int(running.url.rpartition(":")[2]))) as connection:
        connection.sendall(request)
        httpx.get(f"{running.url}/ping")
        connection.settimeout(20)
        yield connection


def poll(seconds: float) -> bytes:
    """A request that takes so long: nobody has this LID."""
    return b"GET /api/default/lids/999999999999999?wait=%g HTTP/1.1\r\nHost: localhost\r\n\r\n" % seconds


def stop(running: Running, **body: bool) -> None:
    """Ask the server to stop itself."""
    response = httpx.post(f"{running.url}/api/server/stop", json=body)
    assert (response.status_code, response.json()) == (201, {"stopping": True})


def is_closed_cleanly(data_dir: Path) -> bool:
    """Whether the last connection to the database folded the write-ahead log in."""
    return not (data_dir / "lidbook.sqlite3-wal").exists()


SIGTERM: Callable[[Running], None] = lambda running: running.process.send_signal(signal.SIGTERM)  # noqa: E731


@pytest.mark.parametrize("ask", [SIGTERM, stop])
def test_a_request_under_way_is_finished(start: Start, tmp_path: Path, ask: Callable[[Running], None]) -> None:
    running = start("--data-dir", str(tmp_path / "data"))
    with sent(running, poll(1.5)) as connection:
        ask(running)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    code, errors = running.ended()
    assert (code, "Traceback" in errors) == (0, False)
    assert is_closed_cleanly(tmp_path / "data")


@pytest.mark.parametrize("ask", [SIGTERM, stop])
@pytest.mark.parametrize("half", [b"", b"GET /ping HTTP/1.1\r\n", HALF], ids=["nothing", "half a head", "half a body"])
def test_nobody_waits_for_the_rest_of_a_request(start: Start, ask: Callable[[Running], None], half: bytes) -> None:
    """Nor for a webhook at the same time, beyond its own few seconds."""
    with socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as halves:
        hook = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        running = start(WHATSAPP_HOOK_URL=hook, WHATSAPP_HOOK_EVENTS="*")
        connections = [halves.enter_context(sent(running, half)) for _ in range(20)]
        ask(running)
        for connection in connections:
            assert connection.recv(100).startswith(b"HTTP/1.1 503" if half == HALF else b"")
        assert running.process.wait(DRAIN + 3) == 0
        assert "Traceback" not in running.ended()[1]


def test_a_request_that_takes_too_long_is_cut_off(start: Start, tmp_path: Path) -> None:
    """At its own end of the time, and nothing in the log looks like a fault."""
    running = start("--data-dir", str(tmp_path / "data"))
    with sent(running, poll(60)) as connection:
        running.process.send_signal(signal.SIGTERM)
        assert connection.recv(100).startswith(b"HTTP/1.1 503")
        assert running.process.wait(3) == 0
    errors = running.ended()[1]
    assert "Traceback" not in errors
    assert "Exception" not in errors
    assert is_closed_cleanly(tmp_path / "data")


def end_twice(running: Running) -> None:
    """Two signals: the second one says that it is urgent."""
    running.process.send_signal(signal.SIGTERM)
    while True:  # until the first one was taken, which closes the door
        try:
            socket.create_connection(("127.0.0.1", int(running.url.rpartition(":")[2]))).close()
        except ConnectionRefusedError:
            break
    running.process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("ask", [lambda running: stop(running, force=True), end_twice])
def test_with_force_nobody_is_waited_for(start: Start, tmp_path: Path, ask: Callable[[Running], None]) -> None:
    running = start("--data-dir", str(tmp_path / "data"))
    with sent(running, poll(60)) as connection:
        ask(running)
        assert running.process.wait(DRAIN_SECONDS - 3) == 0
        assert not connection.recv(100).startswith(b"HTTP/1.1 2")
    assert "Traceback" not in running.ended()[1]
    assert is_closed_cleanly(tmp_path / "data")
    assert start("--data-dir", str(tmp_path / "data")).stop()[0] == 0


def test_only_an_admin_stops_the_server(start: Start) -> None:
    running = start(LIDBOOK_API_KEY=KEY)
    admin = {"X-Api-Key": KEY}
    made = httpx.post(f"{running.url}/api/keys", headers=admin, json={"session": "default", "isAdmin": False}).json()
    stop_url = f"{running.url}/api/server/stop"
    assert httpx.post(stop_url, headers={"X-Api-Key": made["key"]}).status_code == 403
    assert httpx.post(stop_url).status_code == 401
    assert httpx.post(stop_url, headers=admin).status_code == 201
    assert running.ended()[0] == 0


# variables


@pytest.mark.parametrize(
    "variable", ["WHATSAPP_SESSIONS_POSTGRESQL_URL", "LIDBOOK_DATABASE_URL", "WHATSAPP_PROXY_SERVER_LIST"]
)
def test_what_must_not_be_passed_over_stops_the_start(run: Run, tmp_path: Path, variable: str) -> None:
    refused = run("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), **{variable: "postgres://u:s@h/d"})
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"lidbook: {variable} is set, but ")
    assert "u:s" not in refused.stderr
    assert not (tmp_path / "data").exists()


def test_what_means_nothing_is_logged_once(start: Start) -> None:
    running = start(WAHA_NAMESPACE="all", WAHA_DASHBOARD_ENABLED="true", LIDBOOK_HOTS="0.0.0.0", WAHA_API_KEY_PLAIN="x")
    code, errors = running.stop()
    assert code == 0
    said = [
        line.partition(" is set and means nothing here: ")[0] for line in errors.splitlines() if "nothing here" in line
    ]
    assert [line.rpartition(" ")[2] for line in said] == ["LIDBOOK_HOTS", "WAHA_DASHBOARD_ENABLED", "WAHA_NAMESPACE"]


def test_sessions_that_ran_are_left_alone_when_asked(start: Start, tmp_path: Path) -> None:
    data = ["--data-dir", str(tmp_path / "data")]
    start(*data).stop()
    running = start(*data, WAHA_WORKER_RESTART_SESSIONS="false")
    assert httpx.get(f"{running.url}/api/sessions/default").json()["status"] == "STOPPED"
    running.stop()
    running = start(*data)
    assert httpx.get(f"{running.url}/api/sessions/default").json()["status"] == "WORKING"
    httpx.post(f"{running.url}/api/sessions/default/stop")
    running.stop()
    running = start(*data, WHATSAPP_RESTART_ALL_SESSIONS="true")
    assert httpx.get(f"{running.url}/api/sessions/default").json()["status"] == "WORKING"


def test_the_address_that_clients_use_is_shown(start: Start) -> None:
    running = start(WHATSAPP_API_HOSTNAME="waha.example", WHATSAPP_API_SCHEMA="https", PORT="1234")
    assert re.search(r"^  clients +https://waha\.example:0$", running.said, re.MULTILINE)
    assert running.url.startswith("http://127.0.0.1:")
    assert httpx.get(f"{running.url}/openapi.json").json()["servers"][0] == {"url": "https://waha.example:0"}


def test_without_swagger_it_is_not_offered(start: Start) -> None:
    assert "Swagger" not in start(WHATSAPP_SWAGGER_ENABLED="False").said


def test_the_log_is_json_when_asked_and_holds_no_number(start: Start) -> None:
    running = start(WAHA_LOG_FORMAT="JSON", WAHA_LOG_LEVEL="debug", LIDBOOK_API_KEY=KEY)
    head = {"X-Api-Key": KEY}
    httpx.get(f"{running.url}/api/contacts?contactId=5531988887777&x-api-key={KEY}", headers=head)
    httpx.post(f"{running.url}/api/sessions", headers=head, json={"name": "a", "config": {"metadata": {"x": "a\nb"}}})
    code, errors = running.stop()
    assert code == 0
    assert all("event" in json.loads(line) for line in errors.splitlines())
    assert KEY not in errors
    assert "5531988887777" not in errors


# QR codes


def test_codes_are_drawn_on_the_terminal_when_asked(environment: dict[str, str], tmp_path: Path) -> None:
    settings = {"require_scan": True, "qr_seconds": 60}
    ours, theirs = pty.openpty()
    shown = ""
    with subprocess.Popen(
        [LIDBOOK, "serve", "--port", "0", "--data-dir", str(tmp_path / "data")],
        env={**environment, "WAHA_PRINT_QR": "true"},
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        while "try " not in shown:
            shown += os.read(ours, 10_000).decode()
        url = Running(cast("subprocess.Popen[str]", process), shown).url
        httpx.post(f"{url}/api/sessions", json={"name": "new", "config": {"engine": "sandbox", "settings": settings}})
        while "Session new: scan this with WhatsApp" not in shown or "▄" not in shown:
            shown += os.read(ours, 10_000).decode(errors="replace")
        process.terminate()
        while True:  # what it has to say at its end, so that it gets there
            try:
                os.read(ours, 10_000)
            except OSError:
                break
    os.close(ours)
    assert process.returncode == 0


def test_codes_do_not_go_into_a_file(start: Start) -> None:
    running = start(WAHA_PRINT_QR="1")
    code, errors = running.stop()
    assert code == 0
    assert "QR codes are drawn on a terminal only: see them with  lidbook sessions qr NAME" in errors
