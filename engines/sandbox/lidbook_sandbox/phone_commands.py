"""`lidbook phone …`: the phones of a running sandbox network, and the people around them."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lidbook_sandbox.network_options import DataDir

if TYPE_CHECKING:
    from lidbook_sandbox.control_client import Control

commands = typer.Typer(
    name="phone", help="The phone of a simulated account, on a running sandbox network.", no_args_is_help=True
)

NetworkPath = Annotated[
    Path | None,
    typer.Option("--network", help="Descriptor of the network.", dir_okay=False, show_default="the data dir's own"),
]
AccountNumber = Annotated[
    str | None, typer.Option("--account", help="Phone number of the account.", show_default="the world's first")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the network's answer.")]
User = Annotated[str, typer.Argument(help="Phone number, or LID with its @lid.")]


@commands.command("scan")
def scan(
    data_dir: DataDir,
    code: Annotated[str | None, typer.Argument(help="The text in the QR code; - reads it from standard input.")] = None,
    session: Annotated[
        str | None,
        typer.Option(
            "--session", help="Scan what this session of a running server shows.", show_default="the only one"
        ),
    ] = None,
    url: Annotated[
        str, typer.Option("--url", envvar="LIDBOOK_URL", help="Where that server is.")
    ] = "http://127.0.0.1:3000",
    key: Annotated[
        str | None,
        typer.Option(
            "--key", envvar="LIDBOOK_API_KEY", help="Its API key; better in LIDBOOK_API_KEY.", show_envvar=False
        ),
    ] = None,
    network: NetworkPath = None,
    account: AccountNumber = None,
    as_json: AsJson = False,
) -> None:
    """Scan a QR code: link the device that shows it.

    Without a code, that of the one session which shows one at the running Lidbook server.
    """
    if code is not None and session is not None:
        raise typer.BadParameter("give a code or a session, not both", param_hint="--session")
    with _phone(data_dir, network) as control:
        phone = control.account(account)
        shown, of = _code(code, session, url, key)
        device = control.ask("POST", "accounts", phone, "scan", body={"code": shown})
        _tell(device, as_json, f"scanned{of}: {_device(device)} is linked to {phone}")


@commands.command("code")
def enter_code(
    code: Annotated[str, typer.Argument(help="The pairing code, as ABCD-EFGH.")],
    data_dir: DataDir,
    network: NetworkPath = None,
    account: AccountNumber = None,
    as_json: AsJson = False,
) -> None:
    """Type a pairing code: link the device that shows it."""
    with _phone(data_dir, network) as control:
        phone = control.account(account)
        device = control.ask("POST", "accounts", phone, "code", body={"code": code})
        _tell(device, as_json, f"typed: {_device(device)} is linked to {phone}")


@commands.command("devices")
def devices(
    data_dir: DataDir, network: NetworkPath = None, account: AccountNumber = None, as_json: AsJson = False
) -> None:
    """List the devices that are linked to the account."""
    with _phone(data_dir, network) as control:
        phone = control.account(account)
        linked = control.ask("GET", "accounts", phone, "devices")
        lines = [f"{_device(d)}, {'connected' if d['connected'] else 'away'}" for d in linked]
        nothing = f"no device is linked to {phone}: link one with  lidbook phone scan"
        _tell(linked, as_json, "\n".join(lines) or nothing)


@commands.command("logout")
def log_out(
    data_dir: DataDir,
    device: Annotated[int | None, typer.Option("--device", min=1, help="Only this one.", show_default="all")] = None,
    network: NetworkPath = None,
    account: AccountNumber = None,
    as_json: AsJson = False,
) -> None:
    """Remove linked devices on the phone."""
    with _phone(data_dir, network) as control:
        phone = control.account(account)
        number = () if device is None else (str(device),)
        answer = control.ask("DELETE", "accounts", phone, "devices", *number)
        removed = answer["removed"]
        which = f"device {device}" if device is not None else f"{removed} device{'' if removed == 1 else 's'}"
        said = f"{which} of {phone} {'is' if removed == 1 else 'are'} logged out; linking again takes another scan"
        _tell(answer, as_json, said)


@commands.command("edit")
def edit(
    user: User,
    first_name: Annotated[str, typer.Argument(help="First name.")],
    data_dir: DataDir,
    last_name: Annotated[str | None, typer.Argument(help="Last name.")] = None,
    network: NetworkPath = None,
    account: AccountNumber = None,
    as_json: AsJson = False,
) -> None:
    """Write somebody into the address book on the phone."""
    with _phone(data_dir, network) as control:
        phone = control.account(account)
        names = {"firstName": first_name, "lastName": last_name}
        answer = control.ask("PUT", "accounts", phone, "contacts", user, body=names)
        _tell(answer, as_json, f"{answer['user']} is {answer['name']} in the address book of {phone}")


@commands.command("delete")
def delete(
    user: User, data_dir: DataDir, network: NetworkPath = None, account: AccountNumber = None, as_json: AsJson = False
) -> None:
    """Delete somebody from the address book on the phone."""
    with _phone(data_dir, network) as control:
        phone = control.account(account)
        answer = control.ask("DELETE", "accounts", phone, "contacts", user)
        _tell(answer, as_json, f"{answer['user']} is not in the address book of {phone} any more")


@commands.command("block")
def block(
    user: User, data_dir: DataDir, network: NetworkPath = None, account: AccountNumber = None, as_json: AsJson = False
) -> None:
    """Block somebody on the phone."""
    with _phone(data_dir, network) as control:
        phone = control.account(account)
        answer = control.ask("PUT", "accounts", phone, "blocklist", user)
        _tell(answer, as_json, f"{user} is blocked by {phone}; its blocklist: {', '.join(answer)}")


@commands.command("unblock")
def unblock(
    user: User, data_dir: DataDir, network: NetworkPath = None, account: AccountNumber = None, as_json: AsJson = False
) -> None:
    """Unblock somebody on the phone."""
    with _phone(data_dir, network) as control:
        phone = control.account(account)
        answer = control.ask("DELETE", "accounts", phone, "blocklist", user)
        _tell(answer, as_json, f"{user} is not blocked by {phone}; its blocklist: {', '.join(answer) or 'nobody'}")


@commands.command("message")
def message(
    sender: Annotated[str, typer.Argument(metavar="FROM", help="Phone number, or LID with its @lid, of who writes.")],
    data_dir: DataDir,
    network: NetworkPath = None,
    account: AccountNumber = None,
    as_json: AsJson = False,
) -> None:
    """Somebody writes to the account: its devices learn the push name, and the number behind the LID."""
    with _phone(data_dir, network) as control:
        phone = control.account(account)
        answer = control.ask("POST", "accounts", phone, "messages", body={"sender": sender})
        _tell(answer, as_json, f"{answer['pushname'] or answer['sender']} wrote to {phone}")


@commands.command("rename")
def rename(
    user: User,
    pushname: Annotated[str, typer.Argument(help="What they go by from now on.")],
    data_dir: DataDir,
    network: NetworkPath = None,
    as_json: AsJson = False,
) -> None:
    """Somebody goes by another push name."""
    _change(data_dir, network, user, {"pushname": pushname}, as_json, f"{user} goes by {pushname}")


@commands.command("about")
def about(
    user: User,
    text: Annotated[str, typer.Argument(help="The new about text.")],
    data_dir: DataDir,
    network: NetworkPath = None,
    as_json: AsJson = False,
) -> None:
    """Somebody writes another about text."""
    _change(data_dir, network, user, {"about": text}, as_json, f"the about text of {user} is: {text}")


@commands.command("picture")
def picture(
    user: User,
    data_dir: DataDir,
    remove: Annotated[bool, typer.Option("--remove", help="None any more.")] = False,
    network: NetworkPath = None,
    as_json: AsJson = False,
) -> None:
    """Somebody shows another picture, or none."""
    said = f"{user} shows no picture any more" if remove else f"{user} shows another picture"
    _change(data_dir, network, user, {"picture": None if remove else True}, as_json, said)


@commands.command("number")
def number(
    user: User,
    new_number: Annotated[str, typer.Argument(metavar="NEWNUMBER", help="In international form.")],
    data_dir: DataDir,
    network: NetworkPath = None,
    as_json: AsJson = False,
) -> None:
    """Somebody moves to another phone number, and keeps the LID."""
    _change(data_dir, network, user, {"phone": new_number}, as_json, f"{user} has the number {new_number} now")


@commands.command("join")
def join(
    group: Annotated[str, typer.Argument(help="The group, as <digits>@g.us.")],
    user: User,
    data_dir: DataDir,
    admin: Annotated[bool, typer.Option("--admin", help="As an admin; also promotes a member.")] = False,
    network: NetworkPath = None,
    as_json: AsJson = False,
) -> None:
    """Somebody joins a group, or is promoted or demoted in it."""
    with _phone(data_dir, network) as control:
        role = "admin" if admin else "participant"
        answer = control.ask("PUT", "groups", group, "members", user, body={"role": role})
        said = f"{user} is {'an admin' if admin else 'a member'} of {answer['subject']}, which has {answer['size']}"
        _tell(answer, as_json, said)


@commands.command("leave")
def leave(
    group: Annotated[str, typer.Argument(help="The group, as <digits>@g.us.")],
    user: User,
    data_dir: DataDir,
    network: NetworkPath = None,
    as_json: AsJson = False,
) -> None:
    """Somebody leaves a group."""
    with _phone(data_dir, network) as control:
        answer = control.ask("DELETE", "groups", group, "members", user)
        _tell(answer, as_json, f"{user} left {answer['subject']}, which has {answer['size']} members now")


def _change(data_dir: Path, network: Path | None, user: str, body: dict[str, object], as_json: bool, said: str) -> None:
    with _phone(data_dir, network) as control:
        _tell(control.ask("PATCH", "people", user, body=body), as_json, said)


@contextmanager
def _phone(data_dir: Path, network: Path | None) -> "Iterator[Control]":
    """The network's control; what it refuses ends the command."""
    from lidbook.errors import LidbookError  # noqa: PLC0415 - `lidbook --help` loads this module
    from lidbook_sandbox.control_client import Control, Refused  # noqa: PLC0415
    from lidbook_sandbox.shown_code import NoCode  # noqa: PLC0415

    try:
        yield Control.find(data_dir.expanduser().absolute(), network)
    except (Refused, NoCode) as error:
        typer.echo(f"lidbook: {error}", err=True)
        raise typer.Exit(1) from error
    except LidbookError as error:
        typer.echo(f"lidbook: {error.message}", err=True)
        raise typer.Exit(1) from error


def _code(code: str | None, session: str | None, url: str, key: str | None) -> tuple[str, str]:
    """The code to scan, and in a few words where it is from."""
    if code == "-":
        return sys.stdin.read(65536).strip(), ""
    if code is not None:
        return code, ""
    from lidbook_sandbox.shown_code import LidbookServer  # noqa: PLC0415

    name, shown = LidbookServer(url, key).code(session)
    return shown, f" what session {name} shows"


def _device(device: dict[str, Any]) -> str:
    return f"device {device['number']} ({device['platform'] or 'unknown'})"


def _tell(answer: object, as_json: bool, said: str) -> None:
    typer.echo(json.dumps(answer, ensure_ascii=False, indent=2) if as_json else said)
