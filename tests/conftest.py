"""Shared by all tests: the event loop they run on, and what a skip means."""

import pytest

pytest_plugins = ["require", "runtimes"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Lidbook runs on asyncio."""
    return "asyncio"
