"""A server on a sandbox network says so wherever somebody looks; one that does not find its network stays down."""

import shlex
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lidbook.engine import Network
from lidbook.network_descriptor import SPOKEN_TO, descriptor_path, write_descriptor
from lidbook_api.settings import ServerSettings

from .programs import Run, Start
from .served import Served, serve


@pytest.fixture
async def on_network(tmp_path: Path) -> AsyncIterator[Served]:
    """A server whose engines are told to speak to a sandbox network."""
    described(tmp_path / "network.json", 1)
    settings = ServerSettings.model_construct(network=str(tmp_path / "network.json"))
    async with serve(tmp_path / "data", settings=settings) as served:
        yield served


def described(path: Path, port: int) -> None:
    page = f"http://127.0.0.1:{port}/"
    write_descriptor(path, Network(f"ws://127.0.0.1:{port}/ws/chat", page, bytes(32), page, "0" * 64))


async def test_it_is_said_in_health_and_status(on_network: Served) -> None:
    health = (await on_network.client.get("/health")).json()
    assert health["status"] == "ok"
    assert health["info"]["network"] == {
        "status": "up",
        "sandbox": True,
        "message": f"{SPOKEN_TO} (ws://127.0.0.1:1/ws/chat)",
    }
    status = (await on_network.client.get("/api/server/status")).json()
    assert (status["network"], status["note"]) == ("sandbox", SPOKEN_TO)


async def test_it_is_said_with_every_session(on_network: Served) -> None:
    shown = await on_network.client.get("/api/sessions/default")
    assert shown.json()["engine"]["network"] == "sandbox"
    assert "simulated" in shown.json()["engine"]["note"]
    for path in ("/api/contacts/all?session=default&limit=1", "/api/default/lids?limit=1", "/api/sessions/default"):
        assert (await on_network.client.get(path)).headers["lidbook-network"] == "sandbox"


async def test_on_whatsapp_nothing_of_it_is_said(served: Served) -> None:
    shown = await served.client.get("/api/sessions/default")
    assert "network" not in shown.json()["engine"]
    assert "lidbook-network" not in shown.headers


def test_a_server_says_it_when_it_starts(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as network:
        described(descriptor_path(tmp_path / "data"), network.getsockname()[1])
        running = start("--data-dir", str(tmp_path / "data"), LIDBOOK_NETWORK="sandbox")
        assert f"NETWORK     {SPOKEN_TO}" in running.said
        assert SPOKEN_TO in running.stop()[1]


def test_a_server_does_not_start_without_it(run: Run, tmp_path: Path) -> None:
    data_dir = tmp_path / "my data"
    remedy = f"lidbook sandbox --data-dir {shlex.quote(str(data_dir))}"
    served = ("serve", "--port", "0", "--data-dir", str(data_dir))
    refused = run(*served, LIDBOOK_NETWORK="sandbox")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"lidbook: no sandbox network runs on {data_dir}: start it with  {remedy}\n"
    described(descriptor_path(data_dir), 1)
    refused = run(*served, LIDBOOK_NETWORK="sandbox")
    assert (refused.returncode, remedy in refused.stderr) == (1, True)
    assert "nothing listens on ws://127.0.0.1:1/ws/chat" in refused.stderr
    far = Network("wss://web.whatsapp.com/ws/chat", "http://[::1]/", bytes(32), "x", "0" * 64)
    write_descriptor(tmp_path / "far.json", far)
    refused = run(*served, LIDBOOK_NETWORK=str(tmp_path / "far.json"))
    assert (refused.returncode, "loopback only" in refused.stderr) == (1, True)
