"""The reference pages say what the code says: the generated ones are up to date, those written by hand complete."""

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import pytest

import lidbook
import lidbook_api
from lidbook import hookspecs
from lidbook.capabilities import Capability
from lidbook.engine import LIVE_CALLS
from lidbook.errors import LidbookError
from lidbook.values import LidState
from lidbook_api.app import OPERATIONS
from lidbook_api.gate import OUR_HEADERS
from lidbook_api.openapi import _HEADERS

from .blocks import ROOT

DOCS: Final = ROOT / "docs"
README: Final = (ROOT / "README.md").read_text("utf-8")


def page(name: str) -> str:
    """The text of a page."""
    return (DOCS / name).read_text("utf-8")


def rows(text: str, columns: int) -> list[list[str]]:
    """The cells of all rows with so many columns, heads left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if len(row) == columns and row[0].startswith("`")]


def family(error: type[LidbookError]) -> Iterator[type[LidbookError]]:
    """An error and all below it, as far as they are in the product."""
    if error.__module__.startswith("lidbook"):
        yield error
    for child in error.__subclasses__():
        yield from family(child)


def codes() -> set[tuple[str, int]]:
    """Every code that can be in `Lidbook-Error`, with its status: the tree's, and those that the API makes itself."""
    for package in (lidbook, lidbook_api):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    ours = [error for error in family(LidbookError) if error.__module__.startswith("lidbook")]
    found = {(error.code, error.status) for error in ours}
    for file in (ROOT / "api").rglob("*.py"):
        text = file.read_text("utf-8")
        found |= {
            (code, int(status)) for code, status in re.findall(r'lidbook-error", b"(\w+)"\)\], status=(\d+)', text)
        }
        for node in ast.walk(ast.parse(text)):
            match node:
                case ast.Call(
                    func=ast.Name(id="refusal"),
                    args=[ast.Constant(value=int(number)), _, ast.Constant(value=str(code))],
                ):
                    found.add((code, number))
    return found


def test_what_is_generated_is_what_the_code_says() -> None:
    checked = subprocess.run(
        [sys.executable, str(DOCS / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_stale_page_is_noticed() -> None:
    program = f"""
import runpy, sys
from lidbook.capabilities import Capability
Capability.LIDS_COUNT.label = "Another"
sys.path.insert(0, {str(DOCS)!r})
sys.argv = ["generate.py", "--check"]
runpy.run_path({str(DOCS / "generate.py")!r}, run_name="__main__")
"""
    checked = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 1
    assert "docs/capabilities.md is not what the code says; write it with: python docs/generate.py" in checked.stdout


def test_the_contract_has_every_hook_and_every_live_call() -> None:
    text = page("contract.md")
    for hook in (name for name in vars(hookspecs) if name.startswith("lidbook_")):
        assert f"### `{hook}(" in text
    for capability, methods in LIVE_CALLS.items():
        for method in methods:
            assert re.search(rf"`async {method}\([^`]*` – `Capability.{capability.name}`: ", text), method


def test_every_capability_is_listed_with_its_route() -> None:
    listed = {(row[0], row[2]) for row in rows(page("capabilities.md"), 6)}
    assert listed == {(f"`{each.value}`", f"`{each.route}`") for each in Capability}


def test_every_error_is_explained_under_its_code_and_status() -> None:
    explained = {
        (row[0].strip("`"), int(status)) for row in rows(page("errors.md"), 4) for status in row[1].split(", ")
    }
    assert explained == codes()
    assert all(row[2] and (row[3] or row[0] == "`error`") for row in rows(page("errors.md"), 4))


def test_every_header_is_explained() -> None:
    answers, requests = page("errors.md").split("## Headers of answers")[1].split("## Headers of requests")
    named = {row[0].strip("`") for row in rows(answers, 3)}
    assert named == set(OUR_HEADERS.split(", ")) == {"Lidbook-Error", *_HEADERS}
    used = {header for operation in OPERATIONS for header in operation.headers}
    assert used <= named
    assert {f"`{state}`" for state in LidState} <= set(re.findall(r"`[a-z]+`", answers))
    read = "".join(file.read_text("utf-8").lower() for file in (ROOT / "api" / "lidbook_api").rglob("*.py"))
    for header in (header for row in rows(requests, 2) for header in re.findall(r"`([A-Z][A-Za-z-]+)`", row[0])):
        assert f'"{header.lower()}"' in read, header


def test_every_operation_of_wahas_and_of_ours_is_decided() -> None:
    waha = json.loads((ROOT / "tests" / "api" / "waha_openapi.json").read_text("utf-8"))
    theirs = {f"{method.upper()} {plain(path)}" for path, methods in waha["paths"].items() for method in methods}
    ours = {f"{operation.method} {plain(operation.path)}" for operation in OPERATIONS} | {"GET /ws"}
    same, own, missing = re.split(r"^## (?:Only in Lidbook|Not in Lidbook)$", page("from-waha.md"), flags=re.MULTILINE)
    assert operations(same) | operations(own) == ours
    assert theirs <= operations(same)
    assert not operations(same) & operations(own)
    assert not operations(missing) & ours


def operations(text: str) -> set[str]:
    """The operations in the first cells of the tables of a text."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    found = [found for cell in cells for found in re.findall(r"`((?:GET|POST|PUT|DELETE) /[^`]*)`", cell)]
    assert len(found) == len(set(found)), "an operation stands there twice"
    return {f"{method} {plain(path)}" for method, _, path in (each.partition(" ") for each in found)}


def plain(path: str) -> str:
    """A path without the names of its parameters."""
    return re.sub(r"\{[^}]+\}", "{}", path)


@pytest.mark.parametrize("name", sorted(path.name for path in DOCS.glob("*.md")))
def test_the_readme_leads_to_the_page(name: str) -> None:
    assert f"(docs/{name})" in README


def test_every_link_leads_somewhere() -> None:
    lost = []
    for file in (ROOT / "README.md", *DOCS.glob("*.md")):
        text = file.read_text("utf-8")
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
            path, _, anchor = target.partition("#")
            if path.startswith("http"):
                continue
            there = file if not path else file.parent / path
            if not there.exists() or (anchor and anchor not in anchors(there.read_text("utf-8"))):
                lost.append(f"{file.name}: {target}")
    assert lost == []


def anchors(text: str) -> set[str]:
    """What a page's headings can be linked by."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
