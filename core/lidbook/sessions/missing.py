"""Standing in for an engine that a stored session names and this machine does not have."""

from typing import ClassVar

from lidbook.capabilities import Capability, absent
from lidbook.engine import API_VERSION, Engine, EngineSession
from lidbook.errors import EngineUnavailable


def missing_engine(engine_name: str, why: str) -> type[Engine]:
    """An engine of that name that provides nothing, and says `why` when it is started."""

    class MissingSession(EngineSession):
        """Cannot be started."""

        async def start(self) -> None:
            """Raises `EngineUnavailable`."""
            raise EngineUnavailable(why)

        async def stop(self) -> None:
            """Nothing runs."""

    class Missing(Engine):
        """Provides nothing."""

        name = engine_name
        title = "not usable on this machine"
        api_version = API_VERSION
        feeds = frozenset()
        claims: ClassVar = {capability: absent(why) for capability in Capability}
        session = MissingSession

    return Missing
