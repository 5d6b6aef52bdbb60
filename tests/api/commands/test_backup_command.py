"""`lidbook backup` and `lidbook restore`, with real servers."""

import json
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest

from api.programs import LIDBOOK, Run, Running, Start
from lidbook.data_dir import database_path

KEY = "6c35dcbf31914c65a90f29e2ca1840d2"


def bodies(server: Running) -> dict[str, object]:
    """What a server answers about everybody it knows, and about its sessions."""
    found: dict[str, object] = {}
    for session in httpx.get(f"{server.url}/api/sessions?all=true").json():
        name = session["name"]
        found[name] = {each: session[each] for each in ("name", "status", "config", "me")}
        if session["status"] != "WORKING":
            continue
        for path in (
            f"/api/contacts/all?session={name}",
            f"/api/contacts/all?session={name}&sortBy=name",
            f"/api/{name}/lids",
            f"/api/{name}/groups",
            f"/api/{name}/blocklist",
        ):
            response = httpx.get(server.url + path)
            assert response.status_code == 200
            found[path] = response.content
    return found


def settled(server: Running) -> None:
    """Wait until every session is WORKING and has all five of its feeds."""
    for session in httpx.get(f"{server.url}/api/sessions").json():
        complete = 0
        while complete < 5:
            found = httpx.get(f"{server.url}/api/sessions/{session['name']}").json()
            assert found["status"] in ("STARTING", "WORKING")
            complete = sum(sync["complete"] for sync in found["sync"].values())


@contextmanager
def writing(server: Running) -> Iterator[list[int]]:
    """A session's config is changed meanwhile, again and again; the changes acknowledged are in the list."""
    acknowledged: list[int] = []
    enough, stop = threading.Event(), threading.Event()

    def write() -> None:
        with httpx.Client(base_url=server.url) as client:
            for number in count(1):
                if stop.is_set():
                    return
                body = {"config": {"metadata": {"number": str(number)}}}
                assert client.put("/api/sessions/busy", json=body).status_code == 200
                acknowledged.append(number)
                if number == 20:
                    enough.set()

    thread = threading.Thread(target=write)
    thread.start()
    assert enough.wait(30)
    try:
        yield acknowledged
    finally:
        stop.set()
        thread.join()


def test_a_restored_server_answers_the_same(start: Start, run: Run, tmp_path: Path) -> None:
    server = start("--data-dir", str(tmp_path / "data"), WHATSAPP_START_SESSION="second")
    httpx.post(f"{server.url}/api/sessions", json={"name": "off", "start": False, "config": {"metadata": {"a": "b"}}})
    httpx.put(f"{server.url}/api/default/contacts/11231231231", json={"firstName": "Jane"})
    httpx.post(f"{server.url}/api/contacts/block", json={"session": "second", "contactId": "447700900101"})
    settled(server)
    before = bodies(server)
    made = run("backup", "backup.tar.gz", "--data-dir", str(tmp_path / "data"))
    assert made.returncode == 0
    assert "it holds credentials, keep it safe" in made.stdout
    server.stop(signal.SIGKILL)
    restored = run("restore", "backup.tar.gz", "--data-dir", str(tmp_path / "other"))
    assert restored.returncode == 0
    assert "must not run anywhere else" in restored.stdout
    again = start("--data-dir", str(tmp_path / "other"))
    settled(again)
    assert bodies(again) == before


