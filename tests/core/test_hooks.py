"""Hooks: everybody who asked is told, and nobody's fault is anybody else's."""

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from structlog.testing import capture_logs

from lidbook import hookspecs
from lidbook.capabilities import Capability
from lidbook.hooks import Hooks
from lidbook.hookspecs import Change, ChangeKind, hookimpl
from lidbook.session_config import LIDBOOK_EVENTS, WAHA_EVENTS
from lidbook.values import SessionStatus, StatusReason

CHANGE = Change(7, 1_700_000_000_000, ChangeKind.LID_RESOLVED, "100000000000001@lid", other="491712345678@c.us")
SPECS = [
    function for name, function in inspect.getmembers(hookspecs, inspect.isfunction) if name.startswith("lidbook_")
]


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    @hookimpl
    def lidbook_server_started(self, url: str, data_dir: Path) -> None:
        self.told.append(("started", url, data_dir))

    @hookimpl
    def lidbook_server_stopping(self) -> None:
        self.told.append(("stopping",))

    @hookimpl
    def lidbook_session_changed(self, session: str, status: SessionStatus, reason: StatusReason | None) -> None:
        self.told.append(("session", session, status, reason))

    @hookimpl
    def lidbook_session_configured(self, session: str) -> None:
        self.told.append(("configured", session))

    @hookimpl
    def lidbook_session_deleted(self, session: str) -> None:
        self.told.append(("deleted", session))

    @hookimpl
    def lidbook_facts_taken(self, session: str, engine: str, facts: int) -> None:
        self.told.append(("facts", session, engine, facts))

    @hookimpl
    def lidbook_live_call_ended(
        self, session: str, engine: str, capability: Capability, seconds: float, error: str | None
    ) -> None:
        self.told.append(("call", session, engine, capability, seconds, error))

    @hookimpl
    def lidbook_changes_committed(self, session: str, changes: Sequence[Change]) -> None:
        self.told.append(("changes", session, tuple(changes)))


class Thrower:
    """Fails at whatever it is told."""

    @hookimpl
    def lidbook_session_changed(self, session: str) -> None:
        raise RuntimeError(f"no room for {session}")


class Picky:
    """Takes one argument of three."""

    def __init__(self) -> None:
        self.statuses: list[SessionStatus] = []

    @hookimpl
    def lidbook_session_changed(self, status: SessionStatus) -> None:
        self.statuses.append(status)


def test_a_listener_is_told_everything_in_order() -> None:
    hooks, listener = Hooks(), Listener()
    hooks.register(listener, "listener")

    hooks.tell_server_started("http://127.0.0.1:3000", Path("/data"))
    hooks.tell_session_configured("default")
    hooks.tell_session_changed("default", SessionStatus.FAILED, StatusReason.BANNED)
    hooks.tell_facts_taken("default", "sandbox", 4000)
    hooks.tell_live_call_ended("default", "sandbox", Capability.CONTACTS_CHECK, 0.25, "engine_timeout")
    hooks.tell_changes_committed("default", [CHANGE])
    hooks.tell_session_deleted("default")
    hooks.tell_server_stopping()

    assert listener.told == [
        ("started", "http://127.0.0.1:3000", Path("/data")),
        ("configured", "default"),
        ("session", "default", SessionStatus.FAILED, StatusReason.BANNED),
        ("facts", "default", "sandbox", 4000),
        ("call", "default", "sandbox", Capability.CONTACTS_CHECK, 0.25, "engine_timeout"),
        ("changes", "default", (CHANGE,)),
        ("deleted", "default"),
        ("stopping",),
    ]


def test_an_empty_batch_is_not_told() -> None:
    hooks, listener = Hooks(), Listener()
    hooks.register(listener, "listener")

    hooks.tell_changes_committed("default", [])

    assert listener.told == []


def test_a_listener_takes_only_the_arguments_it_names() -> None:
    hooks, picky = Hooks(), Picky()
    hooks.register(picky, "picky")

    hooks.tell_session_changed("default", SessionStatus.WORKING, None)

    assert picky.statuses == [SessionStatus.WORKING]


@pytest.mark.parametrize("order", [("before", "thrower", "after"), ("thrower", "after", "before")])
def test_a_listener_that_raises_is_logged_by_name_and_the_others_still_hear(order: Sequence[str]) -> None:
    hooks = Hooks()
    plugins: dict[str, Listener | Thrower] = {"before": Listener(), "thrower": Thrower(), "after": Listener()}
    for name in order:
        hooks.register(plugins[name], name)

    with capture_logs() as logs:
        hooks.tell_session_changed("default", SessionStatus.STOPPED, None)

    for name in ("before", "after"):
        listener = plugins[name]
        assert isinstance(listener, Listener)
        assert listener.told == [("session", "default", SessionStatus.STOPPED, None)]
    (entry,) = logs
    assert entry["log_level"] == "error"
    assert entry["plugin"] == "thrower"
    assert entry["hook"] == "lidbook_session_changed"
    assert entry["exc_info"] is True


