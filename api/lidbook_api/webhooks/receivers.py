"""Receivers: a webhook's URL in the parts that sending needs, and as a log may show it."""

from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote, urlsplit

_PATH: Final = "/%:@!$&'()*+,;=-._~"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a webhook's events go."""

    scheme: str
    host: str
    """In ASCII; without brackets where it is an IPv6 address."""
    port: int
    target: str
    """Path and query, in ASCII."""
    authority: str
    """What the Host header says, and what tells one server from another."""
    shown: str
    """Without the query, which may hold a token."""

    @classmethod
    def of(cls, url: str) -> Self:
        """Of a URL that a config may have."""
        parts = urlsplit(url)
        name = parts.hostname or ""
        host = name if ":" in name else name.encode("idna").decode("ascii")
        standard = 443 if parts.scheme == "https" else 80
        port = parts.port or standard
        bracketed = f"[{host}]" if ":" in host else host
        authority = bracketed if port == standard else f"{bracketed}:{port}"
        path = quote(parts.path or "/", safe=_PATH)
        return cls(
            scheme=parts.scheme,
            host=host,
            port=port,
            target=path + ("?" + quote(parts.query, safe=_PATH + "?") if parts.query else ""),
            authority=authority,
            shown=f"{parts.scheme}://{authority}{path}",
        )
