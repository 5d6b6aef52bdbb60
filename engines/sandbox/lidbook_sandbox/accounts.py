"""Whose the sandbox sessions of a data dir are, as another process finds it out: the commands."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import orjson
from pydantic import ValidationError

from lidbook.data_dir import database_path
from lidbook.directory.database import open_reader
from lidbook.errors import InvalidRequest, LidbookError
from lidbook.identifiers import PhoneNumber, parse_dialable, spellings
from lidbook.session_config import SessionConfig
from lidbook.sessions.rows import SessionRow, load_all
from lidbook.values import SessionStatus
from lidbook.world.generator import default_phone
from lidbook.world.live import LiveWorld
from lidbook.world.sources import open_source
from lidbook_sandbox.engine import SandboxEngine, conditions_folder
from lidbook_sandbox.settings import SandboxSettings


@dataclass(frozen=True, slots=True)
class KnownSession:
    """A session, and whose it is."""

    name: str
    account: PhoneNumber


def known_sessions(data_dir: Path) -> list[KnownSession]:
    """The sandbox sessions of a data dir, but those of which nobody can tell yet whose they are."""
    found = ((row.name, _account(row)) for row in _rows(data_dir))
    return [KnownSession(name, account) for name, account in found if account is not None]


def statuses(data_dir: Path) -> dict[str, SessionStatus]:
    """The status of each sandbox session, by name, as it was stored last."""
    return {row.name: row.status for row in _rows(data_dir)}


def account_meant(
    data_dir: Path, account: str | None, known: list[KnownSession], served: Iterable[PhoneNumber] = ()
) -> PhoneNumber:
    """The account that a command is for; when none is named, the only one that has a session.

    `served` are those of the network: they can be named, and count where there is no session at all. Raises
    `InvalidRequest` where that is nobody's, and where there are several to choose from.
    """
    linked = {session.account for session in known}
    accounts = linked | set(served)
    listed = ", ".join(sorted(phone.digits for phone in accounts)) or "none so far"
    if account is None:
        meant = linked or accounts
        if len(meant) != 1:
            raise InvalidRequest(f"say which account with --account; known in {data_dir}: {listed}")
        return meant.pop()
    phone = parse_dialable(account)
    for spelling in spellings(phone):
        if spelling in accounts:
            return spelling
    for spelling in spellings(phone):
        if conditions_file(data_dir, spelling).exists():
            return spelling
    raise InvalidRequest(f"{phone.digits} is the account of no session in {data_dir}; there are: {listed}")


def conditions_file(data_dir: Path, account: PhoneNumber) -> Path:
    """Where the conditions of an account stand."""
    return conditions_folder(data_dir / "engines" / SandboxEngine.name) / f"{account.digits}.json"


def _rows(data_dir: Path) -> list[SessionRow]:
    path = database_path(data_dir)
    if not path.is_file():
        return []
    with closing(open_reader(path)) as reader:
        return [row for row in load_all(reader) if row.engine == SandboxEngine.name]


def _account(row: SessionRow) -> PhoneNumber | None:
    """The account that a session is linked to, or is to be linked to."""
    if row.account is not None:
        return row.account.phone
    try:
        config = SessionConfig.parse(orjson.loads(row.config))
        settings = SandboxSettings.model_validate(config.settings)
        if settings.people is not None:
            made_up = default_phone(settings.people, settings.seed)
            known = settings.phone is None or (made_up is not None and made_up in spellings(settings.phone))
            return made_up if known else settings.phone
        world = LiveWorld(open_source(settings.source).world)
        return world.person(world.account(settings.phone)).phone
    except (LidbookError, ValidationError):  # the session itself says what is wrong with them
        return None
