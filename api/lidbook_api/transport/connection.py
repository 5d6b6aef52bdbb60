"""The HTTP protocol of the server: uvicorn's, with bounds on what a client may cost before it has a whole request.

uvicorn takes heads, trailers and chunk extensions of any size and waits for them for ever. Here what arrives is parsed
in small pieces and counted between them, so that a request that is whole at once, as nearly all are, costs no more.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from lidbook_api.transport.door import Door
from lidbook_api.transport.refusals import (
    HEAD_TOO_LARGE,
    MAX_HEAD,
    MAX_HEADERS,
    NOT_HTTP,
    STOPPING,
    TOO_MANY_HEADERS,
    TOO_MUCH_AROUND,
    TOO_SLOW,
    URL_TOO_LONG,
    Refusal,
    Refused,
)

Scope = Mapping[str, object]

_PIECE: Final = 1024
"""Bytes that are parsed between two looks, and with that how many tiny requests may queue at once."""
_LONG_URL: Final = 16 * 1024
_LINGER: Final = 1.0
"""Seconds for a client to read why it is refused: closed while it sends, it would not see that."""
_MAX_IGNORED: Final = 1024 * 1024
"""Bytes that are read and thrown away meanwhile."""

_SILENT: Final = logging.getLogger("lidbook_api.transport.silent")
"""For requests that are cut off: that they did not end by themselves is nobody's fault and no news."""
_SILENT.disabled = True


