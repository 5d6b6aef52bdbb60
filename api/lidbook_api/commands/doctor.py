"""`lidbook doctor`: look at everything, say what is wrong and what mends it."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lidbook_api.commands.backup import DataDir, chosen

if TYPE_CHECKING:
    from lidbook_api.diagnosis.finding import Finding
    from lidbook_api.settings import ServerSettings


def doctor(
    data_dir: DataDir = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Look at this machine, the data dir and what is installed; ends with 1 when something is broken."""
    findings = _findings(data_dir)
    broken = [finding for finding in findings if finding.level == "broken"]
    if as_json:
        shown = [{"check": f.check, "level": f.level.value, "says": f.says, "remedy": f.remedy} for f in findings]
        typer.echo(json.dumps({"ok": not broken, "findings": shown}, indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            _print(finding)
        typer.echo(
            f"\n{len(broken)} of {len(findings)} checks found something broken" if broken else "\nnothing is broken"
        )
    if broken:
        raise typer.Exit(1)


def _findings(data_dir: Path | None) -> "list[Finding]":
    from lidbook import logs  # noqa: PLC0415 - and all of the server with what follows
    from lidbook.data_dir import lock_holder  # noqa: PLC0415
    from lidbook.hooks import Hooks  # noqa: PLC0415
    from lidbook.registry import EngineRegistry  # noqa: PLC0415
    from lidbook_api.commands.strangers import add_commands  # noqa: PLC0415
    from lidbook_api.diagnosis import configured, data, installed, machine  # noqa: PLC0415

    logs.configure("critical")  # what it would log is found here, too
    settings, fault = _settings(data_dir)
    folder = chosen(data_dir) if settings is None else settings.data_dir
    process = lock_holder(folder)
    about_database, stored = data.database(folder)
    registry = EngineRegistry.load()
    findings = [machine.python(), machine.clock(stored.newest_entry)]
    findings += configured.environment(settings, fault, os.environ)
    if settings is not None:
        findings += [configured.keys(settings), *machine.port(settings.host, settings.port, served=process is not None)]
        findings += configured.default_engine(settings, registry, os.environ)
        findings += configured.network(settings)
    findings += [*data.folder(folder), data.server(process), *about_database]
    findings += installed.engines(registry, folder, stored.sessions)
    findings += [*installed.plugins(Hooks.load()), *installed.commands(add_commands(typer.Typer()))]
    findings += data.sessions(stored)
    return findings


def _settings(data_dir: Path | None) -> "tuple[ServerSettings | None, str | None]":
    """The settings the server would have, or what is wrong with them."""
    from lidbook_api.access.key_text import WeakKey  # noqa: PLC0415
    from lidbook_api.serving import CannotServe, settings_from  # noqa: PLC0415

    try:
        return settings_from({} if data_dir is None else {"data_dir": data_dir}), None
    except (CannotServe, WeakKey) as error:
        return None, str(error)


def _print(finding: "Finding") -> None:
    from lidbook.redaction import printable  # noqa: PLC0415

    mark = {"broken": "BROKEN", "warning": "warning"}.get(finding.level.value, finding.level.value)
    typer.echo(f"{mark:<8} {finding.check:<16} {printable(finding.says)}")
    if finding.remedy is not None:
        typer.echo(f"{'':<25} -> {printable(finding.remedy)}")
