"""The command line. Everything heavy is imported inside the command that needs it: `lidbook --help` must be quick."""

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from lidbook import __version__
from lidbook_api.commands import backup, doctor, keys, sessions, webhooks
from lidbook_api.commands import engine as engine_commands
from lidbook_api.commands import engines as engines_commands
from lidbook_api.commands.strangers import OWN, add_commands

cli = typer.Typer(
    name="lidbook",
    help="One REST API for WhatsApp contacts and LIDs, in front of interchangeable engines.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
cli.add_typer(engine_commands.commands, name="engine")
cli.add_typer(engines_commands.commands, name="engines")
cli.add_typer(keys.commands, name="keys")
cli.add_typer(sessions.commands, name="sessions")
cli.add_typer(webhooks.commands, name="webhooks")
cli.command("backup")(backup.backup)
cli.command("restore")(backup.restore)
cli.command("doctor")(doctor.doctor)


def main() -> None:
    """The script `lidbook`."""
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    if command not in OWN:
        for line in add_commands(cli):
            print(line, file=sys.stderr)
    cli()


def _print_version(asked: bool) -> None:
    if asked:
        print(f"lidbook {__version__}")
        raise typer.Exit


@cli.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None: ...


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; any but loopback needs a key.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one. [default: 3000]")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept.")] = None,
    engine: Annotated[str | None, typer.Option(help="Engine of sessions that name none.")] = None,
    world: Annotated[
        str | None, typer.Option(help="For the sandbox: `demo`, or your own .json, .vcf or .csv file.")
    ] = None,
    people: Annotated[
        int | None, typer.Option(min=0, help="For the sandbox: make up a world of that many people.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="For --people: another seed makes up other people.")] = None,
    region: Annotated[
        str | None, typer.Option(help="For --world: country, as BR, of numbers without a country code.")
    ] = None,
) -> None:
    """Serve the API. The first time, session `default` is created and started."""
    from lidbook_api.serving import Wanted, run  # noqa: PLC0415

    given = {"host": host, "port": port, "data_dir": data_dir, "default_engine": engine}
    wanted = Wanted(
        settings={name: value for name, value in given.items() if value is not None},
        world=world,
        people=people,
        seed=seed,
        region=region,
    )
    raise typer.Exit(run(wanted))


@cli.command()
def features(
    path: Annotated[Path, typer.Argument(help="The file that --write writes.")] = Path("features.md"),
    write: Annotated[bool, typer.Option("--write", help="Write Lidbook's own engines to a file instead.")] = False,
) -> None:
    """Show what every installed engine can do."""
    from lidbook import features as matrix  # noqa: PLC0415
    from lidbook.registry import EngineRegistry  # noqa: PLC0415

    registry = EngineRegistry.load()
    if write:
        path.write_text(matrix.to_markdown(matrix.matrix(matrix.shipped(registry))), "utf-8")
        print(f"wrote {path}")
    else:
        print(matrix.to_text(matrix.installed(registry), width=shutil.get_terminal_size().columns), end="")


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    from lidbook_api.app import create_app  # noqa: PLC0415
    from lidbook_api.settings import ServerSettings  # noqa: PLC0415

    print(json.dumps(create_app(None, ServerSettings.model_construct()).openapi(), indent=2, ensure_ascii=False))
