"""What can be set for a session."""

from pydantic import Field

from lidbook.engine import EngineSettings


class GatewaySettings(EngineSettings):
    """Where the gateway is, and how patient the engine is with it."""

    url: str = Field(pattern=r"^https?://[^/?#]+/?$")
    """Address of the gateway, as http://127.0.0.1:8080."""
    timeout: float = Field(default=10, gt=0, le=120)
    """Seconds until a query without an answer is given up."""
