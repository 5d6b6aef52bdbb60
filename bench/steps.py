"""One request, step by step: what each layer between socket and disk costs, called in a process without sockets.

`python -m bench.steps DATA_DIR` is the child: it opens a data dir that no server holds, and prints what it measured.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson

from bench.generator import KEY
from bench.processes import ChildFailed, complaints, module, spawned
from bench.table import Row, Unit
from lidbook.app import CoreSettings, Lidbook
from lidbook.identifiers import parse_wire
from lidbook_api.access.scopes import NO_KEYS
from lidbook_api.app import create_app
from lidbook_api.settings import ServerSettings

CALLS: Final = 2_000
REPEATS: Final = 7
"""The least of so many turns is taken: whatever else the machine did only ever adds."""
PAGE: Final = 100
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[dict[str, Any], Callable[[], Awaitable[dict[str, Any]]], Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Way:
    """A kind of request: its path, its query for a number, and the read below it."""

    what: str
    path: str
    query: Callable[[int], str]
    read: Callable[[int], Coroutine[Any, Any, object]]


def measure(folder: Path, data_dir: Path) -> list[Row]:
    """The steps of a look-up and of a page, outermost last; each row is what that layer adds."""
    log = folder / "steps.log"
    with spawned(module("steps", str(data_dir)), log) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
    if not line:
        raise ChildFailed(f"the steps could not be measured\n{complaints(log)}")
    return [Row(what, tuple(figures), Unit.MICROSECONDS) for what, figures in orjson.loads(line)]


async def steps(data_dir: Path) -> list[tuple[str, tuple[float, ...]]]:
    """What is measured -> microseconds of CPU up to and including that layer, and of the layer alone."""
    lidbook = await Lidbook.open(CoreSettings(data_dir))
    try:
        app = create_app(lidbook, ServerSettings.model_validate({"api_key": KEY}))
        async with app.router.lifespan_context(app):
            session = await lidbook.sessions.start("default")
            await session.settled(60)
            directory, random = session.directory, Random(1)
            total = await directory.contacts_count()
            ids = [
                orjson.loads(await directory.contacts_page(limit=1, offset=random.randrange(total)))[0]["id"]
                for _ in range(500)
            ]
            offsets = [random.randrange(max(total - PAGE, 1)) for _ in range(500)]

            async def by_id(number: int) -> object:
                return directory.contact(parse_wire(ids[number % 500]))

            async def by_name(number: int) -> object:
                return await directory.contacts_page(sort_by="name", limit=PAGE, offset=offsets[number % 500])

            ways = (
                Way("contact by id", "/api/contacts", lambda n: f"contactId={ids[n % 500]}&session=default", by_id),
                Way(
                    "contacts/all?limit=100 by name",
                    "/api/contacts/all",
                    lambda n: f"session=default&sortBy=name&limit={PAGE}&offset={offsets[n % 500]}",
                    by_name,
                ),
            )
            rows = [row for way in ways for row in await _layers(app, way)]
            await lidbook.sessions.stop("default")
            return rows
    finally:
        await lidbook.close()


async def _layers(app: Any, way: Way) -> list[tuple[str, tuple[float, ...]]]:
    """From the innermost to the outermost."""
    found = [(f"{way.what}: the directory's read", await _least(way.read))]
    for name, layer in _stack(app):
        found.append((f"  {name}", await _least(_asking(layer, app, way))))
    rows: list[tuple[str, tuple[float, ...]]] = []
    before = 0.0
    for name, microseconds in found:
        rows.append((name, (microseconds, microseconds - before)))
        before = microseconds
    return rows


def _stack(app: Any) -> Sequence[tuple[str, App]]:
    """The app's layers by name, the innermost first."""
    layer, layers = app.build_middleware_stack(), []
    while layer is not None:
        layers.append(layer)
        layer = getattr(layer, "app", None) or getattr(layer, "_app", None)
    named = {"CountedRequests": "metrics", "Gate": "key, Host, CORS"}
    chosen = [("routing, scope, parameters, answer", layers[-1])]
    chosen += [(named[type(each).__name__], each) for each in reversed(layers) if type(each).__name__ in named]
    return [*chosen, ("whole app", layers[0])]


def _asking(layer: App, app: Any, way: Way) -> Callable[[int], Coroutine[Any, Any, object]]:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def ask(number: int) -> object:
        status = 0

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": way.path,
            "raw_path": way.path.encode(),
            "query_string": way.query(number).encode(),
            "root_path": "",
            "headers": [(b"host", b"localhost"), (b"x-api-key", KEY.encode())],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 3000),
            "state": {},
            "app": app,
            "lidbook.access": NO_KEYS,
        }
        await layer(scope, receive, send)
        if status != 200:
            raise ChildFailed(f"{way.path} answered {status}")
        return status

    return ask


async def _least(call: Callable[[int], Coroutine[Any, Any, object]]) -> float:
    """Microseconds of CPU for one call."""
    least = float("inf")
    for _ in range(REPEATS):
        begin = time.process_time()
        for number in range(CALLS):
            await call(number)
        least = min(least, time.process_time() - begin)
    return least / CALLS * 1e6


if __name__ == "__main__":
    print(orjson.dumps(asyncio.run(steps(Path(sys.argv[1])))).decode(), flush=True)
