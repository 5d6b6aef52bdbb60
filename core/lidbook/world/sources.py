"""Where a world comes from: the demo, a JSON file, the user's own address book, or nowhere, made up on the spot."""

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from lidbook.errors import InvalidWorld
from lidbook.world.files import fingerprint, parse_world
from lidbook.world.from_addressbook import FORMAT, BookCounts, world_from_addressbook
from lidbook.world.generator import GENERATION, generate_world
from lidbook.world.model import World
from lidbook.world.wanted import Wanted, always

DEMO: Final = "demo"
SUFFIXES: Final = (".json", ".vcf", ".csv")


@dataclass(frozen=True, slots=True)
class WorldSource:
    """What to load: a name or path, or a number of people to make up; with neither, the demo."""

    world: str | None = None
    people: int | None = None
    seed: int = 1
    region: str | None = None
    """The country, as BR, of numbers that an address book holds without a country code; None finds it out."""

    def __post_init__(self) -> None:
        if self.world is not None and self.people is not None:
            raise InvalidWorld("give a world or a number of people to make up, not both")
        if self.people is not None and self.people < 0:
            raise InvalidWorld("a world has no fewer than 0 people")
        if self.path is not None and self.path.suffix.lower() not in SUFFIXES:
            raise InvalidWorld(f"{self.world} is no world; give {DEMO!r}, or a file ending in {', '.join(SUFFIXES)}")

    @property
    def path(self) -> Path | None:
        """The file, if it is one."""
        return None if self.people is not None or self.world in (None, DEMO) else Path(str(self.world)).expanduser()

    @property
    def key(self) -> str:
        """A name for the folder in which this world's changes are kept; does not depend on a file's content."""
        if self.people is not None:
            return f"people-{self.people}-seed-{self.seed}"
        if self.path is None:
            return DEMO
        name = re.sub(r"[^A-Za-z0-9]+", "-", self.path.stem).strip("-")[:40] or "world"
        return f"{name}-{fingerprint(str(self.path.absolute()).encode())[:8]}"


@dataclass(frozen=True, slots=True)
class LoadedWorld:
    """A world, and what became of its source."""

    world: World
    fingerprint: str
    """Changes whenever the world does."""
    counts: BookCounts | None = None
    """What became of each card, if it was made from an address book."""


def open_source(source: WorldSource, wanted: Wanted = always) -> LoadedWorld:
    """Load or make the world. Takes seconds for large ones.

    Raises `InvalidWorld`; `WorldUnwanted` soon after one that is made up is not `wanted`.
    """
    if source.people is not None:
        made = generate_world(source.people, source.seed, wanted)
        return LoadedWorld(made, fingerprint(b"", GENERATION, source.people, source.seed))
    path = source.path
    if path is None:
        content = resources.files("lidbook.world").joinpath("demo.json").read_bytes()
        return LoadedWorld(parse_world(content, "the demo world"), fingerprint(content))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidWorld(f"cannot read the world {path}: {error.strerror}") from error
    if path.suffix.lower() == ".json":
        return LoadedWorld(parse_world(content, str(path)), fingerprint(content))
    from lidbook.addressbook.book import read_addressbook  # noqa: PLC0415 - reading vCards is slow to import

    imported = world_from_addressbook(read_addressbook(path, region=source.region), path.stem)
    return LoadedWorld(imported.world, fingerprint(content, FORMAT, source.region), imported.counts)
