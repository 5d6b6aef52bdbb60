"""A pytest plugin that writes down how each test ended, with everything that was said: one JSON object a line."""

import json
import os
from pathlib import Path

import pytest


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One line for each phase of each test."""
    text = report.longreprtext + "".join(f"\n{title}\n{said}" for title, said in report.sections)
    with Path(os.environ["LIARS_REPORT"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"node": report.nodeid, "failed": report.failed, "text": text}) + "\n")
