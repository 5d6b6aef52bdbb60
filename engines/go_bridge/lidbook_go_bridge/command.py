"""One command, run to its end: its lines are passed on as they come, and cancelling ends all that it started."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lidbook_go_bridge.failure import CannotBuild

KEPT: Final = 30
"""How many of the last lines are kept, to say what went wrong."""
_OURS: Final = ("LIDBOOK_", "WAHA_", "WHATSAPP_")
"""What the names of variables begin with that are no other program's business: keys are among them."""
_CHUNK: Final = 1 << 16
_LONGEST: Final = 1000
"""Characters of a line that are passed on."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    lines: tuple[str, ...]
    """The last lines that it printed, on either stream."""

    def last(self, count: int = 12) -> str:
        """The very last lines, for an error's sentence; how it ended where it printed nothing."""
        return "\n".join(self.lines[-count:]) or f"it ended with {self.code} and said nothing"


def variables() -> dict[str, str]:
    """This process's environment, without what is ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}


async def run(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], heard: Callable[[str], None]
) -> Ended:
    """Run a command in `folder`; `heard` takes each line of either stream.

    Cancelling kills the command with its children. Raises `CannotBuild` when it cannot be run at all.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            cwd=folder,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise CannotBuild(f"{arguments[0]} cannot be run ({error.strerror})", "mend or remove it") from error
    last: deque[str] = deque(maxlen=KEPT)
    try:
        async for line in _lines(process.stdout):
            last.append(line)
            heard(line)
        code = await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return Ended(code, tuple(last))


async def _lines(stream: asyncio.StreamReader | None) -> AsyncIterator[str]:
    """Lines of any length, without what is blank."""
    if stream is None:
        return
    rest = b""
    while chunk := await stream.read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if text := _text(line):
                yield text
    if text := _text(rest):
        yield text


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip()[:_LONGEST]
