"""Backup and restore: one moment of a data dir, whole or not at all, and nothing taken on trust."""

import asyncio
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.sessions.conftest import open_core
from core.sessions.engines import Script
from core.sessions.feeding_child import BATCH
from core.sessions.test_kill import batches_present, child, lines
from lidbook import backup, restore
from lidbook.backup import BackupRefused, back_up
from lidbook.data_dir import DataDirLock, database_path
from lidbook.directory.database import newest_schema
from lidbook.errors import DataDirLocked
from lidbook.facts import Field, FieldFact, Source
from lidbook.identifiers import PhoneNumber
from lidbook.session_config import SessionConfig
from lidbook.values import SessionStatus

ANN = PhoneNumber("4915112345678")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """What a server with one session leaves, with credentials in its folder and in its engine's."""
    folder = tmp_path / "data"
    fill(folder, "Ann Lee")
    return folder


def fill(folder: Path, name: str) -> None:
    """Let a server run on it, in which Ann gets this name."""
    asyncio.run(_fill(folder, name))


async def _fill(folder: Path, name: str) -> None:
    lidbook = await open_core(folder, Script())
    if lidbook.sessions.find("default") is None:
        await lidbook.sessions.create("default", SessionConfig(metadata={"for": "tests"}))
    session = await lidbook.sessions.usable("default")
    await session.directory.apply([FieldFact(ANN, Field.FULL_NAME, name, Source.ADDRESS_BOOK, 1)])
    private = folder / "sessions" / "default" / "scripted" / "deep"
    private.mkdir(parents=True, exist_ok=True)
    (private / "creds.json").write_text(f"credentials of {name}")
    tool = folder / "engines" / "scripted" / "host"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    await lidbook.close()


def name_in(folder: Path) -> str:
    """Who Ann is, as a server on that data dir says."""
    return asyncio.run(_name_in(folder))


async def _name_in(folder: Path) -> str:
    lidbook = await open_core(folder, Script())
    try:
        session = await lidbook.sessions.usable("default")
        assert session.status is SessionStatus.WORKING
        assert session.config.metadata == {"for": "tests"}
        return str(json.loads(session.directory.contact(ANN))["name"])
    finally:
        await lidbook.close()


def credentials(folder: Path) -> str:
    return (folder / "sessions" / "default" / "scripted" / "deep" / "creds.json").read_text()


def members(archive: Path) -> list[str]:
    with tarfile.open(archive) as tar:
        return tar.getnames()


