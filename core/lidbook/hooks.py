"""Telling plugins what happened: many listeners, none of which can harm another or the server.

Engines never register here; which engine serves a session is `lidbook.registry`'s business.
"""

import inspect
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

import pluggy
import structlog

from lidbook import hookspecs
from lidbook.capabilities import Capability
from lidbook.hookspecs import Change
from lidbook.values import SessionStatus, StatusReason

GROUP: Final = "lidbook.plugins"
"""Entry-point group in which a distribution names its plugins."""


class Hooks:
    """The plugins of one server. Built empty; `load` adds the installed ones, `register` the built-in ones."""

    def __init__(self) -> None:
        self._plugins = pluggy.PluginManager(hookspecs.PROJECT)
        self._plugins.add_hookspecs(hookspecs)
        self._broken: dict[str, str] = {}
        self._log = structlog.stdlib.get_logger("lidbook.hooks")

    @classmethod
    def load(cls) -> Self:
        """All plugins that are installed. One that cannot be loaded is logged and kept in `broken`."""
        hooks = cls()
        named: defaultdict[str, list[EntryPoint]] = defaultdict(list)
        for entry in entry_points(group=GROUP):
            named[entry.name].append(entry)
        for name, entries in sorted(named.items()):
            hooks._load_one(name, entries)
        return hooks

    @property
    def broken(self) -> Mapping[str, str]:
        """Plugins that could not be loaded: name -> reason."""
        return MappingProxyType(self._broken)

    def names(self) -> list[str]:
        """The plugins that are told, sorted."""
        return sorted(name for name, _ in self._plugins.list_name_plugin())

    def register(self, plugin: object, name: str) -> None:
        """Add a plugin: a module or an object with `@hookimpl` functions.

        Raises `ValueError` for a name or plugin that is there already and `TypeError` for one that could not be told:
        an unknown hook, an unknown argument, a coroutine function, a wrapper. Nothing of it is registered then.
        """
        if inspect.isclass(plugin):
            raise TypeError(f"{plugin.__name__} is a class: give an instance of it, or a module")
        try:
            self._plugins.register(plugin, name)
        except pluggy.PluginValidationError as error:
            raise TypeError(str(error)) from error
        faults = self._faults(plugin)
        if faults:
            self._plugins.unregister(plugin)
            raise TypeError("; ".join(faults))

    def unregister(self, plugin: object) -> None:
        """Tell this plugin no more."""
        self._plugins.unregister(plugin)

    def tell_server_started(self, url: str, data_dir: Path) -> None:
        """See `hookspecs.lidbook_server_started`."""
        self._tell("lidbook_server_started", {"url": url, "data_dir": data_dir})

    def tell_server_stopping(self) -> None:
        """See `hookspecs.lidbook_server_stopping`."""
        self._tell("lidbook_server_stopping", {})

    def tell_session_changed(self, session: str, status: SessionStatus, reason: StatusReason | None) -> None:
        """See `hookspecs.lidbook_session_changed`."""
        self._tell("lidbook_session_changed", {"session": session, "status": status, "reason": reason})

    def tell_session_configured(self, session: str) -> None:
        """See `hookspecs.lidbook_session_configured`."""
        self._tell("lidbook_session_configured", {"session": session})

    def tell_session_deleted(self, session: str) -> None:
        """See `hookspecs.lidbook_session_deleted`."""
        self._tell("lidbook_session_deleted", {"session": session})

    def tell_facts_taken(self, session: str, engine: str, facts: int) -> None:
        """See `hookspecs.lidbook_facts_taken`."""
        self._tell("lidbook_facts_taken", {"session": session, "engine": engine, "facts": facts})

    def tell_live_call_ended(
        self, session: str, engine: str, capability: Capability, seconds: float, error: str | None
    ) -> None:
        """See `hookspecs.lidbook_live_call_ended`."""
        values = {"session": session, "engine": engine, "capability": capability, "seconds": seconds, "error": error}
        self._tell("lidbook_live_call_ended", values)

    def tell_changes_committed(self, session: str, changes: Sequence[Change]) -> None:
        """See `hookspecs.lidbook_changes_committed`. An empty batch is not told."""
        if changes:
            self._tell("lidbook_changes_committed", {"session": session, "changes": changes})

    def _tell(self, hook: str, values: Mapping[str, object]) -> None:
        # pluggy's own call stops at the first exception; here each implementation is called by itself, in its order.
        for listener in reversed(self._caller(hook).get_hookimpls()):
            try:
                listener.function(*(values[name] for name in listener.argnames))
            except Exception:  # noqa: BLE001  a plugin may raise anything; it is logged whole
                self._log.exception("plugin failed", plugin=listener.plugin_name, hook=hook)

    def _caller(self, hook: str) -> pluggy.HookCaller:
        caller: pluggy.HookCaller = getattr(self._plugins.hook, hook)
        return caller

    def _faults(self, plugin: object) -> list[str]:
        faults = []
        callers = self._plugins.get_hookcallers(plugin) or []
        for caller in callers:
            if not caller.has_spec():
                faults.append(f"there is no hook {caller.name}")
            for listener in caller.get_hookimpls():
                if listener.plugin is not plugin:
                    continue
                if inspect.iscoroutinefunction(listener.function):
                    faults.append(f"{caller.name} is a coroutine function: hooks are plain functions")
                if listener.wrapper or listener.hookwrapper:
                    faults.append(f"{caller.name} is a wrapper: plugins only listen")
        if not callers:
            faults.append("it listens to nothing: mark its functions with lidbook.hookspecs.hookimpl")
        return faults

    def _load_one(self, name: str, entries: Sequence[EntryPoint]) -> None:
        if len(entries) > 1:
            self._report(name, f"named by {_distributions(entries)}: uninstall all but one")
            return
        try:
            self.register(entries[0].load(), name)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a module may raise anything when imported
            self._report(name, f"{_distributions(entries)}: {type(error).__name__}: {error}")

    def _report(self, name: str, reason: str) -> None:
        self._broken[name] = reason
        self._log.error("plugin not loaded", plugin=name, reason=reason)


def _distributions(entries: Sequence[EntryPoint]) -> str:
    return " and ".join(sorted(f"{entry.dist.name} {entry.dist.version}" if entry.dist else "?" for entry in entries))
