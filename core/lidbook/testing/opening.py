"""How the kit opens an engine: what its author says, once, in a fixture."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from lidbook.engine import Engine
from lidbook.identifiers import PhoneNumber


def no_settings(_account: PhoneNumber) -> Mapping[str, JsonValue]:
    """An engine that needs none."""
    return {}


@dataclass(frozen=True, slots=True)
class Opening:
    """An engine, ready to be put on a simulation.

    The fixture that returns it may be async: it runs on the event loop of its test, where a server for the engine's
    wire can run as well.
    """

    engine: type[Engine]
    settings: Callable[[PhoneNumber], Mapping[str, JsonValue]] = no_settings
    """`config.settings` of a session for the account with this phone number.

    Have the engine give up on a silent server within a second, if it can be told to: the tests wait for that often.
    """
    arguments: Mapping[str, object] = field(default_factory=dict)
    """What the engine's constructor takes besides the data dir: for instance the far end of its wire."""
    network: Path | None = None
    """Descriptor of a sandbox network that serves the simulation, for engines that speak WhatsApp's protocol."""
    scan: Callable[[PhoneNumber, str], Awaitable[None]] | None = None
    """The owner of this number scans this QR code; None for an engine that pairs by itself."""
    enter_code: Callable[[PhoneNumber, str], Awaitable[None]] | None = None
    """The owner of this number types this pairing code into the phone."""
    is_linked: Callable[[PhoneNumber], bool] | None = None
    """Whether the server still knows a device of this number's account; for engines that log out."""
    patience: float = 20.0
    """Seconds after which the kit gives up on something that the engine should have done."""
