"""A Lidbook server to be measured: `lidbook serve` on a data dir of its own, and what its directory holds."""

import http.client
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import orjson

from bench.generator import KEY
from bench.processes import Child, ChildFailed, server
from lidbook_sandbox.feeding import FEEDS

DRAWN: Final = 20_000
"""How many persons are drawn at random: more than are asked for in one turn."""
_LOOK_EVERY: Final = 0.25


def lidbook() -> str:
    """The installed script `lidbook`, that of this interpreter first."""
    beside = Path(sys.executable).with_name("lidbook")
    found = str(beside) if beside.is_file() else shutil.which("lidbook")
    if found is None:
        raise ChildFailed("there is no script `lidbook`: install the project first, pip install -e '.[dev]'")
    return found


@dataclass(frozen=True, slots=True)
class Served:
    """A running server and the file behind it."""

    child: Child
    data_dir: Path

    def get(self, path: str) -> bytes:
        """The body of a 200."""
        return self.call("GET", path)[0]

    def total(self, path: str) -> int:
        """`X-Total-Count` of a list."""
        return int(self.call("GET", path)[1]["x-total-count"])

    def call(self, method: str, path: str, body: object = None) -> tuple[bytes, http.client.HTTPMessage]:
        """One request on a connection of its own. Raises `ChildFailed` unless it succeeds."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.child.port, timeout=60)) as connection:
            sent = None if body is None else orjson.dumps(body)
            connection.request(method, path, sent, {"X-Api-Key": KEY, "Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        if answer.status not in (200, 201):
            raise ChildFailed(f"{method} {path}: {answer.status} {text[:300].decode()}")
        return text, answer.headers

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The server's file, read-only."""
        with closing(sqlite3.connect(f"file:{self.data_dir / 'lidbook.sqlite3'}?mode=ro", uri=True)) as connection:
            yield connection

    def is_synced(self, session: str = "default") -> bool:
        """Whether the session's directory has everything that its engine feeds at first."""
        with self.reading() as connection:
            rows = connection.execute(
                "SELECT feed FROM sync WHERE completed_at IS NOT NULL AND session = "
                "(SELECT id FROM session WHERE name = ?)",
                (session,),
            ).fetchall()
        return {feed.value for feed in FEEDS} <= {feed for (feed,) in rows}

    def persons(self, session: str = "default") -> int:
        """How many persons the session's directory has so far."""
        with self.reading() as connection:
            count: int = connection.execute(
                "SELECT count(*) FROM person WHERE session = (SELECT id FROM session WHERE name = ?)", (session,)
            ).fetchone()[0]
        return count

    def wait_until_synced(self, patience: float) -> None:
        """Return when session `default` has all its people."""
        until = time.monotonic() + patience
        while not self.is_synced():
            if time.monotonic() > until:
                raise ChildFailed(f"the session was not synced after {patience:.0f} s")
            time.sleep(_LOOK_EVERY)

    def draw(self, random: Random) -> "Drawn":
        """Persons of session `default`, at random: any of them, and those whose LID and phone number are both known."""
        with self.reading() as connection:
            chosen = "FROM person WHERE session = (SELECT id FROM session WHERE name = 'default')"
            ids = [row[0] for row in connection.execute(f"SELECT id {chosen}")]
            pairs = connection.execute(f"SELECT lid, id {chosen} AND mapped = 1").fetchall()
        return Drawn(
            random.sample(ids, min(DRAWN, len(ids))),
            random.sample(pairs, min(DRAWN, len(pairs))),
            self.total("/api/contacts/all?limit=1"),
            self.total("/api/default/lids?limit=1"),
        )


@dataclass(frozen=True, slots=True)
class Drawn:
    """Whom to ask for, and how long the lists are."""

    ids: list[str]
    pairs: list[tuple[str, str]]
    contacts: int
    lids: int


@contextmanager
def serving(data_dir: Path, *arguments: str) -> Iterator[Served]:
    """`lidbook serve` with a key, until leaving."""
    command = [lidbook(), "serve", "--port", "0", "--data-dir", str(data_dir), *arguments]
    with server(command, data_dir.with_suffix(".log"), LIDBOOK_API_KEY=KEY) as child:
        yield Served(child, data_dir)


@contextmanager
def serving_people(folder: Path, people: int) -> Iterator[Served]:
    """A server with a made-up world of so many people, all of them in its directory."""
    with serving(folder / f"{people}-people", "--people", str(people)) as served:
        served.wait_until_synced(60 + people / 800)
        yield served
