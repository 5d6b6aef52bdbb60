"""A distribution from elsewhere, with an engine and a wire of its own, beside Lidbook's wheel in a clean environment.

It is installed, passes the kit there, and serves a session whose bodies are those of the sandbox.
"""

import json
import os
import re
import shutil
import subprocess
import time
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

ROOT: Final = Path(__file__).parents[1]
STRANGER: Final = Path(__file__).parent / "stranger"
ACCOUNT: Final = "12025550100"
LACKING: Final = {"session.passkey", "session.screenshot"}
"""What the stranger's engine says that it does not provide."""
PATIENCE: Final = 30.0
"""Seconds until what should have happened is missed."""
LISTS: Final = ("/api/contacts/all?session={}", "/api/{}/lids", "/api/{}/groups", "/api/{}/blocklist")
Suites = dict[str, "subprocess.Popen[str]"]
"""An engine's name -> the run of its tests, under way."""


@dataclass(frozen=True, slots=True)
class Clean:
    """An environment with the wheel, the stranger's distribution, and what they need from the package index."""

    folder: Path
    environment: dict[str, str]

    def command(self, name: str, *arguments: object) -> list[str]:
        """A program of the environment."""
        return [str(self.folder / "bin" / name), *map(str, arguments)]

    def run(self, name: str, *arguments: object, at: Path | None = None) -> str:
        """Run one to its end, and return what it printed."""
        done = subprocess.run(
            self.command(name, *arguments),
            env=self.environment,
            cwd=at or self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{name} {arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def begin(self, name: str, *arguments: object, at: Path | None = None) -> "subprocess.Popen[str]":
        """Begin one; whoever does ends it. What it complains of is in a file beside the environment."""
        with (self.folder.parent / "complaints").open("a") as complaints:
            return subprocess.Popen(
                self.command(name, *arguments),
                env=self.environment,
                cwd=at or self.folder,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
            )


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """Everything installed as a user installs it; the sources are copied, so that the checkout stays as it is."""
    folder = tmp_path_factory.mktemp("clean")
    ours = ("LIDBOOK_", "WAHA_", "WHATSAPP_", "PYTHON", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    kept.pop("VIRTUAL_ENV", None)
    environment = kept | {"HOME": str(folder / "home"), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "COLUMNS": "200"}
    venv.create(folder / "venv", with_pip=True)
    clean = Clean(folder / "venv", environment)
    ignored = shutil.ignore_patterns("__pycache__", ".*_cache", "*.egg-info")
    shutil.copytree(STRANGER, folder / "stranger", ignore=ignored)
    clean.run("pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("lidbook-*.whl")
    clean.run("pip", "install", "-q", f"{wheel}[testing]", folder / "stranger")
    return clean


@pytest.fixture(scope="module")
def suites(clean: Clean, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suites]:
    """The test-suites of the stranger's package, and of what `lidbook engine new` writes; they run beside the rest."""
    begun: Suites = {}

    def begin(engine: str, folder: Path) -> None:
        begun[engine] = clean.begin("pytest", "-rs", "--basetemp", tmp_path_factory.mktemp(engine), at=folder)

    try:
        begin("gateway", clean.folder.parent / "stranger")
        clean.run("lidbook", "engine", "new", "my-own", "--into", clean.folder.parent)
        clean.run("pip", "install", "-q", clean.folder.parent / "lidbook-my-own")
        begin("my-own", clean.folder.parent / "lidbook-my-own")
        yield begun
    finally:
        for process in begun.values():
            process.kill()
            process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
def gateway(clean: Clean) -> Iterator[str]:
    """The stranger's gateway to the demo world; its address."""
    process = clean.begin("python", "-m", "lidbook_stranger.gateway", "--port", 0)
    yield _address(process, r"listens on (\S+)")
    _end(process)


@pytest.fixture(scope="module")
def server(clean: Clean, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """`lidbook serve` on a fresh data dir; a client of it."""
    data = tmp_path_factory.mktemp("data") / "lidbook"
    process = clean.begin("lidbook", "serve", "--port", 0, "--data-dir", data)
    with httpx.Client(base_url=_address(process, r"listens on (\S+)"), timeout=PATIENCE) as client:
        yield client
    assert _end(process) == 0


@pytest.mark.usefixtures("suites")
def test_the_engines_are_listed_with_their_package(clean: Clean) -> None:
    said = clean.run("lidbook", "engines")
    blocks = {block.splitlines()[0]: block for block in re.split(r"\n(?=\S)", said)}
    assert {"gateway", "my-own", "sandbox"} <= set(blocks)
    assert "from lidbook-stranger 0.1.0" in blocks["gateway"]
    assert "ready" in blocks["gateway"]


def test_the_server_shows_the_engine_and_what_it_can_do(server: httpx.Client) -> None:
    engines = {engine["name"]: engine for engine in server.get("/api/engines").json()}
    assert engines["gateway"]["usable"] is True
    assert engines["gateway"]["distribution"] == {"name": "lidbook-stranger", "version": "0.1.0"}
    claims = server.get("/api/engines/gateway").json()["capabilities"]
    assert {name for name, claim in claims.items() if claim["level"] != "full"} == LACKING
    features = server.get("/api/features").json()
    assert "gateway" in {engine["name"] for engine in features["engines"]}
    assert "the gateway has no browser" in json.dumps(features["matrix"])


def test_a_session_on_the_engine_has_the_bodies_of_the_sandbox(server: httpx.Client, gateway: str) -> None:
    _create(server, "elsewhere", {"engine": "gateway", "settings": {"url": gateway, "timeout": 5}})
    _create(server, "here", {"engine": "sandbox", "settings": {"account": ACCOUNT}})
    _until(partial(_is, server, "elsewhere", "SCAN_QR_CODE"), "a code to scan")
    code = server.get("/api/elsewhere/auth/qr", params={"format": "raw"}).raise_for_status().json()["value"]
    httpx.post(f"{gateway}/phone/{ACCOUNT}/scan", json={"code": code}).raise_for_status()
    for session in ("elsewhere", "here"):
        _until(partial(_is, server, session, "WORKING"), f"{session} to be WORKING")
    for path in LISTS:
        _until(partial(_are_alike, server, path), f"{path} to be the same for both; the first sync takes a moment")
        ours, theirs = _both(server, path)
        assert json.loads(ours), path
        assert ours == theirs, path


def test_a_live_call_goes_through_the_wire(server: httpx.Client) -> None:
    """Whoever is blocked through the API is blocked at the gateway, which tells the engine so."""
    contacts = server.get("/api/contacts/all", params={"session": "elsewhere"}).json()
    friend = next(c["id"] for c in contacts if c["isMyContact"] and c["lid"] and not c["isBlocked"] and not c["isMe"])
    body = {"session": "elsewhere", "contactId": friend}
    assert server.post("/api/contacts/block", json=body).status_code == 201
    assert friend in {person["id"] for person in server.get("/api/elsewhere/blocklist").json()}
    assert friend not in {person["id"] for person in server.get("/api/here/blocklist").json()}
    refused = server.get("/api/screenshot", params={"session": "elsewhere"})
    assert refused.status_code in (422, 501)


@pytest.mark.parametrize("engine", ["gateway", "my-own"])
def test_its_own_test_suite_is_green_with_nothing_skipped(engine: str, suites: Suites) -> None:
    said, _ = suites[engine].communicate(timeout=300)
    assert suites[engine].returncode == 0, said
    assert re.search(rf"compliance of engine '{engine}': \d+ passed$", said, re.MULTILINE), said
    assert "skipped" not in said


def _create(server: httpx.Client, name: str, config: dict[str, Any]) -> None:
    server.post("/api/sessions", json={"name": name, "config": config}).raise_for_status()


def _is(server: httpx.Client, session: str, status: str) -> bool:
    found: str = server.get(f"/api/sessions/{session}").raise_for_status().json()["status"]
    return found == status


def _both(server: httpx.Client, path: str) -> tuple[bytes, bytes]:
    """The body of the stranger's session, and that of the sandbox's."""
    ours, theirs = (server.get(path.format(session)).raise_for_status() for session in ("elsewhere", "here"))
    return ours.content, theirs.content


def _are_alike(server: httpx.Client, path: str) -> bool:
    ours, theirs = _both(server, path)
    return ours == theirs and bool(json.loads(ours))


def _until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"waited {PATIENCE:g} s for {what}"
        time.sleep(0.05)


def _address(process: "subprocess.Popen[str]", pattern: str) -> str:
    """What a program says of where it listens; it goes on printing into the void."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if found := re.search(pattern, line):
            return found[1]
    pytest.fail(f"it ended: {lines}")


def _end(process: "subprocess.Popen[str]") -> int:
    process.terminate()
    process.communicate(timeout=PATIENCE)
    return process.returncode
