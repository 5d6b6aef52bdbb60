"""Known answers: `vectors/*.json`, each saying in `made` how its values came about."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "vectors"


def vectors(name: str) -> dict[str, Any]:
    """The values of one file."""
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return loaded


def unhex(values: dict[str, str]) -> dict[str, bytes]:
    """The same with each hex string as bytes."""
    return {name: bytes.fromhex(value) for name, value in values.items()}
