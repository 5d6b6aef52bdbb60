"""The engine registry: real distributions, found by a real interpreter; and names and aliases in this one."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lidbook.capabilities import Feed, absent
from lidbook.engine import API_VERSION, LIVE_CALLS, Engine, EngineSession
from lidbook.errors import EngineNotFound, EngineUnavailable
from lidbook.registry import Distribution, EngineRegistry

ENGINE = """
from lidbook.capabilities import Feed, absent
from lidbook.engine import LIVE_CALLS, Engine, EngineSession

class AcmeEngine(Engine):
    name = {name!r}
    title = "Acme"
    aliases = ("ACME",)
    api_version = {api_version}
    feeds = frozenset(Feed)
    session = EngineSession
    claims = {{capability: absent("an engine for a test") for capability in LIVE_CALLS}}
"""

REPORT = """
import json
from lidbook.registry import EngineRegistry

def report(registry):
    return {
        "names": registry.names(),
        "broken": dict(registry.broken),
        "distributions": {name: list(registry.distribution(name)) for name in registry.names()},
    }
"""


class Site:
    """A folder of installed distributions, in front of those of the interpreter that runs these tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "site"
        self.folder.mkdir()
        self.cache = folder / "cache"

    def install(
        self,
        distribution: str,
        entries: Mapping[str, str],
        modules: Mapping[str, str],
        *,
        version: str = "1.0",
        group: str = "lidbook.engines",
    ) -> Path:
        """What pip would leave behind; returns the file of entry points."""
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        lines = [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        for name, source in modules.items():
            (self.folder / f"{name}.py").write_text(source)
        return info / "entry_points.txt"

    def run(self, code: str) -> Any:
        """What a fresh interpreter prints, as JSON; a warning fails it."""
        environment = os.environ | {
            "PYTHONPATH": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "XDG_CACHE_HOME": str(self.cache),
        }
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def load(self) -> Any:
        """What `EngineRegistry.load` finds in a fresh interpreter."""
        return self.run(REPORT + "print(json.dumps(report(EngineRegistry.load())))")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def engine_source(name: str = "acme", api_version: int = API_VERSION) -> str:
    return ENGINE.format(name=name, api_version=api_version)


def test_an_installed_engine_is_found_with_its_distribution(site: Site) -> None:
    site.install("acme-engine", {"acme": "acme_engine:AcmeEngine"}, {"acme_engine": engine_source()}, version="2.3")

    found = site.load()

    assert "acme" in found["names"]
    assert found["names"] == sorted(found["names"])
    assert found["distributions"]["acme"] == ["acme-engine", "2.3"]
    assert "acme" not in found["broken"]


def test_an_engine_installed_a_moment_ago_is_found_although_the_disk_cache_does_not_know_it(site: Site) -> None:
    # stevedore keeps its cache only for interpreters outside /tmp, and tells states apart by coarse times of change.
    look = """
import sys
sys.executable = "/usr/bin/python"
from stevedore import ExtensionManager
cached = ExtensionManager("lidbook.engines", on_load_failure_callback=lambda *_: None).names()
"""
    modules = {"acme_engine": engine_source()}
    file = site.install("acme-engine", {}, modules)
    before = file.stat()
    site.run(look + "import json; print(json.dumps(cached))")
    assert list(site.cache.rglob("*")), "stevedore no longer keeps a cache; this test has nothing left to test"

    file.write_text("[lidbook.engines]\nacme = acme_engine:AcmeEngine\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    cached, loaded = site.run(look + REPORT + "print(json.dumps([cached, report(EngineRegistry.load())]))")

    assert "acme" not in cached
    assert "acme" in loaded["names"]


def test_an_engine_installed_while_the_server_runs_is_found_by_the_next_load(site: Site) -> None:
    template = site.folder.parent / "template"
    template.write_text(engine_source())
    install = f"""
import pathlib
site = pathlib.Path({str(site.folder)!r})
first = EngineRegistry.load().names()
(site / "acme_engine.py").write_text(pathlib.Path({str(template)!r}).read_text())
info = site / "acme_engine-1.0.dist-info"
info.mkdir()
(info / "METADATA").write_text("Metadata-Version: 2.1\\nName: acme-engine\\nVersion: 1.0\\n")
(info / "entry_points.txt").write_text("[lidbook.engines]\\nacme = acme_engine:AcmeEngine\\n")
print(json.dumps([first, EngineRegistry.load().names()]))
"""
    first, second = site.run(REPORT + install)

    assert "acme" not in first
    assert "acme" in second


def test_twins_are_both_named_and_neither_is_imported(site: Site) -> None:
    for distribution, version in (("acme-engine", "1.0"), ("acme-fork", "7.1")):
        module = distribution.replace("-", "_")
        source = "raise RuntimeError('imported')\n"
        site.install(distribution, {"acme": f"{module}:AcmeEngine"}, {module: source}, version=version)

    found = site.load()

    assert "acme" not in found["names"]
    assert found["broken"]["acme"] == "named by acme-engine 1.0 and by acme-fork 7.1: uninstall all but one"


def test_twins_in_capitals_are_twins(site: Site) -> None:
    site.install("acme-engine", {"acme": "a:A"}, {})
    site.install("acme-fork", {"ACME": "b:B"}, {})

    found = site.load()

    assert not {"acme", "ACME"} & set(found["names"])
    assert any("acme-engine 1.0 and by acme-fork 1.0" in reason for reason in found["broken"].values())


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import zeep_of_the_deep\n", "ModuleNotFoundError: No module named 'zeep_of_the_deep'"),
        ("def broken(:\n", "SyntaxError"),
        ("AcmeEngin = 1\n", "AttributeError: module 'acme_engine' has no attribute 'AcmeEngine'"),
        ("assert False, 'no GPU'\n", "AssertionError: no GPU"),
        ("import sys; sys.exit('bye')\n", "SystemExit: bye"),
        ("AcmeEngine = 'an engine, honestly'\n", "is no subclass of lidbook.engine.Engine"),
        ("class AcmeEngine: pass\n", "is no subclass of lidbook.engine.Engine"),
        ("from lidbook.engine import Engine as AcmeEngine\n", "is abstract"),
        (engine_source(api_version=99), "was written for version 99 of the engine contract"),
        (engine_source(name="apex"), "calls itself 'apex', but its entry point is named 'acme'"),
        (engine_source().replace("claims", "claimed"), "contacts.check: not provided"),
    ],
    ids=lambda value: value.split(":")[0].split("\n")[0][:40] if value else None,
)
def test_a_broken_engine_is_kept_with_its_reason_and_harms_no_other(site: Site, source: str, reason: str) -> None:
    site.install("acme-engine", {"acme": "acme_engine:AcmeEngine"}, {"acme_engine": source}, version="1.4")
    site.install("zeta-engine", {"zeta": "zeta_engine:AcmeEngine"}, {"zeta_engine": engine_source("zeta")})

    found = site.load()

    assert "acme" not in found["names"]
    assert found["broken"]["acme"].startswith("acme-engine 1.4: acme_engine:AcmeEngine ")
    assert reason in found["broken"]["acme"]
    assert "zeta" in found["names"]


