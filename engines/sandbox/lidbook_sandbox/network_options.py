"""What can be said on the command line about a sandbox network, by several commands."""

from pathlib import Path
from typing import Annotated

import typer

from lidbook.data_dir import default_data_dir

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
WorldName = Annotated[str | None, typer.Option("--world", help="`demo`, or your own .json, .vcf or .csv file.")]
People = Annotated[int | None, typer.Option("--people", min=0, help="Make up a world of that many people instead.")]
Seed = Annotated[int | None, typer.Option("--seed", help="For --people: another seed makes up other people.")]
Region = Annotated[
    str | None, typer.Option("--region", help="For --world: country, as BR, of numbers without a country code.")
]
Port = Annotated[
    int,
    typer.Option(
        "--port",
        min=0,
        max=65535,
        help="Port for devices; 0 takes the one of last time, or a free one where somebody else has that.",
    ),
]
ControlPort = Annotated[
    int, typer.Option("--control-port", min=0, max=65535, help="Port for `lidbook phone`; 0 as for --port.")
]
