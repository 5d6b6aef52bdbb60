"""Environment variables that are no settings: those without a meaning here, and those that must not be passed over."""

from collections.abc import Iterator, Mapping
from typing import Final

_ONE_PLACE: Final = "all sessions are kept in the one data dir"
_NO_MESSAGES: Final = "Lidbook reads no messages, so there is nothing to leave out"
_NOT_ONLINE: Final = "an account is shown online only where its session's config.markOnline says so"
_NO_DASHBOARD: Final = "there is no dashboard"

WITHOUT_EFFECT: Final[Mapping[str, str]] = {
    "WAHA_API_KEY_EXCLUDE_PATH": "WAHA itself reads WHATSAPP_API_KEY_EXCLUDE_PATH, and so does Lidbook",
    "WAHA_DASHBOARD_ENABLED": _NO_DASHBOARD,
    "WAHA_DASHBOARD_NO_PASSWORD": _NO_DASHBOARD,
    "WAHA_DASHBOARD_USERNAME": _NO_DASHBOARD,
    "WAHA_DEBUG_MODE": "there are no debug routes",
    "WAHA_NAMESPACE": _ONE_PLACE,
    "WAHA_PRESENCE_AUTO_ONLINE": _NOT_ONLINE,
    "WAHA_PRESENCE_AUTO_ONLINE_DURATION_SECONDS": _NOT_ONLINE,
    "WAHA_SESSION_CONFIG_IGNORE_BROADCAST": _NO_MESSAGES,
    "WAHA_SESSION_CONFIG_IGNORE_CHANNELS": _NO_MESSAGES,
    "WAHA_SESSION_CONFIG_IGNORE_GROUPS": _NO_MESSAGES,
    "WAHA_SESSION_CONFIG_IGNORE_STATUS": _NO_MESSAGES,
    "WAHA_SESSION_NAMESPACE": _ONE_PLACE,
}
"""WAHA's variables that mean nothing here, each with the reason."""

_OWN_DATABASE: Final = (
    "sessions are kept in the data dir, in SQLite, and nowhere else yet: leave it out, and choose the place with "
    "LIDBOOK_DATA_DIR"
)
_OWN_PROXIES: Final = (
    "Lidbook does not share proxies out among sessions, and must not connect without the one that was meant: give each "
    "session its own in config.proxy, or one to all with WHATSAPP_PROXY_SERVER"
)

REFUSED: Final[Mapping[str, str]] = {
    "LIDBOOK_DATABASE_URL": _OWN_DATABASE,
    "WHATSAPP_PROXY_SERVER_INDEX_PREFIX": _OWN_PROXIES,
    "WHATSAPP_PROXY_SERVER_LIST": _OWN_PROXIES,
    "WHATSAPP_SESSIONS_MONGO_URL": _OWN_DATABASE,
    "WHATSAPP_SESSIONS_POSTGRESQL_URL": _OWN_DATABASE,
}
"""Variables that a server must not start without having heeded, each with what to do instead."""

READ_ELSEWHERE: Final[Mapping[str, str]] = {
    "LIDBOOK_REQUIRE": "the tests",
    "LIDBOOK_URL": "the commands that speak to a running server",
    "WAHA_API_KEY_PLAIN": "the line to try that is printed at start",
}
"""Variables that are not the server's, and who reads them."""

OURS: Final = ("LIDBOOK_", "WAHA_", "WHATSAPP_")
"""What the names of variables begin with that are meant for this program or for WAHA."""


def refusals(environment: Mapping[str, str]) -> Iterator[str]:
    """A line for each variable that a server must not start with."""
    for name, why in REFUSED.items():
        if environment.get(name):
            yield f"{name} is set, but {why}"


def remarks(environment: Mapping[str, str], known: frozenset[str]) -> Iterator[str]:
    """A line for each variable that is set in vain; `known` are those that are settings."""
    for name in sorted(environment):
        if not environment[name] or name.upper() in known or name in REFUSED or name in READ_ELSEWHERE:
            continue
        if name in WITHOUT_EFFECT:
            yield f"{name} is set and means nothing here: {WITHOUT_EFFECT[name]}"
        elif name.startswith(OURS):
            yield f"{name} is set and means nothing here: Lidbook knows no such variable"