def neighbours(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# backup


def test_a_backup_restored_is_the_same_data_dir(data_dir: Path, tmp_path: Path) -> None:
    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    restored = restore.restore(made.path, tmp_path / "other")
    assert (restored.aside, restored.files) == (None, made.files)
    assert name_in(tmp_path / "other") == "Ann Lee"
    assert credentials(tmp_path / "other") == "credentials of Ann Lee"
    tool = tmp_path / "other" / "engines" / "scripted" / "host"
    assert stat.S_IMODE(tool.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o700
    assert stat.S_IMODE(database_path(tmp_path / "other").stat().st_mode) == 0o600
    assert neighbours(tmp_path) == ["backup.tar.gz", "data", "other"]


def test_the_manifest_comes_last_and_describes_every_file(data_dir: Path, tmp_path: Path) -> None:
    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    with tarfile.open(made.path) as tar:
        entries = {entry.name: tar.extractfile(entry) for entry in tar}
        contents = {name: content.read() for name, content in entries.items() if content is not None}
    assert list(contents) == [
        "lidbook.sqlite3",
        "engines/scripted/host",
        "sessions/default/scripted/deep/creds.json",
        "manifest.json",
    ]
    manifest = json.loads(contents.pop("manifest.json"))
    assert (manifest["format"], manifest["schema"]) == (1, newest_schema())
    assert manifest["members"] == {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }


def test_what_an_engine_can_make_again_is_left_out(data_dir: Path, tmp_path: Path) -> None:
    """A folder with a CACHEDIR.TAG, of an engine: a session's folder holds its credentials, whatever it says."""
    tag = "Signature: 8a477f597d28d172789f06886806bc55\n# more\n"
    for folder in ("engines/scripted/bin", "engines/scripted/false", "sessions/default/scripted"):
        built = data_dir / folder / "deep" / "built"
        built.parent.mkdir(parents=True, exist_ok=True)
        built.write_bytes(b"")
        (data_dir / folder / "CACHEDIR.TAG").write_text("none" if folder.endswith("false") else tag)
    back_up(data_dir, tmp_path / "backup.tar.gz")
    assert [name for name in members(tmp_path / "backup.tar.gz") if name.endswith("built")] == [
        "engines/scripted/false/deep/built",
        "sessions/default/scripted/deep/built",
    ]


def test_only_its_owner_reads_it(data_dir: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = back_up(data_dir, tmp_path / "backup.tar.gz")
    finally:
        os.umask(before)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("nowhere")])
def test_nothing_is_overwritten(data_dir: Path, tmp_path: Path, make: Callable[[Path], None]) -> None:
    target = tmp_path / "backup.tar.gz"
    make(target)
    with pytest.raises(BackupRefused, match="exists already"):
        back_up(data_dir, target)
    assert neighbours(tmp_path) == ["backup.tar.gz", "data"]


def test_a_file_that_appears_meanwhile_is_not_overwritten(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "backup.tar.gz"
    link = os.link

    def late(part: Path, name: Path) -> None:
        target.write_text("somebody else's")
        link(part, name)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(BackupRefused, match="exists already"):
        back_up(data_dir, target)
    assert target.read_text() == "somebody else's"


def test_a_disk_without_links_gets_its_backup_too(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(part: Path, name: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    assert restore.restore(made.path, tmp_path / "other").files == made.files


def test_a_folder_without_a_database_is_no_data_dir(tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="--data-dir"):
        back_up(tmp_path, tmp_path / "backup.tar.gz")
    assert neighbours(tmp_path) == []


def test_a_damaged_database_is_told_and_not_kept(data_dir: Path, tmp_path: Path) -> None:
    path = database_path(data_dir)
    with path.open("r+b") as file:
        file.seek(4096 * 5)
        file.write(b"\xff" * 4096 * 8)
    with pytest.raises((BackupRefused, sqlite3.DatabaseError), match=r"damaged|malformed"):
        back_up(data_dir, tmp_path / "backup.tar.gz")
    assert neighbours(tmp_path) == ["data"]


def test_what_is_no_file_is_left_out_and_named(data_dir: Path, tmp_path: Path) -> None:
    private = data_dir / "sessions" / "default"
    (private / "link").symlink_to("/etc/passwd")
    (private / "folder").symlink_to("/etc")
    os.mkfifo(private / "pipe")
    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    assert sorted(made.left_out) == [f"sessions/default/{name}" for name in ("folder", "link", "pipe")]
    assert not [name for name in members(made.path) if "passwd" in name or "link" in name]


def test_a_librarys_own_database_is_copied_as_one(data_dir: Path, tmp_path: Path) -> None:
    path = data_dir / "sessions" / "default" / "store.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE secret (value TEXT)")
        connection.execute("INSERT INTO secret VALUES ('only in the log so far')")
        assert path.with_name("store.db-wal").stat().st_size > 0
        made = back_up(data_dir, tmp_path / "backup.tar.gz")
    assert [name for name in members(made.path) if "store.db" in name] == ["sessions/default/store.db"]
    restore.restore(made.path, tmp_path / "other")
    with closing(sqlite3.connect(tmp_path / "other" / "sessions" / "default" / "store.db")) as connection:
        assert connection.execute("SELECT value FROM secret").fetchall() == [("only in the log so far",)]


def test_a_name_that_is_long_and_foreign_survives(data_dir: Path, tmp_path: Path) -> None:
    name = "ä" * 60 + "名" * 20
    path = data_dir / "sessions" / "default" / name / name / "x"
    path.parent.mkdir(parents=True)
    path.write_text("here")
    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    restore.restore(made.path, tmp_path / "other")
    assert (tmp_path / "other" / path.relative_to(data_dir)).read_text() == "here"


# while a server writes


def test_a_backup_of_a_server_at_work_is_one_moment_of_it(tmp_path: Path) -> None:
    """People arrive 1,000 a batch; each backup has whole batches only, and every one acknowledged before it began."""
    acknowledged: set[int] = set()
    with child(tmp_path / "data") as process:
        following = lines(process)
        for number in range(3):
            while len(acknowledged) < 5 * (number + 1):
                line = next(following)
                if line.startswith("acked"):
                    acknowledged.add(int(line.split()[1]))
            before = set(acknowledged)
            made = back_up(tmp_path / "data", tmp_path / f"{number}.tar.gz")
            assert process.poll() is None
            restore.restore(made.path, tmp_path / f"restored-{number}")
            present = batches_present(tmp_path / f"restored-{number}")
            assert before <= present.keys(), "an acknowledged batch is missing"
            assert set(present.values()) == {BATCH}, "a batch is there by halves"
        process.send_signal(signal.SIGKILL)


# restore


def test_a_data_dir_that_is_not_empty_is_only_replaced_when_asked(data_dir: Path, tmp_path: Path) -> None:
    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    fill(data_dir, "Ann Smith")
    with pytest.raises(BackupRefused, match="--replace"):
        restore.restore(made.path, data_dir)
    assert name_in(data_dir) == "Ann Smith"
    restored = restore.restore(made.path, data_dir, replace=True)
    assert restored.aside is not None
    assert restored.aside.parent == tmp_path
    assert (name_in(data_dir), credentials(data_dir)) == ("Ann Lee", "credentials of Ann Lee")
    assert (name_in(restored.aside), credentials(restored.aside)) == ("Ann Smith", "credentials of Ann Smith")
    again = restore.restore(made.path, data_dir, replace=True)
    assert again.aside not in (None, restored.aside)


def test_where_folders_cannot_be_exchanged_they_are_moved(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    fill(data_dir, "Ann Smith")
    monkeypatch.setattr(restore, "_exchange", lambda *_: False)
    restored = restore.restore(made.path, data_dir, replace=True)
    assert restored.aside is not None
    assert (credentials(data_dir), credentials(restored.aside)) == (
        "credentials of Ann Lee",
        "credentials of Ann Smith",
    )


def test_an_empty_data_dir_is_filled_where_it_is(data_dir: Path, tmp_path: Path) -> None:
    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / ".restore-left").mkdir()
    identity = empty.stat().st_ino
    restore.restore(made.path, empty)
    assert empty.stat().st_ino == identity
    assert name_in(empty) == "Ann Lee"
    assert not list(empty.glob(".restore-*"))


def test_a_link_to_a_data_dir_stays_one(data_dir: Path, tmp_path: Path) -> None:
    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    (tmp_path / "link").symlink_to(data_dir)
    restored = restore.restore(made.path, tmp_path / "link", replace=True)
    assert (tmp_path / "link").is_symlink()
    assert restored.aside is not None
    assert restored.aside.name.startswith("data.before-restore-")


def test_a_data_dir_that_a_server_has_is_not_touched(data_dir: Path, tmp_path: Path) -> None:
    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    lock = DataDirLock(data_dir)
    with pytest.raises(DataDirLocked, match="stop it"):
        restore.restore(made.path, data_dir, replace=True)
    lock.release()
    assert name_in(data_dir) == "Ann Lee"
    assert neighbours(tmp_path) == ["backup.tar.gz", "data"]


def test_a_file_is_no_data_dir(data_dir: Path, tmp_path: Path) -> None:
    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    (tmp_path / "file").touch()
    with pytest.raises(BackupRefused, match="no folder"):
        restore.restore(made.path, tmp_path / "file", replace=True)


def test_a_restored_database_is_another_one(data_dir: Path, tmp_path: Path) -> None:
    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    restore.restore(made.path, tmp_path / "other")
    names = set()
    for folder in (data_dir, tmp_path / "other"):
        with closing(sqlite3.connect(database_path(folder))) as connection:
            names.add(connection.execute("SELECT id FROM instance").fetchone()[0])
    assert len(names) == 2


# archives that are none


Change = Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]


def rewritten(archive: Path, change: Change, target: Path) -> Path:
    """The archive after `change`, its manifest made anew unless that is what was changed."""
    with tarfile.open(archive) as tar:
        entries = [(entry, content.read() if (content := tar.extractfile(entry)) else b"") for entry in tar]
    manifest = json.loads(entries.pop()[1])
    change(entries)
    manifest["members"] = {
        entry.name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()} for entry, content in entries
    }
    raw = json.dumps(manifest).encode()
    last = tarfile.TarInfo("manifest.json")
    last.size = len(raw)
    with tarfile.open(target, "w:gz") as tar:
        for each, written in [*entries, (last, raw)]:
            tar.addfile(each, io.BytesIO(written))
    return target


def entry(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"x", link: str = "") -> Change:
    """One more entry, in front."""

    def change(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        info.size = len(content) if kind == tarfile.REGTYPE else 0
        entries.insert(0, (info, content if kind == tarfile.REGTYPE else b""))

    return change


def database(change: Callable[[sqlite3.Connection], object]) -> Change:
    """The database, changed."""

    def changed(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            connection.deserialize(entries[0][1])
            change(connection)
            content = connection.serialize()
        entries[0][0].size = len(content)
        entries[0] = (entries[0][0], content)

    return changed


def damaged(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    content = bytearray(entries[0][1])
    content[4096 * 3 : 4096 * 6] = b"\xff" * 4096 * 3
    entries[0] = (entries[0][0], bytes(content))


def without_database(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    del entries[0]


ATTACKS: dict[str, tuple[Change, str]] = {
    "a path upwards": (entry("../evil"), "no file '../evil'"),
    "a path upwards, later": (entry("sessions/../../evil"), "no file"),
    "an absolute path": (entry("/etc/evil"), "no file"),
    "a path with a dot": (entry("sessions/./evil"), "no file"),
    "two slashes": (entry("sessions//evil"), "no file"),
    "another place": (entry("lidbook.lock"), "no file"),
    "a folder's name": (entry("sessions"), "no file"),
    "a symlink": (entry("sessions/a", tarfile.SYMTYPE, link="/etc"), "no plain file"),
    "a hard link": (entry("sessions/a", tarfile.LNKTYPE, link="/etc/passwd"), "no plain file"),
    "a device": (entry("sessions/a", tarfile.CHRTYPE), "no plain file"),
    "a pipe": (entry("sessions/a", tarfile.FIFOTYPE), "no plain file"),
    "a folder": (entry("sessions/a", tarfile.DIRTYPE), "no plain file"),
    "a sparse file": (entry("sessions/a", tarfile.GNUTYPE_SPARSE), "no plain file|torn"),
    "the same twice": (entry("lidbook.sqlite3"), "no file 'lidbook.sqlite3'"),
    "a file that is a folder too": (entry("engines/scripted"), "no file|cannot|exists"),
    "no database": (without_database, "no database"),
    "a damaged database": (damaged, "damaged|cannot be read|none of Lidbook's"),
    "something else": (database(lambda c: c.execute("DROP TABLE session")), "none of Lidbook's"),
    "a trigger": (
        database(lambda c: c.execute("CREATE TRIGGER t AFTER INSERT ON session BEGIN DELETE FROM api_key; END")),
        "none of Lidbook's",
    ),
    "a view": (database(lambda c: c.execute("CREATE VIEW v AS SELECT 1")), "none of Lidbook's"),
    "another schema than it says": (database(lambda c: c.execute("PRAGMA user_version = 1")), "none of Lidbook's"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_archive_that_should_not_be_is_refused_and_nothing_is_touched(
    data_dir: Path, tmp_path: Path, attack: str
) -> None:
    change, message = ATTACKS[attack]
    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    archive = rewritten(made.path, change, tmp_path / "attack.tar.gz")
    before = neighbours(tmp_path)
    with pytest.raises((BackupRefused, OSError), match=message):
        restore.restore(archive, tmp_path / "other")
    with pytest.raises((BackupRefused, OSError), match=message):
        restore.restore(archive, data_dir, replace=True)
    assert neighbours(tmp_path) == before
    assert not Path("/etc/evil").exists()
    assert name_in(data_dir) == "Ann Lee"


def manifested(change: Callable[[dict[str, Any]], object]) -> Callable[[Path, Path], Path]:
    """The archive with another manifest."""

    def rewrite(archive: Path, target: Path) -> Path:
        with tarfile.open(archive) as tar:
            entries = [(each, content.read() if (content := tar.extractfile(each)) else b"") for each in tar]
        manifest = json.loads(entries[-1][1])
        replaced = change(manifest)
        raw = json.dumps(manifest if replaced is None else replaced).encode()
        entries[-1][0].size = len(raw)
        entries[-1] = (entries[-1][0], raw)
        with tarfile.open(target, "w:gz") as tar:
            for each, written in entries:
                tar.addfile(each, io.BytesIO(written))
        return target

    return rewrite


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["members"]["lidbook.sqlite3"].update(sha256="0" * 64), "not what the manifest says"),
        (lambda m: m["members"]["lidbook.sqlite3"].update(size=1), "not what the manifest says"),
        (lambda m: m["members"].update({"sessions/a": {"size": 0, "sha256": ""}}), "not what the manifest says"),
        (lambda m: m["members"].pop("engines/scripted/host"), "not what the manifest says"),
        (lambda m: m.update(format=2, lidbook="9.9"), "another Lidbook"),
        (lambda m: m.update(schema=newest_schema() + 1, lidbook="9.9"), "newer Lidbook"),
        (lambda m: m.update(schema="x"), "manifest cannot be read"),
        (lambda m: m.update(members=[]), "manifest cannot be read"),
        (lambda _: [], "manifest cannot be read"),
        (lambda _: {}, "manifest cannot be read"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    data_dir: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    def kept(manifest: dict[str, Any]) -> object:
        changed = change(manifest)
        return changed if isinstance(changed, list | dict) and not changed else None

    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    archive = manifested(kept)(made.path, tmp_path / "attack.tar.gz")
    with pytest.raises(BackupRefused, match=message):
        restore.restore(archive, tmp_path / "other")
    assert neighbours(tmp_path) == ["attack.tar.gz", "backup.tar.gz", "data"]


def test_a_torn_archive_is_refused_wherever_it_was_torn(data_dir: Path, tmp_path: Path) -> None:
    raw = back_up(data_dir, tmp_path / "backup.tar.gz").path.read_bytes()
    torn = tmp_path / "torn.tar.gz"
    for length in [*range(0, len(raw), len(raw) // 40), len(raw) - 9, len(raw) - 5, len(raw) - 1]:
        torn.write_bytes(raw[:length])
        with pytest.raises(BackupRefused, match=r"torn one|no database"):
            restore.restore(torn, tmp_path / "other")
    assert neighbours(tmp_path) == ["backup.tar.gz", "data", "torn.tar.gz"]


def test_an_archive_with_a_wrong_bit_is_refused(data_dir: Path, tmp_path: Path) -> None:
    whole = back_up(data_dir, tmp_path / "backup.tar.gz").path.read_bytes()
    wrong = tmp_path / "wrong.tar.gz"
    draw = random.Random(5)
    tried = 0
    for place in draw.sample(range(12, len(whole)), 60):
        raw = bytearray(whole)
        raw[place] ^= 0x10
        if unpacked(bytes(raw)) == gzip.decompress(whole):
            continue  # two ways to say the same
        tried += 1
        wrong.write_bytes(raw)
        with pytest.raises(BackupRefused):
            restore.restore(wrong, tmp_path / "other")
    assert tried > 40
    assert not (tmp_path / "other").exists()


def unpacked(raw: bytes) -> bytes | None:
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error):
        return None


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b""), gzip.compress(b"\0" * 10240)],
    ids=["empty", "text", "nothing packed", "zeros packed"],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(BackupRefused, match="no backup of Lidbook"):
        restore.restore(tmp_path / "x", tmp_path / "other")
    assert neighbours(tmp_path) == ["x"]


def test_a_header_that_claims_gigabytes_is_not_read(data_dir: Path, tmp_path: Path) -> None:
    header = tarfile.TarInfo("sessions/a")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    raw = header.tobuf(tarfile.GNU_FORMAT) + b"x" * 10240
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(raw))
    with pytest.raises(BackupRefused, match=r"too large|torn"):
        restore.restore(tmp_path / "bomb.tar.gz", tmp_path / "other")


def test_a_file_larger_than_the_disk_is_refused_before_it_is_written(tmp_path: Path) -> None:
    header = tarfile.TarInfo("sessions/a")
    header.size = shutil.disk_usage(tmp_path).total + 1
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + b"x" * 10240))
    with pytest.raises(BackupRefused, match="has room for"):
        restore.restore(tmp_path / "bomb.tar.gz", tmp_path / "other")


def test_endless_zeros_behind_the_end_are_refused(data_dir: Path, tmp_path: Path) -> None:
    raw = gzip.decompress(back_up(data_dir, tmp_path / "backup.tar.gz").path.read_bytes())
    (tmp_path / "long.tar.gz").write_bytes(gzip.compress(raw + b"\0" * (1 << 20)))
    with pytest.raises(BackupRefused, match="more behind it"):
        restore.restore(tmp_path / "long.tar.gz", tmp_path / "other")


def test_more_files_than_there_can_be_are_refused(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = back_up(data_dir, tmp_path / "backup.tar.gz")
    monkeypatch.setattr(restore, "MOST_FILES", 2)
    with pytest.raises(BackupRefused, match="more in it"):
        restore.restore(made.path, tmp_path / "other")


# kill -9

AT_WORK = """
import os, signal, sys
from pathlib import Path
from lidbook import backup, restore

steps = 0

def watch(event, arguments):
    global steps
    if event not in ("open", "os.rename", "os.link", "os.mkdir", "os.remove", "shutil.rmtree", "sqlite3.connect"):
        return
    steps += 1
    if steps == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
{}
sys.stdout.write("done")
"""
BACKING_UP = AT_WORK.format("backup.back_up(Path(sys.argv[2]), Path(sys.argv[3]))")
RESTORING = AT_WORK.format("restore.restore(Path(sys.argv[3]), Path(sys.argv[2]), replace=True)")


@contextmanager
def killed_at_each_step(code: str, data_dir: Path, archive: Path) -> Iterator[Iterator[int]]:
    """Runs `code` again and again, killed one step later each time, until it comes to its end."""

    def runs() -> Iterator[int]:
        for step in range(1, 500):
            done = subprocess.run(
                [sys.executable, "-c", code, str(step), str(data_dir), str(archive)],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            if done.stdout == "done":
                return
            assert done.returncode == -signal.SIGKILL, done.stderr
            yield step
        pytest.fail("it never came to its end")

    yield runs()


def test_a_backup_killed_at_any_step_leaves_nothing_under_its_name(data_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.tar.gz"
    killed = 0
    with killed_at_each_step(BACKING_UP, data_dir, target) as steps:
        for _ in steps:
            killed += 1
            if target.exists():  # killed while it tidied up: then it is whole
                restore.restore(target, tmp_path / f"restored-{killed}")
                target.unlink()
    assert killed > 10
    assert restore.restore(target, tmp_path / "other").files == 3


def test_a_restore_killed_at_any_step_leaves_one_of_the_two(data_dir: Path, tmp_path: Path) -> None:
    archive = back_up(data_dir, tmp_path / "backup.tar.gz").path
    fill(data_dir, "Ann Smith")
    killed, found = 0, set()
    with killed_at_each_step(RESTORING, data_dir, archive) as steps:
        for _ in steps:
            killed += 1
            found.add(credentials(data_dir))
            with closing(sqlite3.connect(database_path(data_dir))) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            if credentials(data_dir) != "credentials of Ann Smith":
                fill(data_dir, "Ann Smith")
    assert killed > 10
    assert "credentials of Ann Smith" in found
    assert name_in(data_dir) == "Ann Lee"


def test_an_empty_data_dir_is_empty_or_whole_after_a_kill(data_dir: Path, tmp_path: Path) -> None:
    archive = back_up(data_dir, tmp_path / "backup.tar.gz").path
    empty = tmp_path / "empty"
    empty.mkdir()
    killed = 0
    with killed_at_each_step(RESTORING, empty, archive) as steps:
        for _ in steps:
            killed += 1
            if database_path(empty).exists():
                assert name_in(empty) == "Ann Lee"
            for left in empty.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    assert killed > 10
    assert name_in(empty) == "Ann Lee"


def test_chunks_are_smaller_than_what_is_read_at_once() -> None:
    assert backup.CHUNK < restore.LONGEST_READ
