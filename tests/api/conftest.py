"""Servers: one shared by tests that only read, one for each test that changes something."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest

from .programs import environment, run, start  # noqa: F401 - fixtures
from .served import Served, serve

Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """A server for tests that change nothing."""
    async with serve(tmp_path_factory.mktemp("data")) as served:
        yield served


@pytest.fixture
def reader(shared: Served) -> httpx.AsyncClient:
    """A client for tests that change nothing."""
    return shared.client


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A server of the test's own."""
    async with serve(tmp_path / "data") as served:
        yield served


@pytest.fixture
def client(served: Served) -> httpx.AsyncClient:
    """A client of the test's own server."""
    return served.client
