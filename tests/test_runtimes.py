"""A host that cannot be built here is a skip with what mends it, and a failure where nothing may be missed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TEST = "def test_that_needs_the_host(go_bridge_binary):\n    assert go_bridge_binary.exists()\n"


def run(folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """pytest on one test, where the cache's place is taken by a file."""
    (folder / "test_some.py").write_text(TEST)
    (folder / "file").write_text("")
    environment = {name: value for name, value in os.environ.items() if name != "LIDBOOK_REQUIRE"} | {
        "PYTHONPATH": str(Path(__file__).parent),
        "LIDBOOK_TEST_CACHE": str(folder / "file" / "cache"),
    }
    options = ("-p", "require", "-p", "runtimes", "-p", "no:cacheprovider", "-rs", "--rootdir", str(folder))
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(folder)],
        env=environment | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_cannot_be_built_here_is_skipped_with_what_mends_it(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert "1 skipped" in done.stdout
    assert "needs the host of go-bridge, and " in done.stdout
    assert "let this user write to " in done.stdout


def test_it_is_a_failure_where_everything_is_required(tmp_path: Path) -> None:
    done = run(tmp_path, LIDBOOK_REQUIRE="all")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "let this user write to " in done.stdout
