"""One child process: started with next to nothing of ours, and always reaped."""

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from lidbook.errors import EngineError, EngineUnavailable
from lidbook.hosts.output import Output

DESCRIPTOR: Final = "LIDBOOK_HOST_FD"
"""Environment variable with the number of the host's end of the socket pair."""
_NO_PROGRAM: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ENOEXEC})
INHERITED: Final = ("PATH", "HOME", "LANG", "TMPDIR")
"""All that a host sees of the server's environment, which has secrets."""


@dataclass(frozen=True, slots=True)
class HostProgram:
    """What to run, and what its environment has beside the little that every host gets."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class HostProcess:
    """A child in a session of its own: an interrupt at the terminal reaches the server alone, which ends its hosts."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        end: socket.socket,
        output: Output,
        pipes: tuple[asyncio.ReadTransport, ...],
    ) -> None:
        self.pid: Final = process.pid
        self.socket: Final = end
        """The server's end of the socket pair; whoever takes it closes it."""
        self.output: Final = output
        self._process = process
        self._pipes = pipes

    @classmethod
    async def spawn(cls, program: HostProgram, output: Output) -> "HostProcess":
        """Start it. Raises `EngineUnavailable` for a program that cannot be run, `EngineError` for what may pass."""
        try:
            return await cls._spawned(program, output)
        except OSError as error:
            what = f"the host {program.argv[0]} cannot be started: {error.strerror or error}"
            if error.errno in _NO_PROGRAM:
                raise EngineUnavailable(f"{what}; install the engine's runtime again") from error
            raise EngineError(what) from error

    @classmethod
    async def _spawned(cls, program: HostProgram, output: Output) -> "HostProcess":
        with ExitStack() as on_failure, ExitStack() as childs:
            ours, theirs = socket.socketpair()
            on_failure.callback(ours.close)
            childs.callback(theirs.close)
            pipes = []
            descriptors = []
            for name in ("stdout", "stderr"):
                reading, writing = os.pipe()
                childs.callback(os.close, writing)
                descriptors.append(writing)
                pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
                    lambda name=name: output.stream(name),  # type: ignore[misc]
                    os.fdopen(reading, "rb", buffering=0),
                )
                on_failure.callback(pipe.close)
                pipes.append(pipe)
            process = await asyncio.create_subprocess_exec(
                *program.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptors[0],
                stderr=descriptors[1],
                env=_environment(program, theirs),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
            on_failure.pop_all()
            return cls(process, ours, output, tuple(pipes))

    @property
    def status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.returncode

    def kill(self) -> None:
        """End it, and whatever it started, at once."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def kill_what_it_left(self) -> None:
        """End what it started and left behind; to be called once, right after it was reaped: its process id, and so
        the number of its group, may be another's later."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def exited(self, seconds: float | None = None) -> bool:
        """Wait until it has exited, or for so long; says whether it has."""
        waiting = asyncio.ensure_future(self._process.wait())
        try:
            done, _ = await asyncio.wait({waiting}, timeout=seconds)
        finally:
            waiting.cancel()
        return bool(done)

    def close(self) -> None:
        """Hear no more of what it prints."""
        for pipe in self._pipes:
            pipe.close()
        self.output.settle()


def _environment(program: HostProgram, end: socket.socket) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**inherited, **program.environment, DESCRIPTOR: str(end.fileno())}
