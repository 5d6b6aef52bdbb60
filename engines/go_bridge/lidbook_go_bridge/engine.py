"""The engine named `go-bridge`: whatsmeow in a Go host, small in memory, without a browser."""

from collections.abc import Mapping
from typing import ClassVar

from lidbook.capabilities import Capability, Claim, Feed, absent, partial
from lidbook.engine import API_VERSION, EngineSettings
from lidbook.hosts import HostedEngine, HostedSession, HostProgram
from lidbook.runtime import Runtime
from lidbook_go_bridge.runtime import GoBridgeRuntime
from lidbook_go_bridge.session import GoBridgeSession
from lidbook_go_bridge.settings import GoBridgeSettings


class GoBridgeEngine(HostedEngine):
    """Speaks WhatsApp's multi-device protocol through whatsmeow."""

    name = "go-bridge"
    title = "whatsmeow, in a host written in Go that is built on this machine"
    aliases = ("GOWS",)
    api_version = API_VERSION
    feeds: ClassVar[frozenset[Feed]] = frozenset(Feed)
    claims: ClassVar[Mapping[Capability, Claim]] = {
        Capability.SESSION_SCREENSHOT: absent("no browser behind it"),
        Capability.SESSION_PASSKEY: partial("never tried: the sandbox network asks for none"),
    }
    proved_on: ClassVar[Mapping[str, str]] = {"the sandbox network": "the test-suite"}
    settings: ClassVar[type[EngineSettings]] = GoBridgeSettings
    session: ClassVar[type[HostedSession]] = GoBridgeSession

    def runtime(self) -> Runtime:
        """The host, built of the sources in this package."""
        return GoBridgeRuntime(self.data_dir)

    def program(self) -> HostProgram:
        """The host that was built. Raises `EngineUnavailable` where it was not."""
        return HostProgram((str(GoBridgeRuntime(self.data_dir).binary()),), {})
