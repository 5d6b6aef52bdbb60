"""A reader's machine: a home of its own, a shell that remembers, and the server that the page speaks of.

`lidbook serve` and `systemctl` act on one real server, on a free port that stands for the 3000 of the pages, and
`lidbook sandbox` on one real network; every other command is run by bash as it is written. What a stand-in answers is
in `STOOD_IN`.
"""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

BIN: Final = Path(sys.executable).parent
STOOD_IN: Final = {
    "pip": "installs from an index; the stand-in links a package beside the others, with its entry points",
    "systemctl": "needs systemd; starts and stops this machine's server",
    "openssl": "stood in for where there is none: random digits",
}
"""Command -> why it is not the real one."""
_SERVE: Final = re.compile(r"(LIDBOOK_NETWORK=sandbox )?lidbook serve( [^&#]*)?&?\s*(#.*)?")
_SANDBOX: Final = re.compile(r"lidbook sandbox( --[^&#]*)?\s*&")
_SYSTEMCTL: Final = re.compile(r"systemctl (start|stop|restart) lidbook")
_PIP: Final = """\
#!{python}
import pathlib, sys, tomllib
match sys.argv[1:]:
    case ["install", "-e", where]:
        project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
        assert where.partition("[")[0] == "."
        assert where.partition("[")[2].rstrip("]") in ("", *project["optional-dependencies"])
    case ["install", "--upgrade", "/src/lidbook"]:
        sys.exit()
    case other:
        sys.exit(f"pip {{other}} is not stood in for")
site, here = pathlib.Path({site!r}), pathlib.Path()
info = site / f"{{project['name'].replace('-', '_')}}-{{project['version']}}.dist-info"
info.mkdir()
about = ["Metadata-Version: 2.1", f"Name: {{project['name']}}", f"Version: {{project['version']}}"]
(info / "METADATA").write_text("\\n".join(about))
(info / "entry_points.txt").write_text(
    "".join(
        f"[{{group}}]\\n" + "".join(f"{{name}} = {{target}}\\n" for name, target in entries.items())
        for group, entries in project["entry-points"].items()
    )
)
for init in here.glob("*/__init__.py"):
    (site / init.parent.name).symlink_to(init.parent.absolute())
"""


