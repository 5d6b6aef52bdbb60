"""What can be set for a session of the engine."""

from typing import ClassVar

from pydantic import Field

from lidbook.hosts import HostedSettings


class GoBridgeSettings(HostedSettings):
    """How patient the engine is, and as what it connects."""

    costly: ClassVar[frozenset[str]] = frozenset({"wa_version"})  # it is the whole host's: others' sessions have it too

    qr_rounds: int = Field(default=5, ge=1, le=100)
    """How often six QR codes are shown, in some three minutes, before the session gives up."""
    wa_version: str | None = Field(default=None, pattern=r"^\d{1,5}\.\d{1,5}\.\d{1,12}$")
    """WhatsApp Web's version to connect as, like 2.3000.1028000000; all sessions of the host connect as it then. When
    none is given it is the one that is built in, and once that is refused, the newest that WhatsApp Web says it has."""
