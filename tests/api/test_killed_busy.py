"""`kill -9` of a server at work: configs change, keys are rotated and a backup is made, all at the same time.

What was acknowledged is there afterwards, and every backup that was finished restores.
"""

import signal
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import orjson

from api.access.processes import serving
from api.access.test_kill import Rotated, rotate_until_killed
from lidbook.backup import back_up
from lidbook.data_dir import database_path
from lidbook.restore import restore
from lidbook_api.access.local import create_admin_key

ROUNDS = 2
BACKUPS = 3
"""How many are finished before the server is killed; another one is under way then."""


@dataclass
class Numbered:
    """A session whose config is replaced again and again, by one with the next number."""

    begun: int = 0
    acknowledged: int = 0
    one_more: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def change_until_killed(self, url: str, admin: str) -> None:
        """Replace it, and note what the answer says."""
        with httpx.Client(base_url=url, headers={"X-Api-Key": admin}, timeout=20) as client:
            while True:
                self.begun += 1
                body = {"config": {"metadata": {"number": str(self.begun)}}}
                try:
                    response = client.put("/api/sessions/default", json=body)
                except httpx.TransportError:
                    return
                assert response.status_code == 200, response.text
                self.acknowledged = self.begun
                self.one_more.release()


@dataclass
class BackedUp:
    """Backups made one after another, each with what was acknowledged before it and begun until its end."""

    folder: Path
    numbered: Numbered
    made: list[tuple[Path, int, int]] = field(default_factory=list)
    one_more: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    killed: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def make_until_killed(self, data_dir: Path) -> None:
        """Make them, and one more while the server is killed."""
        try:
            while not self.killed.is_set():
                before = self.numbered.acknowledged
                made = back_up(data_dir, self.folder / f"{len(self.made)}.tar.gz")
                self.made.append((made.path, before, self.numbered.begun))
                self.one_more.release()
        except Exception as error:  # noqa: BLE001 - raised where the test can see it
            self.error = error
            self.one_more.release()


def number_in(database: Path) -> int:
    """The number in the stored config of the session."""
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (config,) = connection.execute("SELECT config FROM session WHERE name = 'default'").fetchone()
    return int(orjson.loads(config).get("metadata", {}).get("number", 0))


def test_a_server_killed_while_all_of_it_is_under_way(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    _, admin = create_admin_key(data_dir, None)
    headers = {"X-Api-Key": admin}
    numbered = Numbered()
    keys: list[Rotated] = []
    for number in range(ROUNDS + 1):
        with serving(tmp_path, "--data-dir", str(data_dir)) as server:
            shown = httpx.get(f"{server.url}/api/sessions/default", headers=headers).json()
            stored = int((shown["config"].get("metadata") or {}).get("number", 0))
            assert numbered.acknowledged <= stored <= numbered.begun, "an acknowledged config is lost"
            for key in keys:
                key.check(server.url)
            if number == ROUNDS:
                break
            keys = []
            for _ in range(2):
                made = httpx.post(f"{server.url}/api/keys", json={"session": "default"}, headers=headers).json()
                keys.append(Rotated(made["id"], made["key"]))
            (tmp_path / str(number)).mkdir()
            backed_up = BackedUp(tmp_path / str(number), numbered)
            rotations = threading.Semaphore(0)
            workers = [
                threading.Thread(target=numbered.change_until_killed, args=(server.url, admin)),
                threading.Thread(target=rotate_until_killed, args=(server.url, admin, keys, rotations)),
                threading.Thread(target=backed_up.make_until_killed, args=(data_dir,)),
            ]
            for worker in workers:
                worker.start()
            assert numbered.one_more.acquire(timeout=30)
            for _ in range(BACKUPS):
                assert backed_up.one_more.acquire(timeout=30)
                assert rotations.acquire(timeout=30)
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(20)
            backed_up.killed.set()
            for worker in workers:
                worker.join(30)
            assert backed_up.error is None
            assert len(backed_up.made) > BACKUPS
        for path, before, until in backed_up.made:
            target = path.with_name(path.name.removesuffix(".tar.gz"))
            restore(path, target)
            assert before <= number_in(database_path(target)) <= until, "a backup is no moment of what it was made of"
    with serving(tmp_path, "--data-dir", str(target)) as server:
        response = httpx.get(f"{server.url}/api/sessions/default", headers=headers)
        assert (response.status_code, response.json()["name"]) == (200, "default")