class Machine:
    """One reader's."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder
        self.work: Final = folder / "work"
        self._environment: Final = folder / "environment.sh"
        self._place: Final = folder / "place"
        self._server: subprocess.Popen[str] | None = None
        self._network: subprocess.Popen[str] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: Final[int] = free.getsockname()[1]
        self.url: Final = f"http://localhost:{self.port}"
        self.written: Final = {
            "localhost:3000": f"localhost:{self.port}",
            "127.0.0.1:3000": f"127.0.0.1:{self.port}",
            ".venv/bin/": "",
            "/opt/lidbook/venv/bin/": "",
            "/backup/": f"{folder}/backup/",
            "/tmp/drill": f"{folder}/drill",  # noqa: S108 - what the page says
        }
        """What stands on a page -> what it is on this machine."""
        self._furnish()

    def run(self, command: str, *, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run one command as it is written, or have the server do what it says; the result is not judged."""
        command = self.here(command).strip()
        if command.removeprefix("LIDBOOK_NETWORK=sandbox ").startswith("lidbook serve"):
            served = _SERVE.fullmatch(command)
            assert served, f"this line about the server is not understood: {command}"
            self.stop()
            self.start(*shlex.split(served[2] or ""), variables=served[1] or "")
            return subprocess.CompletedProcess(command, 0, "", "")
        if simulated := _SANDBOX.fullmatch(command):
            self.start_network(*shlex.split(simulated[1] or ""))
            return subprocess.CompletedProcess(command, 0, "", "")
        if command.startswith("systemctl"):
            asked = _SYSTEMCTL.fullmatch(command)
            assert asked, f"this line about the service is not understood: {command}"
            if asked[1] != "start":
                self.stop()
            if asked[1] != "stop":
                self.start()
            return subprocess.CompletedProcess(command, 0, "", "")
        return subprocess.run(
            self.shell(command), capture_output=True, text=True, timeout=60, check=False, input=given, env=self.clean()
        )

    def here(self, text: str) -> str:
        """A text of a page, with the places of this machine."""
        for there, here in self.written.items():
            alone = r"(?<![\w/])" if there[0] in "./" else ""
            text = re.sub(alone + re.escape(there), here.replace("\\", r"\\"), text)
        return text

    def shell(self, command: str) -> list[str]:
        """A shell that begins where the last one ended: folder and variables."""
        begin = f'source {self._environment}; cd "$(cat {self._place})"'
        leave = f"declare -px > {self._environment}; pwd > {self._place}"
        return [
            "bash",
            "-c",
            f"{begin}; trap '{leave}' EXIT; set -a -e -o pipefail\n{command}",
        ]

    def clean(self) -> dict[str, str]:
        """The environment of somebody who has none of our variables."""
        ours = ("LIDBOOK", "WAHA", "WHATSAPP", "XDG_", "PYTEST", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        for name in ("PORT", "DEBUG"):
            kept.pop(name, None)
        return kept

    def start(self, *arguments: str, variables: str = "") -> None:
        """Start the server, and wait until it answers."""
        self._server = self._started("try", f"{variables}exec {BIN}/lidbook serve {shlex.join(arguments)}")

    def start_network(self, *arguments: str) -> None:
        """Start a sandbox network, and wait until it listens."""
        self._network = self._started("the sandbox network", f"exec {BIN}/lidbook sandbox {shlex.join(arguments)}")

    def _started(self, ready: str, command: str) -> "subprocess.Popen[str]":
        """A process that goes on, once it has said a line that begins with `ready`."""
        with (self.folder / "server.log").open("a") as log:
            process = subprocess.Popen(
                self.shell(f"trap - EXIT; {command}"),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self.clean(),
            )
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.strip().startswith(ready):
                return process
        raise AssertionError(f"it ended: {said}{(self.folder / 'server.log').read_text()}")

    def stop(self) -> None:
        """End the server as Ctrl-C does; it has to end well."""
        server, self._server = self._server, None
        self._end(server)

    def stop_network(self) -> None:
        """End the network in the same way."""
        network, self._network = self._network, None
        self._end(network)

    def _end(self, process: "subprocess.Popen[str] | None") -> None:
        if process is not None:
            process.send_signal(signal.SIGINT)
            code = process.wait(30)
            assert process.stdout is not None
            process.stdout.close()
            assert code == 0, (self.folder / "server.log").read_text()

    def _furnish(self) -> None:
        for folder in (
            self.work,
            self.folder / "home",
            self.folder / "bin",
            self.folder / "site",
            self.folder / "backup",
        ):
            folder.mkdir()
        variables = {
            "HOME": self.folder / "home",
            "PATH": f"{self.folder / 'bin'}:{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": self.folder / "site",
            "PYTHONUNBUFFERED": "1",
            "LIDBOOK_PORT": self.port,
            "LIDBOOK_URL": self.url,
        }
        self._environment.write_text("".join(f"export {name}={shlex.quote(str(v))}\n" for name, v in variables.items()))
        self._place.write_text(str(self.work))
        self._tool("pip", _PIP.format(python=sys.executable, site=str(self.folder / "site")))
        if shutil.which("openssl") is None:
            self._tool(
                "openssl", f"#!{sys.executable}\nimport secrets, sys\nprint(secrets.token_hex(int(sys.argv[3])))\n"
            )
        self._tool("curl", '#!/bin/sh\nPATH=${PATH#*:} exec curl --fail-with-body --silent --show-error "$@"\n')

    def _tool(self, name: str, text: str) -> None:
        tool = self.folder / "bin" / name
        tool.write_text(text)
        tool.chmod(0o755)


def commands(text: str) -> list[str]:
    """The commands of a shell block: lines, put together until bash finds them whole."""
    found: list[str] = []
    pending = ""
    for line in text.splitlines():
        pending = f"{pending}\n{line}" if pending else line
        if (
            pending.endswith("\\")
            or subprocess.run(["bash", "-n", "-c", pending], capture_output=True, check=False).returncode
        ):
            continue
        if pending.strip() and not pending.lstrip().startswith("#"):
            found.append(pending)
        pending = ""
    assert not pending, f"this is no whole command: {pending}"
    return found
