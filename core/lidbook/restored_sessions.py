"""Whether the sessions of a backup are such as a server may be given: names become folders, statuses are read."""

import re
import sqlite3
from collections.abc import Iterator
from typing import Final

from lidbook.sessions.names import is_well_formed
from lidbook.values import SessionStatus, StatusReason

_ENGINE: Final = re.compile(r"\w[\w.-]{0,99}", re.ASCII)


def faults_of_sessions(connection: sqlite3.Connection) -> Iterator[str]:
    """What no server has written, a sentence each. Raises `sqlite3.Error` where the table is another one."""
    rows = connection.execute("SELECT name, engine, config, desired, status, reason FROM session")
    for name, engine, config, desired, status, reason in rows:
        if not isinstance(name, str) or not is_well_formed(name):
            yield f"{name!r} cannot be the name of a session"
        elif not is_engine_name(engine):
            yield f"session {name!r} has the engine {engine!r}, which cannot be the name of one"
        elif not isinstance(config, str):
            yield f"session {name!r} has a config that is no text"
        elif desired not in ("running", "stopped"):
            yield f"session {name!r} is wanted {desired!r}, which is nothing that can be wanted"
        elif status not in set(SessionStatus):
            yield f"session {name!r} has the status {status!r}, which there is not"
        elif reason is not None and reason not in set(StatusReason):
            yield f"session {name!r} has the reason {reason!r}, which there is not"


def is_engine_name(engine: object) -> bool:
    """Whether it can be the name of an engine, installed or not: a folder is named after it."""
    return isinstance(engine, str) and _ENGINE.fullmatch(engine) is not None
