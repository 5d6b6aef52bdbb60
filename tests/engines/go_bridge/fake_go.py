"""A `go` that is a shell script: it says its version, and downloads and builds as a test tells it."""

import os
from dataclasses import dataclass
from pathlib import Path

from lidbook_go_bridge.sources import Sources

SOURCES = Sources({"go.mod": b"module bridge\n\ngo 1.26\n", "main.go": b"package main\n\nfunc main() {}\n"})
"""A host that does nothing, for real Go as well."""

BUILDS = """\
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\nexit 0\\n' > "$2"
"""
"""What a build does that goes well."""

_SCRIPT = """\
#!/bin/sh
echo "$*" >> {log}
env > {environment}
case "$1" in
version) {version} ;;
mod) {download} ;;
build) {build} ;;
esac
"""


@dataclass(frozen=True, slots=True)
class FakeGo:
    """Where it is, and what it noted."""

    folder: Path

    @property
    def path(self) -> str:
        """A PATH on which it is the only Go."""
        return f"{self.folder}:/usr/bin:/bin"

    @property
    def calls(self) -> list[str]:
        """The first argument of each call."""
        log = self.folder / "log"
        return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def environment(self) -> dict[str, str]:
        """What the last call was given."""
        lines = (self.folder / "environment").read_text().splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}


def fake_go(
    folder: Path, *, version: str = "echo go version go1.26.3 linux/amd64", download: str = ":", build: str = BUILDS
) -> FakeGo:
    """Write it into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "go"
    script.write_text(
        _SCRIPT.format(
            log=folder / "log", environment=folder / "environment", version=version, download=download, build=build
        )
    )
    script.chmod(0o755)
    return FakeGo(folder)


def without_go() -> str:
    """This process's PATH, without the folders that have a Go."""
    folders = os.environ["PATH"].split(":")
    return ":".join(folder for folder in folders if not Path(folder, "go").exists())
