"""What an engine needs on the machine beyond Python packages: whether it is there, and how to get it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """Whether what an engine needs is on this machine; if not, why, and the command that mends it."""

    ready: bool
    reason: str | None = None
    remedy: str | None = None


class Runtime:
    """What an engine needs on the machine beyond Python packages. The base needs nothing."""

    def check(self) -> RuntimeStatus:
        """Look, without changing anything and without a network, in well under a second."""
        return RuntimeStatus(ready=True)

    async def install(self, progress: Callable[[str], None]) -> None:
        """Install what is missing; `progress` takes one line at a time. Raises `EngineUnavailable`."""
        progress("nothing to install")
