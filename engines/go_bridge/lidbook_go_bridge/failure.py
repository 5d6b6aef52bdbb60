"""Why the host could not be built, and what mends it."""

import errno
from pathlib import Path
from typing import Final

from lidbook.errors import EngineUnavailable

FULL: Final = "no space left on device"
"""What Go and pip say of a disk that is full, in lower case."""


class CannotBuild(Exception):
    """Raised inside this package; `EngineUnavailable` is made of it for everybody else."""

    def __init__(self, why: str, mend: str, lines: str = "", *, is_ours: bool = False) -> None:
        super().__init__(why)
        self.why = why
        """What is wrong, as the beginning of a sentence."""
        self.mend = mend
        """What to do about it, before trying again."""
        self.lines = lines
        """What was printed about it; nothing where the sentence says it all."""
        self.is_ours = is_ours
        """Whether the sources are at fault, and not this machine."""

    def told(self, command: str) -> EngineUnavailable:
        """The same for the operator, who runs `command` when it is mended."""
        sentence = f"{self.why}: {self.mend}, then run  {command}"
        return EngineUnavailable(f"{sentence}\n{self.lines}" if self.lines else sentence)


def of_the_disk(error: OSError, folder: Path) -> CannotBuild:
    """What an `OSError` means that was met in `folder`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CannotBuild(f"the disk that holds {folder} is full", "make room there")
    path = error.filename or folder
    return CannotBuild(f"{path} cannot be used ({error.strerror or error})", f"let this user write to {folder}")
