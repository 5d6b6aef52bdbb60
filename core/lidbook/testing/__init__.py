"""The compliance kit: what an engine has to pass, and what its author needs for that. Needs pytest.

Import from here: `EngineCompliance`, `Opening`, `Simulation`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lidbook.testing.compliance.all import EngineCompliance
    from lidbook.testing.opening import Opening
    from lidbook.testing.simulation import Simulation

__all__ = ["EngineCompliance", "Opening", "Simulation"]

_WHERE = {
    "EngineCompliance": "lidbook.testing.compliance.all",
    "Opening": "lidbook.testing.opening",
    "Simulation": "lidbook.testing.simulation",
}


def __getattr__(name: str) -> Any:
    """Loaded when first asked for: pytest imports this package in every run, most of which test no engine."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_WHERE[name]), name)
