"""What is installed: engines with what they need, plugins, commands."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from lidbook.hooks import Hooks
from lidbook.registry import EngineRegistry
from lidbook.runtime import look
from lidbook_api.diagnosis.data import StoredSession
from lidbook_api.diagnosis.finding import Finding, Level


def engines(registry: EngineRegistry, data_dir: Path, sessions: Iterable[StoredSession]) -> Iterator[Finding]:
    """Each engine, and each session whose engine is not to be had."""
    wanted = [session for session in sessions if session.desired == "running"]
    for engine in registry.loaded():
        state = look(engine, data_dir / "engines" / engine.name)
        check = f"engine {engine.name}"
        if state.ready:
            yield Finding(check, Level.OK, "ready")
            continue
        needed = [session.name for session in wanted if registry.resolve(session.engine) is engine]
        says = f"not ready: {state.reason or 'it does not say why'}"
        if needed:
            says += f"; needed by {_some(needed)}"
        yield Finding(check, Level.BROKEN if needed else Level.NOTE, says, state.remedy)
    for name, reason in sorted(registry.broken.items()):
        yield Finding(f"engine {name}", Level.BROKEN, f"cannot be used: {reason}")
    missing = sorted({session.engine for session in wanted if registry.resolve(session.engine) is None})
    for name in missing:
        needed = [session.name for session in wanted if session.engine == name]
        says = f"is not there, and needed by {_some(needed)}"
        yield Finding(f"engine {name}", Level.BROKEN, says, "install the package that brings it")


def plugins(hooks: Hooks) -> Iterator[Finding]:
    """Those that cannot be loaded, and how many can."""
    for name, reason in sorted(hooks.broken.items()):
        yield Finding(f"plugin {name}", Level.BROKEN, f"cannot be used: {reason}")
    yield Finding("plugins", Level.OK, ", ".join(hooks.names()) or "none but the built-in ones")


def commands(faults: Iterable[str]) -> Iterator[Finding]:
    """Further commands that cannot be used, one line each."""
    for fault in faults:
        yield Finding("command", Level.BROKEN, fault.removeprefix("lidbook: "), "uninstall or mend that package")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"session {', '.join(names[:3])}{more}"
