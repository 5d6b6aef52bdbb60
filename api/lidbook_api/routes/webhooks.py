"""Webhooks: how far they are, trying them out, and the dead letters: list, send again, delete."""

import time
from collections.abc import Collection, Iterable
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from lidbook.changelog import dead_letters
from lidbook.changelog.dead_letters import DeadLetter
from lidbook.errors import InvalidRequest, LidbookError, NotFound
from lidbook.sessions.session import Session
from lidbook_api import shown
from lidbook_api.access.scopes import Scope
from lidbook_api.answers import json_answer, nothing
from lidbook_api.bodies import read_object, text
from lidbook_api.core import access_of, lidbook_of, sessions_of
from lidbook_api.faults import Faults, refuse
from lidbook_api.operation import Fault, Operation, array_of, ref
from lidbook_api.parameters import SESSION_PATH, Count, InPath
from lidbook_api.query import parse_query
from lidbook_api.services import services_of
from lidbook_api.webhooks.sender import Result
from lidbook_api.webhooks.webhooks import Attempt, LaneReport, Webhooks

PAGE: Final = 100
RESENDING: Final = 30.0
"""Seconds for which one request sends dead letters again; what is left waits for the next request."""
LIMIT: Final = Count("limit", f"How many to return; {PAGE} when absent.", least=1, most=1000)
BEFORE: Final = Count("before", "Only those older than the one of this id: the last of the page before.", least=1)
LETTER_PATH: Final = InPath("id", "The dead letter's id.", "1")


class DeadLetterNotFound(NotFound):
    """There is no dead letter of that id."""

    code = "dead_letter_not_found"

    def __init__(self) -> None:
        super().__init__("Dead letter not found: it was sent again, deleted, or dropped for newer ones")


class WebhookGone(LidbookError):
    """The session has no webhook of the dead letter's URL any more, so there is no key to sign it with."""

    code = "webhook_gone"
    status = 422

    def __init__(self) -> None:
        super().__init__(
            "The session has no webhook of this URL any more: set it again in config.webhooks, or delete the letter"
        )


async def list_webhooks(request: Request) -> Response:
    """Where a session's events go, and how far they have got."""
    session = _session(request)
    is_admin = access_of(request).is_admin
    letters = await lidbook_of(request).database.read(lambda connection: dead_letters.counts(connection, session.id))
    knows_urls = is_admin or Scope.SETTING in access_of(request).scopes
    return json_answer(
        [
            _lane(lane, letters.get(lane.url, 0), knows_urls=knows_urls)
            for lane in _webhooks(request).of(session)
            if is_admin or not lane.is_own
        ]
    )


async def test_webhook(request: Request) -> Response:
    """Send `webhook.test` to one of the session's webhooks, once."""
    session = _session(request)
    faults: Faults = []
    url = text(await read_object(request), "url", faults)
    if not url and not faults:
        faults.append("url must be a URL address")
    refuse(faults)
    entries = _webhooks(request).entries(session, with_own=access_of(request).is_admin)
    if url is None or all(entry.url != url for entry in entries):
        raise InvalidRequest(
            "url is none of this session's webhooks: set it in config.webhooks first; GET /api/{session}/webhooks has "
            "those there are"
        )
    return json_answer(_attempt(await _webhooks(request).test(session, url)), status=201)


async def list_dead_letters(request: Request) -> Response:
    """Events that a receiver would not take, the newest first."""
    session, hidden = _session(request), _hidden(request)
    query = parse_query(request.scope["query_string"])
    faults: Faults = []
    limit, before = LIMIT.read(query, faults), BEFORE.read(query, faults)
    refuse(faults)
    letters = await lidbook_of(request).database.read(
        lambda connection: dead_letters.page(connection, session.id, limit or PAGE, before, hidden=hidden)
    )
    return json_answer([_letter(letter) for letter in letters])


async def get_dead_letter(request: Request) -> Response:
    """One of them, with what was sent."""
    letter, body = _found(request, _session(request))
    return json_answer({**_letter(letter), "body": orjson.Fragment(body)})


async def resend_dead_letter(request: Request) -> Response:
    """Send one again, once."""
    session = _session(request)
    attempt = await _webhooks(request).resend(session, *_found(request, session))
    if attempt is None:
        raise WebhookGone
    return json_answer(_attempt(attempt), status=201)


async def resend_dead_letters(request: Request) -> Response:
    """Send all again, the oldest first, until one fails."""
    session, webhooks, database = _session(request), _webhooks(request), lidbook_of(request).database
    urls = {entry.url for entry in webhooks.entries(session)} - set(_hidden(request))
    resent, error, end = 0, None, time.monotonic() + RESENDING
    while error is None and time.monotonic() < end:
        oldest = dead_letters.oldest(database.reader, session.id, urls)
        found = None if oldest is None else dead_letters.find(database.reader, session.id, oldest)
        attempt = None if found is None else await webhooks.resend(session, *found)
        if attempt is None:
            break
        if attempt.outcome.result is Result.TAKEN:
            resent += 1
        else:
            error = attempt.outcome.reason
    hidden = _hidden(request)
    counts = await database.read(lambda connection: dead_letters.counts(connection, session.id))
    left = sum(count for url, count in counts.items() if url not in hidden)
    return json_answer({"resent": resent, "left": left, "error": error}, status=201)


async def delete_dead_letter(request: Request) -> Response:
    """Forget one."""
    session = _session(request)
    letter, _ = _found(request, session)
    await lidbook_of(request).database.write(lambda connection: dead_letters.delete(connection, session.id, letter.id))
    return nothing()


