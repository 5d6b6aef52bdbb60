"""Which compliance tests run for an engine, and what is said of the outcome."""

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from lidbook.engine import Engine
    from lidbook.testing.simulation import Simulation

MARKERS: Final = (
    "lidbook_needs(*capabilities_and_feeds): a compliance test for engines that have these",
    "lidbook_world(people): a compliance test on a world of so many made-up people",
)
_ADVICE: Final = "If this fails:"
_TALLY: Final = pytest.StashKey[dict[str, Counter[str]]]()


def engine_of(cls: object) -> "type[Engine] | None":
    """The engine that a class of compliance tests is for; None for any other class."""
    if not isinstance(cls, type) or not any(base.__module__.startswith("lidbook.testing.") for base in cls.__mro__):
        return None
    return getattr(cls, "engine", None)


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Give `refused` and `faulty` the capabilities that they mean for this engine."""
    engine = engine_of(metafunc.cls)
    if engine is None:
        return
    from lidbook.testing.needs import PARAMETERS  # noqa: PLC0415 - not in runs without compliance tests

    for name in PARAMETERS.keys() & metafunc.fixturenames:
        capabilities = PARAMETERS[name](engine)
        metafunc.parametrize(name, capabilities, ids=[capability.value for capability in capabilities])


def choose(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of what the engine lacks, and make each expected failure strict."""
    left_out: list[pytest.Item] = []
    kept: list[pytest.Item] = []
    for item in items:
        engine = engine_of(getattr(item, "cls", None))
        if engine is None:
            kept.append(item)
            continue
        from lidbook.testing.needs import PARAMETERS, lacks  # noqa: PLC0415 - not in runs without compliance tests

        wanted = tuple(each for mark in item.iter_markers("lidbook_needs") for each in mark.args)
        empty = any(not PARAMETERS[name](engine) for name in PARAMETERS.keys() & set(getattr(item, "fixturenames", ())))
        (left_out if empty or lacks(engine, wanted) else kept).append(item)
        for mark in list(item.iter_markers("xfail")):
            item.add_marker(pytest.mark.xfail(*mark.args, **{**mark.kwargs, "strict": True}), append=False)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def advise(item: pytest.Item, report: pytest.TestReport) -> None:
    """Add to a failed compliance test what its docstring says about mending it, and count what passed."""
    engine = engine_of(getattr(item, "cls", None))
    if engine is None:
        return
    tally = item.config.stash.setdefault(_TALLY, {}).setdefault(engine.name, Counter())
    if report.when == "call" or report.failed:
        tally[report.outcome] += 1
    if report.failed:
        text = (item.obj.__doc__ or "").partition(_ADVICE)[2] if isinstance(item, pytest.Function) else ""
        advice = " ".join(text.split())
        if advice:
            report.sections.append(("what to mend", advice))


def summarize(reporter: Any) -> None:
    """A line an engine at the end of the run."""
    for name, tally in reporter.config.stash.get(_TALLY, {}).items():
        outcome = ", ".join(f"{count} {what}" for what, count in sorted(tally.items()))
        reporter.write_line(f"compliance of engine {name!r}: {outcome}")


def simulation_for(item: pytest.Item) -> "Simulation":
    """A simulation of the demo world, or of as many made-up people as the test asks for."""
    from lidbook.testing.simulation import Simulation  # noqa: PLC0415 - not in runs without compliance tests
    from lidbook.world.sources import WorldSource, open_source  # noqa: PLC0415

    mark = item.get_closest_marker("lidbook_world")
    return Simulation(open_source(WorldSource(people=mark.args[0] if mark else None)).world)
