"""One thing that was looked at."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    """As it should be."""
    NOTE = "note"
    """Worth knowing."""
    WARNING = "warning"
    """It works, and somebody should look."""
    BROKEN = "broken"
    """It does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, and what mends it."""

    check: str
    level: Level
    says: str
    remedy: str | None = None
    """A command, or what to do in a few words."""
