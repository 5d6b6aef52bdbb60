"""The host's sources, as they travel inside the package, and the mark that tells one state of them from another."""

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

FOLDER: Final = "bridge"
"""Where the sources are in this package."""
FLAGS: Final = ("-trimpath", "-buildvcs=false", "-ldflags", "-s -w")
"""What they are built with."""
_BUILT_OF: Final = (".go", ".mod", ".sum", ".sql")


@dataclass(frozen=True, slots=True)
class Sources:
    """The files that a build needs, by path relative to the sources' folder; tests are not among them."""

    files: Mapping[str, bytes]

    @classmethod
    def load(cls, folder: Traversable | None = None) -> Self:
        """Those of this package, wherever it is installed, or those in `folder`. Raises `OSError`."""
        top = files(__package__).joinpath(FOLDER) if folder is None else folder
        return cls(MappingProxyType(dict(sorted(_found(top, "")))))

    def mark(self) -> str:
        """Differs when a binary must be built anew: other sources, sums or flags, another kind of machine."""
        digest = hashlib.sha256()
        for part in (sys.platform, os.uname().machine, *FLAGS):
            digest.update(part.encode() + b"\0")
        for path, content in self.files.items():
            digest.update(f"{path}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()[:16]

    def write_to(self, folder: Path) -> None:
        """Write them below `folder`. Raises `OSError`."""
        for path, content in self.files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


def _found(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for each in folder.iterdir():
        if each.is_dir():
            if not each.name.startswith((".", "_")) and each.name != "testdata":
                yield from _found(each, f"{path}{each.name}/")
        elif each.name.endswith(_BUILT_OF) and not each.name.endswith("_test.go"):
            yield f"{path}{each.name}", each.read_bytes()
