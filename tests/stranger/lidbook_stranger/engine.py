"""The engine named `gateway`."""

from typing import ClassVar

from lidbook.capabilities import Capability, absent, planned
from lidbook.capabilities import Feed as Fed
from lidbook.engine import API_VERSION, Engine
from lidbook_stranger.session import GatewaySession
from lidbook_stranger.settings import GatewaySettings


class GatewayEngine(Engine):
    """One gateway can serve many accounts; each session is one of them."""

    name = "gateway"
    title = "WhatsApp behind an HTTP gateway"
    api_version = API_VERSION
    feeds = frozenset(Fed)
    claims: ClassVar = {
        Capability.SESSION_SCREENSHOT: absent("the gateway has no browser"),
        Capability.SESSION_PASSKEY: planned("the gateway does not pass passkey challenges on yet"),
    }
    settings = GatewaySettings
    session = GatewaySession
