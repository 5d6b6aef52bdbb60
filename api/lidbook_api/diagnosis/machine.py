"""The machine: Python, the clock, the port."""

import errno
import http.client
import platform
import socket
import sqlite3
import sys
import time
from collections.abc import Iterator
from typing import Final

from lidbook import __version__
from lidbook_api.diagnosis.finding import Finding, Level

OLDEST_PYTHON: Final = (3, 11)
RELEASED: Final = 1_767_225_600
"""Seconds since 1970 at the beginning of 2026, before which this was not written."""


ANSWER_SECONDS: Final = 2.0
"""How long a program that has the port may take to say what it is."""


def python() -> Finding:
    """Whether this Python can run it."""
    says = f"Lidbook {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding("python", Level.BROKEN, says, "install Python 3.11 or newer")
    return Finding("python", Level.OK, f"{says}, {platform.system()} {platform.machine()}")


def clock(newest_entry: int | None, now: float | None = None) -> Finding:
    """Whether the clock can be right, given when the newest entry in the database was written, in milliseconds."""
    seconds = time.time() if now is None else now
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    remedy = "set the clock, and keep it set with NTP"
    if seconds < RELEASED:
        return Finding("clock", Level.BROKEN, f"it is {shown}, says the clock: that is before this was written", remedy)
    if newest_entry is not None and newest_entry / 1000 > seconds + 300:
        later = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(newest_entry / 1000))
        return Finding("clock", Level.WARNING, f"it is {shown}, but the database was written at {later}", remedy)
    return Finding("clock", Level.OK, shown)


def port(host: str, number: int, *, served: bool) -> Iterator[Finding]:
    """Whether the server could listen; `served` says that one has the data dir already."""
    if number == 0:
        return
    place = f"{host} port {number}"
    address = (host.strip("[]"), number)
    try:
        family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        with socket.create_server(address, family=family):
            pass
    except OSError as error:
        if error.errno == errno.EADDRINUSE and served:
            yield Finding("port", Level.OK, f"port {number} is in use, by the server that has the data dir as it seems")
        elif error.errno == errno.EADDRINUSE and _is_lidbook(host, number):
            remedy = "to serve this data dir beside it, choose another port with --port or LIDBOOK_PORT"
            yield Finding("port", Level.NOTE, f"port {number} is in use by a Lidbook on another data dir", remedy)
        elif error.errno == errno.EADDRINUSE:
            remedy = "end that program, or choose another port with --port or LIDBOOK_PORT"
            yield Finding("port", Level.BROKEN, f"port {number} is in use by another program", remedy)
        else:
            reason = error.strerror or str(error)
            remedy = "choose another --host or --port"
            yield Finding("port", Level.BROKEN, f"nothing can listen on {place}: {reason}", remedy)
        return
    yield Finding("port", Level.OK, f"{place} is free")


def _is_lidbook(host: str, number: int) -> bool:
    """Whether what listens there answers as Lidbook does where nothing is: with its own header, key or not."""
    host = host.strip("[]")
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - recognised, not bound
    connection = http.client.HTTPConnection(here, number, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/doctor", headers={"Host": f"localhost:{number}"})
        return connection.getresponse().getheader("Lidbook-Error") is not None
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
