"""Which engine a config means, with which settings; and the one instance of each in this server."""

from pathlib import Path

from pydantic import ValidationError

from lidbook.engine import Engine, EngineSettings
from lidbook.errors import EngineNotFound, EngineUnavailable, InvalidConfig, UnknownEngine
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig
from lidbook.sessions.missing import missing_engine


class EngineChoice:
    """The engines of one server, as its sessions ask for them."""

    def __init__(self, registry: EngineRegistry, default: str | None, fallback: str, data_dir: Path) -> None:
        self._registry = registry
        self._default = default
        self._fallback = fallback
        self._data_dir = data_dir
        self._engines: dict[str, Engine] = {}

    def of_new(self, config: SessionConfig) -> tuple[type[Engine], bool]:
        """The engine that a config means, and whether nobody chose it. Raises `UnknownEngine`, `InvalidConfig`."""
        assumed = config.engine is None and self._default is None
        name = config.engine or self._default or self._fallback
        try:
            return self._registry.get(name), assumed
        except EngineNotFound as error:
            raise UnknownEngine(name, self._registry.names()) from error
        except EngineUnavailable as error:
            raise InvalidConfig([f"config.engine: {error.message}"]) from error

    def of_stored(self, name: str) -> type[Engine]:
        """The engine of a stored session; a stand-in that says why when it cannot be had."""
        try:
            return self._registry.get(name)
        except (EngineNotFound, EngineUnavailable) as error:
            return missing_engine(name, error.message)

    def instance(self, engine_class: type[Engine]) -> Engine:
        """The one instance of an engine in this server, made when it is first asked for."""
        engine = self._engines.get(engine_class.name)
        if type(engine) is not engine_class:
            folder = self._data_dir / "engines" / engine_class.name
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            engine = self._engines[engine_class.name] = engine_class(folder)
        return engine


def settings_of(engine: type[Engine], config: SessionConfig) -> EngineSettings:
    """`config.settings` as the engine's own model has it. Raises `InvalidConfig`, one message a fault."""
    try:
        return engine.settings.model_validate(config.settings)
    except ValidationError as error:
        known = ", ".join(sorted(engine.settings.model_fields)) or "none"
        raise InvalidConfig(
            [
                f"{'.'.join(('config.settings', *map(str, fault['loc'])))}: "
                f"{fault['msg'].removeprefix('Value error, ')} (settings of {engine.name}: {known})"
                for fault in error.errors(include_url=False, include_input=False)
            ]
        ) from error
