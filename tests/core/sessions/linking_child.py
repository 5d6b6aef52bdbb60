"""A server in a process of its own, with sessions in every state of life: `linking_child.py DATA_DIR`.

Prints `ready` when they are where they should be, and then waits to be killed.
"""

import asyncio
import sys
from pathlib import Path

from core.sessions.conftest import open_core
from core.sessions.engines import Script
from lidbook.errors import EngineError
from lidbook.session_config import SessionConfig
from lidbook.values import SessionStatus, StatusReason

SCANNED = SessionConfig(settings={"needs_scan": True})


async def serve(data_dir: Path) -> None:
    """Bring the sessions where they should be, and wait."""
    script = Script()
    lidbook = await open_core(data_dir, script)
    for name in ("linked", "stopped", "changed", "offline"):
        session = await lidbook.sessions.create(name, SCANNED)
        await session.until(lambda status: status is SessionStatus.SCAN_QR_CODE, 10)
        await script.sessions[-1].scan()
        await session.until(lambda status: status is SessionStatus.WORKING, 10)
    script.sessions[-1].report(SessionStatus.STARTING, StatusReason.NETWORK)
    await session.until(lambda status: status is SessionStatus.STARTING, 10)
    await lidbook.sessions.stop("stopped")
    await lidbook.sessions.update("changed", SessionConfig(engine="second", settings={"needs_scan": True}))
    await lidbook.sessions.create("unlinked", SCANNED)
    script.start_error = EngineError("no luck")
    await lidbook.sessions.create("failing", SessionConfig())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
