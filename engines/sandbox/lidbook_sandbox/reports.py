"""What the commands do and print; apart from them, because `lidbook --help` loads every command."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lidbook.errors import LidbookError
from lidbook.world.conditions import Condition, Conditions, Kind
from lidbook.world.files import save_world
from lidbook.world.generator import generate_world
from lidbook.world.model import World
from lidbook.world.sources import LoadedWorld, WorldSource, open_source
from lidbook_sandbox import scanning
from lidbook_sandbox.accounts import account_meant, conditions_file, known_sessions
from lidbook_sandbox.network_folder import network_accounts

CONCERNED: Final[Mapping[Kind, str]] = {
    Kind.RATE_LIMIT: "every live call",
    Kind.TIMEOUT: "every live call",
    Kind.SILENCE: "every live call, and all announcements",
    Kind.SLOW: "every live call",
    Kind.DISCONNECT: "the connection of every session",
    Kind.CONFLICT: "the next writes to the address book, of any session",
    Kind.LOGOUT: "one session, any of them",
    Kind.SCAN: "one session that shows a code, any of them",
}
"""What each condition of an account is for, where no live call was named."""


def check_world(world: str, region: str | None, *, as_json: bool) -> None:
    """Read a world and print what is in it, and what of it cannot be used."""
    try:
        loaded = open_source(WorldSource(world, region=region))
    except LidbookError as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(json.dumps(_report(loaded), ensure_ascii=False, indent=2))
    else:
        _print_report(loaded)


def write_world(people: int, seed: int, file: Path) -> None:
    """Make up a world and write it to a file."""
    save_world(generate_world(people, seed), file)
    Console().print(f"wrote {file}")


def conditions_of(data_dir: Path, account: str | None) -> Conditions:
    """The conditions of an account, of a session or the network; of the only one in the data dir when none is named."""
    try:
        phone = account_meant(data_dir, account, known_sessions(data_dir), network_accounts(data_dir))
        return Conditions(conditions_file(data_dir, phone))
    except LidbookError as error:
        raise typer.BadParameter(error.message) from error


def scan(data_dir: Path, account: str | None) -> None:
    """Scan a code, and say whether it was taken."""
    try:
        scanning.scan(data_dir, account)
    except LidbookError as error:
        raise typer.BadParameter(error.message) from error
    except scanning.NoCodeShown as error:
        typer.echo(f"lidbook: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo("scanned")


def show(conditions: Conditions) -> None:
    """Print what is switched on."""
    console = Console()
    if not conditions.all():
        console.print("nothing is switched on")
        return
    table = Table("condition", "for", "details")
    for condition in conditions.all():
        concerned = ", ".join(sorted(condition.capabilities)) or CONCERNED[condition.kind]
        table.add_row(condition.kind.value, concerned, _details(condition))
    console.print(table)


def _details(condition: Condition) -> str:
    match condition.kind:
        case Kind.RATE_LIMIT:
            return f"retry after {condition.retry_after:g} s"
        case Kind.SLOW:
            return f"{condition.milliseconds} ms"
        case Kind.CONFLICT:
            return f"{condition.times} more"
        case Kind.LOGOUT | Kind.SCAN:
            return "once"
        case _:
            return ""


def _facts(world: World) -> dict[str, int]:
    account = world.accounts[0]
    return {
        "people": len(world.people),
        "registered": sum(person.registered for person in world.people),
        "accounts": len(world.accounts),
        "groups": len(world.groups),
        "addressBook": len(account.book),
        "chats": len(account.chats),
        "blocked": len(account.blocklist),
    }


def _report(loaded: LoadedWorld) -> dict[str, object]:
    report: dict[str, object] = {"name": loaded.world.name, **_facts(loaded.world)}
    counts = loaded.counts
    if counts is not None:
        report["cards"] = counts.cards
        report["numbers"] = counts.numbers
        report["merged"] = [{**asdict(merged), "phone": merged.phone.digits} for merged in counts.merged]
        report["refused"] = [asdict(refused) for refused in counts.refused]
    return report


def _print_report(loaded: LoadedWorld) -> None:
    console = Console(soft_wrap=True)
    table = Table("what", "how many", title=escape(loaded.world.name))
    for name, number in _facts(loaded.world).items():
        table.add_row(name, str(number))
    counts = loaded.counts
    if counts is None:
        console.print(table)
        return
    table.add_row("cards used", str(counts.cards))
    table.add_row("numbers on them", str(counts.numbers))
    table.add_row("repeated numbers, merged", str(len(counts.merged)))
    table.add_row("cards and numbers refused", str(len(counts.refused)))
    console.print(table)
    for merged in counts.merged:
        console.print(
            f"line {merged.dropped_line}: {merged.phone.digits} of {merged.dropped} stands on line "
            f"{merged.kept_line} already, as {merged.kept}",
            markup=False,
        )
    for refused in counts.refused:
        console.print(str(refused), markup=False)
