"""The whole kit."""

from typing import Any

from lidbook.testing.compliance.calls import Calls
from lidbook.testing.compliance.changes import Changes
from lidbook.testing.compliance.declared import Declared
from lidbook.testing.compliance.directory import Directory
from lidbook.testing.compliance.discipline import Discipline
from lidbook.testing.compliance.faults import Faults
from lidbook.testing.compliance.lifecycle import Lifecycle
from lidbook.testing.compliance.refusals import Refusals
from lidbook.testing.guard import check_tests


class EngineCompliance(Declared, Lifecycle, Directory, Calls, Changes, Faults, Discipline, Refusals):
    """What an engine has to pass: `class TestMine(EngineCompliance): engine = MyEngine`, and a fixture `opening`.

    Tests of what the engine does not provide are left out, and its refusals tested instead. A test that an engine
    cannot pass is marked, never replaced: override it, call it, and put `xfail(reason=…)` on it.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_tests(cls, EngineCompliance)
