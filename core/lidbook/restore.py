"""A backup back into a data dir: unpacked beside it and checked as a whole, then put in its place in one step.

Nothing in an archive is trusted: not its names, its sizes, its database or its manifest.
"""

import ctypes
import errno
import gzip
import hashlib
import json
import os
import shutil
import sqlite3
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final, cast

from lidbook.backup import CHUNK, DATABASE, FOLDERS, FORMAT, MANIFEST, BackupRefused, Member, sync_folder
from lidbook.data_dir import DataDirLock
from lidbook.directory.database import newest_schema
from lidbook.restored_sessions import faults_of_sessions

LOCK: Final = "lidbook.lock"
MOST_FILES: Final = 200_000
LONGEST_READ: Final = 64 << 20
"""Bytes that are unpacked at once: no header and no manifest is larger."""
SPARED: Final = 64 << 20
"""Bytes that stay free on the disk."""

_PADDING: Final = 1 << 16
"""Bytes; tar fills its last record up with fewer."""
_UNPACKING: Final = ".restore-"
_AT_CWD: Final = -100
_EXCHANGE: Final = 2


@dataclass(frozen=True, slots=True)
class Restored:
    """A backup that was taken back."""

    created: str
    lidbook: str
    """The version that made it."""
    files: int
    aside: Path | None
    """Where the old data dir is now, if there was one."""


@dataclass(frozen=True, slots=True)
class _Manifest:
    schema: int
    created: str
    lidbook: str
    members: dict[str, Member]


def restore(archive: Path, data_dir: Path, *, replace: bool = False) -> Restored:
    """Make `data_dir` what it was when `archive` was made.

    Raises `BackupRefused`, `DataDirLocked` while a server has the data dir, `OSError` and `sqlite3.Error`; what was
    there is untouched then. One that holds anything is only touched with `replace`, and moved aside, never deleted.
    """
    data_dir = Path(os.path.realpath(data_dir))
    exists = data_dir.is_dir()
    if not exists and os.path.lexists(data_dir):
        raise BackupRefused(f"{data_dir} is no folder: choose another --data-dir")
    with _locked(data_dir if exists else None):
        occupied = exists and any(_old_entries(data_dir))
        if occupied and not replace:
            raise BackupRefused(f"{data_dir} is not empty: give --replace to move it aside, or another --data-dir")
        if occupied and os.path.ismount(data_dir):
            raise BackupRefused(_immovable(data_dir))
        with _staging(data_dir, inside=exists and not occupied) as staging:
            manifest = _unpack(archive, staging)
            _check_database(staging / DATABASE, manifest)
            _own(staging, data_dir if exists else data_dir.parent)
            _sync(staging)
            aside = _put(staging, data_dir, exists=exists, occupied=occupied)
        return Restored(manifest.created, manifest.lidbook, len(manifest.members), aside)


# where it goes


@contextmanager
def _locked(data_dir: Path | None) -> Iterator[None]:
    if data_dir is None:
        yield
        return
    lock = DataDirLock(data_dir)
    try:
        yield
    finally:
        lock.release()


def _old_entries(data_dir: Path) -> Iterator[Path]:
    """What lies in a data dir, but for what a server or a restore that ended early leaves in an empty one."""
    for entry in data_dir.iterdir():
        if entry.name != LOCK and not entry.name.startswith(_UNPACKING):
            yield entry


@contextmanager
def _staging(data_dir: Path, *, inside: bool) -> Iterator[Path]:
    """A folder to unpack into, on the disk of the data dir; gone afterwards, unless it has become something else."""
    if inside:
        for left in data_dir.glob(f"{_UNPACKING}*"):
            shutil.rmtree(left)
        staging = Path(tempfile.mkdtemp(prefix=_UNPACKING, dir=data_dir))
    else:
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        try:
            staging = Path(tempfile.mkdtemp(prefix=f".{data_dir.name}{_UNPACKING}", dir=data_dir.parent))
        except PermissionError as error:
            raise BackupRefused(_immovable(data_dir)) from error
    unpacked = staging.stat()
    try:
        yield staging
    finally:
        if staging.exists() and os.path.samestat(staging.stat(), unpacked):
            shutil.rmtree(staging)


def _put(staging: Path, data_dir: Path, *, exists: bool, occupied: bool) -> Path | None:
    """Put what was unpacked in its place; returns where the old data dir is then."""
    if not exists:
        try:
            staging.rename(data_dir)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise BackupRefused(f"{data_dir} was made by somebody else at this moment: look what it is") from error
            raise
        sync_folder(data_dir.parent)
        return None
    if not occupied:
        for name in (*FOLDERS, DATABASE):  # the database last: without it the rest means nothing
            if (staging / name).exists():
                (staging / name).rename(data_dir / name)
        sync_folder(data_dir)
        return None
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    aside = next(
        path
        for number in range(1, 1000)
        if not os.path.lexists(path := data_dir.with_name(f"{data_dir.name}.before-restore-{stamp}-{number}"))
    )
    try:
        if _exchange(staging, data_dir):
            staging.rename(aside)
        else:
            data_dir.rename(aside)
            staging.rename(data_dir)
    except OSError as error:
        if error.errno in (errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM):
            raise BackupRefused(_immovable(data_dir)) from error
        raise
    sync_folder(data_dir.parent)
    return aside


