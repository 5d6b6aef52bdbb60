"""The headers of one event for one URL: WAHA's, the signature, and what the operator adds."""

import hashlib
import hmac
from typing import Final

from lidbook import __version__
from lidbook.session_config import WebhookConfig
from lidbook.ulid import ulid

ALGORITHM: Final = "sha512"
USER_AGENT: Final = f"Lidbook/{__version__}"


def signature(body: bytes, key: str) -> str:
    """HMAC-SHA512 of the body as it is sent, in lower-case hex."""
    return hmac.digest(key.encode(), body, ALGORITHM).hex()


def request_id(event_id: str, timestamp: int, url: str) -> str:
    """A ULID that follows from event and URL alone: the same with every attempt, and after a restart."""
    return ulid(timestamp, hashlib.sha256(f"{event_id}\n{url}".encode()).digest())


def headers(webhook: WebhookConfig, event_id: str, timestamp: int, body: bytes) -> list[tuple[bytes, bytes]]:
    """Everything but Host and Content-Length. Custom headers replace ours of the same name, the last one wins."""
    key = webhook.hmac.key if webhook.hmac is not None else None
    named: dict[str, tuple[str, str]] = {}
    for name, value in (
        ("Content-Type", "application/json"),
        ("User-Agent", USER_AGENT),
        *((header.name, header.value.strip(" \t")) for header in webhook.custom_headers or ()),
        ("X-Webhook-Request-Id", request_id(event_id, timestamp, webhook.url)),
        ("X-Webhook-Timestamp", str(timestamp)),
        *((("X-Webhook-Hmac", signature(body, key)), ("X-Webhook-Hmac-Algorithm", ALGORITHM)) if key else ()),
    ):
        named[name.lower()] = (name, value)
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in named.values()]
