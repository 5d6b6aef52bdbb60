"""The file that says where a sandbox network is: written by the network, read by whoever speaks to it.

    {"websocket": "ws://127.0.0.1:40001/ws/chat", "web_page": "http://127.0.0.1:40001/",
     "root_key": "<64 hex digits>", "control_url": "http://127.0.0.1:40002", "control_token": "<64 hex digits>"}

All of it is on loopback: a descriptor that leads anywhere else is refused, whoever wrote it. It is for its owner alone:
whoever has the token steers the network.
"""

import asyncio
import json
import os
import re
import shlex
import socket
import tempfile
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from lidbook.engine import Network
from lidbook.errors import InvalidConfig

OWN: Final = "sandbox"
"""What stands in place of a path and means the data dir's own network."""
KEY_BYTES: Final = 32
"""Length of the root key, by which the network's certificates are verified."""
CONNECT_SECONDS: Final = 2.0
"""Seconds that the network may take to accept a connection."""
SPOKEN_TO: Final = "engines speak to a sandbox network, NOT to WhatsApp: its people are simulated"
"""What everybody has to be told where there is one."""
_SCHEMES: Final = {"websocket": ("ws", "wss"), "web_page": ("http", "https"), "control_url": ("http", "https")}
_ROOT_KEY: Final = "root_key"
_TOKEN: Final = "control_token"  # noqa: S105 - the name of one


def descriptor_path(data_dir: Path) -> Path:
    """Where the network of a data dir writes its descriptor."""
    return data_dir / "engines" / OWN / "network.json"


def start_command(data_dir: Path) -> str:
    """The command that starts the network of a data dir."""
    return f"lidbook sandbox --data-dir {shlex.quote(str(data_dir))}"


def read_descriptor(path: Path) -> Network:
    """The network that a file describes. Raises `FileNotFoundError`, and `InvalidConfig` for a file that is none."""
    try:
        described = json.loads(path.read_bytes())
        addresses = {name: _address(name, described[name]) for name in _SCHEMES}
        key = bytes.fromhex(described[_ROOT_KEY])
        token = _token(described[_TOKEN])
    except FileNotFoundError:
        raise
    except KeyError as error:
        raise InvalidConfig([f"{path} does not describe a sandbox network: it has no {error}"]) from error
    except (OSError, ValueError, TypeError) as error:
        raise InvalidConfig([f"{path} does not describe a sandbox network: {error}"]) from error
    if len(key) != KEY_BYTES:
        raise InvalidConfig([f"{path} does not describe a sandbox network: {_ROOT_KEY} has {len(key)} bytes, not 32"])
    return Network(addresses["websocket"], addresses["web_page"], key, addresses["control_url"], token)


def write_descriptor(path: Path, network: Network) -> None:
    """Describe a network in one step: a reader sees the whole file or the one before. Only its owner can read it."""
    described = {name: getattr(network, name) for name in (*_SCHEMES, _TOKEN)} | {_ROOT_KEY: network.root_key.hex()}
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", delete=False, encoding="utf-8") as file:
        json.dump(described, file, indent=1)
        file.write("\n")
    os.replace(file.name, path)  # noqa: PTH105 - `file.name` is a text


async def find_network(named: str | None, data_dir: Path) -> Network | None:
    """The network that a setting names; None means WhatsApp. Raises `InvalidConfig`, which says what to do.

    The data dir's own one has to run already. One that is named by its descriptor may come up later.
    """
    if named is None:
        return None
    path = descriptor_path(data_dir) if named == OWN else Path(named)
    try:
        network = read_descriptor(path)
    except FileNotFoundError as error:
        raise InvalidConfig([_missing(named, path, data_dir)]) from error
    except InvalidConfig as error:
        remedy = f": start the network anew with  {start_command(data_dir)}" if named == OWN else ""
        raise InvalidConfig([error.message + remedy]) from error
    if named == OWN and not await asyncio.to_thread(is_listening, network):
        message = f"the sandbox network of {data_dir} does not run any more: nothing listens on {network.websocket}; "
        raise InvalidConfig([message + f"start it again with  {start_command(data_dir)}"])
    return network


def is_listening(network: Network) -> bool:
    """Whether anything accepts connections where the network's websocket should be. Blocks, for 2 s at most."""
    where = urlsplit(network.websocket)
    try:
        socket.create_connection((where.hostname, _port(where)), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def described(network: Network) -> str:
    """The same in one line, with where that is."""
    return f"{SPOKEN_TO} ({network.websocket})"


def _missing(named: str, path: Path, data_dir: Path) -> str:
    if named == OWN:
        return f"no sandbox network runs on {data_dir}: start it with  {start_command(data_dir)}"
    return f"there is no {path} that describes a sandbox network: `lidbook sandbox` writes one while it runs"


def _address(name: str, url: object) -> str:
    """An address of this machine. Raises `ValueError` for any other.

    Also for what libraries disagree on: browsers and Node take `\\` for `/`, and Python drops tabs and newlines.
    """
    if not isinstance(url, str):
        raise TypeError(f"{name} is no text")
    strange = next((letter for letter in url if letter in "@\\" or not "!" <= letter <= "~"), None)
    if strange is not None:
        raise ValueError(f"{name} has {strange!r} in it: give scheme, host, port and path alone")
    where = urlsplit(url)
    if where.scheme not in _SCHEMES[name]:
        raise ValueError(f"{name} does not begin with {_SCHEMES[name][0]}://")
    if not _is_loopback(where.hostname):
        raise ValueError(f"{name} leads to {where.hostname or 'nowhere'}; a sandbox network is on loopback only")
    _port(where)
    return url


def _token(token: object) -> str:
    """What goes into a header as it is. Raises `ValueError` for what does not, or can be guessed."""
    if not isinstance(token, str) or re.fullmatch(r"[A-Za-z0-9_-]{32,}", token) is None:
        raise ValueError(f"{_TOKEN} is no token: that has 32 letters and digits at least")
    return token


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _port(where: SplitResult) -> int:
    """The port of an address. Raises `ValueError` for one that is none."""
    return where.port or (443 if where.scheme in ("wss", "https") else 80)
