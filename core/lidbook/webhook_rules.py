"""What a webhook's URL and headers may be: whatever could not be sent is refused when it is configured."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

MAX_WEBHOOKS: Final = 100
MAX_URL: Final = 2048
"""Characters."""
MAX_HEADERS: Final = 50
MAX_HEADER_BYTES: Final = 8 * 1024
"""Of all custom headers of one webhook together."""

RESERVED_HEADERS: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that belong to the connection and the body, in lower case; so do all that begin with `x-webhook-`."""
_OWN_PREFIX: Final = "x-webhook-"
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")


def url_fault(url: str) -> str | None:
    """What is wrong with a webhook's URL, to be read after its name; None when nothing is."""
    not_one = "must be a URL address"
    if any(c.isspace() or not c.isprintable() for c in url):
        return not_one
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            return not_one
        if ":" not in parts.hostname:
            parts.hostname.rstrip(".").encode("idna")
    except ValueError:
        return not_one
    if parts.username is not None or parts.password is not None:
        return "must not contain a user name or password: send them in customHeaders, as Authorization"
    if len(url) > MAX_URL:
        return f"must be shorter than or equal to {MAX_URL} characters"
    return None


def header_name_fault(name: str) -> str | None:
    """What is wrong with the name of a custom header."""
    if not _TOKEN.fullmatch(name):
        return "must be the name of an HTTP header: letters, digits and -"
    if name.lower() in RESERVED_HEADERS or name.lower().startswith(_OWN_PREFIX):
        return f"must be another header: {name} is set by Lidbook itself"
    return None


def header_value_fault(value: str) -> str | None:
    """What is wrong with the value of a custom header."""
    if _VALUE.fullmatch(value):
        return None
    return "must be text of one line, in ASCII or Latin-1, without control characters"


def headers_fault(headers: Sequence[tuple[str, str]]) -> str | None:
    """What is wrong with the custom headers of one webhook together."""
    if len(headers) > MAX_HEADERS:
        return f"must contain no more than {MAX_HEADERS} elements"
    if sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
        return f"must be no more than {MAX_HEADER_BYTES // 1024} KiB in all"
    return None
