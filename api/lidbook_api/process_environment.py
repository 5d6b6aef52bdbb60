"""The environment of the process, as an administrator may see it: without its secrets."""

import re
from collections.abc import Mapping
from typing import Final

from lidbook.redaction import HIDDEN, masked

OURS: Final = ("WAHA_", "WHATSAPP_", "LIDBOOK_")
"""What the names of variables begin with that are shown unless all are asked for; and there is `DEBUG`."""

_SECRET: Final = re.compile(r"KEY|SECRET|TOKEN|PASS|HMAC|CREDENTIAL|AUTH|COOKIE|HEADERS|_PWD$|DSN")
_URL_WITH_MORE: Final = re.compile(r"://[^/\s]*@|://\S*\?\S")
"""A URL with a name in it, or with a query, where webhooks have their tokens."""


def shown(environment: Mapping[str, str], *, everything: bool) -> dict[str, str]:
    """The variables by name, secrets blotted out as a whole."""
    names = [name for name in environment if everything or name == "DEBUG" or name.startswith(OURS)]
    return {name: HIDDEN if _is_secret(name, environment[name]) else environment[name] for name in sorted(names)}


def _is_secret(name: str, value: str) -> bool:
    if not value:
        return False
    return bool(_SECRET.search(name.upper()) or _URL_WITH_MORE.search(value)) or masked(value) != value
