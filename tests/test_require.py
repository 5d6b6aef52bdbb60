"""The rule that nothing is passed over is itself run, in a pytest of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

def test_that_passes():
    assert True

@pytest.mark.skip(reason="needs a phone: lidbook phone")
def test_that_is_marked():
    raise AssertionError

def test_that_skips_itself():
    pytest.skip("needs a browser: playwright install chromium")

@pytest.mark.xfail(reason="known", strict=True)
def test_that_is_known_to_fail():
    raise AssertionError
"""

MODULE = """
import pytest
pytest.skip("needs Go: apt install golang", allow_module_level=True)
"""


def run(folder: Path, source: str, required: str | None) -> subprocess.CompletedProcess[str]:
    """pytest on one file, with the plugin."""
    (folder / "test_some.py").write_text(source)
    environment = {name: value for name, value in os.environ.items() if name != "LIDBOOK_REQUIRE"}
    environment |= {"PYTHONPATH": str(Path(__file__).parent)} | ({"LIDBOOK_REQUIRE": required} if required else {})
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "require", "-p", "no:cacheprovider", "-rs", "--rootdir", folder, folder],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_skip_is_only_a_skip_where_nothing_is_required(tmp_path: Path) -> None:
    done = run(tmp_path, TESTS, None)

    assert done.returncode == pytest.ExitCode.OK
    assert "1 passed, 2 skipped, 1 xfailed" in done.stdout


def test_a_skip_is_a_failure_with_its_reason_where_everything_is_required(tmp_path: Path) -> None:
    done = run(tmp_path, TESTS, "all")

    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 1 passed, 1 xfailed, 1 error" in done.stdout
    assert "needs a phone: lidbook phone" in done.stdout
    assert "needs a browser: playwright install chromium" in done.stdout


def test_a_file_that_skips_itself_is_a_failure_too(tmp_path: Path) -> None:
    assert "1 skipped" in run(tmp_path, MODULE, None).stdout

    done = run(tmp_path, MODULE, "all")

    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert "needs Go: apt install golang" in done.stdout


def test_a_requirement_that_means_nothing_is_an_error(tmp_path: Path) -> None:
    done = run(tmp_path, TESTS, "most")

    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "LIDBOOK_REQUIRE is either unset or 'all'" in done.stderr
