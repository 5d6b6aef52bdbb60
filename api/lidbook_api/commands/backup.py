"""`lidbook backup` and `lidbook restore`."""

from pathlib import Path
from typing import Annotated

import typer

from lidbook_api.commands.remote import Key, ask, refuse

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar=["LIDBOOK_DATA_DIR", "WAHA_LOCAL_STORE_BASE_DIR"],
        show_envvar=False,
        help="Where everything is kept.",
    ),
]


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, like lidbook.tar.gz. It must not exist.")],
    data_dir: DataDir = None,
    url: Annotated[
        str | None, typer.Option(help="Ask the server at this address, on this machine, for its data dir.")
    ] = None,
    key: Key = None,
) -> None:
    """Write everything into one file, whether or not a server runs. It holds credentials: keep it safe."""
    import sqlite3  # noqa: PLC0415

    from lidbook.backup import BackupRefused, back_up  # noqa: PLC0415

    folder = chosen(data_dir) if url is None else _data_dir_of(url, key)
    try:
        made = back_up(folder, file.expanduser().absolute())
    except BackupRefused as error:
        refuse(error.message)
    except (OSError, sqlite3.Error) as error:
        refuse(f"cannot back up {folder}: {error}")
    for left in made.left_out:
        typer.echo(f"left out, as it is no file: {left}", err=True)
    typer.echo(f"{made.path}: {made.files} files, {made.size / 1e6:.1f} MB; it holds credentials, keep it safe")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `lidbook backup` wrote.")],
    data_dir: DataDir = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Move a data dir that is not empty aside, and put this in its place.")
    ] = False,
) -> None:
    """Make a data dir what it was when the backup was made. No server may run on it."""
    import sqlite3  # noqa: PLC0415

    from lidbook.errors import LidbookError  # noqa: PLC0415
    from lidbook.restore import restore as take_back  # noqa: PLC0415

    folder = chosen(data_dir)
    try:
        restored = take_back(file.expanduser().absolute(), folder, replace=replace)
    except LidbookError as error:
        refuse(error.message)
    except (OSError, sqlite3.Error) as error:
        refuse(f"cannot restore {file} into {folder}: {error}")
    typer.echo(f"{folder} is as it was on {restored.created}: {restored.files} files")
    if restored.aside is not None:
        typer.echo(f"what was there is now in {restored.aside}")
    typer.echo("The sessions in it must not run anywhere else: WhatsApp unlinks a device that is there twice.")


def chosen(data_dir: Path | None) -> Path:
    """The data dir that is meant."""
    from lidbook.data_dir import default_data_dir  # noqa: PLC0415

    return (data_dir or default_data_dir()).expanduser().absolute()


def _data_dir_of(url: str, key: str | None) -> Path:
    response = ask(url, key, "GET", "/health")
    try:
        folder = Path(str(response.json()["details"]["dataDir.space"]["path"]))
    except (ValueError, KeyError, TypeError):
        refuse(f"{url} does not say where its data dir is: give --data-dir, or an admin key")
    if not folder.is_dir():
        refuse(f"the data dir of {url} is {folder}, which is not on this machine: run this where the server runs")
    return folder
