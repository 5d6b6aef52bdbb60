"""Every block of code in README.md and docs/*.md is run, in the order of its page, as a reader would.

A block of `sh` is run command by command in one shell a page; after it, a block of `text` has lines that it printed,
with `…` for anything. A block of `console` has commands after `$`, and what each of them prints. How other languages
are read is in `formats.py`. What is not run stands in `stories.EXCEPTIONS`, with the reason.
"""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

from lidbook.errors import LidbookError

from .blocks import PAGES, ROOT, Block, blocks, every_block
from .formats import CHECKS
from .machine import STOOD_IN, Machine, commands
from .stories import BESIDE, EXCEPTIONS, PREPARED, exception, prepare, receiving

RUN: Final = frozenset({"sh", "console", "text"})
BRIDGED: Final = "docs/sandbox-network.md"
"""The page whose reader has the host of go-bridge."""
SERVED: Final = ("README.md", "docs/operate.md", "docs/webhooks.md", "docs/websocket.md")
"""Pages whose reader has a server that runs."""
WITH_BLOCKS: Final = [page for page in PAGES if blocks(page)]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A reader's machine, with the receiver of the pages."""
    machine = Machine(tmp_path)
    with receiving(machine):
        yield machine
        machine.stop()
        machine.stop_network()


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=[page.name for page in WITH_BLOCKS])
def test_every_block_of_the_page_does_what_it_says(
    page: Path, machine: Machine, request: pytest.FixtureRequest
) -> None:
    story = Story(machine, page.relative_to(ROOT).as_posix())
    if story.page == BRIDGED:
        request.getfixturevalue("go_bridge_binary")
    if story.page in SERVED:
        machine.start()
    for block in blocks(page):
        if exception(block) is None:
            story.tell(block)


def test_every_block_is_in_a_language_that_is_run() -> None:
    strange = [f"{block.where}: {block.language or 'no language'}" for block in every_block()]
    known = RUN | CHECKS.keys()
    assert [each for each in strange if each.rpartition(": ")[2] not in known] == []


@pytest.mark.parametrize(("page", "words"), EXCEPTIONS, ids=[words for _, words in EXCEPTIONS])
def test_an_exception_is_for_one_block_that_is_there(page: str, words: str) -> None:
    assert sum(block.page == page and words in block.text for block in every_block()) == 1


@pytest.mark.parametrize(("page", "words"), PREPARED, ids=[words for _, words in PREPARED])
def test_what_is_prepared_is_for_a_command_that_is_there(page: str, words: str) -> None:
    there = [
        line.replace(".venv/bin/", "")
        for block in every_block()
        if block.page == page
        for line in block.text.splitlines()
    ]
    assert any(line.startswith(words) for line in there)


def test_what_is_stood_in_for_is_used() -> None:
    used = {word for block in every_block() if block.language == "sh" for word in re.findall(r"[a-z]+", block.text)}
    assert used >= STOOD_IN.keys()


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("sh", "lidbook no-such-command"),
        ("sh", "true\nfalse | cat"),
        ("console", "$ echo hello\ngoodbye"),
        ("console", '$ echo \'{"a": 1}\'\n{"a": 2}'),
        ("text", "never printed"),
        ("python", "import no_such_module"),
        ("js", "throw new Error()"),
        ("json", '{"webhooks": [{"url": "nowhere", "events": ["*"]}]}'),
        ("jsonl", '{"jsonrpc": "2.0"}\n{"jsonrpc": "1.0"}'),
        ("toml", '[project.entry-points."lidbook.motors"]\nx = "y:z"'),
        ("ini", "[Unit]\n[Service]\nExecStart=/bin/lidbook sing\nEnvironment=LIDBOOK_PORT=1\n[Install]"),
        ("dockerfile", 'FROM python\nENV LIDBOOK_HOTS=1\nCMD ["lidbook", "serve"]'),
        ("nginx", "location / {\n  proxy_pass x\n}"),
        ("mermaid", "flowchart TB\n    STARTING --> DANCING"),
        ("yaml", "a: [1"),
    ],
)
def test_a_block_that_does_not_do_what_it_says_is_noticed(language: str, text: str, machine: Machine) -> None:
    with pytest.raises((AssertionError, LidbookError, yaml.YAMLError)):
        Story(machine, "page.md").tell(Block("page.md", 1, language, text))


class Story:
    """The blocks of one page, one after the other."""

    def __init__(self, machine: Machine, page: str) -> None:
        self.machine = machine
        self.page = page
        self._printed = ""

    def tell(self, block: Block) -> None:
        """One more block."""
        match block.language:
            case "sh":
                self._printed = self._shell(block)
            case "text":
                self._printed_before(block)
            case "console":
                self._console(block)
            case language:
                CHECKS[language](block, self.machine)

    def _shell(self, block: Block) -> str:
        printed, beside = "", []
        for command in commands(block.text):
            prepare(self.page, command, self.machine)
            if command.replace(".venv/bin/", "").startswith(BESIDE):
                beside.append(self._begin(command))
                continue
            ended = self.machine.run(command)
            assert ended.returncode == 0, f"{block.where}: {command}\n{ended.stdout}{ended.stderr}"
            printed += ended.stdout
        for process in beside:
            out, _ = process.communicate(timeout=60)
            assert process.returncode == 0, f"{block.where}: {shlex.join(map(str, process.args))}\n{out}"  # type: ignore[arg-type]
        return printed

    def _begin(self, command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.machine.shell(f"trap - EXIT; {self.machine.here(command)}"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.machine.clean(),
        )

    def _printed_before(self, block: Block) -> None:
        for line in block.text.splitlines():
            wanted = re.escape(line.strip()).replace("…", ".+")
            there = re.search(rf"^\s*{wanted}\s*$", self._printed, re.MULTILINE)
            assert there, f"{block.where}: {line!r} was not printed, but\n{self._printed}"

    def _console(self, block: Block) -> None:
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            ended = self.machine.run(command.replace("curl ", 'PATH="${PATH#*:}" curl '))
            assert ended.returncode == 0, f"{block.where}: {command}\n{ended.stderr}"
            printed = ended.stdout
            if expected.startswith(("{", "[")):
                assert json.loads(undated(printed)) == json.loads(undated(expected)), f"{block.where}: {command}"
            else:
                assert printed.strip() == expected.strip(), f"{block.where}: {command}"


def undated(text: str) -> str:
    """The same without what a day decides: until when the address of a picture is good, when a device was linked."""
    return re.sub(r'"linkedAt": \d{13}\b', '"linkedAt": 0', re.sub(r"\?oe=[0-9a-f]{8}\b", "?oe=…", text))
