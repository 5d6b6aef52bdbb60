"""What go-bridge says of itself, and what can be set for it."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from lidbook.capabilities import Capability, Feed, Level
from lidbook.errors import EngineUnavailable
from lidbook.registry import EngineRegistry
from lidbook_go_bridge.engine import GoBridgeEngine
from lidbook_go_bridge.settings import GoBridgeSettings


def test_everything_is_full_but_the_screenshot_and_what_was_never_tried() -> None:
    less = {
        capability: claim.level
        for capability, claim in GoBridgeEngine.matrix().items()
        if claim.level is not Level.FULL
    }
    assert less == {Capability.SESSION_SCREENSHOT: Level.ABSENT, Capability.SESSION_PASSKEY: Level.PARTIAL}
    assert GoBridgeEngine.feeds == set(Feed)


@pytest.mark.parametrize("name", ["go-bridge", "GOWS", "gows"])
def test_it_is_found_by_its_name_and_by_wahas(name: str) -> None:
    assert EngineRegistry.load().get(name) is GoBridgeEngine


def test_importing_the_engine_loads_no_library_but_the_contracts() -> None:
    script = (
        "import sys, lidbook.hosts; before = set(sys.modules)\n"
        "import lidbook_go_bridge.engine\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert set(output.split()) - set(sys.stdlib_module_names) <= {"lidbook", "lidbook_go_bridge"}


def test_without_its_host_it_has_no_program(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="its host is not built on this machine"):
        GoBridgeEngine(tmp_path).program()


def test_settings_that_nobody_gives() -> None:
    settings = GoBridgeSettings()
    assert (settings.query_timeout, settings.qr_rounds, settings.wa_version) == (20, 5, None)


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"query_timeout": 0}, "greater than 0"),
        ({"qr_rounds": 0}, "greater than or equal to 1"),
        ({"wa_version": "newest"}, "pattern"),
        ({"wa_version": "2.3000"}, "pattern"),
        ({"history": "full"}, "Extra inputs"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        GoBridgeSettings.model_validate(settings)


def test_a_session_key_does_not_decide_for_the_other_sessions_of_the_host() -> None:
    assert GoBridgeSettings.costly == {"wa_version"}
