"""The SQLite file: opened, upgraded, written by one thread, read by as many as like."""

import queue
import sqlite3
import threading
from asyncio import AbstractEventLoop, Future, get_running_loop
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")
_WRITER_CACHE_KB: Final = 48 * 1024
_READER_CACHE_KB: Final = 8 * 1024
_MAPPED_BYTES: Final = 1 << 30
"""How much of the file the event loop's reader maps: a page of contacts by name is a hundred rows far apart, and
copying each of their pages out of the file would cost more than finding them."""
_GROUPED_JOBS: Final = 64
"""Most jobs that share one COMMIT."""


@dataclass(slots=True)
class _Job(Generic[T]):
    work: Callable[[sqlite3.Connection], T]
    committed: Callable[[T], None] | None
    settled: Callable[[], None] | None
    loop: AbstractEventLoop
    future: "Future[T]"
    result: T | None = None
    error: BaseException | None = None


class Database:
    """One file, one writer thread; a read-only connection for the event loop and a few for long reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._writer = _connect(path, _WRITER_CACHE_KB)
        upgrade(self._writer)
        self._thread = threading.Thread(target=self._write, name="lidbook-writer", daemon=True)
        self._thread.start()
        self.reader = open_reader(path)
        self.reader.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
        self._closed = False
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="lidbook-reader")

    @property
    def queued(self) -> int:
        """How many jobs the writer thread has not begun."""
        return self._jobs.qsize()

    async def write(
        self,
        work: Callable[[sqlite3.Connection], T],
        committed: Callable[[T], None] | None = None,
        settled: Callable[[], None] | None = None,
    ) -> T:
        """Run `work` in a transaction of the writer thread and return its result after COMMIT.

        `committed` runs in the writer thread between COMMIT and the next transaction. An exception in `work` undoes
        that work alone and is raised here.
        """
        if self._closed:
            raise sqlite3.ProgrammingError("the database is closed")
        loop = get_running_loop()
        job: _Job[T] = _Job(work, committed, settled, loop, loop.create_future())
        self._jobs.put(job)
        return await job.future

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a long read on a thread of its own."""
        return await get_running_loop().run_in_executor(self._pool, lambda: work(self._thread_reader()))

    def close(self) -> None:
        """Finish what was queued and close every connection, the writer's last: it folds the write-ahead log in."""
        self._closed = True
        self._jobs.put(None)
        self._thread.join()
        self._pool.shutdown(wait=True)
        for connection in (self.reader, *self._readers, self._writer):
            connection.close()

    def _thread_reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = open_reader(self.path)
            self._readers.append(connection)
        return connection

    def _write(self) -> None:
        connection = self._writer
        closing = False
        while not closing:
            job = self._jobs.get()
            if job is None:
                break
            jobs = [job]
            while len(jobs) < _GROUPED_JOBS and not self._jobs.empty():
                following = self._jobs.get()
                if following is None:
                    closing = True
                    break
                jobs.append(following)
            try:
                _transact(connection, jobs)
            except Exception as error:  # noqa: BLE001 - the thread must outlive any job
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                for job in jobs:
                    job.error = error
            for job in jobs:
                with suppress(RuntimeError):  # nobody waits in a loop that is closed
                    job.loop.call_soon_threadsafe(_settle, job)
        with suppress(sqlite3.Error):  # a disk that is full must not keep the file open
            connection.execute("PRAGMA optimize")


def _transact(connection: sqlite3.Connection, jobs: list[_Job[Any]]) -> None:
    """All of `jobs` in one transaction; one that fails is undone alone."""
    connection.execute("BEGIN IMMEDIATE")
    for job in jobs:
        connection.execute("SAVEPOINT job")
        try:
            job.result = job.work(connection)
        except Exception as error:  # it is raised again where the job was given
            if not connection.in_transaction:  # a full disk undoes everything at once
                raise
            connection.execute("ROLLBACK TO job")
            job.error = error
        connection.execute("RELEASE job")
    connection.execute("COMMIT")
    for job in jobs:
        if job.error is None and job.committed is not None:
            try:
                job.committed(job.result)
            except Exception as error:  # noqa: BLE001 - it is raised again where the job was given
                job.error = error
    for job in jobs:
        if job.error is None and job.settled is not None:
            try:
                job.settled()
            except Exception as error:  # noqa: BLE001 - it is raised again where the job was given
                job.error = error


def _settle(job: _Job[Any]) -> None:
    if job.future.cancelled():
        return
    if job.error is not None:
        job.future.set_exception(job.error)
    else:
        job.future.set_result(job.result)


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection that any thread may use, one at a time."""
    connection = sqlite3.connect(
        f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KB}")
    connection.execute("PRAGMA query_only = 1")
    return connection


def _connect(path: Path, cache_kb: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{cache_kb}")
    connection.execute("PRAGMA wal_autocheckpoint = 16000")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def upgrade(connection: sqlite3.Connection) -> None:
    """Apply the numbered upgrade files that this database has not seen, each in a transaction of its own."""
    have = connection.execute("PRAGMA user_version").fetchone()[0]
    scripts = _scripts()
    newest = newest_schema()
    if have > newest:
        raise sqlite3.DatabaseError(
            f"the data dir was written by a newer Lidbook (schema {have}, not {newest}): install that version"
        )
    for script in scripts:
        number = int(script.name[:4])
        if number > have:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{script.read_text()}\nPRAGMA user_version = {number};\nCOMMIT;"
            )


def newest_schema() -> int:
    """The number of the last upgrade file: the schema that this Lidbook reads and writes."""
    return int(_scripts()[-1].name[:4])


def _scripts() -> list[Traversable]:
    entries = files("lidbook.directory").joinpath("schema").iterdir()
    return sorted((entry for entry in entries if entry.name.endswith(".sql")), key=lambda entry: entry.name)