def _immovable(data_dir: Path) -> str:
    return (
        f"{data_dir} cannot be moved aside, since it is where a disk is mounted or the folder around it is not yours: "
        "restore into an empty --data-dir and use that one"
    )


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step, so that there is no moment without a data dir; False where that cannot be."""
    libc = ctypes.CDLL(None, use_errno=True)
    first, second = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin":
        failed = libc.renamex_np(first, second, _EXCHANGE)
    elif hasattr(libc, "renameat2"):
        failed = libc.renameat2(_AT_CWD, first, _AT_CWD, second, _EXCHANGE)
    else:
        return False
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(other))


def _own(staging: Path, like: Path) -> None:
    """What root restores belongs to whom the data dir belongs to."""
    if os.geteuid() != 0:
        return
    owner = like.stat()
    for folder, _, names in os.walk(staging):
        for path in (folder, *(os.path.join(folder, name) for name in names)):  # noqa: PTH118 - it is a thousand files
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _sync(staging: Path) -> None:
    for folder, _, names in os.walk(staging, topdown=False):
        for name in names:
            with Path(folder, name).open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(folder))


# what is in it


class _Gzip(gzip.GzipFile):
    """Unpacks no more at once than anything of ours could need."""

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes."""
        if size is None or not 0 <= size <= LONGEST_READ:
            raise BackupRefused("this is no backup of Lidbook: a part of it claims to be too large")
        return super().read(size)


def _unpack(archive: Path, into: Path) -> _Manifest:
    """Unpack and compare with the manifest."""
    found: dict[str, Member] = {}
    raw: bytes | None = None
    try:
        with archive.open("rb") as packed, _Gzip(fileobj=packed, mode="rb") as plain:
            with tarfile.open(fileobj=cast("IO[bytes]", plain), mode="r:") as tar:
                for entry in tar:
                    if raw is not None or len(found) >= MOST_FILES:
                        raise BackupRefused(f"{archive} is no backup of Lidbook: there is more in it than should be")
                    content = tar.extractfile(_checked(entry, found))
                    if content is None:
                        raise BackupRefused(_torn(archive, f"{entry.name!r} has no content"))
                    if entry.name == MANIFEST:
                        raw = content.read(entry.size)
                    else:
                        found[entry.name] = _write(content, entry, into)
            if len(plain.read(_PADDING)) == _PADDING:  # to the end, where the checksum of the whole is
                raise BackupRefused(f"{archive} is no backup of Lidbook: there is more behind it than should be")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError, ValueError) as error:
        raise BackupRefused(_torn(archive, str(error))) from error
    if raw is None:
        raise BackupRefused(_torn(archive, "its end is missing"))
    manifest = _read_manifest(raw, archive)
    different = sorted(
        name for name in found.keys() | manifest.members.keys() if found.get(name) != manifest.members.get(name)
    )
    if different:
        raise BackupRefused(_torn(archive, f"{different[0]!r} is not what the manifest says"))
    if DATABASE not in found:
        raise BackupRefused(_torn(archive, "there is no database in it"))
    return manifest


def _torn(archive: Path, why: str) -> str:
    return f"{archive} is no backup of Lidbook, or a torn one: {why}"


def _checked(entry: tarfile.TarInfo, found: dict[str, Member]) -> tarfile.TarInfo:
    """The entry, if it is a plain file of a name that a backup has."""
    name = entry.name
    parts = PurePosixPath(name).parts
    is_ours = name in (DATABASE, MANIFEST) or (len(parts) > 1 and parts[0] in FOLDERS)
    if not is_ours or "/".join(parts) != name or ".." in parts or "\0" in name or name in found:
        raise BackupRefused(f"a backup of Lidbook has no file {name!r}: it is not taken back")
    if entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or entry.issparse():
        raise BackupRefused(f"{name!r} is no plain file: the backup is not taken back")
    return entry


def _write(content: IO[bytes], entry: tarfile.TarInfo, into: Path) -> Member:
    target = into / entry.name
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    free = shutil.disk_usage(into).free
    if entry.size > free - SPARED:
        raise BackupRefused(f"{entry.name!r} has {entry.size} bytes, and {into.parent} has room for {free}")
    digest, size = hashlib.sha256(), 0
    mode = 0o600 | (entry.mode & 0o100)
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as out:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
            out.write(chunk)
            size += len(chunk)
    return Member(size, digest.hexdigest())


def _read_manifest(raw: bytes, archive: Path) -> _Manifest:
    try:
        document = json.loads(raw)
        if document["format"] != FORMAT:
            raise BackupRefused(
                f"{archive} was made by another Lidbook ({document['lidbook']}): restore it with that one"
            )
        members = {str(name): Member(int(m["size"]), str(m["sha256"])) for name, m in document["members"].items()}
        return _Manifest(int(document["schema"]), str(document["created"]), str(document["lidbook"]), members)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BackupRefused(_torn(archive, "its manifest cannot be read")) from error


def _check_database(path: Path, manifest: _Manifest) -> None:
    """Look whether it is whole and ours, and give it a new name: it is not the database it was copied from any more.

    Its events begin again where it was copied; under the old name some of them would look like others sent before.
    """
    if manifest.schema > newest_schema():
        raise BackupRefused(
            f"the backup was made by a newer Lidbook ({manifest.lidbook}, schema {manifest.schema}, and this one knows "
            f"{newest_schema()}): install that version"
        )
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA trusted_schema = 0")
            result = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
            if result != "ok":
                raise BackupRefused(f"the database in the backup is damaged: {result}")
            schema = connection.execute("PRAGMA user_version").fetchone()[0]
            kinds = {kind for (kind,) in connection.execute("SELECT DISTINCT type FROM sqlite_master")}
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if schema != manifest.schema or "session" not in tables or kinds - {"table", "index"}:
                raise BackupRefused("the database in the backup is none of Lidbook's")
            for fault in faults_of_sessions(connection):
                raise BackupRefused(f"the database in the backup was not written by a server: {fault}")
            if "instance" in tables:
                connection.execute("UPDATE instance SET id = lower(hex(randomblob(16)))")
    except sqlite3.DatabaseError as error:
        raise BackupRefused(f"the database in the backup cannot be read: {error}") from error
