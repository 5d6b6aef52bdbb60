"""What a server starts with: session `default` on an empty data dir, and the world that the command line asks for."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from pydantic import JsonValue, ValidationError

from lidbook.app import Lidbook
from lidbook.capabilities import Feed
from lidbook.engine import Engine
from lidbook.errors import InvalidWorld
from lidbook.hookspecs import Change, ChangeKind, hookimpl
from lidbook.session_config import SessionConfig
from lidbook.sessions.session import Session
from lidbook.values import SessionStatus

DEFAULT: Final = "default"
WORLD_SETTINGS: Final = ("world", "people", "seed", "region")
SHOWN: Final = 20
"""How many lines about cards, or about sessions, are printed; all those about cards are in a file."""

MOMENT: Final = 2.0
"""Seconds that the first session gets to be filled before it is described."""

ADDRESS_BOOKS: Final = (".vcf", ".csv")


@dataclass(frozen=True, slots=True)
class WorldWanted:
    """The world in the command line, as engine settings; empty when none was asked for."""

    settings: dict[str, JsonValue]

    @classmethod
    def of(
        cls, world: str | None, people: int | None, seed: int | None, region: str | None, engine: type[Engine]
    ) -> Self:
        """The settings that the command line asks for. Raises `InvalidWorld` where they make no sense."""
        given = {"world": world, "people": people, "seed": seed, "region": region}
        settings: dict[str, JsonValue] = {name: value for name, value in given.items() if value is not None}
        unknown = [name for name in settings if name not in engine.settings.model_fields]
        if unknown:
            raise InvalidWorld(f"--{unknown[0]} is for the sandbox, and the engine is {engine.name}: leave one out")
        if world is not None and people is not None:
            raise InvalidWorld("give --world or --people, not both")
        if seed is not None and people is None:
            raise InvalidWorld("--seed is for --people: say how many, or leave it out")
        if region is not None and (world is None or Path(world).suffix.lower() not in ADDRESS_BOOKS):
            raise InvalidWorld(
                "--region is for an address book: give --world with a .vcf or .csv file, or leave it out"
            )
        if world is not None and Path(world).suffix:
            path = Path(world).expanduser().absolute()
            if not path.is_file():
                raise InvalidWorld(f"there is no file {path}")
            settings["world"] = str(path)
        try:
            engine.settings.model_validate(settings)
        except ValidationError as error:
            raise InvalidWorld(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from error
        return cls(settings)

    @property
    def address_book(self) -> Path | None:
        """The user's own address book, if that is the world."""
        world = self.settings.get("world")
        return Path(world) if isinstance(world, str) and Path(world).suffix.lower() in ADDRESS_BOOKS else None


def read_world(wanted: WorldWanted, data_dir: Path) -> Iterator[str]:
    """Read an address book once before anything starts, and say what of it cannot be used. Raises `InvalidWorld`."""
    path = wanted.address_book
    if path is None:
        return
    from lidbook.addressbook.book import read_addressbook  # noqa: PLC0415 - reading vCards is slow to import
    from lidbook.world.from_addressbook import world_from_addressbook  # noqa: PLC0415

    region = wanted.settings.get("region")
    book = read_addressbook(path, region=region if isinstance(region, str) else None)
    counts = world_from_addressbook(book, path.stem).counts
    merged = [
        f"line {twin.dropped_line}: {twin.dropped}: {twin.phone.digits} stands on line {twin.kept_line} too, "
        f"and is one person under the name {twin.kept}"
        for twin in counts.merged
    ]
    yield f"{book.summary}; that makes {counts.people} people, as {len(merged)} numbers stand on more than one card"
    yield from _listed([*map(str, book.refused), *merged], data_dir / f"{book.source}.report.txt")


def _listed(lines: list[str], report: Path) -> Iterator[str]:
    """The first of many lines, and the file that has them all."""
    if lines:
        yield from (f"  {line}" for line in lines[:SHOWN])
        _write_private(report, "\n".join(lines) + "\n")
        more = f"and {len(lines) - SHOWN} more; " if len(lines) > SHOWN else ""
        yield f"  {more}all of them are in {report}"


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads: there are names and numbers in it."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
        os.fchmod(file.fileno(), 0o600)
        file.write(text)


