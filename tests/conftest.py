"""Shared by all tests: the event loop they run on."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Lidbook runs on asyncio."""
    return "asyncio"
