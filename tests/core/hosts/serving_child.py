"""A server in a process of its own whose engine has a host: `serving_child.py DATA_DIR`.

Prints the host's process id once the session works, and serves until its input ends.
"""

import asyncio
import sys
from pathlib import Path

from core.hosts.stand_in import MisbehavingEngine
from lidbook import logs
from lidbook.app import CoreSettings, Lidbook
from lidbook.hooks import Hooks
from lidbook.registry import EngineRegistry
from lidbook.session_config import SessionConfig


async def serve(data_dir: Path) -> None:
    """Serve until standard input ends."""
    lidbook = await Lidbook.open(
        CoreSettings(data_dir, default_engine="misbehaving"),
        engines=EngineRegistry.of(MisbehavingEngine),
        hooks=Hooks(),
    )
    await lidbook.sessions.create("default", SessionConfig.parse({"settings": {"do": ["work", "feed"]}}))
    await lidbook.sessions.usable("default")
    (pid,) = lidbook.sessions.engine(MisbehavingEngine).processes().values()
    sys.stdout.write(f"{pid}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await lidbook.close()


if __name__ == "__main__":
    logs.configure()
    asyncio.run(serve(Path(sys.argv[1])))
