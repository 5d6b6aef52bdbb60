"""Whether what engines need is on this machine, looked at each time somebody asks."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from lidbook.engine import Engine
from lidbook.runtime import RuntimeStatus, look
from lidbook.threads import in_own_thread

PATIENCE: Final = 2.0
"""Seconds in which an engine's look has to be over."""


class Readiness:
    """Asks engines what they lack; one that does not come to an end is asked once, and takes one thread."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "engines"
        self._looking: dict[str, asyncio.Future[RuntimeStatus]] = {}

    async def of(self, engine: type[Engine]) -> RuntimeStatus:
        """What one engine says."""
        name = engine.name
        if name not in self._looking:
            looking = self._looking[name] = in_own_thread(
                lambda: look(engine, self._folder / name), f"lidbook-look-{name}"
            )
            looking.add_done_callback(lambda _: self._looking.pop(name, None))
        else:
            looking = self._looking[name]
        done, _ = await asyncio.wait({looking}, timeout=PATIENCE)
        if done:
            return looking.result()
        return RuntimeStatus(ready=False, reason=f"it has been looking for more than {PATIENCE:g} seconds")

    async def of_all(self, engines: Iterable[type[Engine]]) -> dict[str, RuntimeStatus]:
        """What each says, by name."""
        asked = list(engines)
        states = await asyncio.gather(*map(self.of, asked))
        return {engine.name: state for engine, state in zip(asked, states, strict=True)}