def test_listing_engines_imports_nothing_heavy(site: Site) -> None:
    heavy = {"fastapi", "httpx", "phonenumbers", "rich", "structlog", "typer", "uvicorn", "vobject"}

    imported = site.run("import sys\n" + REPORT + "EngineRegistry.load()\nprint(json.dumps(sorted(sys.modules)))")

    assert heavy & set(imported) == set()


def make_engine(name: str, *aliases: str) -> type[Engine]:
    """An engine that serves no live call."""
    attributes = {
        "name": name,
        "title": name.capitalize(),
        "aliases": aliases,
        "api_version": API_VERSION,
        "feeds": frozenset(Feed),
        "session": EngineSession,
        "claims": {capability: absent("an engine for a test") for capability in LIVE_CALLS},
    }
    return type(name.capitalize(), (Engine,), attributes)


def test_an_engine_answers_to_name_and_aliases_in_any_case() -> None:
    web, go_bridge = make_engine("web", "WEBJS", "WPP"), make_engine("go-bridge", "GOWS")
    registry = EngineRegistry.of(web, go_bridge)

    assert registry.names() == ["go-bridge", "web"]
    assert list(registry.loaded()) == [go_bridge, web]
    for name in ("web", "WEB", "WEBJS", "webjs", "Wpp"):
        assert registry.resolve(name) is registry.get(name) is web
    assert registry.get("gows") is go_bridge
    assert registry.broken == {}


def test_an_engine_that_is_not_there_is_answered_with_those_that_are() -> None:
    registry = EngineRegistry.of(make_engine("web"), make_engine("go-bridge"))

    assert registry.resolve("noweb") is None
    with pytest.raises(EngineNotFound, match="installed: go-bridge, web"):
        registry.get("noweb")


def test_a_broken_engine_is_unavailable_for_its_reason() -> None:
    registry = EngineRegistry({make_engine("web"): None}, {"acme": "acme-engine 1.0: no GPU"})

    assert registry.names() == ["web"]
    assert registry.resolve("acme") is None
    with pytest.raises(EngineUnavailable, match=r"Engine 'acme' is installed but cannot be used: acme-engine 1\.0: no"):
        registry.get("ACME")


def test_an_alias_that_two_engines_want_stays_with_the_first_by_name() -> None:
    beta, alpha = make_engine("beta", "FAST"), make_engine("alpha", "fast")
    registry = EngineRegistry.of(beta, alpha)

    assert registry.resolve("fast") is alpha
    assert registry.broken == {"FAST": "alias of engine 'beta', which goes without it: it means engine 'alpha'"}


def test_a_name_wins_over_an_alias() -> None:
    alpha, beta = make_engine("alpha", "BETA"), make_engine("beta")
    registry = EngineRegistry.of(alpha, beta)

    assert registry.resolve("beta") is beta
    assert "means engine 'beta'" in registry.broken["BETA"]


def test_an_alias_does_not_take_the_place_of_a_broken_engine() -> None:
    registry = EngineRegistry({make_engine("alpha", "BETA"): None}, {"beta": "no GPU"})

    assert registry.resolve("beta") is None
    assert "means a broken engine" in registry.broken["BETA"]
    with pytest.raises(EngineUnavailable, match="no GPU"):
        registry.get("Beta")


def test_an_alias_that_repeats_the_engines_own_name_is_no_clash() -> None:
    assert EngineRegistry.of(make_engine("web", "WEB")).broken == {}


def test_two_engines_of_one_name_cannot_be_handed_over() -> None:
    with pytest.raises(ValueError, match="same name"):
        EngineRegistry.of(make_engine("web"), make_engine("Web"))


def test_the_distribution_is_known_by_alias_too_and_none_for_an_engine_handed_over() -> None:
    web = make_engine("web", "WEBJS")

    assert EngineRegistry({web: Distribution("lidbook", "0.1.0")}, {}).distribution("WEBJS") == ("lidbook", "0.1.0")
    assert EngineRegistry.of(web).distribution("web") is None
    with pytest.raises(EngineNotFound):
        EngineRegistry.of(web).distribution("noweb")


def test_what_is_broken_cannot_be_rewritten() -> None:
    with pytest.raises(TypeError):
        EngineRegistry.of().broken["web"] = "x"  # type: ignore[index]