class _Flow(FlowControl):
    """Flow control that lets what was read already be taken before more is read."""

    def __init__(self, protocol: "HttpProtocol") -> None:
        super().__init__(protocol.transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        """Go on, if that was paused."""
        if self.read_paused:
            self.read_paused = False
            self._protocol.go_on()


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        door: Door,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._door = door
        self._waiting = door.waiting
        self._whole: Scope | None = None
        """The scope of the last request that arrived to its end; a scope gets its method when its head is whole."""
        self._counted: Scope | RequestResponseCycle | None = None
        self._size = 0
        """Bytes of what is counted: a head, or what came since the last byte of the body."""
        self._last_progress = 0.0
        """When something of a body arrived."""
        self._last_unread = 0
        """How much of an answer the client had not read when that was last looked at."""
        self._running: RequestResponseCycle | None = None
        self._task: asyncio.Task[None] | None = None
        self._held = b""
        """What was read and has to wait until an earlier request is answered, or a body was used."""
        self._is_deaf = False
        """Whether nothing is taken any more."""
        self._ignored = 0

    # the transport's calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Knock at the door."""
        super().connection_made(transport)
        self.flow = _Flow(self)
        self._door.enter(self, len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave, and let a request under way know."""
        self._held = b""
        self._door.leaves(self)
        if self._running is not None and not self._running.response_complete:  # uvicorn tells the last in the queue
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        if len(data) > _PIECE or self._held or self._is_deaf:
            self._take_in_pieces(data)
            return
        self._take(data)

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered."""
        super().pause_writing()
        self._door.waits(self)

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        running = self._under_way()
        if running is not None and not running.more_body:
            self._door.leaves(self)

    def go_on(self) -> None:
        """Take what is held, then read again."""
        if self._held:
            self.loop.call_soon(self._take_held)
        else:
            self.transport.resume_reading()

    def _take_held(self) -> None:
        held, self._held = self._held, b""
        if self.flow.read_paused:
            self._held = held
        elif held:
            self._take_in_pieces(held)
            if not self.flow.read_paused:
                self.transport.resume_reading()

    def _take_in_pieces(self, data: bytes) -> None:
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):
            if self._is_deaf or self.transport.is_closing():
                self._ignored += len(view) - start
                if self._ignored > _MAX_IGNORED:
                    self.transport.abort()
                return
            if self._held or self.flow.read_paused:
                self._held += view[start:]
                return
            self._take(view[start : start + _PIECE])

    def _take(self, piece: bytes | memoryview) -> None:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._upgrade()
            return
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause.refusal if isinstance(cause, Refused) else NOT_HTTP)
            return
        scope: Scope = self.scope
        if self._whole is scope:
            if self._running is not None and not self.cycle.response_complete and not self.flow.write_paused:
                self._waiting.pop(self, None)
            return
        in_body = "method" in scope
        counted = self.cycle if in_body else scope
        begins = counted is not self._counted
        self._counted = counted
        self._size = len(piece) if begins else self._size + len(piece)
        if in_body:
            self._last_progress = self.loop.time()
            if self._size > MAX_HEAD:
                self._refuse(TOO_MUCH_AROUND)
        elif self._size > MAX_HEAD:
            self._refuse(URL_TOO_LONG if len(self.url) > _LONG_URL else HEAD_TOO_LARGE)
        elif begins and self._under_way() is None:
            self._door.waits(self)

    # the parser's calls

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. A trailer is dropped: the app has had the headers, and decided by them."""
        scope: Scope = self.scope
        if "method" in scope:
            return
        if len(self.headers) >= MAX_HEADERS:
            raise Refused(TOO_MANY_HEADERS)
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._size = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._whole = self.scope
        super().on_message_complete()

    # the requests

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        task = self._task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        """Go on to the next request. Unlike uvicorn's, this sets no timer, and reads no more while requests queue."""
        self.server_state.total_requests += 1
        self._last_unread = 0
        self._door.waits(self)
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            if not cycle.more_body and not self.flow.write_paused:
                self._door.leaves(self)
        if not self.pipeline:
            self.flow.resume_reading()

    def _under_way(self) -> RequestResponseCycle | None:
        """The request that is being answered."""
        running = self._running
        return None if running is None or running.response_complete or running.disconnected else running

    def _is_within(self, *, body: bool) -> bool:
        """Whether a request has begun, and is not whole, within its head or its body."""
        scope: Scope = self.scope
        return self._whole is not scope and body is ("method" in scope)

    def _is_taken(self) -> bool:
        """Whether the request that has begun is the app's already."""
        taken: Scope = self.cycle.scope
        return taken is self.scope

    def _upgrade(self) -> None:
        """Become a websocket. Any other upgrade is answered as what it is without one; what follows it may be its body,
        which the parser does not know, so nothing more is taken."""
        if self._should_upgrade() and self._under_way() is None:
            self._is_deaf = True
            self._door.leaves(self)
            self.handle_websocket_upgrade()
        else:
            self._finish()

    # the end

    def has_waited(self, seconds: float) -> bool:
        """The door's look at a connection that is waited for."""
        running, patience = self._under_way(), self._door.patience
        stalled = self.loop.time() - self._last_progress
        unread = self.transport.get_write_buffer_size()
        if running is not None and not running.more_body:
            pass  # its answer is not read, which may be as long as nobody else needs the place
        elif running is not None:
            if self.flow.read_paused or running.waiting_for_100_continue:  # it is the server that is waited for
                self._last_progress = self.loop.time()
            elif stalled >= patience.body and not running.response_started:
                self._cut(running, TOO_SLOW)
        elif self._is_deaf and not self.transport.is_closing():
            pass  # it ends by itself
        elif unread:
            if unread < self._last_unread:
                self._door.waits(self)
            elif seconds >= patience.body:
                self.transport.abort()
            self._last_unread = unread
        elif self._is_within(body=False):
            self._say(TOO_SLOW)
        elif not self._is_within(body=True) or stalled >= patience.body:
            self.transport.close()
        return True

    def give_way(self) -> None:
        """The door's request to go."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """The server ends: finish what is under way, but wait for no more of it."""
        running = self._under_way()
        if running is None:
            self.transport.close()
        elif running.more_body and not running.response_started:
            self._cut(running, STOPPING)
        else:
            self._finish()

    def cut_off(self) -> None:
        """The server ends now: answer where that is possible, and break off where the answer has begun, so that nobody
        takes it for whole."""
        running = self._under_way()
        if running is None or running.response_started:
            self.transport.abort()
        else:
            self._cut(running, STOPPING)
        if running is not None and self._task is not None:
            running.logger = _SILENT
            self._task.cancel()

    def _refuse(self, refusal: Refusal) -> None:
        """Hang up, after the answers that are due before."""
        running = self._under_way()
        if running is None and self._running is not None and self._is_within(body=True) and self._is_taken():
            self.transport.close()
        elif running is None:
            self._say(refusal)
        elif running.more_body and not running.response_started:
            self._cut(running, refusal)
        else:
            self._finish()

    def _finish(self) -> None:
        """Answer what came whole, and take no more."""
        self._is_deaf = True
        self._held = b""
        if self.pipeline and self.pipeline[0][0].more_body:
            self.pipeline.popleft()
        running = self._under_way()
        if running is None:
            self.transport.close()
            return
        (self.pipeline[0][0] if self.pipeline else running).keep_alive = False
        if not running.more_body and not self.flow.write_paused:
            self._door.leaves(self)

    def _cut(self, cycle: RequestResponseCycle, refusal: Refusal) -> None:
        """Answer in the app's stead, which sees a client that went away."""
        cycle.disconnected = True
        cycle.message_event.set()
        self.pipeline.clear()
        self._say(refusal)

    def _say(self, refusal: Refusal) -> None:
        self._is_deaf = True
        self._held = b""
        if self.transport.is_closing():
            return
        self.transport.write(refusal.answer(self.server_state.default_headers))
        self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(_LINGER, self.transport.abort)
