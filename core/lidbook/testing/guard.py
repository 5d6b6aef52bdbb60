"""A compliance test is passed, or marked as not passed with a reason: it is neither replaced nor taken away."""

from typing import Any


def check_tests(cls: type, kit: type) -> None:
    """Raise `TypeError` when a class replaces or removes a test of the kit without `xfail(reason=…)`, or would be
    collected without an engine to test."""
    if cls.__name__.startswith("Test") and not hasattr(cls, "engine"):
        raise TypeError(f"{cls.__name__} tests no engine: set `engine = MyEngine` in it")
    for name, value in vars(cls).items():
        if not name.startswith("test") or not hasattr(kit, name):
            continue
        marks = [mark for mark in getattr(value, "pytestmark", ()) if mark.name == "xfail"]
        if not any(_says_why(mark) for mark in marks):
            raise TypeError(
                f"{cls.__name__}.{name} takes the place of a compliance test: leave it alone, or, if this engine "
                "cannot pass it, mark the override with @pytest.mark.xfail(reason='…') and have it call the kit's"
            )


def _says_why(mark: Any) -> bool:
    return bool(str(mark.kwargs.get("reason", "")).strip()) and not mark.args
