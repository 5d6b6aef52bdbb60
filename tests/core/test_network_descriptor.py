"""Where the sandbox network is: what a server takes, and what it refuses to start with."""

import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lidbook.app import CoreSettings, Lidbook
from lidbook.engine import Network
from lidbook.errors import InvalidConfig
from lidbook.hooks import Hooks
from lidbook.network_descriptor import OWN, descriptor_path, find_network, read_descriptor, write_descriptor
from lidbook.registry import EngineRegistry

KEY = bytes(range(32))
TOKEN = "0123456789abcdef" * 4
NOWHERE = Network("ws://127.0.0.1:1/ws/chat", "http://localhost:1/", KEY, "http://[::1]:1", TOKEN)


@pytest.fixture
def listening() -> Iterator[Network]:
    """A network of which there is a port, and no more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        base = f"http://127.0.0.1:{port}"
        yield Network(f"ws://127.0.0.1:{port}/ws/chat", f"{base}/", KEY, base, TOKEN)


def described(folder: Path, **changed: object) -> Path:
    path = folder / "network.json"
    write_descriptor(path, NOWHERE)
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    return path


def test_what_is_written_is_read_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "engines" / "sandbox" / "network.json"
    for network in (NOWHERE, Network("ws://127.0.0.1:2/", "http://127.0.0.1:2/", KEY, "http://127.0.0.1:3", TOKEN)):
        write_descriptor(path, network)
        assert read_descriptor(path) == network
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["network.json"], "nothing is left of the writing"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"websocket": "ws://web.whatsapp.com/ws/chat"},
            "websocket leads to web.whatsapp.com; a sandbox network is",
        ),
        ({"websocket": "ws://192.168.1.7:80/"}, "websocket leads to 192.168.1.7"),
        ({"web_page": "https://web.whatsapp.com/"}, "web_page leads to web.whatsapp.com"),
        ({"control_url": "http://127.0.0.1.example.com/"}, "control_url leads to 127.0.0.1.example.com"),
        ({"control_url": "http://localhost@example.com/"}, "control_url has '@' in it"),
        ({"control_url": "http://somebody:secret@127.0.0.1/"}, "control_url has '@' in it"),
        ({"websocket": "ws://evil.example\\@127.0.0.1/ws/chat"}, r"websocket has '\\\\' in it"),
        ({"websocket": "ws://127.0.0.1\\.evil.example/"}, r"websocket has '\\\\' in it"),
        ({"websocket": "ws://127.0.0.1:1/\nws"}, r"websocket has '\\n' in it"),
        ({"websocket": "\tws://127.0.0.1:1/ws"}, r"websocket has '\\t' in it"),
        ({"web_page": "http://127.0.0.1:1/ x"}, "web_page has ' ' in it"),
        ({"web_page": "http://127.0.0.1:1/\x7f"}, r"web_page has '\\x7f' in it"),
        ({"web_page": "http://127.0.0.1\u3002evil.example/"}, "web_page has '\u3002' in it"),
        ({"control_token": ""}, "control_token is no token"),
        ({"control_token": "a b" * 20}, "control_token is no token"),
        ({"control_token": 7}, "control_token is no token"),
        ({"web_page": "file:///etc/passwd"}, "web_page does not begin with http://"),
        ({"websocket": "http://127.0.0.1:1/"}, "websocket does not begin with ws://"),
        ({"websocket": "ws:///ws/chat"}, "websocket leads to nowhere"),
        ({"websocket": "ws://127.0.0.1:99999/"}, "Port out of range"),
        ({"websocket": 7}, "websocket is no text"),
        ({"root_key": "00"}, "root_key has 1 bytes, not 32"),
        ({"root_key": "?"}, "non-hexadecimal"),
        ({"root_key": None}, "must be str"),
    ],
)
async def test_a_descriptor_that_leads_elsewhere_is_refused(
    tmp_path: Path, changed: dict[str, object], says: str
) -> None:
    path = described(tmp_path, **changed)
    with pytest.raises(InvalidConfig, match=says) as refused:
        await find_network(str(path), tmp_path)
    assert refused.value.message.startswith(f"{path} does not describe a sandbox network: ")


@pytest.mark.parametrize("text", ["", "[]", "7", '"x"', "{}", '{"websocket": "ws://127.0.0.1:1/"}', "\x00\xff"])
async def test_what_is_no_descriptor_is_refused(tmp_path: Path, text: str) -> None:
    descriptor_path(tmp_path).parent.mkdir(parents=True)
    descriptor_path(tmp_path).write_text(text)
    with pytest.raises(InvalidConfig, match=r"does not describe a sandbox network: .*lidbook sandbox --data-dir"):
        await find_network(OWN, tmp_path)


async def test_without_a_network_it_is_whatsapp(tmp_path: Path) -> None:
    assert await find_network(None, tmp_path) is None


async def test_one_that_is_named_by_its_file_may_come_up_later(tmp_path: Path) -> None:
    assert await find_network(str(described(tmp_path)), tmp_path / "data") == NOWHERE
    with pytest.raises(InvalidConfig, match=r"there is no .*other.json that describes a sandbox network"):
        await find_network(str(tmp_path / "other.json"), tmp_path / "data")


async def test_the_data_dirs_own_one_has_to_run(tmp_path: Path, listening: Network) -> None:
    with pytest.raises(InvalidConfig, match=r"no sandbox network runs on .* start it with  lidbook sandbox --data-dir"):
        await find_network(OWN, tmp_path)
    write_descriptor(descriptor_path(tmp_path), NOWHERE)
    with pytest.raises(InvalidConfig, match=r"nothing listens on ws://127.0.0.1:1/ws/chat; start it again with  lidb"):
        await find_network(OWN, tmp_path)
    write_descriptor(descriptor_path(tmp_path), listening)
    assert await find_network(OWN, tmp_path) == listening


async def test_a_server_does_not_start_without_the_network_it_was_told_to_use(
    tmp_path: Path, listening: Network
) -> None:
    settings = CoreSettings(tmp_path, network=OWN)
    with pytest.raises(InvalidConfig, match="lidbook sandbox --data-dir"):
        await Lidbook.open(settings, engines=EngineRegistry.of(), hooks=Hooks())
    write_descriptor(descriptor_path(tmp_path), listening)
    lidbook = await Lidbook.open(settings, engines=EngineRegistry.of(), hooks=Hooks())
    assert lidbook.network == listening
    await lidbook.close()


def test_the_token_is_not_shown_with_the_rest() -> None:
    assert TOKEN not in repr(NOWHERE)


def test_a_descriptor_without_a_token_says_so(tmp_path: Path) -> None:
    path = described(tmp_path)
    written = json.loads(path.read_text())
    del written["control_token"]
    path.write_text(json.dumps(written))
    with pytest.raises(InvalidConfig, match="it has no 'control_token'"):
        read_descriptor(path)
