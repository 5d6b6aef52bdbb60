"""The repository keeps its own rules: small files, typed packages, a README whose commands are those that are run."""

import ast
import importlib
import re
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

import lidbook

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
SOURCE_ROOTS = [ROOT / "core", ROOT / "api", *sorted(ROOT.glob("engines/*"))]
PACKAGES = [path for root in SOURCE_ROOTS for path in sorted(root.iterdir()) if path.name.startswith("lidbook")]
LONGEST_FILE = 400

RUN = "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/lidbook serve"
TEST = "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest -n logical"


def entry_points() -> list[tuple[str, str, str]]:
    """Group, name and target of every entry point, scripts included."""
    project = PYPROJECT["project"]
    groups = {"console_scripts": project["scripts"], **project["entry-points"]}
    return [(group, name, target) for group, entries in groups.items() for name, target in entries.items()]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_file_is_too_long_to_read() -> None:
    long = {
        relative(path): lines
        for root in SOURCE_ROOTS
        for path in root.rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }

    assert long == {}


def test_every_package_is_typed_and_introduces_itself() -> None:
    silent = []
    for package in PACKAGES:
        assert (package / "py.typed").is_file(), f"{relative(package)} has no py.typed"
        for folder in {path.parent for path in package.rglob("*.py")}:
            init = folder / "__init__.py"
            if not init.is_file() or not ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))):
                silent.append(relative(folder))

    assert silent == [], "these folders need an __init__.py whose docstring says what lives there"


@pytest.mark.parametrize("command", [RUN, TEST])
def test_the_readme_gives_the_command_on_a_line_of_its_own(command: str) -> None:
    assert command in README.splitlines()


def test_the_version_is_the_same_everywhere() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert PYPROJECT["project"]["version"] == lidbook.__version__
    assert re.search(rf"^## \[(Unreleased|{re.escape(lidbook.__version__)})\]", changelog, re.MULTILINE)


@pytest.mark.parametrize(("group", "name", "target"), entry_points())
def test_every_entry_point_leads_somewhere(group: str, name: str, target: str) -> None:
    module, _, attribute = target.partition(":")

    found = importlib.import_module(module)
    assert not attribute or hasattr(found, attribute), f"{group}: {name} = {target}"


def test_every_source_root_is_built_linted_and_typed() -> None:
    tools = PYPROJECT["tool"]
    ruff_roots = [path for pattern in tools["ruff"]["src"] for path in ROOT.glob(pattern)]
    mypy_roots = [ROOT / path for path in tools["mypy"]["mypy_path"].split(":")]

    assert set(tools["hatch"]["build"]["targets"]["wheel"]["packages"]) == {relative(path) for path in PACKAGES}
    for root in SOURCE_ROOTS:
        assert root in ruff_roots, f"ruff does not know {relative(root)}"
        assert root in mypy_roots, f"mypy does not know {relative(root)}"
        assert any(root.is_relative_to(ROOT / path) for path in tools["mypy"]["files"])


def test_the_ci_script_runs_the_readmes_test_command_and_can_be_run() -> None:
    script = ROOT / ".ci" / "run"

    assert script.stat().st_mode & stat.S_IXUSR
    assert f'"{TEST}"' in script.read_text(encoding="utf-8")
    subprocess.run(["bash", "-n", script], check=True)


def test_decisions_are_numbered_and_have_the_same_four_parts() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))

    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        text = record.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(record.name[:4])}. "), record.name
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Options", "Decision", "Consequences"]
        assert "* [+] " in text, record.name
        assert "* [-] " in text, record.name


def test_the_licence_travels_with_the_wheel() -> None:
    assert PYPROJECT["project"]["license"] == "Apache-2.0"
    for name in PYPROJECT["project"]["license-files"]:
        assert (ROOT / name).read_text(encoding="utf-8").strip()
