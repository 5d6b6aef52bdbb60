"""What a block of the pages needs before it can be run, and the blocks that no test can run."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from runtimes import go_bridge_runtime

from .blocks import Block
from .machine import Machine

EXCEPTIONS: Final[Mapping[tuple[str, str], str]] = {
    ("README.md", "pip install . && .venv/bin/lidbook serve"): (
        "installs from an index; `.ci/run` installs in the same way, and every other block serves"
    ),
    ("README.md", "pip install -e '.[dev]' && .venv/bin/pytest"): "it is this run; `.ci/run` runs it letter by letter",
    ("README.md", "lidbook sessions create mine --engine go-bridge"): (
        "reaches WhatsApp; docs/sandbox-network.md does the same with a phone of its own, and is run"
    ),
    ("docs/engines/go-bridge.md", "lidbook engines install go-bridge\n"): (
        "builds for minutes, from a module proxy; `tests/engines/go_bridge/test_real_build.py` does"
    ),
    ("docs/operate.md", "docker build"): "needs Docker, and an image from a registry",
    ("docs/write-an-engine.md", "pip install ./lidbook-*.whl"): "installs from an index",
}
"""Page and words of a block that is not run -> why."""

VCARD: Final = "BEGIN:VCARD\nVERSION:3.0\nFN:Ada Lovelace\nTEL:+44 7700 900200\nEND:VCARD\n"
HOOK: Final = "https://example.com/hook"

Preparation = Callable[[Machine], None]


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes webhooks, or refuses them."""

    status = 200

    def do_POST(self) -> None:
        """One event."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(type(self).status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def receiving(machine: Machine) -> Iterator[None]:
    """The receiver of the pages is on this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        machine.written[HOOK] = f"http://127.0.0.1:{server.server_address[1]}/hook"
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def ask(machine: Machine, method: str, path: str, body: object = None) -> Any:
    """One request to the machine's server, with the key that is set there."""
    data = "" if body is None else f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'"
    ended = machine.run(f'curl -X {method} {data} -H "X-Api-Key: ${{LIDBOOK_API_KEY-}}" {machine.url}{path}')
    assert ended.returncode == 0, ended
    return json.loads(ended.stdout) if ended.stdout else None


def await_status(machine: Machine, session: str, status: str) -> None:
    """Ask until a session is in a status."""
    for _ in range(200):
        if ask(machine, "GET", f"/api/sessions/{session}")["status"] == status:
            return
    raise AssertionError(f"{session} never was {status}")


def _address_book(machine: Machine) -> None:
    (machine.work / "my.vcf").write_text(VCARD)


def _first_stored_key(machine: Machine) -> None:
    """No server yet, and no key."""
    machine.run("unset LIDBOOK_API_KEY")
    machine.stop()


def _second_first_key(machine: Machine) -> None:
    """The other way, on another data dir, with a server that runs."""
    assert machine.run('[[ "$KEY" == key_* ]]').returncode == 0
    machine.run("export LIDBOOK_DATA_DIR=$HOME/other")
    machine.start()


def _shop(machine: Machine) -> None:
    machine.run('export LIDBOOK_API_KEY="$KEY"')
    ask(machine, "POST", "/api/sessions", {"name": "shop"})


def _a_key_of_it(machine: Machine) -> None:
    (key,) = [key["id"] for key in ask(machine, "GET", "/api/keys") if key["session"] == "shop"]
    machine.written["key_id_…"] = key


def _linkable(machine: Machine) -> None:
    config = {"engine": "sandbox", "settings": {"require_scan": True}}
    ask(machine, "PUT", "/api/sessions/shop", {"config": config})
    ask(machine, "POST", "/api/sessions/shop/logout")
    await_status(machine, "shop", "SCAN_QR_CODE")


def _no_backup(machine: Machine) -> None:
    for file in (machine.folder / "backup").iterdir():
        file.unlink()


def _backup_of_that_day(machine: Machine) -> None:
    (file,) = (machine.folder / "backup").iterdir()
    file.rename(file.with_name("lidbook-2026-11-24.tar.gz"))


def _hooked(machine: Machine, attempts: int = 0) -> None:
    webhook = {"url": machine.here(HOOK), "events": ["contact.*"], "retries": {"attempts": attempts, "delaySeconds": 0}}
    ask(machine, "PUT", "/api/sessions/default", {"config": {"webhooks": [webhook]}})
    await_status(machine, "default", "WORKING")


def _refused(machine: Machine) -> None:
    """Two events that the receiver did not want."""
    Receiver.status = 400
    for name in ("Jane", "Jim"):
        ask(machine, "PUT", "/api/default/contacts/11231231231", {"firstName": name})
    for _ in range(200):
        letters = ask(machine, "GET", "/api/default/webhooks/dead-letters")
        if len(letters) >= 2:
            break
    Receiver.status = 200
    machine.written["default 7"] = f"default {letters[0]['id']}"


def _built(machine: Machine) -> None:
    """What the tests built is there already, so that the reader need not wait for it."""
    built = go_bridge_runtime().binary()
    there = machine.folder / "home/.local/share/lidbook/engines/go-bridge/bin" / built.name
    there.parent.mkdir(parents=True)
    there.symlink_to(built)


def _scan_awaited(machine: Machine) -> None:
    await_status(machine, "phone", "SCAN_QR_CODE")


PREPARED: Final[Mapping[tuple[str, str], Preparation]] = {
    ("README.md", "lidbook serve --world my.vcf"): _address_book,
    ("README.md", "lidbook sandbox scan"): _scan_awaited,
    ("docs/keys.md", "KEY=$(lidbook keys create --admin --local)"): _first_stored_key,
    ("docs/keys.md", "KEY=$(lidbook keys create --admin)"): _second_first_key,
    ("docs/keys.md", "lidbook keys create --session shop"): _shop,
    ("docs/keys.md", "lidbook keys rotate"): _a_key_of_it,
    ("docs/operate.md", "lidbook sessions code"): _linkable,
    ("docs/operate.md", "lidbook backup /backup/lidbook-"): _no_backup,
    ("docs/operate.md", "systemctl stop lidbook"): _backup_of_that_day,
    ("docs/sandbox-network.md", "lidbook engines install go-bridge"): _built,
    ("docs/webhooks.md", "lidbook webhooks test"): _hooked,
    ("docs/webhooks.md", "lidbook webhooks dead-letters list"): _refused,
}
"""Page and first words of a command -> what has to be so before it."""

BESIDE: Final = ("lidbook sessions qr phone",)
"""Commands that wait for what another terminal does: run beside those that follow."""


def exception(block: Block) -> str | None:
    """Why a block is not run; None if it is."""
    found = [why for (page, words), why in EXCEPTIONS.items() if page == block.page and words in block.text]
    return found[0] if found else None


def prepare(page: str, command: str, machine: Machine) -> None:
    """Make so what this command needs."""
    for (where, words), preparation in PREPARED.items():
        if where == page and command.replace(".venv/bin/", "").startswith(words):
            preparation(machine)


def file_of(machine: Machine, name: str, text: str) -> Path:
    """A file for a program to be read from."""
    file = machine.folder / name
    file.write_text(text)
    return file
