"""Building the host: modules are downloaded, the sources compiled, and the binary takes its place in one step."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from lidbook_go_bridge.command import Ended, run, variables
from lidbook_go_bridge.failure import FULL, CannotBuild
from lidbook_go_bridge.sources import FLAGS, Sources
from lidbook_go_bridge.toolchain import Go

TEMPORARY: Final = "build-"
"""What the names of folders begin with that are in use during one build."""
_EVERY: Final = 50
"""One line of progress for so many compiled packages."""
_OF_OTHER_BUILDS: Final = ("GOOS", "GOARCH", "GOARM", "GOAMD64", "GOEXPERIMENT", "GOROOT", "GOBIN", "GO111MODULE")
"""Variables that could make a binary for another machine, or with another Go."""


async def build(go: Go, sources: Sources, work: Path, target: Path, heard: Callable[[str], None]) -> None:
    """Build `target` in `work`, where the caches stay. Raises `CannotBuild` and `OSError`."""
    with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=work) as folder:
        tree, binary = Path(folder, "source"), Path(folder, target.name)
        await asyncio.to_thread(sources.write_to, tree)
        environment = surroundings(variables(), go, work) | {"GOTMPDIR": folder}
        heard("downloading the modules it is built of")
        ended = await run([str(go.program), "mod", "download"], folder=tree, environment=environment, heard=heard)
        if ended.code != 0:
            raise _not_downloaded(ended)
        heard("compiling; the first time takes some minutes")
        ended = await run(
            [str(go.program), "build", "-v", *FLAGS, "-o", str(binary), "."],
            folder=tree,
            environment=environment | {"GOPROXY": "off"},
            heard=_counting(heard),
        )
        if ended.code != 0:
            raise _not_compiled(ended)
        await asyncio.to_thread(_publish, binary, target)


def surroundings(given: Mapping[str, str], go: Go, work: Path) -> dict[str, str]:
    """What Go is run with: nothing that this machine's user set for other builds, but the user's proxy and caches."""
    kept = {name: value for name, value in given.items() if name not in _OF_OTHER_BUILDS}
    flags = "-mod=readonly"
    if not kept.get("GOMODCACHE"):
        kept["GOMODCACHE"] = str(work / "modules")
        flags += " -modcacherw"  # or nobody could delete the data dir
    if not kept.get("GOCACHE"):
        kept["GOCACHE"] = str(work / "cache")
    own = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": flags}
    return kept | own | dict(go.environment())


def _counting(heard: Callable[[str], None]) -> Callable[[str], None]:
    """`go build -v` names each package as it is compiled: some hundred lines, of which few are shown."""
    compiled = 0

    def hear(line: str) -> None:
        nonlocal compiled
        if line.startswith(("#", "go:")) or " " in line:
            heard(line)
            return
        compiled += 1
        if compiled % _EVERY == 0:
            heard(f"compiled {compiled} packages")

    return hear


def _not_downloaded(ended: Ended) -> CannotBuild:
    said = "\n".join(ended.lines).casefold()
    if FULL in said:
        return _too_full()
    if "checksum mismatch" in said or "security error" in said:
        why = "what was downloaded is not what it is built of, by its checksums"
        return CannotBuild(why, "set GOPROXY to a module proxy that can be trusted", ended.last())
    return CannotBuild(
        "the modules that it is built of could not be downloaded",
        "see to the network, or set GOPROXY to a module proxy that can be reached from here",
        ended.last(),
    )


def _not_compiled(ended: Ended) -> CannotBuild:
    said = "\n".join(ended.lines).casefold()
    if FULL in said:
        return _too_full()
    if "signal: killed" in said or "cannot allocate memory" in said:
        return CannotBuild("there is too little memory to compile it", "free 1 GB of memory", ended.last())
    return CannotBuild(
        "it could not be compiled", "report these lines, or install another Go", ended.last(20), is_ours=True
    )


def _too_full() -> CannotBuild:
    return CannotBuild("the disk is full", "make room for 1 GB in the data dir")


def _publish(binary: Path, target: Path) -> None:
    """Give the binary its name, whole, whatever happens to the machine meanwhile."""
    if not binary.is_file():
        raise CannotBuild("Go said that all is well, and built nothing", "install another one from https://go.dev/dl")
    binary.chmod(0o755)
    _sync(binary)
    target.parent.mkdir(parents=True, exist_ok=True)
    binary.replace(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
