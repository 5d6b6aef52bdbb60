"""A copy of a data dir in one file, made while a server may be writing: the database first, then the private folders.

The archive is a gzipped tar. Its last member is a manifest with the size and SHA-256 of every other one, so a torn
archive is known by what it lacks. It holds the credentials of every session, and only its owner may read it.
"""

import gzip
import hashlib
import io
import json
import os
import sqlite3
import stat
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from lidbook import __version__
from lidbook.data_dir import database_path
from lidbook.errors import LidbookError

DATABASE: Final = "lidbook.sqlite3"
MANIFEST: Final = "manifest.json"
ENGINES: Final = "engines"
FOLDERS: Final = (ENGINES, "sessions")
"""What is kept beside the database: folders of engines, and each session's private one."""
FORMAT: Final = 1

CHUNK: Final = 1 << 20
_COMPRESSION: Final = 3
_IN_MEMORY: Final = 16 << 20
_SQLITE: Final = b"SQLite format 3\x00"
_CACHE: Final = ("CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55")
"""A file that says of its folder that it need not be kept, and how it begins (bford.info/cachedir)."""
_COMPANIONS: Final = ("-wal", "-shm", "-journal")


class BackupRefused(LidbookError):
    """A backup cannot be made, or cannot be taken back; the message is for the operator."""

    code = "backup_refused"
    status = 422


@dataclass(frozen=True, slots=True)
class Member:
    """What the manifest says of one file."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made."""

    path: Path
    schema: int
    files: int
    size: int
    """Bytes of the archive."""
    left_out: list[str]
    """What lies in the folders and is no file: links, sockets."""


@dataclass(slots=True)
class _Archive:
    """The archive while it is written."""

    tar: tarfile.TarFile
    members: dict[str, Member] = field(default_factory=dict)

    def add(self, name: str, content: IO[bytes], mode: int = 0) -> None:
        """One file, as far as it goes now: it may grow or shrink meanwhile, so what is read is what is stored."""
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as held:
            digest = hashlib.sha256()
            while chunk := content.read(CHUNK):
                digest.update(chunk)
                held.write(chunk)
            size = held.tell()
            held.seek(0)
            self._write(name, held, size, mode)
        self.members[name] = Member(size, digest.hexdigest())

    def close(self, schema: int) -> None:
        """Write the manifest."""
        document = {
            "format": FORMAT,
            "lidbook": __version__,
            "schema": schema,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "members": {name: {"size": each.size, "sha256": each.sha256} for name, each in self.members.items()},
        }
        raw = json.dumps(document, indent=1).encode()
        self._write(MANIFEST, io.BytesIO(raw), len(raw), 0)
        self.tar.close()

    def _write(self, name: str, content: IO[bytes], size: int, mode: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600 | (mode & stat.S_IXUSR), int(time.time())
        self.tar.addfile(info, content)


def back_up(data_dir: Path, target: Path) -> Backup:
    """Write a backup of `data_dir` to `target`, which appears when it is whole, or not at all.

    Raises `BackupRefused`, `OSError` and `sqlite3.Error`.
    """
    if os.path.lexists(target):
        raise BackupRefused(f"{target} exists already: give the backup another name")
    database = database_path(data_dir)
    if not database.is_file():
        raise BackupRefused(f"{data_dir} holds no sessions: there is no {DATABASE} in it; say where with --data-dir")
    left_out: list[str] = []
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        part, copy = Path(folder, "archive"), Path(folder, DATABASE)
        schema = _copy_database(database, copy)
        with open(part, "xb", opener=_private) as out:
            packed = gzip.GzipFile(filename="", mode="wb", compresslevel=_COMPRESSION, fileobj=out, mtime=0)
            with packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
                archive = _Archive(tar)
                with copy.open("rb") as content:
                    archive.add(DATABASE, content)
                copy.unlink()
                for path in _found(data_dir, left_out):
                    _add(archive, path, path.relative_to(data_dir).as_posix(), Path(folder))
                archive.close(schema)
            out.flush()
            os.fsync(out.fileno())
        _publish(part, target)
        return Backup(target, schema, len(archive.members), target.stat().st_size, left_out)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _copy_database(database: Path, copy: Path) -> int:
    """A copy of one moment; returns its schema. In one step: step by step it would begin anew at every write."""
    _copy_sqlite(database, copy)
    with closing(sqlite3.connect(copy)) as connection:
        found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if found != "ok":
            raise BackupRefused(f"{database} is damaged ({found}): see  lidbook doctor  and restore an earlier backup")
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _copy_sqlite(path: Path, copy: Path) -> None:
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    reading = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=60)
    with closing(reading) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE").close()  # so that the copy is one file


def _found(data_dir: Path, left_out: list[str]) -> Iterator[Path]:
    """Every file of the folders, sorted; what is none is noted, and what engines can make again is passed over."""
    for top in FOLDERS:
        for folder, folders, names in os.walk(data_dir / top):
            if top == ENGINES and _is_cache(Path(folder)):
                folders.clear()
                continue
            folders.sort()
            for name in sorted([*names, *(each for each in folders if Path(folder, each).is_symlink())]):
                path = Path(folder, name)
                try:
                    is_file = stat.S_ISREG(path.lstat().st_mode)
                except FileNotFoundError:
                    continue
                if is_file:
                    yield path
                else:
                    left_out.append(path.relative_to(data_dir).as_posix())


def _is_cache(folder: Path) -> bool:
    name, signature = _CACHE
    try:
        with (folder / name).open("rb") as tag:
            return tag.read(len(signature)) == signature
    except OSError:
        return False


def _add(archive: _Archive, path: Path, name: str, folder: Path) -> None:
    """One file of a folder; one that is gone by now is passed over. A library's own database is copied as such."""
    base = next((name.removesuffix(end) for end in _COMPANIONS if name.endswith(end)), None)
    if base in archive.members:
        return  # folded into the copy of the database beside it
    try:
        with path.open("rb") as content:
            mode = os.fstat(content.fileno()).st_mode
            is_database = content.read(len(_SQLITE)) == _SQLITE
            content.seek(0)
            if not is_database:
                archive.add(name, content, mode)
                return
    except FileNotFoundError:
        return
    copy = folder / "library.sqlite3"
    try:
        _copy_sqlite(path, copy)
        with copy.open("rb") as content:
            archive.add(name, content, mode)
    finally:
        copy.unlink(missing_ok=True)


def _publish(part: Path, target: Path) -> None:
    """Give the archive its name, unless that is taken: a link does both at once, where there are links."""
    try:
        os.link(part, target)
    except FileExistsError as error:
        raise BackupRefused(f"{target} exists already: give the backup another name") from error
    except OSError:
        if os.path.lexists(target):
            raise BackupRefused(f"{target} exists already: give the backup another name") from None
        part.rename(target)
    sync_folder(target.parent)
