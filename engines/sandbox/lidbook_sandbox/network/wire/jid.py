"""WhatsApp's addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from lidbook_sandbox.network.wire.errors import Malformed

USER_SERVER = "s.whatsapp.net"
LID_SERVER = "lid"
GROUP_SERVER = "g.us"
LEGACY_SERVER = "c.us"
BROADCAST_SERVER = "broadcast"
HOSTED_SERVER = "hosted"
HOSTED_LID_SERVER = "hosted.lid"
MESSENGER_SERVER = "msgr"
INTEROP_SERVER = "interop"

_DEVICE = re.compile("[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Jid:
    """A user, group or server; `device` 0 is the phone (or no device at all), companions count from 1."""

    user: str
    server: str
    device: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """The JID written as `user:device@server`, `user@server`, `@server` or `server`; raises `Malformed`."""
        user, _, server = text.rpartition("@")
        name, colon, device = user.partition(":")
        if not server or "@" in user or (colon and not _DEVICE.fullmatch(device)):
            raise Malformed(f"not a JID: {text!r}")
        return cls(name, server, int(device) if colon else 0)

    def __str__(self) -> str:
        """As whatsmeow writes it: a bare server without `@`."""
        if not self.user:
            return self.server
        return f"{self.user}:{self.device}@{self.server}" if self.device else f"{self.user}@{self.server}"

    @property
    def bare(self) -> Jid:
        """The same without the device."""
        return Jid(self.user, self.server)


SERVER = Jid("", USER_SERVER)
"""The service itself: whatsmeow compares `from` with this very JID."""
