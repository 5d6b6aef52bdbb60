"""`lidbook keys`, as a user has it, and what a server that others reach needs before it starts."""

import re
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from lidbook.data_dir import DataDirLock, database_path
from lidbook_api.access.local import create_admin_key, has_admin_key

from .processes import Running, lidbook, serving

ENVIRONMENT = "6c35dcbf31914c65a90f29e2ca1840d2"
KEY = re.compile(r"key_[0-9A-Za-z]{32}\n")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's home."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Running]:
    """A server with a key in its environment."""
    with serving(home, LIDBOOK_API_KEY=ENVIRONMENT) as server:
        yield server


def keys(server: Running, home: Path, *arguments: str, key: str = ENVIRONMENT) -> "subprocess.CompletedProcess[str]":
    """`lidbook keys` with a server."""
    return lidbook(home, "keys", *arguments, LIDBOOK_URL=server.url, LIDBOOK_API_KEY=key)


def get(server: Running, path: str, key: str) -> httpx.Response:
    """A request with a key."""
    return httpx.get(server.url + path, headers={"X-Api-Key": key})


def listed(server: Running) -> list[dict[str, Any]]:
    """All keys."""
    found: list[dict[str, Any]] = get(server, "/api/keys", ENVIRONMENT).json()
    return found


# with a server


def test_create_prints_the_key_alone_and_says_the_rest_on_stderr(server: Running, home: Path) -> None:
    made = keys(server, home, "create", "--admin", "--expires-in", "30d")
    assert made.returncode == 0
    assert KEY.fullmatch(made.stdout)
    assert get(server, "/api/keys", made.stdout.strip()).status_code == 200
    newest = listed(server)[-1]
    assert newest["id"] in made.stderr
    assert "not shown again" in made.stderr
    assert made.stdout.strip() not in made.stderr
    assert newest["isAdmin"]
    assert abs(newest["expiresAt"] - (time.time() + 30 * 86_400) * 1000) < 60_000


def test_create_makes_a_sessions_key_with_the_actions_that_are_named(server: Running, home: Path) -> None:
    made = keys(server, home, "create", "--session", "default", "--no-send", "--delete")
    assert KEY.fullmatch(made.stdout)
    newest = listed(server)[-1]
    assert (newest["session"], newest["expiresAt"]) == ("default", None)
    assert newest["actions"] == {
        "read": True,
        "send": False,
        "control": True,
        "setting": True,
        "app": True,
        "delete": True,
    }
    keys(server, home, "create", "--session", "default")
    assert listed(server)[-1]["actions"] is None


def test_list_shows_no_key_and_says_which_have_expired(server: Running, home: Path) -> None:
    admin = keys(server, home, "create", "--admin").stdout.strip()
    keys(server, home, "create", "--session", "default", "--no-read", "--no-send", "--no-control", "--no-setting")
    expired = keys(server, home, "create", "--session", "default", "--expires-in", "1s").stdout.strip()
    deadline = time.monotonic() + 20
    while get(server, "/api/server/version", expired).status_code != 401:
        assert time.monotonic() < deadline
    shown = keys(server, home, "list").stdout
    lines = shown.splitlines()
    assert lines[0].split() == ["ID", "KEY", "FOR", "MAY", "STATE", "EXPIRES"]
    assert re.search(rf"key_id_\w+ +key_{admin[4:6]}…{admin[-2:]} +admin +everything +active +never", shown)
    assert re.search(r"session default +app +active", shown)
    assert re.search(r"session default +all but delete +expired +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", shown)
    assert admin not in shown


def test_rotate_prints_the_new_key_and_how_long_the_old_one_works(server: Running, home: Path) -> None:
    first = keys(server, home, "create", "--session", "default").stdout.strip()
    key_id = listed(server)[-1]["id"]
    second = keys(server, home, "rotate", key_id, "--grace", "1h")
    assert KEY.fullmatch(second.stdout)
    assert "works for 1h more" in second.stderr
    assert [get(server, "/api/sessions", key).status_code for key in (first, second.stdout.strip())] == [200, 200]
    third = keys(server, home, "rotate", key_id)
    assert "does not work any more" in third.stderr
    assert get(server, "/api/sessions", first).status_code == 401


def test_delete_deletes(server: Running, home: Path) -> None:
    made = keys(server, home, "create", "--session", "default").stdout.strip()
    key_id = listed(server)[-1]["id"]
    assert keys(server, home, "delete", key_id).returncode == 0
    assert get(server, "/api/sessions", made).status_code == 401
    again = keys(server, home, "delete", key_id)
    assert (again.returncode, "API key not found" in again.stderr) == (1, True)


