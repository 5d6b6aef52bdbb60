"""`lidbook phone scan` without a code: it scans what a session of a server shows, if that is for the network."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from .device import Unlinked
from .processes import LIDBOOK, Phone, Serve

KEY = "6c35dcbf31914c65a90f29e2ca1840d2"
ENGINE = """
import asyncio
from lidbook.capabilities import Capability, absent
from lidbook.engine import API_VERSION, Engine, EngineSession, EngineSettings

class Settings(EngineSettings):
    code: str

class Session(EngineSession):
    async def start(self):
        self.begin(self.show())
    async def show(self):
        await asyncio.sleep(0.3)
        self.context.qr(self.context.settings.code)
    async def stop(self):
        pass

class Showing(Engine):
    name, title, api_version, feeds = "showing", "Shows a code", API_VERSION, frozenset()
    settings, session = Settings, Session
    claims = {capability: absent("shows a code, and no more") for capability in Capability}
"""
ServeLidbook = Callable[..., str]


def await_code(url: str, name: str) -> None:
    """Wait until a session shows its code."""
    end = time.monotonic() + 20
    while httpx.get(f"{url}/api/sessions/{name}", headers={"X-Api-Key": KEY}).json()["status"] != "SCAN_QR_CODE":
        assert time.monotonic() < end, f"{name} shows no code"
        time.sleep(0.02)


@pytest.fixture
def showing(environment: dict[str, str], tmp_path: Path) -> None:
    """An engine whose sessions show the code in their settings."""
    distribution = tmp_path / "site" / "showing-1.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: showing\nVersion: 1\n")
    (distribution / "entry_points.txt").write_text("[lidbook.engines]\nshowing = showing_engine:Showing\n")
    (tmp_path / "site" / "showing_engine.py").write_text(ENGINE)
    environment["PYTHONPATH"] = str(tmp_path / "site")


@pytest.fixture
def serve_lidbook(environment: dict[str, str], showing: None) -> Iterator[ServeLidbook]:
    """Starts `lidbook serve` on the same data dir; returns its address, which commands find in LIDBOOK_URL."""
    processes: list[subprocess.Popen[str]] = []

    def serve(**variables: str) -> str:
        process = subprocess.Popen(
            [LIDBOOK, "serve", "--port", "0"],
            env={**environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        url = process.stdout.readline().rpartition("listens on ")[2].strip()
        assert url, process.wait(10)
        environment["LIDBOOK_URL"] = url
        return url

    yield serve
    for process in processes:
        process.terminate()
        process.communicate(timeout=30)


def show(url: str, name: str, code: str, engine: str = "showing", key: str | None = None) -> None:
    """Make a session that will show this code after a moment."""
    settings = {"code": code} if engine == "showing" else {"require_scan": True}
    body = {"name": name, "config": {"engine": engine, "settings": settings}}
    headers = {} if key is None else {"X-Api-Key": key}
    assert httpx.post(f"{url}/api/sessions", json=body, headers=headers).status_code == 201


def test_what_the_only_session_shows_is_scanned(
    serve: Serve, serve_lidbook: ServeLidbook, environment: dict[str, str]
) -> None:
    network = serve()
    url = serve_lidbook(LIDBOOK_NETWORK="sandbox")
    device = Unlinked(network.websocket, network.descriptor["root_key"])
    show(url, "one", device.code)
    with subprocess.Popen([LIDBOOK, "phone", "scan"], env=environment, stdout=-1, text=True) as scanning:
        credentials = device.link()
        said, _ = scanning.communicate(timeout=30)
    assert scanning.returncode == 0
    assert said.startswith(f"scanned what session one shows: device {credentials.number} (")


def test_of_several_sessions_one_has_to_be_named(
    serve: Serve, serve_lidbook: ServeLidbook, phone: Phone, environment: dict[str, str]
) -> None:
    network = serve()
    url = serve_lidbook(LIDBOOK_NETWORK="sandbox", LIDBOOK_API_KEY=KEY)
    assert "asks for an API key: set LIDBOOK_API_KEY" in phone("scan", exit_code=1)
    environment["LIDBOOK_API_KEY"] = KEY
    said = phone("scan", exit_code=1)
    assert f"no session at {url} shows a code: make one" in said
    device = Unlinked(network.websocket, network.descriptor["root_key"])
    show(url, "one", "2@old,a,b,c", key=KEY)
    show(url, "two", device.code, key=KEY)
    for name in ("one", "two"):
        await_code(url, name)
    assert "one and two show a code: say which with --session" in phone("scan", exit_code=1)
    assert "the code is damaged" in phone("scan", "--session", "one", exit_code=1)
    assert "no session three runs" in phone("scan", "--session", "three", exit_code=1)
    scan = [LIDBOOK, "phone", "scan", "--session", "two", "--json"]
    with subprocess.Popen(scan, env=environment, stdout=-1, text=True) as scanning:
        credentials = device.link()
        answer, _ = scanning.communicate(timeout=30)
    assert json.loads(answer)["number"] == credentials.number


def test_a_code_that_is_for_another_whatsapp_is_not_scanned(
    serve: Serve, serve_lidbook: ServeLidbook, phone: Phone, environment: dict[str, str]
) -> None:
    serve()
    url = serve_lidbook(LIDBOOK_NETWORK="sandbox")
    show(url, "own", "", engine="sandbox")
    said = phone("scan", exit_code=1)
    assert "session own has engine sandbox, which is its own WhatsApp: scan its code with  lidbook sandbox scan" in said
    here = f"{environment['LIDBOOK_DATA_DIR']}/engines/sandbox/network.json"
    environment["LIDBOOK_DATA_DIR"] += "-2"
    url = serve_lidbook()
    show(url, "real", "2@x,a,b,c")
    said = phone("scan", "--network", here, exit_code=1)
    assert f"the server at {url} speaks to WhatsApp, and so does session real: its code is for a real phone" in said


def test_what_is_no_lidbook_is_not_asked_again(serve: Serve, phone: Phone) -> None:
    network = serve()
    said = phone("scan", "--url", network.descriptor["control_url"], exit_code=1)
    assert said.startswith(f"lidbook: {network.descriptor['control_url']} asks for an API key: set LIDBOOK_API_KEY")
    assert "give --url like http://127.0.0.1:3000" in phone("scan", "--url", "nonsense", exit_code=1)
