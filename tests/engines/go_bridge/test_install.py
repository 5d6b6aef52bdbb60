"""Building the host: with which Go, in what surroundings, and what is said when it cannot be."""

import asyncio
import os
from pathlib import Path

import pytest

from lidbook.errors import EngineUnavailable
from lidbook_go_bridge.build import surroundings
from lidbook_go_bridge.command import variables
from lidbook_go_bridge.runtime import GoBridgeRuntime
from lidbook_go_bridge.toolchain import Go

from .conftest import Machine
from .fake_go import BUILDS, SOURCES

WAIT = 20.0


async def refusal(runtime: GoBridgeRuntime) -> str:
    """What an installation that fails says."""
    with pytest.raises(EngineUnavailable) as error:
        await runtime.install(lambda _: None)
    return error.value.message


async def test_it_says_what_it_does_line_by_line(runtime: GoBridgeRuntime, folder: Path, machine: Machine) -> None:
    go = machine(
        download="echo go: downloading example.org/x v1.2.3",
        build="for n in $(seq 120); do echo example.org/p/$n; done\n" + "echo '# example.org/p/7'\n" + BUILDS,
    )
    lines: list[str] = []
    await runtime.install(lines.append)
    assert lines == [
        f"building with Go 1.26.3, {go.folder / 'go'}",
        "downloading the modules it is built of",
        "go: downloading example.org/x v1.2.3",
        "compiling; the first time takes some minutes",
        "compiled 50 packages",
        "compiled 100 packages",
        "# example.org/p/7",
        f"ready: {folder / 'bin'}/go-bridge-{SOURCES.mark()}-go1.26",
    ]


async def test_what_is_ready_is_not_built_again(runtime: GoBridgeRuntime, machine: Machine) -> None:
    go = machine()
    await runtime.install(lambda _: None)
    lines: list[str] = []
    await runtime.install(lines.append)
    assert lines == [f"ready: {runtime.binary()}"]
    assert go.calls.count("build") == 1


async def test_a_newer_go_builds_it_anew(runtime: GoBridgeRuntime, folder: Path, machine: Machine) -> None:
    machine()
    await runtime.install(lambda _: None)
    machine(version="echo go version go1.26.9 linux/amd64")
    await runtime.install(lambda _: None)
    assert [path.name[-7:] for path in (folder / "bin").glob("go-bridge-*")] == ["-go1.26"]
    machine(version="echo go version go1.27.1 linux/amd64")
    await runtime.install(lambda _: None)
    assert [path.name[-7:] for path in (folder / "bin").glob("go-bridge-*")] == ["-go1.27"]


async def test_what_is_ready_needs_no_go(
    runtime: GoBridgeRuntime, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine()
    await runtime.install(lambda _: None)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    await runtime.install(lambda _: None)
    assert runtime.check().ready


async def test_go_is_run_with_nothing_of_ours_and_nothing_of_other_builds(
    runtime: GoBridgeRuntime, folder: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = machine()
    for name, value in {
        "LIDBOOK_API_KEY": "secret",
        "WAHA_API_KEY": "secret",
        "GOOS": "plan9",
        "GOFLAGS": "-mod=mod",
        "CGO_ENABLED": "1",
        "GOTOOLCHAIN": "auto",
        "HTTPS_PROXY": "http://proxy:3128",
    }.items():
        monkeypatch.setenv(name, value)
    await runtime.install(lambda _: None)
    given = go.environment
    assert not [name for name in given if name.startswith(("LIDBOOK_", "WAHA_"))]
    assert "GOOS" not in given
    assert given["GOFLAGS"] == "-mod=readonly -modcacherw"
    assert (given["CGO_ENABLED"], given["GOTOOLCHAIN"], given["GOWORK"]) == ("0", "local", "off")
    assert given["HTTPS_PROXY"] == "http://proxy:3128"
    assert given["GOMODCACHE"] == str(folder / "build" / "modules")
    assert given["GOCACHE"] == str(folder / "build" / "cache")
    assert Path(given["GOTMPDIR"]).is_relative_to(folder)


def test_the_users_own_proxy_and_caches_are_used(tmp_path: Path) -> None:
    go = Go(Path("/usr/bin/go"), "1.26.3", "1.26")
    own = {"GOPROXY": "https://goproxy.example", "GOMODCACHE": "/var/mod", "GOCACHE": "/var/cache"}
    given = surroundings(variables() | own, go, tmp_path)
    assert given.items() >= own.items()
    assert given["GOFLAGS"] == "-mod=readonly"


def test_a_go_from_pypi_is_told_its_root(tmp_path: Path) -> None:
    go = Go(tmp_path / "go" / "bin" / "go", "1.27.3", "1.27", tmp_path / "go")
    assert surroundings({"GOROOT": "/elsewhere"}, go, tmp_path)["GOROOT"] == str(tmp_path / "go")


async def test_backups_are_told_that_it_can_be_made_again(
    runtime: GoBridgeRuntime, folder: Path, machine: Machine
) -> None:
    machine()
    await runtime.install(lambda _: None)
    for name in ("bin", "build"):
        assert (folder / name / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")


async def test_nothing_but_caches_is_left_in_the_folder_of_builds(
    runtime: GoBridgeRuntime, folder: Path, machine: Machine
) -> None:
    machine()
    left = folder / "build" / "build-killed" / "source"
    left.mkdir(parents=True)
    await runtime.install(lambda _: None)
    assert sorted(path.name for path in (folder / "build").iterdir()) == ["CACHEDIR.TAG", "install.lock"]


# what goes wrong


async def test_no_network_names_the_proxy(runtime: GoBridgeRuntime, machine: Machine) -> None:
    said = "go: example.org/x@v1.2.3: Get https://proxy.example.org/x: dial tcp: lookup proxy.example.org: no such host"
    machine(download=f"echo '{said}' >&2; exit 1")
    message = await refusal(runtime)
    sentence, _, lines = message.partition("\n")
    assert sentence.startswith("the modules that it is built of could not be downloaded: ")
    assert "set GOPROXY to a module proxy" in sentence
    assert sentence.endswith(f"then run  {runtime.command}")
    assert lines == said


async def test_a_module_that_is_not_what_it_should_be_is_no_network_fault(
    runtime: GoBridgeRuntime, machine: Machine
) -> None:
    machine(download="echo 'verifying example.org/x@v1.2.3: checksum mismatch' >&2; exit 1")
    message = await refusal(runtime)
    assert message.startswith("what was downloaded is not what it is built of, by its checksums: set GOPROXY")


async def test_a_build_that_fails_shows_the_compilers_last_lines(runtime: GoBridgeRuntime, machine: Machine) -> None:
    machine(build="for n in $(seq 100); do echo ./main.go:$n: undefined: x; done; exit 1")
    message = await refusal(runtime)
    sentence, *lines = message.splitlines()
    assert sentence == (
        f"it could not be compiled: report these lines, or install another Go, then run  {runtime.command}"
    )
    assert lines == [f"./main.go:{number}: undefined: x" for number in range(81, 101)]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("compile: signal: killed", "there is too little memory to compile it: free 1 GB of memory, then run  lidbook"),
        (
            "write /x: no space left on device",
            "the disk is full: make room for 1 GB in the data dir, then run  lidbook",
        ),
    ],
)
async def test_a_machine_that_is_too_small_is_told_so(
    said: str, sentence: str, runtime: GoBridgeRuntime, machine: Machine
) -> None:
    machine(build=f"echo '{said}' >&2; exit 1")
    assert (await refusal(runtime)).startswith(sentence)


async def test_a_disk_that_is_full_while_modules_come_is_no_network_fault(
    runtime: GoBridgeRuntime, machine: Machine
) -> None:
    machine(download="echo 'mkdir /x: no space left on device' >&2; exit 1")
    assert (await refusal(runtime)).startswith("the disk is full: make room for 1 GB")


async def test_a_disk_without_room_for_the_sources_is_told_so(
    runtime: GoBridgeRuntime, folder: Path, machine: Machine
) -> None:
    machine()
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "CACHEDIR.TAG").symlink_to("/dev/full")
    message = await refusal(runtime)
    assert message == f"the disk that holds {folder} is full: make room there, then run  {runtime.command}"