def test_a_module_is_a_plugin() -> None:
    told: list[str] = []

    @hookimpl
    def lidbook_server_stopping() -> None:
        told.append("stopping")

    module = ModuleType("a_plugin")
    vars(module)["lidbook_server_stopping"] = lidbook_server_stopping
    hooks = Hooks()
    hooks.register(module, "module")
    hooks.tell_server_stopping()

    assert hooks.names() == ["module"]
    assert told == ["stopping"]


def test_a_listener_that_leaves_is_told_no_more() -> None:
    hooks, listener = Hooks(), Listener()
    hooks.register(listener, "listener")
    hooks.unregister(listener)

    hooks.tell_server_stopping()

    assert listener.told == []
    assert hooks.names() == []


def plugin_with(function: Callable[..., object], *, wrapper: bool = False) -> object:
    """A module with one implementation."""
    module = ModuleType("one_hook")
    vars(module)[function.__name__] = hookimpl(wrapper=wrapper)(function)
    return module


def unknown_hook() -> object:
    def lidbook_sesion_changed(session: str) -> None:
        """A hook that is misspelt."""

    return plugin_with(lidbook_sesion_changed)


def unknown_argument() -> object:
    def lidbook_session_changed(sesion: str) -> None:
        """An argument that is misspelt."""

    return plugin_with(lidbook_session_changed)


def coroutine() -> object:
    async def lidbook_server_stopping() -> None:
        """Would never be awaited."""

    return plugin_with(lidbook_server_stopping)


def wrapper() -> object:
    def lidbook_server_stopping() -> object:
        return (yield)

    return plugin_with(lidbook_server_stopping, wrapper=True)


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        (unknown_hook, "there is no hook lidbook_sesion_changed"),
        (unknown_argument, "sesion"),
        (coroutine, "lidbook_server_stopping is a coroutine function: hooks are plain functions"),
        (wrapper, "lidbook_server_stopping is a wrapper: plugins only listen"),
        (lambda: ModuleType("deaf"), "it listens to nothing"),
        (lambda: Listener, "Listener is a class: give an instance of it"),
    ],
)
def test_a_plugin_that_could_not_be_told_is_refused_whole(plugin: Callable[[], object], reason: str) -> None:
    hooks = Hooks()

    with pytest.raises(TypeError, match=reason):
        hooks.register(plugin(), "odd")

    assert hooks.names() == []
    with capture_logs() as logs:
        hooks.tell_server_stopping()
        hooks.tell_session_changed("default", SessionStatus.STOPPED, None)
    assert logs == []


def test_a_name_is_given_once() -> None:
    hooks = Hooks()
    hooks.register(Listener(), "listener")

    with pytest.raises(ValueError, match="already registered"):
        hooks.register(Listener(), "listener")


GOOD = """
from lidbook.hookspecs import hookimpl

@hookimpl
def lidbook_server_started(url):
    print(url)
"""


def test_installed_plugins_are_loaded_one_by_one_and_a_broken_one_is_kept_with_its_reason(tmp_path: Path) -> None:
    sources = {
        "good": GOOD,
        "missing": "import zeep_of_the_deep\n",
        "quitting": "raise SystemExit('bye')\n",
        "misspelt": GOOD.replace("server_started", "server_startd"),
        "twin_a": GOOD,
        "twin_b": GOOD,
    }
    for module, source in sources.items():
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        name = module.partition("_")[0]
        (info / "entry_points.txt").write_text(f"[lidbook.plugins]\n{name} = {module}\n")
    code = """
import json, sys
from lidbook.hooks import Hooks
hooks = Hooks.load()
json.dump([hooks.names(), dict(hooks.broken)], sys.stderr)
hooks.tell_server_started("http://127.0.0.1:3000", None)
"""

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    names, broken = json.loads(done.stderr)

    assert "good" in names
    assert not {"missing", "quitting", "misspelt", "twin"} & set(names)
    assert broken["missing"] == "missing 1.0: ModuleNotFoundError: No module named 'zeep_of_the_deep'"
    assert broken["quitting"] == "quitting 1.0: SystemExit: bye"
    assert "there is no hook lidbook_server_startd" in broken["misspelt"]
    assert broken["twin"] == "named by twin_a 1.0 and twin_b 1.0: uninstall all but one"
    assert "http://127.0.0.1:3000" in done.stdout
    assert all(name in done.stdout for name in broken), done.stdout


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_a_hook_is_one_function_and_one_sentence_and_has_its_tell(spec: Callable[..., None]) -> None:
    tell = getattr(Hooks, spec.__name__.replace("lidbook_", "tell_"))
    sentence = inspect.getdoc(spec) or ""

    assert sentence.endswith(".")
    assert sentence.count(". ") == 0
    assert list(inspect.signature(tell).parameters)[1:] == list(inspect.signature(spec).parameters)


def test_the_listener_of_this_file_listens_to_everything() -> None:
    assert {spec.__name__ for spec in SPECS} == {name for name in vars(Listener) if name.startswith("lidbook_")}


def test_change_kinds_are_the_names_of_events() -> None:
    assert {kind.value for kind in ChangeKind} == {*LIDBOOK_EVENTS, "session.status"}
    assert "session.status" in WAHA_EVENTS
    assert ChangeKind("lid.resolved") is CHANGE.kind
