"""As an operator has it: a network, a server that speaks to it, a session that a phone links; all real processes.

Beside the linked session stands one of the engine `sandbox` on the same world: every body has to be the same, byte for
byte, but for the engine's name and the host of pictures.
"""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from api.programs import LIDBOOK, Run, Running, Start
from runtimes import go_bridge_runtime

PATIENCE: Final = 30.0
LISTS: Final = (
    "/api/contacts/all?session={}",
    "/api/contacts/all?session={}&sortBy=name&sortOrder=desc",
    "/api/contacts/all?session={}&limit=7&offset=5",
    "/api/{}/lids?unresolved=true",
    "/api/{}/lids/count",
    "/api/{}/groups",
    "/api/{}/groups/count",
    "/api/{}/blocklist",
)
OF_SOMEBODY: Final = (
    "/api/contacts?session={}&contactId={}",
    "/api/contacts/about?session={}&contactId={}",
    "/api/contacts/profile-picture?session={}&contactId={}",
)
SEED: Final = ("12025550100@c.us", "447700900101", "+44 7700 900102", "240059127738816@lid", "15005550006")


@pytest.fixture
def network(environment: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`lidbook sandbox` on the data dir."""
    process = subprocess.Popen(
        [LIDBOOK, "sandbox", "--data-dir", str(tmp_path / "data")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert "listens on" in process.stdout.readline()
    yield process
    process.terminate()
    process.communicate(timeout=PATIENCE)


@pytest.fixture
def server(network: object, start: Start, tmp_path: Path, go_bridge_binary: Path) -> Running:
    """A server that speaks to it, with the host that was built."""
    built = go_bridge_runtime().binary()
    there = tmp_path / "data" / "engines" / "go-bridge" / "bin" / built.name
    there.parent.mkdir(parents=True, exist_ok=True)
    there.symlink_to(built)
    return start("--data-dir", str(tmp_path / "data"), LIDBOOK_NETWORK="sandbox")


@pytest.fixture
def client(server: Running) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=server.url, timeout=PATIENCE) as client:
        yield client


def test_every_body_is_that_of_the_sandbox(client: httpx.Client, server: Running, run: Run, tmp_path: Path) -> None:
    link(client, server, run, tmp_path)
    client.post("/api/sessions", json={"name": "here", "config": {"engine": "sandbox"}}).raise_for_status()
    until(lambda: is_synced(client, "phone") and is_synced(client, "here"), "both to be synced")
    for path in LISTS:
        assert same(client, path.format("phone")) == same(client, path.format("here")), path
        assert client.get(path.format("phone")).status_code == 200, path
    people = client.get(LISTS[0].format("phone")).json()
    ids = [person[name] for person in people for name in ("id", "lid") if person[name]]
    assert len(ids) > 20
    for who in (*ids, *SEED):
        for path in OF_SOMEBODY:
            assert same(client, path.format("phone", who)) == same(client, path.format("here", who)), (path, who)
        if not who.endswith("@lid"):
            check = f"/api/contacts/check-exists?session={{}}&phone={who}"
            assert same(client, check.format("phone")) == same(client, check.format("here")), check
    for path in ("/api/{}/lids/pn/{}", "/api/{}/lids/{}"):
        for who in ids:
            if who.endswith("@lid") == path.endswith("lids/{}"):
                assert same(client, path.format("phone", who)) == same(client, path.format("here", who)), (path, who)


def test_changing_the_engine_keeps_the_directory_and_the_pairing_of_both(
    client: httpx.Client, server: Running, run: Run, tmp_path: Path
) -> None:
    link(client, server, run, tmp_path)
    until(lambda: is_synced(client, "phone"), "the first sync")
    contacts = client.get(LISTS[0].format("phone")).content
    wants_scan = {"engine": "sandbox", "settings": {"require_scan": True}}
    client.put("/api/sessions/phone", json={"config": wants_scan}).raise_for_status()
    until(lambda: status(client) == "SCAN_QR_CODE", "the session to say that its new engine is not linked")
    assert client.get("/api/sessions/phone").json()["statusMessage"] == (
        "sandbox is not linked yet: link the account whose number ends in 0100, to which this session's contacts and "
        "LIDs belong; they are kept (to link another account, reset the session); the link of go-bridge is kept as "
        "well, for going back"
    )
    for engine in ("sandbox", "go-bridge"):
        shown = client.put("/api/sessions/phone", json={"config": {"engine": engine}}).raise_for_status().json()
        assert shown["config"]["engine"] == engine
        until(lambda: status(client) == "WORKING", f"the session to work on {engine}, without another scan")
        until(lambda: is_synced(client, "phone"), "what it feeds")
        assert client.get("/api/sessions/phone").json()["engine"]["engine"] == engine
        assert client.get(LISTS[0].format("phone")).content == contacts


def test_logging_out_unlinks_at_the_server_too(client: httpx.Client, server: Running, run: Run, tmp_path: Path) -> None:
    link(client, server, run, tmp_path)
    data = ("--data-dir", str(tmp_path / "data"))
    assert "connected" in run("phone", "devices", *data).stdout
    client.post("/api/sessions/phone/logout").raise_for_status()
    until(lambda: "connected" not in run("phone", "devices", *data).stdout, "the phone to list no device")
    until(lambda: status(client) == "SCAN_QR_CODE", "another code")


def test_a_pairing_code_links_as_well(client: httpx.Client, run: Run, tmp_path: Path) -> None:
    client.post("/api/sessions", json={"name": "phone", "config": {"engine": "go-bridge"}}).raise_for_status()
    until(lambda: status(client) == "SCAN_QR_CODE", "the code")
    code = client.post("/api/phone/auth/request-code", json={"phoneNumber": "12025550100"}).raise_for_status().json()
    done = run("phone", "code", code["code"], "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 0, done
    until(lambda: status(client) == "WORKING", "the session to work")


def link(client: httpx.Client, server: Running, run: Run, tmp_path: Path) -> None:
    """Make the session `phone`, and have the account's phone scan its code."""
    client.post("/api/sessions", json={"name": "phone", "config": {"engine": "go-bridge"}}).raise_for_status()
    done = run("phone", "scan", "--data-dir", str(tmp_path / "data"), LIDBOOK_URL=server.url)
    assert done.returncode == 0, done
    until(lambda: status(client) == "WORKING", "the session to work")


def status(client: httpx.Client) -> str:
    """Of the session `phone`."""
    found: str = client.get("/api/sessions/phone").json()["status"]
    return found


def is_synced(client: httpx.Client, session: str) -> bool:
    """Whether the session was told everything, once."""
    sync = client.get(f"/api/sessions/{session}").json()["sync"]
    return len(sync) == 5 and all(progress["complete"] for progress in sync.values())


def same(client: httpx.Client, path: str) -> tuple[int, bytes]:
    """Status and body of an answer, with what may differ made alike."""
    answer = client.get(path)
    return answer.status_code, re.sub(rb"https?://[^/\"]+(/v/t61/)", rb"\1", answer.content)


def until(holds: Callable[[], bool], what: str) -> None:
    """Ask again and again until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"waited {PATIENCE:g} s for {what}"
        time.sleep(0.05)
