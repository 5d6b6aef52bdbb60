"""A server that looks at nothing and answers always the same: the load generator's own ceiling.

`python -m bench.echo SIZE`
"""

import asyncio
import sys
from typing import Final, cast

import uvloop

PATH: Final = "/"
SIZES: Final = (300, 31_000)
"""Bytes of a contact, and of a page of a hundred."""


class Echo(asyncio.Protocol):
    """Takes whatever comes for one request."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - that is the point
        """Answer."""
        self._transport.write(self._answer)


async def serve(size: int) -> None:
    """Serve until told to stop, on a port of the system's choice, which is printed."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size
    server = await asyncio.get_running_loop().create_server(lambda: Echo(answer), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
