"""The kit's own rules: what is run for which engine, what may not be changed, what is said of a failure."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Final

import pytest

from lidbook.capabilities import Capability
from lidbook.engine import LIVE_CALLS
from lidbook.testing import EngineCompliance
from lidbook.testing.compliance.refusals import CALLS
from lidbook.testing.needs import ASKING, asking, lacks, refused
from lidbook_sandbox.engine import SandboxEngine

HEAD: Final = """
import pytest
from lidbook.testing import EngineCompliance, Opening, Simulation
from lidbook_brandnew.engine import BrandnewEngine

@pytest.fixture
def opening(simulation: Simulation) -> Opening:
    return Opening(
        BrandnewEngine,
        settings=lambda account: {"account": account.digits, "patience": 0.3},
        arguments={"devices": simulation.device},
    )
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A new engine's package, as it is written for its author."""
    from lidbook.engine_template import new_engine

    for path, text in new_engine("brandnew").items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    (tmp_path / "tests" / "test_compliance.py").unlink()
    return tmp_path


def pytest_on(project: Path, source: str, *arguments: str, head: str = HEAD) -> tuple[int, str]:
    """How pytest ends on this file, and what it says."""
    (project / "test_it.py").write_text(head + textwrap.dedent(source))
    command = [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider", *arguments]
    run = subprocess.run(
        [*command, "test_it.py"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project), "LIDBOOK_REQUIRE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr


def test_a_test_of_the_kit_cannot_be_replaced_or_taken_away() -> None:
    for value in (lambda _self: None, None):
        with pytest.raises(TypeError, match="takes the place of a compliance test"):
            type("TestMine", (EngineCompliance,), {"engine": SandboxEngine, "test_every_fact_was_taken": value})


@pytest.mark.parametrize("mark", [pytest.mark.xfail, pytest.mark.xfail(reason=" "), pytest.mark.skip(reason="slow")])
def test_a_mark_without_a_reason_is_no_excuse(mark: Any) -> None:
    def test(_self: object) -> None: ...

    with pytest.raises(TypeError, match="xfail"):
        type("TestMine", (EngineCompliance,), {"engine": SandboxEngine, "test_every_fact_was_taken": mark(test)})


def test_a_class_without_an_engine_is_refused() -> None:
    with pytest.raises(TypeError, match="set `engine = MyEngine`"):
        type("TestNothing", (EngineCompliance,), {})


def test_an_expected_failure_that_passes_is_an_error(project: Path) -> None:
    code, said = pytest_on(
        project,
        """
        class TestMine(EngineCompliance):
            engine = BrandnewEngine

            @pytest.mark.xfail(reason="the library tells no time")
            async def test_every_fact_was_taken(self, linked) -> None:
                await super().test_every_fact_was_taken(linked)
        """,
        "-k",
        "test_every_fact_was_taken",
    )
    assert code == 1
    assert "[XPASS(strict)] the library tells no time" in said


def test_an_engine_is_asked_for_what_it_claims_and_refuses_the_rest(project: Path) -> None:
    code, said = pytest_on(project, "class TestMine(EngineCompliance):\n    engine = BrandnewEngine\n", "-v", "--co")
    assert code == 0
    assert "test_silence_is_a_timeout[contacts.check]" in said
    assert "test_silence_is_a_timeout[contacts.about]" not in said
    assert "test_what_is_not_provided_is_refused[contacts.about]" in said
    assert "test_what_is_not_provided_is_refused[blocklist]" in said
    assert "test_the_blocklist_is_whole" not in said
    assert "deselected" in said
    assert "skipped" not in said


def test_an_engine_without_live_calls_has_no_tests_of_them(project: Path) -> None:
    code, said = pytest_on(
        project,
        """
        from lidbook.capabilities import Capability, planned
        from lidbook.engine import EngineSession

        class Mute(BrandnewEngine.session):
            check = EngineSession.check

        class MuteEngine(BrandnewEngine):
            session = Mute
            claims = {**BrandnewEngine.claims, Capability.CONTACTS_CHECK: planned("not yet")}

        class TestMute(EngineCompliance):
            engine = MuteEngine
        """,
        "-v",
        "--co",
    )
    assert code == 0, said
    assert "test_silence_is_a_timeout" not in said
    assert "NOTSET" not in said
    assert "test_what_is_not_provided_is_refused[contacts.check]" in said


def test_without_an_opening_the_author_is_told_to_write_one(project: Path) -> None:
    code, said = pytest_on(
        project,
        "class TestMine(EngineCompliance):\n    engine = BrandnewEngine\n",
        "-k",
        "test_every_fact_was_taken",
        head=HEAD.partition("@pytest")[0],
    )
    assert code == 1
    assert "write a fixture `opening` that returns lidbook.testing.Opening" in said


def test_a_failure_shows_both_sides_and_what_to_mend(project: Path) -> None:
    code, said = pytest_on(
        project,
        """
        class Shy(BrandnewEngine.session):
            async def check(self, phones):
                return [a for a in await super().check(phones) if a.registered]

        class ShyEngine(BrandnewEngine):
            session = Shy

            def open(self, context):
                return Shy(context, self._devices(context.settings.account), 0.3)

        @pytest.fixture
        def opening(simulation):
            return Opening(
                ShyEngine,
                settings=lambda account: {"account": account.digits},
                arguments={"devices": simulation.device},
            )

        class TestMine(EngineCompliance):
            engine = ShyEngine
        """,
        "-k",
        "test_a_check_answers_about_each_number_in_order",
    )
    assert code == 1
    assert "Right contains one more item" in said, "assertions are not rewritten"
    assert "what to mend" in said
    assert "sort by what was asked" in said
    assert "compliance of engine 'brandnew': 1 failed" in said


def test_other_runs_are_left_alone(tmp_path: Path) -> None:
    code, said = pytest_on(
        tmp_path,
        """
        import sys

        def test_it():
            assert [m for m in sys.modules if m.startswith("lidbook.") and "testing" not in m] == []
            assert "lidbook.testing.stage" not in sys.modules
        """,
        head="",
    )
    assert code == 0, said


def test_every_live_call_has_an_ordinary_call() -> None:
    assert set(CALLS) == set(LIVE_CALLS)
    assert set(ASKING) <= set(LIVE_CALLS)


def test_what_an_engine_lacks_is_said_by_name() -> None:
    assert lacks(SandboxEngine, (Capability.SESSION_SCREENSHOT, Capability.CONTACTS_CHECK)) == ["session.screenshot"]
    assert Capability.SESSION_SCREENSHOT in refused(SandboxEngine)
    assert asking(SandboxEngine) == list(ASKING)


def test_every_test_says_what_to_mend() -> None:
    silent = [
        name
        for name in dir(EngineCompliance)
        if name.startswith("test_") and "If this fails:" not in (getattr(EngineCompliance, name).__doc__ or "")
    ]
    assert silent == []
