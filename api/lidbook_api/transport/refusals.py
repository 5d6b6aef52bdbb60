"""Answers that never reach the app, because there is no request, or no time, for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import orjson

MAX_HEAD: Final = 64 * 1024
"""Bytes of a request before its body; likewise of what stands between two bytes of a body, and behind the last."""

MAX_HEADERS: Final = 128
"""Headers of a request."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status and a sentence, in the shape of every other error. The connection ends with it."""

    status: int
    phrase: str
    message: str
    code: str = "invalid_request"

    def answer(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The whole answer, with the headers that every answer has."""
        body = orjson.dumps({"message": self.message, "error": self.phrase, "statusCode": self.status})
        lines = [
            *headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            (b"lidbook-error", self.code.encode()),
        ]
        head = b"".join(b"%b: %b\r\n" % line for line in lines)
        return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (self.status, self.phrase.encode(), head, body)


class Refused(Exception):
    """Raised where the parser calls, which passes it on."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal: Final = refusal


_KIB: Final = f"{MAX_HEAD // 1024} KiB"
_LARGE: Final = "Request Header Fields Too Large"

NOT_HTTP: Final = Refusal(400, "Bad Request", "This is no HTTP request")
TOO_MUCH_AROUND: Final = Refusal(400, "Bad Request", f"There are more than {_KIB} around the body")
TOO_SLOW: Final = Refusal(408, "Request Timeout", "The request did not arrive in time", "timeout")
URL_TOO_LONG: Final = Refusal(414, "URI Too Long", f"The URL is longer than {_KIB}")
HEAD_TOO_LARGE: Final = Refusal(431, _LARGE, f"The headers are larger than {_KIB}")
TOO_MANY_HEADERS: Final = Refusal(431, _LARGE, f"There are more than {MAX_HEADERS} headers")
STOPPING: Final = Refusal(503, "Service Unavailable", "The server is about to end", "shutting_down")
