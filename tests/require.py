"""With `LIDBOOK_REQUIRE=all` a skip is a failure: on a machine that should have everything, nothing is passed over.

A pytest plugin; `conftest.py` names it in `pytest_plugins`.
"""

import os
from collections.abc import Generator

import pytest

VARIABLE = "LIDBOOK_REQUIRE"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test fails, with the reason that it gave."""
    report = yield
    if not hasattr(report, "wasxfail"):
        _insist(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A skipped file fails too."""
    report = yield
    _insist(report)
    return report


def pytest_configure() -> None:
    """A value that means nothing is an error, not a silent pass."""
    if os.environ.get(VARIABLE, "") not in {"", "all"}:
        raise pytest.UsageError(f"{VARIABLE} is either unset or 'all'")


def _insist(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get(VARIABLE) == "all" and report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{VARIABLE}=all, and this was not run. {reason}"
