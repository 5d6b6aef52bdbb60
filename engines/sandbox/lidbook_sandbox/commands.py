"""`lidbook sandbox`: serve a world as a WhatsApp network; look into worlds, and make things go wrong on purpose."""

from pathlib import Path
from typing import Annotated

import typer

from lidbook.capabilities import Capability
from lidbook.world.conditions import Condition, Kind
from lidbook_sandbox.network_options import ControlPort, DataDir, People, Port, Region, Seed, WorldName

commands = typer.Typer(
    name="sandbox",
    help="The simulated WhatsApp: without a command, serves a world to devices on this machine.",
    invoke_without_command=True,
)
condition_commands = typer.Typer(help="Make things go wrong for an account, and right again.", no_args_is_help=True)
world_commands = typer.Typer(help="Look into worlds, and make them.", no_args_is_help=True)
commands.add_typer(condition_commands, name="condition")
commands.add_typer(world_commands, name="world")

AccountNumber = Annotated[
    str | None,
    typer.Option(
        "--account", help="Phone number of the account whose sessions are meant; needed when there are several."
    ),
]


@commands.callback()
def serve_without_a_command(
    context: typer.Context,
    data_dir: DataDir,
    world: WorldName = None,
    people: People = None,
    seed: Seed = None,
    region: Region = None,
    port: Port = 0,
    control_port: ControlPort = 0,
) -> None:
    """The simulated WhatsApp: without a command, serves a world to devices on this machine."""
    if context.invoked_subcommand is None:
        serve(data_dir, world, people, seed, region, port, control_port)
        return
    given = [name for name in context.params if _was_typed(context, name)]
    if given:
        option = f"--{given[0].replace('_', '-')}"
        raise typer.BadParameter(f"give it after the command {context.invoked_subcommand}", param_hint=option)


@commands.command("serve")
def serve(
    data_dir: DataDir,
    world: WorldName = None,
    people: People = None,
    seed: Seed = None,
    region: Region = None,
    port: Port = 0,
    control_port: ControlPort = 0,
) -> None:
    """Serve a world as a WhatsApp network on this machine, until Ctrl-C; the same as no command at all."""
    from lidbook_sandbox import serve_command  # noqa: PLC0415 - `lidbook --help` loads this module

    serve_command.serve(data_dir, world, people, seed, region, port, control_port)


def _was_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


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
    """Switch a condition on; a running server notices within a second.

    It is for all sessions of the account, and for its devices on the network; but logout happens to one of them, any
    of them, and each conflict to one write. The phone that scans a code is `lidbook sandbox scan`.
    """
    if kind is Kind.SCAN:
        raise typer.BadParameter("a scan waits for nobody: use  lidbook sandbox scan", param_hint="KIND")
    if capability and kind in (Kind.DISCONNECT, Kind.LOGOUT):
        raise typer.BadParameter(f"{kind} is not for single live calls: leave it out", param_hint="--capability")
    live = {c.value: c for c in Capability if c.served_by == "engine"}
    wrong = [name for name in capability or [] if name not in live]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]} is no live call; there are {', '.join(live)}", param_hint="--capability")
    capabilities = frozenset(live[name] for name in capability or [])
    from lidbook_sandbox import reports  # noqa: PLC0415 - `lidbook --help` loads this module

    conditions = reports.conditions_of(data_dir, account)
    conditions.set(Condition(kind, capabilities, retry_after, milliseconds, times))
    reports.show(conditions)


@condition_commands.command("clear")
def clear_condition(
    data_dir: DataDir,
    account: AccountNumber = None,
    kind: Annotated[Kind | None, typer.Argument(help="Which; all when left out.")] = None,
) -> None:
    """Switch one condition off, or all."""
    from lidbook_sandbox import reports  # noqa: PLC0415 - `lidbook --help` loads this module

    conditions = reports.conditions_of(data_dir, account)
    conditions.clear(kind)
    reports.show(conditions)


@condition_commands.command("list")
def list_conditions(data_dir: DataDir, account: AccountNumber = None) -> None:
    """Show what is switched on."""
    from lidbook_sandbox import reports  # noqa: PLC0415 - `lidbook --help` loads this module

    reports.show(reports.conditions_of(data_dir, account))


@commands.command("scan")
def scan(data_dir: DataDir, account: AccountNumber = None) -> None:
    """Scan the QR code, or type the pairing code, that a session of the account shows.

    Waits a few seconds until it was taken; ends with 1 when no session of the account shows a code. Where several do,
    one of them is linked, any of them.
    """
    from lidbook_sandbox import reports  # noqa: PLC0415 - `lidbook --help` loads this module

    reports.scan(data_dir, account)


@world_commands.command("check")
def check_world(
    world: Annotated[str, typer.Argument(help="demo, or a .json, .vcf or .csv file.")] = "demo",
    region: Annotated[str | None, typer.Option(help="Country, as BR, of numbers without a country code.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read a world as the server would; counts what is in it and names every card that could not be used."""
    from lidbook_sandbox import reports  # noqa: PLC0415 - `lidbook --help` loads this module

    reports.check_world(world, region, as_json=as_json)


@world_commands.command("generate")
def generate(
    people: Annotated[int, typer.Argument(min=0, help="How many people.")],
    file: Annotated[Path, typer.Argument(help="Where to write the JSON.", dir_okay=False)],
    seed: Annotated[int, typer.Option(help="Another seed makes up other people.")] = 1,
) -> None:
    """Write a made-up world to a file, to be edited and served with `--world`."""
    from lidbook_sandbox import reports  # noqa: PLC0415 - `lidbook --help` loads this module

    reports.write_world(people, seed, file)
