"""`lidbook engine new`: what it refuses, what it writes, and that this works as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from api.programs import Run

MOST_LINES = 150
NAME = "my-engine"


@pytest.fixture
def written(run: Run, tmp_path: Path) -> Path:
    """The package that the command writes."""
    done = run("engine", "new", NAME)
    assert done.returncode == 0, done.stderr
    return tmp_path / f"lidbook-{NAME}"


@pytest.mark.parametrize(
    "name", ["", "My-Engine", "my_engine", "9lives", "-engine", "engine-", "my--engine", "ein/e", "..", "é", "e" * 41]
)
def test_a_name_that_cannot_be_one_is_refused_with_one_that_can(name: str, run: Run, tmp_path: Path) -> None:
    done = run("engine", "new", "--", name)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "is no name for an engine" in done.stderr
    assert "as my-engine" in done.stderr
    assert list(tmp_path.glob("lidbook-*")) == []


@pytest.mark.parametrize("name", ["sandbox"])
def test_the_name_of_an_engine_that_is_installed_is_taken(name: str, run: Run, tmp_path: Path) -> None:
    done = run("engine", "new", name)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"engine '{name}' is installed already" in done.stderr
    assert list(tmp_path.glob("lidbook-*")) == []


def test_a_folder_that_is_there_is_left_as_it_is(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / f"lidbook-{NAME}"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("mine")
    done = run("engine", "new", NAME)
    assert done.returncode == 1
    assert "is there already: nothing was written" in done.stderr
    assert [(path.name, path.read_text()) for path in folder.rglob("*")] == [("pyproject.toml", "mine")]


def test_a_folder_that_cannot_be_made_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("engine", "new", NAME, "--into", "file")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "cannot write file/lidbook-my-engine: Not a directory" in done.stderr


def test_it_says_what_it_wrote_and_what_comes_next(run: Run, tmp_path: Path) -> None:
    done = run("engine", "new", NAME, "--into", "elsewhere/yet")
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "elsewhere" / "yet" / f"lidbook-{NAME}"
    said = re.sub(r"\s+", " ", done.stdout)
    for file in folder.rglob("*"):
        assert file.is_dir() or str(file.relative_to(folder)) in said
    for step in ("cd elsewhere/yet/lidbook-my-engine", "pip install -e '.[test]'", "pytest", "lidbook engines"):
        assert step in said


def test_the_whole_package_is_read_in_a_few_minutes(written: Path) -> None:
    lines = {str(path.relative_to(written)): len(path.read_text().splitlines()) for path in _files(written)}
    assert sum(lines.values()) < MOST_LINES, lines


def test_what_it_writes_is_clean_and_typed(written: Path) -> None:
    """As its author sees it, for whom Lidbook is a library like any other."""
    rules = ("--isolated", "--line-length", "120", "--target-version", "py311")
    _clean("ruff", "check", *rules, "--select", "B,C4,E,F,I,N,PERF,PTH,RET,RUF,SIM,UP,W", ".", at=written)
    _clean("ruff", "format", "--check", *rules, ".", at=written)
    typed = ("--strict", "--config-file", os.devnull, "--cache-dir", os.devnull)
    _clean("mypy", *typed, "lidbook_my_engine", at=written)


def test_it_passes_the_kit_before_anything_is_written_into_it(written: Path) -> None:
    """All but whether it is installed, which is tried where it is."""
    done = _python(
        "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-k", "not installed_under_its_name", at=written
    )
    assert done.returncode == 0, done.stdout
    assert re.search(rf"compliance of engine '{NAME}': [1-9]\d+ passed$", done.stdout, re.MULTILINE), done.stdout
    assert "skipped" not in done.stdout


def _files(package: Path) -> list[Path]:
    return [path for path in package.rglob("*") if path.is_file()]


def _clean(*command: str, at: Path) -> None:
    done = _python("-m", *command, at=at)
    assert done.returncode == 0, done.stdout + done.stderr


def _python(*arguments: str, at: Path) -> "subprocess.CompletedProcess[str]":
    """Run Python in the package, with it on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "LIDBOOK_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        env=kept | {"PYTHONPATH": str(at), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=at,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
