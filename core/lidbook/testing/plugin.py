"""The pytest plugin that comes with Lidbook (entry point `pytest11`); it does nothing in runs without compliance tests.

Loaded by every pytest run of an environment in which Lidbook is installed, so it imports nothing heavy by itself.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from lidbook.testing import run

if TYPE_CHECKING:
    from lidbook.testing.opening import Opening
    from lidbook.testing.simulation import Simulation

pytest.register_assert_rewrite("lidbook.testing.compliance")


def pytest_configure(config: pytest.Config) -> None:
    """The kit's markers are known, also under `--strict-markers`."""
    for text in run.MARKERS:
        config.addinivalue_line("markers", text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a capability, of those that this engine refuses, or provides."""
    run.parametrize(metafunc)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what does not apply to the engine; an expected failure that passes is an error."""
    run.choose(config, items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure says what to mend."""
    report = yield
    run.advise(item, report)
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line for each engine: what of its claims was proved."""
    run.summarize(terminalreporter)


@pytest.fixture
def simulation(request: pytest.FixtureRequest) -> "Simulation":
    """A simulated WhatsApp of its own for each test; override it to test on another world."""
    return run.simulation_for(request.node)


@pytest.fixture
def opening() -> "Opening":
    """How the engine is opened on `simulation`: this fixture is its author's to write."""
    pytest.fail(
        "write a fixture `opening` that returns lidbook.testing.Opening(MyEngine, …): how your engine is put on "
        "`simulation`"
    )
