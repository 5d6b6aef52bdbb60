"""What handlers return: bytes that are JSON already, or nothing at all."""

from collections.abc import AsyncIterator, Iterable
from typing import Final

import orjson
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]
"""Header names (lower case) and values, as they go on the wire."""

JSON: Final = (b"content-type", b"application/json")


class Answer(Response):
    """A body as it is; without Starlette's header machinery, which costs more than most of our look-ups."""

    def __init__(self, body: bytes, headers: Iterable[tuple[bytes, bytes]] = (), *, status: int = 200) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [(b"content-length", b"%d" % len(body)), *headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})


def json_bytes(body: bytes, headers: Iterable[tuple[bytes, bytes]] = (), *, status: int = 200) -> Answer:
    """An answer whose body is JSON already."""
    return Answer(body, (JSON, *headers), status=status)


def json_answer(value: object, headers: Iterable[tuple[bytes, bytes]] = (), *, status: int = 200) -> Answer:
    """An answer with a value made of dicts, lists, strings, numbers and None."""
    return Answer(orjson.dumps(value), (JSON, *headers), status=status)


def nothing(headers: Iterable[tuple[bytes, bytes]] = (), *, status: int = 200) -> Answer:
    """An empty body without a content type: what WAHA sends where a handler returns nothing. It is not `null`."""
    return Answer(b"", headers, status=status)


async def json_stream(chunks: AsyncIterator[bytes], headers: Headers) -> StreamingResponse:
    """A long JSON body, chunk by chunk. The first is awaited here, so that what fails early has its own status."""
    first = await anext(chunks, b"")

    async def body() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    response = StreamingResponse(body())
    response.raw_headers = [JSON, *headers]
    return response