def test_audit_shows_who_did_what(server: Running, home: Path) -> None:
    made = keys(server, home, "create", "--session", "default").stdout.strip()
    key_id = listed(server)[-1]["id"]
    get(server, "/api/keys", made)
    lines = keys(server, home, "audit", "--limit", "2").stdout.splitlines()
    assert lines[0].split() == ["TIME", "KEY", "ACTION", "SESSION", "SUBJECT", "STATUS", "ERROR", "CLIENT"]
    assert lines[1].split()[2:] == [key_id, "list_keys", "-", "-", "403", "not_allowed", "127.0.0.1"]
    assert lines[2].split()[2:] == ["env", "create_key", "-", key_id, "201", "-", "127.0.0.1"]
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["create"], "--admin, or --session NAME"),
        (["create", "--admin", "--session", "default"], "--admin, or --session NAME"),
        (["create", "--admin", "--no-read"], "leave --no-read out"),
        (["create", "--admin", "--expires-in", "soon"], "--expires-in 'soon' is no duration"),
        (["create", "--admin", "--expires-in", "30"], "like 30d"),
        (["create", "--session", "nobody"], 'Session "nobody" does not exist'),
        (["create", "--session", "default", "--local"], "--local makes admin keys only"),
        (["rotate", "x", "--grace", "1w"], "--grace '1w' is no duration"),
        (["rotate", "key_id_x"], "API key not found"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    server: Running, home: Path, arguments: list[str], message: str
) -> None:
    done = keys(server, home, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_wrong_key_and_no_server_are_told(server: Running, home: Path) -> None:
    assert "refuses the API key in LIDBOOK_API_KEY" in keys(server, home, "list", key="wrong").stderr
    assert "is the server running?" in lidbook(home, "keys", "list", "--url", "http://127.0.0.1:1").stderr


def test_on_a_data_dir_that_a_server_has_it_says_to_use_the_server(server: Running, home: Path) -> None:
    done = lidbook(home, "keys", "create", "--admin", "--local")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--url" in done.stderr
    assert f"process {server.process.pid}" in done.stderr


# without a server


def test_the_first_key_lets_a_server_start_where_others_reach_it(tmp_path: Path) -> None:
    data_dir = tmp_path / "some dir" / "data"
    refused = lidbook(tmp_path, "serve", "--port", "0", "--host", "0.0.0.0", "--data-dir", str(data_dir))
    assert refused.returncode == 2
    assert f"lidbook keys create --admin --local --data-dir '{data_dir}'" in refused.stderr
    assert not data_dir.exists()
    made = lidbook(tmp_path, "keys", "create", "--admin", "--local", "--data-dir", str(data_dir))
    assert made.returncode == 0, made.stderr
    assert KEY.fullmatch(made.stdout)
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    with serving(tmp_path, "--host", "0.0.0.0", "--data-dir", str(data_dir)) as server:
        assert httpx.get(f"{server.url}/api/sessions").status_code == 401
        assert get(server, "/api/sessions", made.stdout.strip()).status_code == 200
        [row] = get(server, "/api/audit", made.stdout.strip()).json()
        assert (row["keyId"], row["action"], row["client"]) == ("local", "create_key", None)
        assert server.process.stdout is not None
        tried = next(line for line in server.process.stdout if line.lstrip().startswith("try "))
        assert "X-Api-Key: YOUR-KEY" in tried


def test_a_key_made_by_a_server_that_was_killed_counts(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        made = httpx.post(f"{server.url}/api/keys", json={"isAdmin": True}).json()["key"]
        server.process.send_signal(signal.SIGKILL)
    data_dir = tmp_path / ".local" / "share" / "lidbook"
    before = sorted(path.name for path in data_dir.iterdir())
    assert "lidbook.sqlite3-wal" in before
    assert has_admin_key(data_dir)
    with serving(tmp_path, "--host", "0.0.0.0") as server:
        assert get(server, "/api/keys", made).status_code == 200


def test_what_is_no_admin_key_that_works_does_not_count(tmp_path: Path) -> None:
    assert not has_admin_key(tmp_path)
    assert not has_admin_key(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
    create_admin_key(tmp_path, None)
    assert has_admin_key(tmp_path)
    for change in ("is_active = 0", "is_active = 1, is_admin = 0, session = 1", "is_admin = 1, expires_at = 1"):
        with closing(sqlite3.connect(database_path(tmp_path))) as connection:
            connection.execute(f"UPDATE api_key SET {change}")
            connection.commit()
        assert not has_admin_key(tmp_path), change


def test_a_database_older_than_keys_has_none(tmp_path: Path) -> None:
    with closing(sqlite3.connect(database_path(tmp_path))) as connection:
        connection.execute("CREATE TABLE session (id INTEGER)")
    assert not has_admin_key(tmp_path)


def test_keys_that_cannot_be_read_are_told_in_one_line(tmp_path: Path) -> None:
    database_path(tmp_path).write_bytes(b"this is no database, and long enough to be looked at" * 100)
    refused = lidbook(tmp_path, "serve", "--port", "0", "--host", "0.0.0.0", "--data-dir", str(tmp_path))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "cannot read the keys" in refused.stderr
    made = lidbook(tmp_path, "keys", "create", "--admin", "--local", "--data-dir", str(tmp_path))
    assert (made.returncode, made.stdout, made.stderr.count("\n")) == (1, "", 1)


def test_the_lock_is_let_go_of(tmp_path: Path) -> None:
    create_admin_key(tmp_path, None)
    DataDirLock(tmp_path).release()
    create_admin_key(tmp_path, 1)


def test_the_command_line_stays_light() -> None:
    heavy = "{'pydantic', 'httpx', 'sqlite3', 'asyncio', 'fastapi'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, lidbook_api.cli; print({heavy} or '')"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""
