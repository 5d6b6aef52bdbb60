"""A new engine's package, as `lidbook engine new` writes it: small, installable, and green from the start."""

import re
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final

from lidbook.errors import InvalidRequest

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def new_engine(name: str) -> dict[Path, str]:
    """The files of a package for an engine of this name, by their paths within it. Raises `InvalidRequest`."""
    if not _NAME.fullmatch(name) or len(name) > 40:
        raise InvalidRequest(
            f"{name!r} is no name for an engine: send lower-case letters, digits and single dashes, a letter first, "
            "and at most 40 of them, as my-engine"
        )
    words = name.split("-")
    package = "_".join(("lidbook", *words))
    values = {
        "engine": name,
        "package": package,
        "name": "".join(word.capitalize() for word in words),
        "title": " ".join(word.capitalize() for word in words),
    }
    return {
        Path("pyproject.toml"): _filled("pyproject", values),
        Path("README.md"): _filled("README", values),
        Path(package, "__init__.py"): "",
        Path(package, "engine.py"): _filled("engine", values),
        Path("tests", "test_compliance.py"): _filled("test_compliance", values),
    }


def _filled(file: str, values: dict[str, str]) -> str:
    text = resources.files(__name__).joinpath(f"{file}.txt").read_text("utf-8")
    return Template(text).substitute(values)
