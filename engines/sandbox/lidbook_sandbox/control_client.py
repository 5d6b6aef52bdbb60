"""The control address of a running sandbox network, as the commands reach it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from lidbook.engine import Network
from lidbook.errors import InvalidConfig
from lidbook.identifiers import parse_dialable
from lidbook.network_descriptor import descriptor_path, read_descriptor, start_command

if TYPE_CHECKING:
    from httpx import Response  # slow to import

PATIENCE: Final = 60.0
"""Seconds until an answer is given up: linking a device takes as long as the device does."""


class Refused(Exception):
    """The network did not do it, or is not there; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Control:
    """A network that can be steered."""

    network: Network
    remedy: str
    """What starts it again."""

    @classmethod
    def find(cls, data_dir: Path, descriptor: Path | None) -> "Control":
        """The network that a descriptor describes; the data dir's own one without. Raises `Refused`."""
        path = descriptor_path(data_dir) if descriptor is None else descriptor
        remedy = start_command(data_dir) if descriptor is None else "lidbook sandbox"
        try:
            return cls(read_descriptor(path), remedy)
        except FileNotFoundError as error:
            where = f"on {data_dir}" if descriptor is None else f"where {path} would describe it"
            raise Refused(f"no sandbox network runs {where}: start it with  {remedy}") from error
        except InvalidConfig as error:
            raise Refused(f"{error.message}: start the network anew with  {remedy}") from error

    def ask(self, method: str, *path: str, body: Mapping[str, object] | None = None) -> Any:
        """What the network answers, as JSON. Raises `Refused`."""
        import httpx  # noqa: PLC0415 - slow to import

        url = "/".join((self.network.control_url.rstrip("/"), *(quote(part, safe="") for part in path)))
        headers = {"Authorization": f"Bearer {self.network.control_token}"}
        try:
            response = httpx.request(method, url, json=body, headers=headers, timeout=PATIENCE, trust_env=False)
        except httpx.TimeoutException as error:
            raise Refused(f"the sandbox network took longer than {PATIENCE:g} s over this; ask it again") from error
        except httpx.HTTPError as error:
            raise Refused(
                f"the sandbox network does not run any more ({self.network.control_url}: {error}): start it again "
                f"with  {self.remedy}"
            ) from error
        if response.is_success:
            return response.json()
        raise Refused(_said(response))

    def account(self, named: str | None) -> str:
        """The digits of an account; of the world's first one when none is named. Raises `Refused`, `InvalidRequest`."""
        if named is not None:
            return parse_dialable(named).digits
        accounts = self.ask("GET", "accounts")
        if not accounts:
            raise Refused("the world has no account with a phone number any more: name another world")
        return str(accounts[0]["account"])


def _said(response: "Response") -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"what answers at {response.url} is no sandbox network: {response.status_code}"
