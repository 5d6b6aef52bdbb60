"""`kill -9` while 100,000 people arrive: what was acknowledged is there, nothing is there by halves, the rest comes."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.sessions import feeding_child
from core.sessions.feeding_child import BATCH, lid_of, phone_of
from lidbook.directory.database import open_reader

PEOPLE = 100_000
KILLED_AFTER = (3, 21, 47)


@contextmanager
def child(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """The server, ended by the end of its input."""
    with subprocess.Popen(
        [sys.executable, feeding_child.__file__, str(data_dir), str(PEOPLE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield process
        if process.poll() is None:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line.strip()


def batches_present(data_dir: Path) -> dict[int, int]:
    """How many people of each batch stand as one whole row: pair, name and push name."""
    reader = open_reader(data_dir / "lidbook.sqlite3")
    found = {
        lid: public_id
        for public_id, lid, doc in reader.execute("SELECT id, lid, doc FROM person WHERE mapped = 1")
        if b'"name":"Person ' in doc and b'"pushname":"p' in doc
    }
    halves = reader.execute("SELECT count(*) FROM person WHERE mapped = 0").fetchone()[0]
    reader.close()
    assert halves == 0
    present: dict[int, int] = {}
    for person in range(PEOPLE):
        if found.get(str(lid_of(person))) == str(phone_of(person)):
            present[person // BATCH] = present.get(person // BATCH, 0) + 1
    return present


def test_killed_again_and_again(tmp_path: Path) -> None:
    for killed_after in KILLED_AFTER:
        acknowledged: set[int] = set()
        with child(tmp_path) as process:
            for line in lines(process):
                if line.startswith("acked"):
                    acknowledged.add(int(line.split()[1]))
                if len(acknowledged) == killed_after:
                    process.send_signal(signal.SIGKILL)
                    break
            acknowledged.update(int(line.split()[1]) for line in lines(process) if line.startswith("acked"))
            assert process.wait() == -signal.SIGKILL
        present = batches_present(tmp_path)
        assert acknowledged <= present.keys(), "an acknowledged batch is missing"
        assert set(present.values()) == {BATCH}, "a batch was applied by halves"
    with child(tmp_path) as process:
        said: set[str] = set()
        for line in lines(process):
            said.add(line)
            if {"working", "complete"} <= said:
                break
        assert {"working", "complete"} <= said, "the session did not come back by itself"
    assert batches_present(tmp_path) == dict.fromkeys(range(PEOPLE // BATCH), BATCH)
