"""The README's tour, as it stands there: every curl line is run against a fresh server, every answer compared."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lidbook.app import CoreSettings, Lidbook
from lidbook.engine import Engine
from lidbook.hooks import Hooks
from lidbook.identifiers import Lid
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig

README = Path(__file__).parents[1] / "README.md"


def commands() -> list[tuple[str, str]]:
    """Each command of the console blocks, with what stands below it."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, answer = part.partition("\n")
            found.append((command, answer.strip()))
    return found


def undated(text: str) -> str:
    """The same without what a day decides: until when the address of a picture is good."""
    return re.sub(r"\?oe=[0-9a-f]{8}\b", "?oe=…", text)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`lidbook serve` on an empty data dir, in a process of its own."""
    home = tmp_path_factory.mktemp("home")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("LIDBOOK", "WAHA", "WHATSAPP"))
    }
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("lidbook")), "serve", "--port", str(port)],
        env=environment | {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip().startswith("try"):
            break
    yield f"http://localhost:{port}"
    process.terminate()
    assert process.wait(20) == 0
    process.stdout.close()


def test_the_tour_is_what_happens(server: str) -> None:
    """One test, in the README's order: what one step writes the next one reads."""
    tour = commands()
    assert len(tour) > 15
    for command, expected in tour:
        run = subprocess.run(
            ["bash", "-c", command.replace("http://localhost:3000", server)],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        if expected.startswith(("{", "[")):
            assert json.loads(undated(run.stdout)) == json.loads(undated(expected)), command
        else:
            assert run.stdout.strip() == expected, command


async def test_the_engine_in_the_readme_works(tmp_path: Path) -> None:
    """The class as it stands there, in a core of its own: Ann is known by both identifiers."""
    source = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert source is not None
    names: dict[str, object] = {}
    exec(compile(source[1], str(README), "exec"), names)  # noqa: S102 - it is our own README
    engine = names["TinyEngine"]
    assert isinstance(engine, type)
    assert issubclass(engine, Engine)
    lidbook = await Lidbook.open(CoreSettings(tmp_path), engines=EngineRegistry.of(engine), hooks=Hooks())
    await lidbook.sessions.create("s", SessionConfig(engine="tiny"))
    session = await lidbook.sessions.usable("s")
    assert json.loads(session.directory.contact(Lid("9101")))["name"] == "Ann Lee"
    await lidbook.close()
