"""What a hostile client may try: sizes, slowness, and text that would like to be a header or a log line."""

import asyncio
import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from .served import Served

MB = 1024 * 1024
PEOPLE = 20_000
STALLED = 24
FEEDS = 5
"""Those that the sandbox reports a first sync of."""


async def test_a_body_that_is_too_large_is_refused_in_words(served: Served) -> None:
    for path in ("/api/sessions", "/api/contacts/block"):
        response = await served.client.post(path, content=b"x" * 2 * MB)
        assert response.status_code == 413
        assert response.json()["message"] == "The body is larger than 1024 KiB"
        assert response.headers["lidbook-error"] == "body_too_large"


async def test_a_body_without_an_end_is_hung_up_on(served: Served) -> None:
    """In chunks: the connection ends after the first megabytes, not after the last."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 * MB:
            sent += 64 * 1024
            yield b"x" * 64 * 1024

    for path in ("/api/sessions", "/api/contacts/block", "/api/default/contacts/11231231231"):
        sent = 0
        method = "PUT" if "default" in path else "POST"
        with contextlib.suppress(httpx.WriteError, httpx.ReadError):
            response = await served.client.request(method, path, content=endless())
            assert response.status_code == 413
        assert sent < 48 * MB


@pytest.mark.parametrize("size", [17_000, 60_000])
async def test_a_url_beyond_any_use_is_refused(reader: httpx.AsyncClient, size: int) -> None:
    for url in ("/api/contacts?contactId=1&x=" + "1" * size, "/api/default/lids/" + "1" * size):
        response = await reader.get(url)
        assert response.status_code == 414
        assert (await reader.get("/ping")).status_code == 200


@pytest.mark.parametrize("number", ["1e308", "9" * 400, "9223372036854775808", "0x10", "١٢", "NaN", "Infinity", "-0.5"])
async def test_a_number_beyond_any_use_is_refused_or_bounded(reader: httpx.AsyncClient, number: str) -> None:
    for name in ("limit", "offset"):
        for path in ("/api/contacts/all", "/api/default/lids", "/api/default/groups"):
            response = await reader.get(path, params={name: number})
            assert response.status_code in (200, 400), (path, name, number)
            if response.status_code == 400:
                assert name in response.json()["message"][0]


EVIL = ("x\r\nX-Evil: 1", "x\nSet-Cookie: a=b", "x\x00y", "\x1b[2J", "x\u2028y\u0085z")


@pytest.mark.parametrize("evil", EVIL)
async def test_no_text_of_a_client_becomes_a_header(client: httpx.AsyncClient, evil: str) -> None:
    responses = [
        await client.get("/api/contacts", params={"contactId": evil, "session": evil}),
        await client.get("/api/contacts/check-exists", params={"phone": evil}),
        await client.put("/api/default/contacts/11231231231", json={"firstName": evil}),
        await client.post("/api/sessions", json={"name": evil}),
        await client.post("/api/sessions", json={"name": "m", "start": False, "config": {"metadata": {evil: evil}}}),
        await client.get(f"/api/engines/{httpx.URL('http://h/', params={'q': evil}).query.decode()}"),
        await client.get("/api/sessions", headers={"Origin": "http://127.0.0.1", "Accept": "x"}),
    ]
    for response in responses:
        assert response.status_code < 500
        assert not {"x-evil", "set-cookie"} & set(response.headers)
        assert all(name == name.strip() and "\n" not in value for name, value in response.headers.items())


@contextlib.contextmanager
def big_server(
    folder: Path, people: int = PEOPLE, descriptors: int | None = None
) -> Iterator[tuple[str, int, "subprocess.Popen[str]"]]:
    """`lidbook serve` with many people, in a process of its own, with so many descriptors: host, port, process."""

    def limited() -> None:
        if descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors // 2, descriptors))

    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LIDBOOK", "WAHA", "WHATSAPP"))}
    process = subprocess.Popen(
        [Path(sys.executable).with_name("lidbook"), "serve", "--port=0", f"--people={people}", f"--data-dir={folder}"],
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=limited,  # noqa: PLW1509 - no threads of ours, and no other way to set a limit for one child
    )
    try:
        assert process.stdout is not None
        found = next(match for line in process.stdout if (match := re.search(r"http://(127\.0\.0\.1):(\d+)", line)))
        yield found[1], int(found[2]), process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


async def is_synced(client: httpx.AsyncClient) -> bool:
    """Whether nothing is being taken in any more, so that memory stands still."""
    session = (await client.get("/api/sessions/default")).json()
    return len(session["sync"]) == FEEDS and all(feed["complete"] for feed in session["sync"].values())


async def test_clients_that_do_not_read_their_dump_cost_little_and_delay_nobody(tmp_path: Path) -> None:
    """Two dozen of them hold a socket each; the server holds no dump for them, answers others, and still ends."""
    with contextlib.ExitStack() as hanging, big_server(tmp_path / "data") as (host, port, process):
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=30) as client:
            async with asyncio.timeout(60):
                while not await is_synced(client):  # noqa: ASYNC110 - the first sync has no event over HTTP
                    await asyncio.sleep(0.2)
            size = len((await client.get("/api/contacts/all")).content)
            memory = psutil.Process(process.pid).memory_info
            before = memory().rss
            stalled = [await asyncio.open_connection(host, port, limit=1024) for _ in range(STALLED)]
            for _, writer in stalled:
                hanging.callback(writer.close)
                writer.write(b"GET /api/contacts/all HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await writer.drain()
            for reader, _ in stalled:
                assert b"200 OK" in await reader.readline()
            for _ in range(50):
                assert (await client.get("/api/contacts?contactId=11231231231")).status_code == 200
            assert memory().rss - before < STALLED * size / 3
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 40) == 0


@pytest.mark.parametrize(
    ("begin", "piece"),
    [(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n", b"ab: cd\r\n" * 8000), (b"GET /", b"x" * 64_000)],
    ids=["headers", "url"],
)
def test_a_head_without_an_end_costs_no_memory(tmp_path: Path, begin: bytes, piece: bytes) -> None:
    with big_server(tmp_path / "data", 50) as (host, port, process):
        httpx.get(f"http://{host}:{port}/ping")
        memory = psutil.Process(process.pid).memory_info
        before, sent = memory().rss, 0
        with socket.create_connection((host, port)) as connection:
            connection.settimeout(20)
            with contextlib.suppress(ConnectionError):
                connection.sendall(begin)
                while sent < 64 * MB:
                    sent += connection.send(piece)
            assert connection.recv(12) == (b"HTTP/1.1 414" if piece[:1] == b"x" else b"HTTP/1.1 431")
        assert sent < 32 * MB
        assert memory().rss - before < 16 * MB


def test_half_requests_by_the_hundred_keep_nobody_out(tmp_path: Path) -> None:
    """More of them than there may be files: the places left are for the next, and the database has its own."""
    with big_server(tmp_path / "data", 50, descriptors=256) as (host, port, process), contextlib.ExitStack() as halves:
        for number in range(400):
            half = halves.enter_context(socket.create_connection((host, port), timeout=20))
            half.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n")
            if number % 20 == 0:
                assert httpx.get(f"http://{host}:{port}/ping", timeout=5).status_code == 200
        assert httpx.get(f"http://{host}:{port}/health", timeout=5).status_code == 200
        assert psutil.Process(process.pid).num_fds() < 256
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert time.monotonic() - began < 10


def test_a_dump_that_is_being_read_is_finished_when_the_server_ends(tmp_path: Path) -> None:
    """Slowly, and to its last byte; others that begin meanwhile are turned away."""
    with big_server(tmp_path / "data", 5000) as (host, port, process):
        with httpx.Client(base_url=f"http://{host}:{port}", timeout=30) as client:
            while "lidbook-sync" in (answer := client.get("/api/contacts/all?limit=1")).headers or not answer.json():
                time.sleep(0.1)  # the first sync has no event over HTTP
            whole = client.get("/api/contacts/all").content
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(20)
            connection.connect((host, port))
            connection.sendall(b"GET /api/contacts/all HTTP/1.0\r\nHost: localhost\r\n\r\n")
            got = connection.recv(4096)
            process.send_signal(signal.SIGTERM)
            while True:
                try:
                    socket.create_connection((host, port)).close()
                except ConnectionResetError:
                    continue  # it waited to be accepted when the listener closed
                except ConnectionRefusedError:
                    break
            while some := connection.recv(65536):
                got += some
        assert process.wait(20) == 0
    assert len(got) > len(whole)
