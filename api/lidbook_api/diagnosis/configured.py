"""How the server would be configured if it were started here and now."""

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping

from lidbook.errors import LidbookError
from lidbook.network_descriptor import described, find_network, start_command
from lidbook.registry import EngineRegistry
from lidbook_api.access.key_text import PREFIX
from lidbook_api.access.local import has_admin_key
from lidbook_api.diagnosis.finding import Finding, Level
from lidbook_api.gate import is_loopback
from lidbook_api.settings import ServerSettings, variable_of, variables
from lidbook_api.variables import refusals, remarks

SHORTEST_KEY = 16
"""Characters below which a key might be guessed; much shorter ones are refused."""


def environment(settings: ServerSettings | None, fault: str | None, given: Mapping[str, str]) -> Iterator[Finding]:
    """The variables: what is refused, what is wrong, what means nothing."""
    bad = [*refusals(given), *(fault.splitlines() if fault is not None else ())]
    for line in bad:
        yield Finding("settings", Level.BROKEN, line, "mend or unset it; see docs/environment.md")
    for line in remarks(given, variables()):
        yield Finding("settings", Level.WARNING, line, f"unset {line.partition(' ')[0]}")
    if settings is not None and not bad:
        yield Finding("settings", Level.OK, f"the server would listen on {settings.host} port {settings.port}")


def default_engine(settings: ServerSettings, registry: EngineRegistry, given: Mapping[str, str]) -> Iterator[Finding]:
    """The engine of sessions that name none, where it cannot be had: the server would not start."""
    if settings.default_engine is None:
        return
    try:
        registry.get(settings.default_engine)
    except LidbookError as error:
        says = f"{variable_of('default_engine', given)}: {error.message}"
        yield Finding("settings", Level.BROKEN, says, "name one that is installed, or unset it")


def network(settings: ServerSettings) -> Iterator[Finding]:
    """The sandbox network in WhatsApp's place, where one is asked for."""
    try:
        found = asyncio.run(find_network(settings.network, settings.data_dir))
    except LidbookError as error:
        remedy = f"{start_command(settings.data_dir)}, or unset LIDBOOK_NETWORK to speak to WhatsApp"
        yield Finding("network", Level.BROKEN, error.message, remedy)
        return
    if found is not None:
        yield Finding("network", Level.WARNING, described(found), "unset LIDBOOK_NETWORK to speak to WhatsApp")


def keys(settings: ServerSettings) -> Finding:
    """Whether who should not get in does not, and who should does."""
    key = settings.api_key.get_secret_value().strip() if settings.api_key is not None else ""
    if key:
        if not key.startswith(PREFIX) and len(key) < SHORTEST_KEY:
            says = f"the key in the environment has {len(key)} characters, and can be guessed"
            return Finding("keys", Level.WARNING, says, "LIDBOOK_API_KEY=$(openssl rand -hex 16)")
        return Finding("keys", Level.OK, "there is one in the environment")
    try:
        stored = has_admin_key(settings.data_dir)
    except sqlite3.Error as error:
        return Finding("keys", Level.BROKEN, f"those in the data dir cannot be read: {error}")
    if stored:
        return Finding("keys", Level.OK, "there is an admin key in the data dir")
    if is_loopback(settings.host):
        return Finding("keys", Level.NOTE, "there is none: the server answers requests from this machine only")
    says = f"there is none, and {settings.host} can be reached by others: the server does not start so"
    return Finding("keys", Level.BROKEN, says, "lidbook keys create --admin --local")