def test_a_backup_taken_while_somebody_writes_has_all_that_was_acknowledged(
    start: Start, run: Run, tmp_path: Path
) -> None:
    server = start("--data-dir", str(tmp_path / "data"))
    httpx.post(f"{server.url}/api/sessions", json={"name": "busy", "start": False})
    changes = 0
    for attempt in range(3):
        with writing(server) as acknowledged:
            first = acknowledged[-1]
            assert run("backup", f"{attempt}.tar.gz", "--url", server.url).returncode == 0
            last = acknowledged[-1] + 1
        other = tmp_path / f"other-{attempt}"
        assert run("restore", f"{attempt}.tar.gz", "--data-dir", str(other)).returncode == 0
        with closing(sqlite3.connect(database_path(other))) as connection:
            (config,) = connection.execute("SELECT config FROM session WHERE name = 'busy'").fetchone()
            (audited,) = connection.execute("SELECT count(*) FROM audit WHERE action = 'update_session'").fetchone()
        number = int(json.loads(config)["metadata"]["number"])
        assert first <= number <= last
        assert changes + number - 1 <= audited <= changes + number, "the audit log is of another moment"
        changes += acknowledged[-1]
    assert server.stop()[0] == 0


def test_a_server_says_where_its_data_dir_is(start: Start, run: Run, tmp_path: Path) -> None:
    server = start("--data-dir", str(tmp_path / "data"), LIDBOOK_API_KEY=KEY)
    refused = run("backup", "backup.tar.gz", "--url", server.url)
    assert (refused.returncode, "set LIDBOOK_API_KEY" in refused.stderr) == (1, True)
    assert run("backup", "backup.tar.gz", "--url", server.url, LIDBOOK_API_KEY=KEY).returncode == 0
    made = httpx.post(
        f"{server.url}/api/keys", headers={"X-Api-Key": KEY}, json={"session": "default", "isAdmin": False}
    ).json()
    refused = run("backup", "other.tar.gz", "--url", server.url, "--key", made["key"])
    assert (refused.returncode, "or an admin key" in refused.stderr) == (1, True)
    assert not (tmp_path / "other.tar.gz").exists()


def test_a_backup_is_not_overwritten_and_a_server_not_replaced(start: Start, run: Run, tmp_path: Path) -> None:
    data = ["--data-dir", str(tmp_path / "data")]
    server = start(*data)
    assert run("backup", "backup.tar.gz", *data).returncode == 0
    again = run("backup", "backup.tar.gz", *data)
    assert (again.returncode, "exists already" in again.stderr) == (1, True)
    refused = run("restore", "backup.tar.gz", *data, "--replace")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"lidbook: another lidbook (process {server.process.pid}) works on ")
    assert server.stop()[0] == 0
    refused = run("restore", "backup.tar.gz", *data)
    assert (refused.returncode, "give --replace" in refused.stderr) == (1, True)
    done = run("restore", "backup.tar.gz", *data, "--replace")
    assert done.returncode == 0
    assert "data.before-restore-" in done.stdout
    assert start(*data).stop()[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["backup", "x.tar.gz"], "holds no sessions"),
        (["backup", "no/such/folder/x.tar.gz", "--data-dir", "data"], "cannot back up"),
        (["restore", "nowhere.tar.gz"], "No such file"),
        (["restore", "file", "--data-dir", "other"], "is no backup of Lidbook"),
        (["backup", "x.tar.gz", "--url", "http://127.0.0.1:1"], "is the server running?"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(run: Run, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "data").mkdir()
    sqlite3.connect(database_path(tmp_path / "data")).close()
    refused = run(*arguments)
    assert refused.returncode == 1
    assert message in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_backup_killed_leaves_nothing_under_its_name(
    start: Start, run: Run, tmp_path: Path, environment: dict[str, str]
) -> None:
    start("--data-dir", str(tmp_path / "data"), "--people", "20000")
    with subprocess.Popen(
        [LIDBOOK, "backup", "backup.tar.gz", "--data-dir", str(tmp_path / "data")], env=environment, cwd=tmp_path
    ) as process:
        while not (left := list(tmp_path.glob(".backup.tar.gz.*/*"))):
            assert process.poll() is None
        process.kill()
    assert left
    assert not (tmp_path / "backup.tar.gz").exists()
    assert run("backup", "backup.tar.gz", "--data-dir", str(tmp_path / "data")).returncode == 0
