"""A server that reads nothing and answers always the same: how fast the load generator can be. `python -m bench.echo`."""

import asyncio

import uvloop

PATH = "/"
_ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 18\r\n\r\n{"message":"pong"}'


class Echo(asyncio.Protocol):
    """Takes whatever comes for one request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - that is the point
        """Answer."""
        self._transport.write(_ANSWER)


async def serve() -> None:
    """Serve until told to stop, on a port of the system's choice, which is printed."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
