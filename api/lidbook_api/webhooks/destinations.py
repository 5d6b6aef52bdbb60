"""Where webhooks may go: names are resolved, every address is checked, and those that were checked are returned."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import ip_network
from typing import Final, Self
from urllib.parse import urlsplit

from lidbook.errors import InvalidConfig
from lidbook.session_config import SessionConfig, WebhookConfig
from lidbook_api.webhooks.addresses import FORBIDDEN_NAMES, Network, Reach, parse, reach

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port -> IP addresses. Raises `OSError` when there are none."""

ALLOW_VARIABLE: Final = "LIDBOOK_WEBHOOK_ALLOW"
CHECK_SECONDS: Final = 5.0
"""How long a name may take to resolve when a webhook is set; one that takes longer is checked when it is used."""
CHECKS: Final = 50
"""Names that may be looked up at once because a webhook is set, besides those that are because one is used."""
_FORBIDDEN: Final = (
    "leads to a link-local address or a cloud's metadata service, where no webhook may go: give another URL"
)
_PRIVATE: Final = (
    "leads to a private address: have it set with an admin key, or have its host or address listed in " + ALLOW_VARIABLE
)


class NotAllowedThere(Exception):
    """A webhook must not be sent there; the message says why, to be read after the webhook's name."""


class Destinations:
    """The server's rules for webhooks, and the resolver they are applied to."""

    def __init__(self, names: Iterable[str] = (), networks: Iterable[Network] = (), resolve: Resolve | None = None):
        """`names` and `networks` may be private, whoever sets a webhook that leads there."""
        self._names = frozenset(names)
        self._networks = tuple(networks)
        self._resolve = resolve or Resolver()
        self._resolve_to_check = resolve or Resolver(CHECKS)

    @classmethod
    def of(cls, allowed: Iterable[str], resolve: Resolve | None = None) -> Self:
        """With an allow-list of host names, IP addresses and networks. Raises `ValueError` for what is none of them."""
        names: list[str] = []
        networks: list[Network] = []
        for entry in allowed:
            try:
                networks.append(ip_network(entry.strip("[]"), strict=False))
            except ValueError as error:
                if not entry or any(not c.isalnum() and c not in "-._" for c in entry):
                    raise ValueError(f"'{entry}' is no host name, IP address or network such as 10.0.0.0/8") from error
                names.append(_plain(entry))
        return cls(names, networks, resolve)

    async def addresses(self, host: str, port: int, *, trusted: bool) -> Sequence[str]:
        """The addresses to connect to. Raises `NotAllowedThere`, and `OSError` for a name that does not resolve.

        One address that is not allowed is enough: whoever names several chooses which one is used.
        """
        return await self._allowed(self._resolve, host, port, trusted=trusted)

    async def _allowed(self, resolve: Resolve, host: str, port: int, *, trusted: bool) -> Sequence[str]:
        if _plain(host) in FORBIDDEN_NAMES:
            raise NotAllowedThere(_FORBIDDEN)
        found = [host] if parse(host) is not None else await resolve(host, port)
        for text in found:
            self._check(host, text, trusted=trusted)
        if not found:
            raise OSError("no address")
        return found

    async def check(self, config: SessionConfig, before: SessionConfig | None, *, trusted: bool) -> None:
        """Refuse a config whose new webhooks lead where they may not. Raises `InvalidConfig`, one message a fault.

        A name that does not resolve now is no fault: what it leads to is checked again with every connection.
        """
        had = (before and before.webhooks) or []
        new = [(number, hook) for number, hook in enumerate(config.webhooks or ()) if hook not in had]
        faults = await asyncio.gather(*(self._fault(hook, trusted=trusted) for _, hook in new))
        told = [
            f"config.webhooks.{number}.url {fault}" for (number, _), fault in zip(new, faults, strict=True) if fault
        ]
        if told:
            raise InvalidConfig(told)

    def literal_fault(self, webhook: WebhookConfig) -> str | None:
        """What is wrong with where one of the server's own webhooks leads, as far as that can be told from its URL."""
        host = urlsplit(webhook.url).hostname or ""
        address = parse(host)
        forbidden = _plain(host) in FORBIDDEN_NAMES or (address is not None and reach(address) is Reach.FORBIDDEN)
        return _FORBIDDEN if forbidden else None

    async def _fault(self, webhook: WebhookConfig, *, trusted: bool) -> str | None:
        parts = urlsplit(webhook.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._allowed(self._resolve_to_check, parts.hostname or "", port, trusted=trusted)
        except NotAllowedThere as error:
            return str(error)
        except (OSError, UnicodeError):
            return None  # TimeoutError is an OSError
        return None

    def _check(self, host: str, text: str, *, trusted: bool) -> None:
        address = parse(text)
        how_far = Reach.FORBIDDEN if address is None else reach(address)
        if how_far is Reach.FORBIDDEN:
            raise NotAllowedThere(_FORBIDDEN)
        if how_far is Reach.PUBLIC or trusted or _plain(host) in self._names:
            return
        if not any(address in network for network in self._networks):
            raise NotAllowedThere(_PRIVATE)


class Resolver:
    """The system's resolver, on threads of its own: a name server that hangs holds up nothing else, not even the end.

    Raises `OSError`, as that does.
    """

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._under_way = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host, the preferred first."""
        if self._under_way >= self._most:
            raise OSError("too many names are being resolved: is the name server there?")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()

        def settle(found: Sequence[str], error: Exception | None) -> None:
            self._under_way -= 1
            if answer.cancelled():
                return
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

        def look() -> None:
            found: Sequence[str] = ()
            error: Exception | None = None
            try:
                infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                found = list(dict.fromkeys(str(address[0]) for *_, address in infos))
            except (OSError, UnicodeError) as fault:
                error = fault
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(settle, found, error)

        self._under_way += 1
        threading.Thread(target=look, name="lidbook-resolver", daemon=True).start()
        return await answer


def _plain(host: str) -> str:
    return host.lower().rstrip(".")
