"""The compliance kit: what an engine has to pass, and what its author needs for that. Needs pytest.

Import from here: `EngineCompliance`, `Opening`, `Simulation`; for tests of your own, `Stage` and `Cast`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lidbook.testing.cast import Cast
    from lidbook.testing.compliance.all import EngineCompliance
    from lidbook.testing.opening import Opening
    from lidbook.testing.simulation import Simulation
    from lidbook.testing.stage import Stage

__all__ = ["Cast", "EngineCompliance", "Opening", "Simulation", "Stage"]

_WHERE = {
    "Cast": "lidbook.testing.cast",
    "EngineCompliance": "lidbook.testing.compliance.all",
    "Opening": "lidbook.testing.opening",
    "Simulation": "lidbook.testing.simulation",
    "Stage": "lidbook.testing.stage",
}


def __getattr__(name: str) -> Any:
    """Loaded when first asked for: pytest imports this package in every run, most of which test no engine."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_WHERE[name]), name)