async def delete_dead_letters(request: Request) -> Response:
    """Forget all."""
    session, hidden = _session(request), _hidden(request)
    deleted = await lidbook_of(request).database.write(
        lambda connection: dead_letters.delete_all(connection, session.id, hidden=hidden)
    )
    return json_answer({"deleted": deleted})


def _session(request: Request) -> Session:
    return sessions_of(request).get(request.scope["path_params"]["session"])


def _webhooks(request: Request) -> Webhooks:
    return services_of(request).webhooks


def _hidden(request: Request) -> Collection[str]:
    """The URLs that are the server's own alone, whose letters only an admin sees."""
    if access_of(request).is_admin:
        return ()
    session = _session(request)
    mine = {webhook.url for webhook in session.config.webhooks or ()}
    return sorted({webhook.url for webhook in lidbook_of(request).settings.webhooks} - mine)


def _found(request: Request, session: Session) -> tuple[DeadLetter, bytes]:
    """The letter that the path names. Raises `DeadLetterNotFound`."""
    number = str(request.scope["path_params"]["id"])
    wanted = int(number) if number.isascii() and number.isdigit() and len(number) < 16 else 0
    found = dead_letters.find(lidbook_of(request).database.reader, session.id, wanted)
    if found is None or found[0].url in _hidden(request):
        raise DeadLetterNotFound
    return found


def _lane(lane: LaneReport, letters: int, *, knows_urls: bool) -> dict[str, object]:
    return {
        "url": lane.url if knows_urls else shown.url(lane.url),
        "events": list(lane.events),
        "server": lane.is_own,
        "position": {"seq": lane.seq, "head": lane.head, "waiting": lane.waiting},
        "state": lane.state.value,
        "lastError": lane.last_error,
        "lastErrorAt": lane.last_error_at,
        "lastDeliveredAt": lane.last_delivered_at,
        "deadLetters": letters,
    }


def _attempt(attempt: Attempt) -> dict[str, object]:
    outcome = attempt.outcome
    return {
        "status": outcome.status,
        "ok": outcome.result is Result.TAKEN,
        "error": outcome.reason,
        "durationMs": attempt.milliseconds,
    }


def _letter(letter: DeadLetter) -> dict[str, object]:
    return {
        "id": letter.id,
        "url": letter.url,
        "event": letter.event,
        "eventId": letter.event_id,
        "seq": letter.seq,
        "timestamp": letter.at,
        "attempts": letter.attempts,
        "reason": letter.reason,
    }


_TAG: Final = "Webhooks"
_PATH: Final = "/api/{session}/webhooks"
_LETTERS: Final = _PATH + "/dead-letters"

OPERATIONS: Final[Iterable[Operation]] = (
    Operation(
        "GET",
        _PATH,
        list_webhooks,
        _TAG,
        "See where a session's events go",
        "Each URL with how far it has got: an event is sent when the one before it was taken.",
        (SESSION_PATH,),
        answer=array_of("WebhookState"),
        faults=(Fault.NOT_FOUND,),
        scope=Scope.READ,
    ),
    Operation(
        "POST",
        _PATH + "/test",
        test_webhook,
        _TAG,
        "Try a webhook out",
        "Sends the event `webhook.test`, signed as configured, once and out of order.",
        (SESSION_PATH,),
        body=ref("WebhookTestRequest"),
        body_example={"url": "https://example.com/webhooks/waha"},
        status=201,
        answer=ref("WebhookAttempt"),
        faults=(Fault.NOT_FOUND,),
        scope=Scope.SETTING,
    ),
    Operation(
        "GET",
        _LETTERS,
        list_dead_letters,
        _TAG,
        "List dead letters",
        f"Events that a receiver refused, the newest first; the last {dead_letters.KEPT} of a session are kept.",
        (SESSION_PATH, LIMIT, BEFORE),
        answer=array_of("DeadLetter"),
        faults=(Fault.BAD_REQUEST, Fault.NOT_FOUND),
        scope=Scope.SETTING,
    ),
    Operation(
        "DELETE",
        _LETTERS,
        delete_dead_letters,
        _TAG,
        "Delete all dead letters",
        parameters=(SESSION_PATH,),
        answer=ref("DeadLettersDeleted"),
        faults=(Fault.NOT_FOUND,),
        scope=Scope.SETTING,
    ),
    Operation(
        "POST",
        _LETTERS + "/resend",
        resend_dead_letters,
        _TAG,
        "Send all dead letters again",
        "The oldest first, each once; stops at the first that fails. Those whose webhook is gone stay.",
        (SESSION_PATH,),
        status=201,
        answer=ref("WebhookAttempts"),
        faults=(Fault.NOT_FOUND,),
        scope=Scope.SETTING,
    ),
    Operation(
        "GET",
        _LETTERS + "/{id}",
        get_dead_letter,
        _TAG,
        "Get a dead letter",
        "With the body as it was sent.",
        (SESSION_PATH, LETTER_PATH),
        answer=ref("DeadLetterWithBody"),
        faults=(Fault.NOT_FOUND,),
        scope=Scope.SETTING,
    ),
    Operation(
        "DELETE",
        _LETTERS + "/{id}",
        delete_dead_letter,
        _TAG,
        "Delete a dead letter",
        parameters=(SESSION_PATH, LETTER_PATH),
        faults=(Fault.NOT_FOUND,),
        scope=Scope.SETTING,
    ),
    Operation(
        "POST",
        _LETTERS + "/{id}/resend",
        resend_dead_letter,
        _TAG,
        "Send a dead letter again",
        "Once, with the same event id and request id. It is deleted when it is taken.",
        (SESSION_PATH, LETTER_PATH),
        status=201,
        answer=ref("WebhookAttempt"),
        faults=(Fault.NOT_FOUND, Fault.UNPROCESSABLE),
        scope=Scope.SETTING,
    ),
)