async def test_a_data_dir_that_cannot_be_written_to_is_told_so(tmp_path: Path, machine: Machine) -> None:
    machine()
    folder = tmp_path / "file"
    await asyncio.to_thread(folder.write_text, "")
    runtime = GoBridgeRuntime(folder, sources=SOURCES)
    message = await refusal(runtime)
    assert message.startswith(f"{folder}/bin cannot be used (Not a directory): let this user write to {folder}, then")


async def test_a_go_that_builds_nothing_is_not_believed(runtime: GoBridgeRuntime, machine: Machine) -> None:
    machine(build=":")
    assert (await refusal(runtime)).startswith("Go said that all is well, and built nothing: install another one")


async def test_a_failed_build_leaves_the_host_that_was_there(runtime: GoBridgeRuntime, machine: Machine) -> None:
    machine()
    await runtime.install(lambda _: None)
    before = runtime.binary()
    machine(version="echo go version go1.27.1 linux/amd64", build="exit 1")
    assert "it ended with 1 and said nothing" in await refusal(runtime)
    assert runtime.binary() == before


# several at once, and one that is broken off


async def test_the_second_of_two_installations_waits_for_the_first(
    runtime: GoBridgeRuntime, folder: Path, machine: Machine, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    go = machine(build=f"echo begun here; read go < {gate}\n{BUILDS}")
    begun, waits = asyncio.Event(), asyncio.Event()

    def first(line: str) -> None:
        if line == "begun here":
            begun.set()

    def second(line: str) -> None:
        if line == "another installation is under way: waiting for it":
            waits.set()

    other = GoBridgeRuntime(folder, sources=SOURCES)
    async with asyncio.timeout(WAIT), asyncio.TaskGroup() as group:
        group.create_task(runtime.install(first))
        await begun.wait()
        group.create_task(other.install(second))
        await waits.wait()
        await asyncio.to_thread(gate.write_text, "go\n")
    assert go.calls.count("build") == 1
    assert other.check().ready


async def test_breaking_off_ends_the_compiler_and_all_that_it_started(
    runtime: GoBridgeRuntime, folder: Path, machine: Machine, tmp_path: Path
) -> None:
    """The children hold a pipe open: it ends when the last of them has."""
    os.mkfifo(tmp_path / "pipe")
    pipe = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    machine(build=f"exec 3> {tmp_path / 'pipe'}; sleep 600 & sleep 600 & echo begun here; wait")
    begun = asyncio.Event()

    def heard(line: str) -> None:
        if line == "begun here":
            begun.set()

    installing = asyncio.create_task(runtime.install(heard))
    async with asyncio.timeout(WAIT):
        await begun.wait()
        os.set_blocking(pipe, True)
        installing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await installing
        assert await asyncio.to_thread(os.read, pipe, 1) == b""
    os.close(pipe)
    assert not runtime.check().ready
    assert list((folder / "build").glob("build-*")) == []
