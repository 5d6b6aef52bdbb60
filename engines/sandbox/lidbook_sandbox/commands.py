"""`lidbook sandbox …`: look into a world before it is used, and make things go wrong on purpose."""

import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lidbook.capabilities import Capability
from lidbook.data_dir import database_path, default_data_dir
from lidbook.directory.database import open_reader
from lidbook.errors import InvalidRequest, LidbookError
from lidbook.identifiers import PhoneNumber, parse_dialable
from lidbook.sessions.rows import load_all
from lidbook.world.conditions import Condition, Conditions, Kind
from lidbook.world.files import save_world
from lidbook.world.generator import generate_world
from lidbook.world.model import World
from lidbook.world.sources import LoadedWorld, WorldSource, open_source
from lidbook_sandbox.engine import SandboxEngine, conditions_folder

commands = typer.Typer(
    name="sandbox", help="The simulated WhatsApp: its worlds, and what goes wrong in them.", no_args_is_help=True
)
condition_commands = typer.Typer(help="Make things go wrong for an account, and right again.", no_args_is_help=True)
world_commands = typer.Typer(help="Look into worlds, and make them.", no_args_is_help=True)
commands.add_typer(condition_commands, name="condition")
commands.add_typer(world_commands, name="world")

DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        envvar="LIDBOOK_DATA_DIR",
        help="The server's data directory.",
        file_okay=False,
        default_factory=default_data_dir,
        show_default="as for serve",
    ),
]
AccountNumber = Annotated[
    str | None,
    typer.Option("--account", help="Phone number of the account in the world; needed when there are several."),
]


@condition_commands.command("set")
def set_condition(
    kind: Annotated[Kind, typer.Argument(help="What shall happen.")],
    data_dir: DataDir,
    account: AccountNumber = None,
    capability: Annotated[
        list[str] | None, typer.Option("--capability", help="Only for this live call, as contacts.check; repeatable.")
    ] = None,
    retry_after: Annotated[float, typer.Option(help="rate-limit: seconds until the next call may be made.")] = 30.0,
    milliseconds: Annotated[int, typer.Option("--ms", help="slow: how much longer every answer takes.")] = 1000,
    times: Annotated[int, typer.Option(min=1, help="conflict: how many writes conflict.")] = 1,
) -> None:
    """Switch a condition on; a running server notices within a second."""
    live = {c.value: c for c in Capability if c.served_by == "engine"}
    wrong = [name for name in capability or [] if name not in live]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]} is no live call; there are {', '.join(live)}", param_hint="--capability")
    capabilities = frozenset(live[name] for name in capability or [])
    conditions = _conditions(data_dir, account)
    conditions.set(Condition(kind, capabilities, retry_after, milliseconds, times))
    _list(conditions)


@condition_commands.command("clear")
def clear_condition(
    data_dir: DataDir,
    account: AccountNumber = None,
    kind: Annotated[Kind | None, typer.Argument(help="Which; all when left out.")] = None,
) -> None:
    """Switch one condition off, or all."""
    conditions = _conditions(data_dir, account)
    conditions.clear(kind)
    _list(conditions)


@condition_commands.command("list")
def list_conditions(data_dir: DataDir, account: AccountNumber = None) -> None:
    """Show what is switched on."""
    _list(_conditions(data_dir, account))


@commands.command("scan")
def scan(data_dir: DataDir, account: AccountNumber = None) -> None:
    """Scan the QR code, or type the pairing code, that a session of the account shows."""
    _conditions(data_dir, account).set(Condition(Kind.SCAN))
    Console().print("scanned")


@world_commands.command("check")
def check_world(
    world: Annotated[str, typer.Argument(help="demo, or a .json, .vcf or .csv file.")] = "demo",
    region: Annotated[str | None, typer.Option(help="Country, as BR, of numbers without a country code.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read a world as the server would; counts what is in it and names every card that could not be used."""
    try:
        loaded = open_source(WorldSource(world, region=region))
    except LidbookError as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(json.dumps(_report(loaded), ensure_ascii=False, indent=2))
    else:
        _print_report(loaded)


@world_commands.command("generate")
def generate(
    people: Annotated[int, typer.Argument(min=0, help="How many people.")],
    file: Annotated[Path, typer.Argument(help="Where to write the JSON.", dir_okay=False)],
    seed: Annotated[int, typer.Option(help="Another seed makes up other people.")] = 1,
) -> None:
    """Write a made-up world to a file, to be edited and served with `--world`."""
    save_world(generate_world(people, seed), file)
    Console().print(f"wrote {file}")


def _conditions(data_dir: Path, account: str | None) -> Conditions:
    try:
        phone = parse_dialable(account) if account is not None else _only_account(data_dir)
        return Conditions(conditions_folder(data_dir / "engines" / SandboxEngine.name) / f"{phone.digits}.json")
    except LidbookError as error:
        raise typer.BadParameter(error.message) from error


def _only_account(data_dir: Path) -> PhoneNumber:
    """The account of the sandbox sessions in this data dir. Raises `InvalidRequest` unless there is just one."""
    path = database_path(data_dir)
    accounts: set[PhoneNumber] = set()
    if path.is_file():
        with closing(open_reader(path)) as reader:
            rows = [row for row in load_all(reader) if row.engine == SandboxEngine.name]
        accounts = {row.account.phone for row in rows if row.account is not None}
    if len(accounts) != 1:
        known = ", ".join(sorted(phone.digits for phone in accounts)) or "none so far"
        raise InvalidRequest(f"say which account with --account; known in {data_dir}: {known}")
    return accounts.pop()


def _list(conditions: Conditions) -> None:
    console = Console()
    if not conditions.all():
        console.print("nothing is switched on")
        return
    table = Table("condition", "for", "details")
    for condition in conditions.all():
        table.add_row(
            condition.kind.value, ", ".join(sorted(condition.capabilities)) or "every live call", _details(condition)
        )
    console.print(table)


def _details(condition: Condition) -> str:
    match condition.kind:
        case Kind.RATE_LIMIT:
            return f"retry after {condition.retry_after:g} s"
        case Kind.SLOW:
            return f"{condition.milliseconds} ms"
        case Kind.CONFLICT:
            return f"{condition.times} more"
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
