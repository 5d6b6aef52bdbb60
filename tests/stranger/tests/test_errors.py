"""Nothing that the HTTP library raises, and nothing that a gateway answers, reaches Lidbook as it is."""

import inspect
from collections.abc import Iterator

import httpx
import pytest

from lidbook.errors import (
    Conflict,
    EngineDisconnected,
    EngineError,
    EngineTimeout,
    LidbookError,
    LoggedOut,
    NotOnWhatsApp,
    RateLimited,
)
from lidbook_stranger.client import WAIT, Refused, meaning, refusal, translated


def library_errors() -> Iterator[type[Exception]]:
    """Every exception that httpx exports."""
    for name in httpx.__all__:
        found = getattr(httpx, name)
        if inspect.isclass(found) and issubclass(found, Exception):
            yield found


@pytest.mark.parametrize("kind", list(library_errors()), ids=lambda kind: kind.__name__)
async def test_every_error_of_the_library_is_one_of_lidbooks(kind: type[Exception]) -> None:
    error = kind.__new__(kind)  # some want a request or a response
    Exception.__init__(error, "said")
    with pytest.raises(EngineError) as caught:
        async with translated():
            raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ReadTimeout("late"), EngineTimeout),
        (httpx.PoolTimeout("late"), EngineTimeout),
        (httpx.ConnectError("refused"), EngineDisconnected),
        (httpx.RemoteProtocolError("hung up"), EngineDisconnected),
        (RuntimeError("Cannot send a request, as the client has been closed."), EngineDisconnected),
    ],
)
def test_silence_is_told_from_absence(error: Exception, expected: type[LidbookError]) -> None:
    assert type(meaning(error)) is expected


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (410, "removed", LoggedOut),
        (401, "unknown_token", LoggedOut),
        (409, "conflict", Conflict),
        (404, "not_registered", NotOnWhatsApp),
        (403, "hidden", Refused),
    ],
)
def test_a_refusal_is_what_its_code_says(status: int, reason: str, expected: type[LidbookError]) -> None:
    response = httpx.Response(status, json={"error": {"code": reason, "message": "so it is"}})
    found = refusal(response)
    assert type(found) is expected
    assert found.message == "so it is"


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", WAIT), ("0", 0.001)])
def test_a_limit_says_how_long_also_without_a_body(header: str, seconds: float) -> None:
    found = refusal(httpx.Response(429, headers={"Retry-After": header}, text="<html>"))
    assert isinstance(found, RateLimited)
    assert found.retry_after == seconds
