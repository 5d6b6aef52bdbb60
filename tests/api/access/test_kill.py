"""`kill -9` while keys are rotated: what was acknowledged works, what was acknowledged gone does not."""

import random
import signal
import threading
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import httpx

from lidbook_api.access.local import create_admin_key

from .processes import serving

ROUNDS = 4
WORKERS = 3
KEYS_EACH = 3
GRACES = (0, 0, 3600, 3600)
"""Seconds, in turn: so that a rotation is killed with and without one, after one with and without one."""


@dataclass
class Rotated:
    """What is known of one key by what was acknowledged."""

    id: str
    works: str
    still_works: str | None = None
    """The one before, in its grace."""
    gone: list[str] = field(default_factory=list)
    begun: int | None = None
    """The grace of a rotation that nobody has heard of again."""

    def rotate(self, client: httpx.Client, grace: int) -> None:
        """Rotate, and note what the answer says."""
        self.begun = grace
        response = client.post(f"/api/keys/{self.id}/rotate", json={"graceSeconds": grace})
        assert response.status_code == 201, response.text
        self.begun = None
        self.gone += [text for text in (self.still_works, None if grace else self.works) if text]
        self.still_works = self.works if grace else None
        self.works = response.json()["key"]

    def check(self, url: str) -> None:
        """Compare with what the server says after its restart."""

        def opens(text: str) -> bool:
            response = httpx.get(f"{url}/api/server/version", headers={"X-Api-Key": text})
            assert response.status_code in (200, 401)
            return response.status_code == 200

        assert [text for text in self.gone if opens(text)] == [], "a key came back"
        if self.begun != 0:
            assert opens(self.works), "an acknowledged key is lost"
        if self.begun is None and self.still_works is not None:
            assert opens(self.still_works), "a key in its grace is lost"


def rotate_until_killed(url: str, admin: str, keys: list[Rotated], rotations: threading.Semaphore) -> None:
    """Rotate these keys one after another, and say so each time."""
    with httpx.Client(base_url=url, headers={"X-Api-Key": admin}, timeout=20) as client:
        for key, grace in zip(cycle(keys), cycle(GRACES), strict=False):
            try:
                key.rotate(client, grace)
            except httpx.TransportError:
                return
            rotations.release()


def test_a_server_killed_while_rotating_has_what_it_acknowledged(tmp_path: Path) -> None:
    chance = random.Random()
    data_dir = tmp_path / "data"
    _, admin = create_admin_key(data_dir, None)
    headers = {"X-Api-Key": admin}
    keys: list[Rotated] = []
    for number in range(ROUNDS + 1):
        with serving(tmp_path, "--data-dir", str(data_dir)) as server:
            for key in keys:
                key.check(server.url)
                key.gone.clear()
            if number == ROUNDS:
                break
            keys = []
            for _ in range(WORKERS * KEYS_EACH):
                made = httpx.post(f"{server.url}/api/keys", json={"session": "default"}, headers=headers).json()
                keys.append(Rotated(made["id"], made["key"]))
            rotations = threading.Semaphore(0)
            workers = [
                threading.Thread(target=rotate_until_killed, args=(server.url, admin, keys[each::WORKERS], rotations))
                for each in range(WORKERS)
            ]
            for worker in workers:
                worker.start()
            for _ in range(chance.randint(20, 120)):
                assert rotations.acquire(timeout=20)
            server.process.send_signal(signal.SIGKILL)
            for worker in workers:
                worker.join(20)
            assert sum(key.begun is not None for key in keys) == WORKERS, "each was rotating one when it was killed"
