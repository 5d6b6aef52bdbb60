"""`python -m lidbook_stranger.gateway --port 8080`: a gateway to the demo world, or to one of your own."""

import argparse
import asyncio
import signal
import sys

from lidbook.world.live import LiveWorld
from lidbook.world.sources import WorldSource, open_source
from lidbook_stranger.gateway.gateway import Gateway


async def serve(source: WorldSource, port: int) -> None:
    """Serve until somebody ends it."""
    gateway = Gateway(LiveWorld(open_source(source).world))
    await gateway.open(port)
    sys.stdout.write(f"the gateway listens on {gateway.url}\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await gateway.close()


def main() -> None:
    """Read the command line, and serve."""
    parser = argparse.ArgumentParser(prog="python -m lidbook_stranger.gateway", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="0 takes any that is free")
    parser.add_argument("--world", help="the demo, or the path of a .json, .vcf or .csv file")
    given = parser.parse_args()
    asyncio.run(serve(WorldSource(given.world), given.port))


if __name__ == "__main__":
    main()
