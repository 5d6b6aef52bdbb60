"""Which engines are installed, and which one a name means.

Loaded through stevedore from the entry-point group `lidbook.engines`. An engine that cannot be used is never dropped in
silence: `broken` says why.
"""

import importlib
import inspect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self

from stevedore.extension import Extension, ExtensionManager

from lidbook.engine import API_VERSION, Engine
from lidbook.errors import EngineNotFound, EngineUnavailable

GROUP: Final = "lidbook.engines"
"""Entry-point group in which a distribution names its engines; the entry's name is the engine's."""


class Distribution(NamedTuple):
    """The installed package that an engine came with."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class EngineRegistry:
    """The engines of one server, by name and alias, without regard to case."""

    def __init__(self, engines: Mapping[type[Engine], Distribution | None], broken: Mapping[str, str]) -> None:
        if len({engine.name.casefold() for engine in engines}) < len(engines):
            raise ValueError("two engines have the same name")
        self._engines = {engine.name: engine for engine in sorted(engines, key=lambda engine: engine.name)}
        self._distributions = {engine.name: distribution for engine, distribution in engines.items()}
        self._by_key, clashes = _index(self._engines.values(), broken)
        self._broken = MappingProxyType(
            dict(broken) | {alias: why for alias, why in clashes.items() if alias not in broken}
        )

    @classmethod
    def load(cls) -> Self:
        """All engines installed at this moment. Imports their modules, and nothing of what they need to run."""
        importlib.invalidate_caches()
        found, broken = _without_twins(entry_points(group=GROUP))
        # stevedore would look into its cache on disk, which may not show what was installed a moment ago.
        ExtensionManager.ENTRY_POINT_CACHE[GROUP] = found

        def keep_reason(_manager: object, entry: EntryPoint, error: BaseException) -> None:
            broken[entry.name] = f"{_origin(entry)}: {entry.value} cannot be loaded: {type(error).__name__}: {error}"

        engines: dict[type[Engine], Distribution | None] = {}
        for extension in _Extensions(GROUP, on_load_failure_callback=keep_reason):
            fault = _fault(extension.name, extension.plugin)
            if fault is None:
                engines[extension.plugin] = _distribution(extension.entry_point)
            else:
                broken[extension.name] = f"{_origin(extension.entry_point)}: {extension.entry_point.value} {fault}"
        return cls(engines, broken)

    @classmethod
    def of(cls, *engines: type[Engine]) -> Self:
        """These engines and no others, installed or not."""
        return cls(dict.fromkeys(engines), {})

    @property
    def broken(self) -> Mapping[str, str]:
        """What is installed but cannot be used: an engine's name, or an alias that two engines want -> reason."""
        return self._broken

    def names(self) -> list[str]:
        """The names of the usable engines, sorted."""
        return list(self._engines)

    def loaded(self) -> Iterator[type[Engine]]:
        """The usable engines, by name."""
        return iter(self._engines.values())

    def resolve(self, name: str) -> type[Engine] | None:
        """The usable engine that a name or an alias (`WEBJS`, `noweb` …) means."""
        return self._by_key.get(name.casefold())

    def get(self, name_or_alias: str) -> type[Engine]:
        """The usable engine of this name or alias.

        Raises `EngineUnavailable` with the reason for one that is installed but broken, else `EngineNotFound`.
        """
        engine = self.resolve(name_or_alias)
        if engine is not None:
            return engine
        for name, reason in self._broken.items():
            if name.casefold() == name_or_alias.casefold():
                raise EngineUnavailable(f"Engine '{name}' is installed but cannot be used: {reason}")
        raise EngineNotFound(name_or_alias, self.names())

    def distribution(self, name: str) -> Distribution | None:
        """The package that an engine came with; None for one handed over by `of`. Raises as `get` does."""
        return self._distributions[self.get(name).name]


class _Extensions(ExtensionManager):  # type: ignore[type-arg]
    """stevedore's loader, for which an engine's failed `assert` or `sys.exit` is a failure like any other."""

    def _load_one_plugin(self, ep: EntryPoint, *args: Any, **options: Any) -> Extension[Any] | None:
        try:
            return super()._load_one_plugin(ep, *args, **options)
        except (AssertionError, SystemExit) as error:
            raise ImportError(f"{type(error).__name__}: {error}") from error


def _without_twins(entries: Iterable[EntryPoint]) -> tuple[list[EntryPoint], dict[str, str]]:
    """The entries whose name nobody else has, and a reason for each of the others: guessing would be worse."""
    named: defaultdict[str, list[EntryPoint]] = defaultdict(list)
    for entry in entries:
        named[entry.name.casefold()].append(entry)
    twins = {group[0].name: group for group in named.values() if len(group) > 1}
    return (
        [group[0] for group in named.values() if len(group) == 1],
        {
            name: f"named by {' and by '.join(sorted(_origin(entry) for entry in group))}: uninstall all but one"
            for name, group in twins.items()
        },
    )


def _fault(name: str, plugin: object) -> str | None:
    """Why what an entry point names cannot be used as an engine."""
    if not inspect.isclass(plugin) or not issubclass(plugin, Engine):
        return "is no subclass of lidbook.engine.Engine"
    if plugin is Engine or inspect.isabstract(plugin):
        return "is abstract"
    if plugin.api_version != API_VERSION:
        return (
            f"was written for version {plugin.api_version} of the engine contract, and this Lidbook speaks version "
            f"{API_VERSION}: install a release that fits"
        )
    if plugin.name != name:
        return f"calls itself '{plugin.name}', but its entry point is named '{name}': they must agree"
    return None


def _index(
    engines: Iterable[type[Engine]], broken: Mapping[str, str]
) -> tuple[Mapping[str, type[Engine]], Mapping[str, str]]:
    """Engines by case-folded name and alias, and a reason for each alias that an engine goes without.

    A name always wins over an alias, a broken engine's too: nobody's session moves to another engine by accident.
    """
    by_key = {engine.name.casefold(): engine for engine in engines}
    unusable = {name.casefold() for name in broken}
    clashes: defaultdict[str, list[str]] = defaultdict(list)
    for engine in list(by_key.values()):
        for alias in engine.aliases:
            key = alias.casefold()
            owner = None if key in unusable else by_key.setdefault(key, engine)
            if owner is not engine:
                holder = "a broken engine" if owner is None else f"engine '{owner.name}'"
                clashes[alias].append(f"alias of engine '{engine.name}', which goes without it: it means {holder}")
    return by_key, {alias: "; ".join(reasons) for alias, reasons in clashes.items()}


def _distribution(entry: EntryPoint) -> Distribution | None:
    return Distribution(entry.dist.name, entry.dist.version) if entry.dist else None


def _origin(entry: EntryPoint) -> str:
    return str(_distribution(entry) or "an unknown distribution")