async def prepare_sessions(lidbook: Lidbook, wanted: WorldWanted, also: tuple[str, ...]) -> list[str]:
    """Create, change and start what is to be there; returns what to tell the operator about it."""
    sessions = lidbook.sessions
    said: list[str] = []
    existing = sessions.find(DEFAULT)
    if existing is not None and wanted.settings:
        said += await _change_world(lidbook, existing, wanted)
    elif not sessions.all() or wanted.settings:
        await sessions.create(DEFAULT, SessionConfig.parse({"settings": wanted.settings} if wanted.settings else {}))
    for name in also:
        if sessions.find(name) is None:
            await sessions.create(name, SessionConfig())
        else:
            await sessions.start(name)
    return said


async def describe_sessions(lidbook: Lidbook) -> list[str]:
    """A line for each session, after the first has had a moment to get its people."""
    sessions = lidbook.sessions.all()
    if sessions:
        await _filled(lidbook, lidbook.sessions.find(DEFAULT) or sessions[0])
    lines = [await _described(session) for session in sessions[:SHOWN]]
    if len(sessions) > SHOWN:
        lines.append(f"  sessions    and {len(sessions) - SHOWN} more")
    return lines


async def _filled(lidbook: Lidbook, session: Session) -> None:
    """Wait a moment for the first sync, so that what is printed next has something to show."""
    synced = _FirstSync(session.name)
    lidbook.hooks.register(synced, "lidbook_api.first_session")
    try:
        async with asyncio.timeout(MOMENT):
            await session.settled(MOMENT)
            if session.status is SessionStatus.WORKING and not await session.directory.is_synced(Feed.CONTACTS):
                await synced.event.wait()
    except TimeoutError:
        pass  # the list is still growing, and will be shown as far as it is
    finally:
        lidbook.hooks.unregister(synced)


class _FirstSync:
    """Hears when a session has all of its contacts."""

    def __init__(self, session: str) -> None:
        self._session = session
        self.event = asyncio.Event()

    @hookimpl
    def lidbook_changes_committed(self, session: str, changes: Sequence[Change]) -> None:
        """One batch of changes."""
        if session == self._session and any(change.kind is ChangeKind.CONTACTS_SYNCED for change in changes):
            self.event.set()


async def _change_world(lidbook: Lidbook, session: Session, wanted: WorldWanted) -> list[str]:
    """Give an existing session another world: other people, so what was known of the old ones is forgotten."""
    stored = session.config.stored()
    settings = dict(session.config.settings)
    if not set(WORLD_SETTINGS) <= set(session.engine.settings.model_fields):
        raise InvalidWorld(
            f"session {DEFAULT} has engine {session.engine.name} and no world: leave the world out, or use another "
            "--data-dir"
        )
    if {name: settings[name] for name in WORLD_SETTINGS if name in settings} == wanted.settings:
        return []
    kept = {name: value for name, value in settings.items() if name not in (*WORLD_SETTINGS, "account")}
    config = SessionConfig.parse({**stored, "settings": {**kept, **wanted.settings}})
    await lidbook.sessions.stop(DEFAULT)
    await lidbook.sessions.update(DEFAULT, config)
    await lidbook.sessions.reset(DEFAULT)
    await lidbook.sessions.start(DEFAULT)
    return [f"  CHANGED     session {DEFAULT} has another world now; what it knew of the old one was erased"]


async def _described(session: Session) -> str:
    reason = f" ({session.reason})" if session.reason else ""
    growing = "" if await session.directory.is_synced(Feed.CONTACTS) else " so far"
    count = f"{await session.directory.contacts_count()} contacts{growing}"
    line = f"  session     {session.name}: engine {session.engine.name}, {session.status}{reason}, {count}"
    if "world" in session.engine.settings.model_fields:
        line += f"; its people are {_people(session)}"
    if session.detail is not None:
        line += f"; {session.detail}"
    return line + (" (nobody named an engine)" if session.engine_assumed else "")


def _people(session: Session) -> str:
    settings = session.config.settings
    world, people = settings.get("world"), settings.get("people")
    if people is not None:
        return f"made up: {people} of them, seed {settings.get('seed', 1)}"
    if isinstance(world, str) and Path(world).suffix.lower() in ADDRESS_BOOKS:
        return f"those in {world}, what is behind them is made up"
    return f"made up: the world {world or 'demo'}"
