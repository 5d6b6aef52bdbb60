"""`lidbook keys`: make, list, rotate and delete keys, and read who did what with them."""

import re
import time
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from lidbook_api.commands.remote import DEFAULT_URL, Key, Url, call, refuse

commands = typer.Typer(
    help="Make, list, rotate and delete API keys, and read who did what with them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd])")

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `lidbook keys list` shows it.")]
Allowed = bool | None


@commands.command("list")
def list_keys(url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List keys. What stands for a key is not enough to use it."""
    keys = _objects(call(url, key, "GET", "/api/keys"))
    _table(
        ("ID", "KEY", "FOR", "MAY", "STATE", "EXPIRES"),
        [(*map(str, (each["id"], each["key"])), _for(each), _may(each), *_state(each)) for each in keys],
    )


@commands.command()
def create(
    *,
    admin: Annotated[bool, typer.Option("--admin", help="A key that may do everything.")] = False,
    session: Annotated[str | None, typer.Option(metavar="NAME", help="A key for this one session.")] = None,
    read: Annotated[Allowed, typer.Option("--read/--no-read", help="Reading contacts and LIDs. [default: yes]")] = None,
    send: Annotated[Allowed, typer.Option("--send/--no-send", help="Writing, blocking. [default: yes]")] = None,
    control: Annotated[
        Allowed, typer.Option("--control/--no-control", help="Starting, stopping, linking. [default: yes]")
    ] = None,
    setting: Annotated[
        Allowed, typer.Option("--setting/--no-setting", help="Changing the config. [default: yes]")
    ] = None,
    app: Annotated[Allowed, typer.Option("--app/--no-app", help="WAHA's apps: nothing here. [default: yes]")] = None,
    delete: Annotated[Allowed, typer.Option("--delete/--no-delete", help="Deleting the session. [default: no]")] = None,
    expires_in: Annotated[str | None, typer.Option(metavar="30d", help="For how long it works: 12h, 30d.")] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Make it in a data dir that no server has: for the first key.")
    ] = False,
    data_dir: Annotated[
        Path | None, typer.Option(envvar="LIDBOOK_DATA_DIR", help="For --local: where the server keeps everything.")
    ] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Make a key and print it, this once. Nothing else goes to stdout: KEY=$(lidbook keys create --admin)."""
    if admin == (session is not None):
        refuse("say whose key it is to be: --admin, or --session NAME")
    given = {"read": read, "send": send, "control": control, "setting": setting, "app": app, "delete": delete}
    actions = {name: allowed for name, allowed in given.items() if allowed is not None}
    if admin and actions:
        refuse(f"an admin key may do everything: leave --{'' if actions[min(actions)] else 'no-'}{min(actions)} out")
    expires_at = None if expires_in is None else int(time.time() * 1000) + _seconds(expires_in, "--expires-in") * 1000
    if local:
        if not admin:
            refuse("--local makes admin keys only: make a session's key with a server that runs")
        _create_locally(data_dir, expires_at)
        return
    made = _object(
        call(
            url,
            key,
            "POST",
            "/api/keys",
            body={
                "isAdmin": admin,
                "session": session,
                "isActive": True,
                "actions": {**actions} or None,
                "expiresAt": expires_at,
            },
        )
    )
    _shown_once(str(made["id"]), str(made["key"]))


@commands.command()
def rotate(
    key_id: KeyId,
    grace: Annotated[str, typer.Option(metavar="1h", help="For how long the old one still works: 90s, 1h, 7d.")] = "0s",
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Give a key another text and print it, this once."""
    seconds = _seconds(grace, "--grace")
    path = f"/api/keys/{_path(key_id)}/rotate"
    made = _object(call(url, key, "POST", path, body={"graceSeconds": seconds}))
    _shown_once(str(made["id"]), str(made["key"]))
    _tell(f"The old one works for {grace} more." if seconds else "The old one does not work any more.")


@commands.command()
def delete(key_id: KeyId, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Delete a key: it opens nothing from then on."""
    call(url, key, "DELETE", f"/api/keys/{_path(key_id)}")
    _tell(f"{key_id} is deleted.")


@commands.command()
def audit(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many lines.")] = 50,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show who changed what, and who was refused, the newest first."""
    rows = _objects(call(url, key, "GET", "/api/audit", query={"limit": str(limit)}))
    shown = ("keyId", "action", "session", "subject", "status", "error", "client")
    lines = [
        (_time(row["timestamp"]), *("-" if row[name] is None else str(row[name]) for name in shown)) for row in rows
    ]
    _table(("TIME", "KEY", "ACTION", "SESSION", "SUBJECT", "STATUS", "ERROR", "CLIENT"), lines)


def _create_locally(data_dir: Path | None, expires_at: int | None) -> None:
    import sqlite3  # noqa: PLC0415 - and all of the core with what follows

    from lidbook.data_dir import default_data_dir  # noqa: PLC0415
    from lidbook.errors import DataDirLocked  # noqa: PLC0415
    from lidbook_api.access.local import create_admin_key  # noqa: PLC0415

    folder = (data_dir or default_data_dir()).expanduser().absolute()
    try:
        made, text = create_admin_key(folder, expires_at)
    except DataDirLocked as error:
        refuse(f"{error.message.partition(':')[0]}: leave --local out, and say with --url where it is")
    except (OSError, sqlite3.Error) as error:
        refuse(f"cannot make a key in {folder}: {error}")
    _shown_once(made.id, text)
    _tell(f"The server on {folder} asks for a key from now on.")


def _shown_once(key_id: str, text: str) -> None:
    typer.echo(text)
    _tell(f"{key_id}: keep the key, it is not shown again.")


def _tell(text: str) -> None:
    typer.echo(text, err=True)


def _seconds(text: str, option: str) -> int:
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        refuse(f"{option} {text!r} is no duration: give a number and s, m, h or d, like 30d")
    return int(match[1]) * _UNITS[match[2]]


def _path(key_id: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415

    return quote(key_id, safe="")


def _objects(value: object) -> list[dict[str, object]]:
    return [_object(each) for each in value] if isinstance(value, list) else _not_lidbook()


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else _not_lidbook()


def _not_lidbook() -> NoReturn:
    refuse("the answer is none of Lidbook's: is --url right?")


def _for(key: dict[str, object]) -> str:
    return "admin" if key["isAdmin"] else f"session {key['session']}"


def _may(key: dict[str, object]) -> str:
    actions = key["actions"]
    if key["isAdmin"]:
        return "everything"
    if not isinstance(actions, dict):
        return "all but delete"
    return " ".join(name for name, allowed in actions.items() if allowed) or "nothing"


def _state(key: dict[str, object]) -> tuple[str, str]:
    expires_at = key["expiresAt"]
    if isinstance(expires_at, int) and expires_at <= time.time() * 1000:
        return "expired", _time(expires_at)
    return "active" if key["isActive"] else "inactive", "never" if expires_at is None else _time(expires_at)


def _time(milliseconds: object) -> str:
    seconds = milliseconds / 1000 if isinstance(milliseconds, int) else 0
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))


def _table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
