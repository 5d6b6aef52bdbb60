"""`lidbook engines`: which are installed, whether what they need is on this machine, and getting that."""

from typing import TYPE_CHECKING, Annotated

import typer

from lidbook_api.commands.backup import DataDir, chosen
from lidbook_api.commands.remote import refuse

if TYPE_CHECKING:
    from pathlib import Path

    from lidbook.runtime import Runtime

commands = typer.Typer(name="engines", help="List the engines, and install what they need.")


@commands.callback(invoke_without_command=True)
def engines(context: typer.Context, data_dir: DataDir = None) -> None:
    """List the engines that are installed, and whether what they need is on this machine."""
    if context.invoked_subcommand is not None:
        context.obj = data_dir
        return
    from lidbook.registry import EngineRegistry  # noqa: PLC0415
    from lidbook.runtime import look  # noqa: PLC0415

    registry, folder = EngineRegistry.load(), chosen(data_dir) / "engines"
    for engine in registry.loaded():
        state = look(engine, folder / engine.name)
        aliases = f" (also {', '.join(engine.aliases)})" if engine.aliases else ""
        typer.echo(f"{engine.name}{aliases}")
        typer.echo(f"    {engine.title}")
        typer.echo(f"    from {registry.distribution(engine.name) or 'nowhere'}")
        typer.echo("    ready" if state.ready else f"    not ready: {state.complaint}")
    for name, reason in sorted(registry.broken.items()):
        typer.echo(f"{name}\n    cannot be used: {reason}")


@commands.command("install")
def install(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The engine, by name or by WAHA's name for it.")],
    data_dir: DataDir = None,
) -> None:
    """Get what an engine needs on this machine, into the data dir. A running server need not be started again."""
    import asyncio  # noqa: PLC0415 - none of it is for those who list the engines

    from lidbook.errors import LidbookError  # noqa: PLC0415
    from lidbook.registry import EngineRegistry  # noqa: PLC0415

    folder = chosen(data_dir or context.obj)
    try:
        engine = EngineRegistry.load().get(name)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _require_owner(folder, engine.name)
        asyncio.run(_install(engine(folder / "engines" / engine.name).runtime()))
    except LidbookError as error:
        refuse(error.message)
    except OSError as error:
        refuse(f"cannot use the data dir {folder}: {error.strerror}; choose another --data-dir")
    except asyncio.CancelledError:
        refuse("broken off; what was done so far is used when it is run again")


def _require_owner(folder: "Path", engine: str) -> None:
    """Root could write there, and the server could not read it."""
    import os  # noqa: PLC0415
    import shlex  # noqa: PLC0415

    owner = folder.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        command = f"sudo -u '#{owner}' lidbook engines install {engine} --data-dir {shlex.quote(str(folder))}"
        refuse(f"{folder} belongs to another user, who could not use what root installs: run  {command}")


async def _install(runtime: "Runtime") -> None:
    """Install, until it is done or somebody ends this process: then what it started is ended first."""
    import asyncio  # noqa: PLC0415
    import signal  # noqa: PLC0415

    installing = asyncio.ensure_future(runtime.install(typer.echo))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, installing.cancel)
    await installing
