"""`lidbook engine …`: for those who write one."""

from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer(name="engine", help="Write an engine of your own.", no_args_is_help=True)


@commands.command("new")
def new(
    name: Annotated[str, typer.Argument(help="What config.engine will say: lower case, as my-engine.")],
    into: Annotated[Path, typer.Option(help="Folder in which the package's own folder is made.")] = Path(),
) -> None:
    """Write the package of a new engine: it works at once, on a simulated WhatsApp, and passes the compliance tests."""
    from lidbook.engine_template import new_engine  # noqa: PLC0415 - `lidbook --help` loads this module
    from lidbook.errors import InvalidRequest  # noqa: PLC0415
    from lidbook.registry import EngineRegistry  # noqa: PLC0415

    try:
        files = new_engine(name)
    except InvalidRequest as error:
        raise _refusal(error.message) from error
    registry = EngineRegistry.load()
    if registry.resolve(name) is not None or name in registry.broken:
        raise _refusal(f"engine {name!r} is installed already: take another name, or uninstall that one")
    folder = into / f"lidbook-{name}"
    try:
        folder.mkdir(parents=True)
        for path, text in files.items():
            file = folder / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, "utf-8")
    except FileExistsError as error:
        raise _refusal(f"{folder} is there already: nothing was written") from error
    except OSError as error:
        raise _refusal(f"cannot write {folder}: {error.strerror}") from error
    typer.echo(f"wrote {folder}: {', '.join(str(path) for path in files)}")
    typer.echo(f"next:\n    cd {folder}\n    pip install -e '.[test]'\n    pytest\n    lidbook engines")


def _refusal(message: str) -> typer.Exit:
    typer.echo(f"lidbook: {message}", err=True)
    return typer.Exit(1)
