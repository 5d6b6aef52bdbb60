"""What an engine says of itself before it is ever opened."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from pydantic import ValidationError

from lidbook.capabilities import Capability
from lidbook.engine import API_VERSION, LIVE_CALLS
from lidbook.registry import EngineRegistry
from lidbook.testing.compliance.base import OnStage

_LIGHT: Final = """
import importlib, sys
import lidbook.hosts, lidbook.registry, lidbook.world.service, lidbook.world.sources
before = set(sys.modules)
importlib.import_module(sys.argv[1])
own = sys.argv[1].partition(".")[0]
tops = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(tops - set(sys.stdlib_module_names) - {own, "lidbook"}))
"""


class Declared(OnStage):
    """Name, weight, settings, needs."""

    def test_it_is_installed_under_its_name(self) -> None:
        """The entry-point group `lidbook.engines` leads from the engine's name to this class.

        If this fails: install the package that names the engine (`pip install -e .`), and give the entry point the name
        that the class has. `lidbook engines` shows why an engine that is installed cannot be used.
        """
        registry = EngineRegistry.load()
        found = registry.resolve(self.engine.name)
        reason = registry.broken.get(self.engine.name, "no distribution names it in its entry points")
        assert found is not None, f"engine {self.engine.name!r} cannot be used: {reason}"
        assert issubclass(self.engine, found), f"{self.engine.name!r} leads to {found.__module__}.{found.__name__}"
        assert self.engine.api_version == API_VERSION

    def test_importing_it_loads_no_library(self) -> None:
        """A server lists every engine that is installed; it must not pay for those that no session uses.

        Of an engine that the tests made a subclass of, the installed class is looked at.

        If this fails: import the named libraries in the functions that use them, and not at the top of a module.
        """
        installed = EngineRegistry.load().resolve(self.engine.name)
        served = self.engine if installed is None or not issubclass(self.engine, installed) else installed
        module = served.__module__
        command = [sys.executable, "-c", _LIGHT, module]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
        assert run.returncode == 0, f"{module} cannot be imported by itself:\n{run.stderr}"
        assert run.stdout.split() == [], f"importing {module} loads {run.stdout.strip()}"

    def test_its_runtime_is_looked_at_and_ready(self, tmp_path: Path) -> None:
        """`runtime().check()` says whether this machine has what the engine needs, and if not, what mends it.

        If this fails: install what is missing with the command that is named; an engine that names none must.
        """
        status = self.engine(tmp_path).runtime().check()
        assert status.ready or (status.reason and status.remedy), "what is missing, and the command that mends it?"
        assert status.ready, f"{status.reason}: {status.remedy}"

    def test_its_settings_refuse_what_they_do_not_know(self) -> None:
        """A misspelt setting is a 400 that names it, and not silently without effect.

        If this fails: let the settings model inherit `EngineSettings` and leave its `extra` at `forbid`.
        """
        with pytest.raises(ValidationError, match="no_such_setting"):
            self.engine.settings.model_validate({"no_such_setting": 1})

    def test_it_overrides_what_it_provides_and_nothing_else(self) -> None:
        """Every capability has a level, and one that is not provided has a note.

        If this fails: the class was changed after it was made; make a subclass instead.
        """
        for capability in Capability:
            claim = self.engine.claim(capability)
            assert claim.provided or claim.note, f"{capability.value} needs a note that says why not"
        assert set(LIVE_CALLS) <= set(self.engine.matrix())
