"""What an engine needs on the machine beyond Python packages: whether it is there, and how to get it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """Whether what an engine needs is on this machine; if not, why, and the command that mends it."""

    ready: bool
    reason: str | None = None
    remedy: str | None = None

    @property
    def complaint(self) -> str:
        """Reason and remedy in one line; empty when ready."""
        if self.ready:
            return ""
        reason = self.reason or "it does not say what it lacks"
        return reason if self.remedy is None else f"{reason}; mend it with:  {self.remedy}"


class Runtime:
    """What an engine needs on the machine beyond Python packages. The base needs nothing."""

    def check(self) -> RuntimeStatus:
        """Look, without changing anything and without a network, in well under a second."""
        return RuntimeStatus(ready=True)

    async def install(self, progress: Callable[[str], None]) -> None:
        """Install what is missing; `progress` takes one line at a time. Raises `EngineUnavailable`."""
        progress("nothing to install")


class NeedsRuntime(Protocol):
    """An engine, as far as this is about one."""

    def runtime(self) -> Runtime:
        """What it needs."""


def look(engine: Callable[[Path], NeedsRuntime], folder: Path) -> RuntimeStatus:
    """What an engine says that has this folder of its own; whatever a stranger's raises is a reason, too."""
    try:
        return engine(folder).runtime().check()
    except Exception as error:  # noqa: BLE001 - it is the finding
        return RuntimeStatus(ready=False, reason=f"its check failed: {type(error).__name__}: {error}")
