"""Work in a thread that nobody has to wait for."""

import subprocess
import sys
from functools import partial
from operator import getitem

import pytest

from lidbook.threads import in_own_thread


async def test_what_it_returns_and_raises_is_the_answer() -> None:
    assert await in_own_thread(lambda: 7, "seven") == 7
    with pytest.raises(KeyError, match="x"):
        await in_own_thread(partial(getitem, {}, "x"), "nothing")


HANGING = """
import asyncio, threading
from lidbook.threads import in_own_thread

async def main():
    done, _ = await asyncio.wait({in_own_thread(threading.Event().wait, "hanging")}, timeout=0.01)
    print(len(done))

asyncio.run(main())
"""


def test_a_process_ends_though_a_thread_hangs() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", HANGING], capture_output=True, text=True, timeout=20, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "0\n", "")
