"""What `lidbook sandbox` does and prints; apart from the command, because `lidbook --help` loads every command."""

import asyncio
import importlib.util
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from lidbook import logs
from lidbook.data_dir import default_data_dir
from lidbook.errors import LidbookError
from lidbook.network_descriptor import descriptor_path
from lidbook.world.sources import WorldSource
from lidbook_sandbox.network_folder import NetworkRunning, network_folder

if TYPE_CHECKING:
    from lidbook_sandbox.network.process import Served

NEEDED: Final = ("aiohttp", "cryptography", "google.protobuf", "xeddsa")
"""What the extra `sandbox` brings."""
SHOWN: Final = 20
"""How many accounts are printed."""


def serve(
    data_dir: Path,
    world: str | None = None,
    people: int | None = None,
    seed: int | None = None,
    region: str | None = None,
    port: int = 0,
    control_port: int = 0,
) -> None:
    """Serve the network of a data dir until told to stop; ends the command with 1 or 2 where that cannot be."""
    folder = data_dir.expanduser().absolute()
    try:
        source = _source(world, people, seed, region)
    except LidbookError as error:
        _refuse(error.message, 2)
    missing = [name for name in NEEDED if not _is_there(name)]
    if missing:
        _refuse(f"the sandbox network needs {', '.join(missing)}: install it with  pip install 'lidbook[sandbox]'", 1)
    from lidbook_sandbox.network.process import CannotServe, Wanted  # noqa: PLC0415 - needs the extra
    from lidbook_sandbox.network.process import serve as serve_network  # noqa: PLC0415

    logs.configure("info")
    try:
        asyncio.run(serve_network(Wanted(folder, source, port, control_port), lambda served: _announce(folder, served)))
    except (CannotServe, NetworkRunning) as error:
        _refuse(str(error), 1)
    except LidbookError as error:
        _refuse(error.message, 2)
    except OSError as error:
        _refuse(f"cannot use {network_folder(folder)}: {error.strerror or error}; choose another --data-dir", 1)


def _source(world: str | None, people: int | None, seed: int | None, region: str | None) -> WorldSource:
    """The world in the command line. Raises `InvalidWorld`."""
    if seed is not None and people is None:
        _refuse("--seed is for --people: say how many, or leave it out", 2)
    if region is not None and (world is None or Path(world).suffix.lower() not in (".vcf", ".csv")):
        _refuse("--region is for an address book: give --world with a .vcf or .csv file, or leave it out", 2)
    return WorldSource(world, people, 1 if seed is None else seed, region)


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


def _announce(data_dir: Path, served: "Served") -> None:
    console = Console(soft_wrap=True, highlight=False)
    said = f"the sandbox network of the world {served.world} listens on {served.network.websocket}"
    console.print(said, markup=False)
    if not console.is_terminal:
        return
    table = Table("account", "name", "linked devices", box=None, pad_edge=False)
    for account in served.accounts[:SHOWN]:
        table.add_row(account.phone, account.name or "", str(account.devices))
    console.print(table)
    if len(served.accounts) > SHOWN:
        console.print(f"and {len(served.accounts) - SHOWN} more accounts")
    console.print("It is no WhatsApp, and reaches none: everybody on it is simulated. Go on in another terminal, with")
    where = "" if data_dir == _assumed() else f" --data-dir {shlex.quote(str(data_dir))}"
    console.print(f"  LIDBOOK_NETWORK=sandbox lidbook serve{where}", markup=False)
    console.print(f"  lidbook phone scan{where}", markup=False)
    console.print(f"It is described in {descriptor_path(data_dir)}, and steered at {served.network.control_url}.")
    console.print("Ctrl-C ends it; keys, linked devices and what people changed are kept.")


def _assumed() -> Path:
    """The data dir that commands use in the same environment."""
    return Path(os.environ.get("LIDBOOK_DATA_DIR") or default_data_dir()).expanduser().absolute()


def _refuse(message: str, code: int) -> NoReturn:
    typer.echo(f"lidbook: {message}", err=True)
    raise typer.Exit(code)
