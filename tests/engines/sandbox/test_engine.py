"""What the sandbox says of itself, and what can be set for it."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from lidbook.capabilities import Capability, Level
from lidbook_sandbox.engine import SandboxEngine
from lidbook_sandbox.settings import SandboxSettings


def test_everything_is_full_but_the_screenshot() -> None:
    levels = {capability: claim.level for capability, claim in SandboxEngine.matrix().items()}
    assert levels.pop(Capability.SESSION_SCREENSHOT) is Level.ABSENT
    assert set(levels.values()) == {Level.FULL}
    assert SandboxEngine.claim(Capability.SESSION_SCREENSHOT).note == "no browser behind it"


def test_importing_the_engine_loads_no_library_but_the_contracts() -> None:
    script = (
        "import sys, lidbook.engine; before = set(sys.modules)\n"
        "import lidbook_sandbox.engine\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert not {"typer", "rich", "vobject", "phonenumbers", "fastapi", "orjson"} & set(output.split())


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"world": "demo", "people": 5}, "not both"),
        ({"world": "nowhere.json"}, "there is no world file"),
        ({"world": "picture.png"}, ".vcf"),
        ({"account": "0171 234567"}, "country code"),
        ({"people": -1}, "greater than or equal to 0"),
        ({"region": "Brazil"}, "pattern"),
        ({"wrold": "demo"}, "Extra inputs"),
    ],
)
def test_settings_that_do_not_fit_say_what_to_write(settings: dict[str, object], hint: str) -> None:
    with pytest.raises(ValidationError, match=hint):
        SandboxSettings.model_validate(settings)


def test_the_default_is_the_demo_world() -> None:
    assert SandboxSettings().source.key == "demo"
    assert SandboxSettings().phone is None


def test_a_home_directory_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my.vcf").write_text("")
    assert SandboxSettings(world="~/my.vcf").source.path == tmp_path / "my.vcf"
