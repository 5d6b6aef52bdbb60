"""The commands that other packages bring, under names that ours do not have."""

from importlib.metadata import entry_points
from typing import Final

import typer

GROUP: Final = "lidbook.commands"
"""Entry-point group in which a distribution names further commands, each a `typer.Typer`."""

OWN: Final = frozenset(
    {"backup", "doctor", "engine", "engines", "features", "keys", "openapi", "restore", "serve", "sessions", "webhooks"}
)


def add_commands(parent: typer.Typer) -> list[str]:
    """Add the commands that other packages bring; returns a line for each that cannot be used."""
    faults = []
    for entry in sorted(entry_points(group=GROUP)):
        try:
            commands = entry.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a stranger's module raises
            fault: str | None = f"{type(error).__name__}: {error}"
        else:
            fault = "the name is taken" if entry.name in OWN else None
            if not isinstance(commands, typer.Typer):
                fault = f"{entry.value} is no typer.Typer"
        if fault is None:
            parent.add_typer(commands, name=entry.name)
        else:
            faults.append(f"lidbook: command '{entry.name}' cannot be used: {fault}")
    return faults
