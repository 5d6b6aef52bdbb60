"""What all sessions of a server share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from lidbook.directory.database import Database
from lidbook.engine import ClientConfig, Log, Network
from lidbook.hooks import Hooks
from lidbook.session_config import WebhookConfig
from lidbook.sessions.supervisor import Delays


class AtBoot(StrEnum):
    """Which sessions a server starts when it starts itself."""

    WANTED = "wanted"
    """Those that ran when it ended."""
    ALL = "all"
    """Those that were stopped, too."""
    NONE = "none"
    """None; those that ran are still wanted."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The server, as a session sees it."""

    database: Database
    hooks: Hooks
    data_dir: Path
    network: Network | None
    clock: Callable[[], int]
    monotonic: Callable[[], float]
    budget_factor: float
    deadline: float
    log: Log
    webhooks: tuple[WebhookConfig, ...] = ()
    """The server's own, which hear of every session."""
    client: ClientConfig = field(default_factory=ClientConfig)
    """How sessions appear, and get out, that do not say so themselves."""
    at_boot: AtBoot = AtBoot.WANTED
    boot_delay: float = 0.0
    """Seconds until sessions are started at boot."""
    delays: Delays = field(default_factory=Delays)
    """Between attempts to start a session whose engine fails."""
