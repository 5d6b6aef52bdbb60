"""Everything that can go wrong, as one tree.

    LidbookError                      code                    status
    ├── InvalidRequest                invalid_request         400
    │   ├── InvalidUserId             invalid_user_id         400
    │   │   └── NotAPerson            not_a_person            400
    │   ├── InvalidPhoneNumber        invalid_phone_number    400
    │   ├── InvalidGroupId            invalid_group_id        400
    │   ├── InvalidConfig             invalid_config          400
    │   │   └── UnknownEngine         unknown_engine          400
    │   ├── InvalidSessionName        invalid_session_name    400
    │   └── InvalidWorld              invalid_world           400
    ├── InvalidLid                    invalid_lid             422
    ├── NotAllowed                    not_allowed             403
    ├── NotFound                      not_found               404
    │   ├── SessionNotFound           session_not_found       404
    │   ├── GroupNotFound             group_not_found         404
    │   ├── EngineNotFound            engine_not_found        404
    │   └── NotOnWhatsApp             not_on_whatsapp         404
    ├── SessionExists                 session_exists          422
    ├── SessionNotRunning             session_not_running     404
    ├── SessionMissing                session_missing         422
    ├── SessionNotReady               session_not_ready       422
    ├── InvalidState                  invalid_state           422
    ├── PasskeyRefused                passkey_refused         422
    ├── NotSupported                  not_supported           501
    ├── EngineUnavailable             engine_unavailable      503
    ├── EngineError                   engine_error            500
    │   ├── EngineTimeout             engine_timeout          500
    │   ├── EngineDisconnected        engine_disconnected     500
    │   ├── LoggedOut                 logged_out              500
    │   └── ChangeNotTaken            change_not_taken        500
    ├── Conflict                      conflict                409
    ├── RateLimited                   rate_limited            429
    ├── DataDirLocked                 data_dir_locked         503
    └── StorageFailed                 storage_failed          503

`NotSupported` (this engine cannot) is not `NotAllowed` (not you, not here) is not `EngineUnavailable` (not installed).
An engine raises `EngineError` and what is below it, `Conflict`, `NotOnWhatsApp`, `PasskeyRefused`, `RateLimited` and
`NotSupported`; the rest is the core's.
"""

from collections.abc import Sequence
from typing import ClassVar


class LidbookError(Exception):
    """Root of the tree: a stable `code`, an HTTP status, and a sentence the user can act on."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequest(LidbookError):
    """The request cannot be understood; the message says what to send instead."""

    code = "invalid_request"
    status = 400


class InvalidUserId(InvalidRequest):
    """The text names no phone number and no LID."""

    code = "invalid_user_id"

    def __init__(self, text: str, message: str | None = None) -> None:
        super().__init__(
            message
            or f"{_shown(text)} is no phone number and no LID: "
            "send digits in international form, <digits>@c.us or <digits>@lid"
        )


class NotAPerson(InvalidUserId):
    """The text names a group, a channel, a broadcast list or the service account."""

    code = "not_a_person"

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(text, f"{_shown(text)} names {kind}, not a person: send a phone number or a LID")
        self.kind = kind


class InvalidPhoneNumber(InvalidRequest):
    """The number cannot be dialled from abroad, so it must not reach the server."""

    code = "invalid_phone_number"

    def __init__(self, text: str, advice: str) -> None:
        super().__init__(f"{_shown(text)} is not a phone number in international form: {advice}")


class InvalidGroupId(InvalidRequest):
    """The text names no group."""

    code = "invalid_group_id"

    def __init__(self, text: str) -> None:
        super().__init__(f"{_shown(text)} is no group id: send <digits>@g.us")


class InvalidConfig(InvalidRequest):
    """A session's config does not fit; one message a fault."""

    code = "invalid_config"

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = list(messages)


class UnknownEngine(InvalidConfig):
    """The config names an engine that is not installed."""

    code = "unknown_engine"

    def __init__(self, name: str, installed: Sequence[str]) -> None:
        super().__init__(
            [f"config.engine {_shown(name)} is not installed; installed: {', '.join(installed) or 'none'}"]
        )


class InvalidSessionName(InvalidRequest):
    """The name does not fit, or collides with a route."""

    code = "invalid_session_name"


class InvalidWorld(InvalidRequest):
    """A world file cannot be read as one."""

    code = "invalid_world"


class InvalidLid(LidbookError):
    """WAHA's 422 for anything but a LID in `/lids/{lid}`; the sentence is WAHA's, clients match it."""

    code = "invalid_lid"
    status = 422

    def __init__(self, text: str) -> None:
        super().__init__("Invalid LID - it must end with @lid")
        self.text = text


class NotAllowed(LidbookError):
    """The key, or the state of things, does not permit this."""

    code = "not_allowed"
    status = 403


class NotFound(LidbookError):
    """There is no such thing."""

    code = "not_found"
    status = 404


class SessionNotFound(NotFound):
    """No session of that name, on the routes that manage sessions; the sentence is WAHA's."""

    code = "session_not_found"

    def __init__(self, name: str) -> None:
        super().__init__("Session not found")
        self.name = name


class GroupNotFound(NotFound):
    """The account is in no such group, as far as the directory knows."""

    code = "group_not_found"

    def __init__(self, group: str) -> None:
        super().__init__(f"Group {group} is not known to this session; POST /api/{{session}}/groups/refresh asks again")


class EngineNotFound(NotFound):
    """No engine of that name is installed."""

    code = "engine_not_found"

    def __init__(self, name: str, installed: Sequence[str]) -> None:
        super().__init__(f"Engine {_shown(name)} is not installed; installed: {', '.join(installed) or 'none'}")


class NotOnWhatsApp(NotFound):
    """The phone number is not registered on WhatsApp, so nothing can be done to its account."""

    code = "not_on_whatsapp"


class SessionExists(LidbookError):
    """A session of that name is there already; the sentence is WAHA's."""

    code = "session_exists"
    status = 422

    def __init__(self, name: str) -> None:
        super().__init__(f"Session '{name}' already exists. Use PUT to update it.")


class SessionNotRunning(LidbookError):
    """The session is stopped, on routes that need it running; the sentence is WAHA's."""

    code = "session_not_running"
    status = 404

    def __init__(self, name: str) -> None:
        super().__init__(
            f"We didn't find a session with name '{name}'.\n"
            f"Please start it first by using POST /api/sessions/{name}/start request"
        )


class SessionMissing(LidbookError):
    """No session of that name, on the routes that use one; the sentence is WAHA's."""

    code = "session_missing"
    status = 422

    def __init__(self, name: str) -> None:
        super().__init__(f'Session "{name}" does not exist')
        self.name = name


class SessionNotReady(LidbookError):
    """The session is there but not in a status in which the call can be served; the sentence is WAHA's."""

    code = "session_not_ready"
    status = 422

    def __init__(self, name: str, status: str, expected: Sequence[str], reason: str | None = None) -> None:
        super().__init__("Session status is not as expected. Try again later or restart the session")
        self.name = name
        self.session_status = status
        self.expected = list(expected)
        self.reason = reason


class InvalidState(LidbookError):
    """The session runs, but not in the status that this one call needs; the sentences are WAHA's."""

    code = "invalid_state"
    status = 422


class PasskeyRefused(LidbookError):
    """What a passkey signed does not fit what was asked, or nothing is asked now; the session stays as it is."""

    code = "passkey_refused"
    status = 422


class NotSupported(LidbookError):
    """The engine cannot do this, now or ever: carries engine, capability and the note of its claim."""

    code = "not_supported"
    status = 501

    def __init__(self, engine: str, capability: str, note: str | None = None) -> None:
        super().__init__(
            f"The method is not implemented by '{engine}' engine: {capability}" + (f" ({note})" if note else "")
        )
        self.engine = engine
        self.capability = capability
        self.note = note


class EngineUnavailable(LidbookError):
    """The engine's runtime is not on this machine; the message carries the command that mends it."""

    code = "engine_unavailable"
    status = 503


class EngineError(LidbookError):
    """The engine, or WhatsApp behind it, failed. Engines raise this for what has no better name, `from` the cause."""

    code = "engine_error"
    status = 500


class EngineTimeout(EngineError):
    """No answer in time: never to be turned into an empty answer."""

    code = "engine_timeout"


class EngineDisconnected(EngineError):
    """The connection to WhatsApp, or the engine's process, went away while the call was under way."""

    code = "engine_disconnected"


class LoggedOut(EngineError):
    """The account no longer knows this device: it was removed on the phone, or by WhatsApp."""

    code = "logged_out"


class ChangeNotTaken(EngineError):
    """The server accepted a change but does not show it when read back."""

    code = "change_not_taken"


class Conflict(LidbookError):
    """Somebody else changed the same thing; the engine resynced and tried again, and it conflicted still."""

    code = "conflict"
    status = 409


class RateLimited(LidbookError):
    """WhatsApp's limit, or our own budget in front of it. `retry_after` is in seconds."""

    code = "rate_limited"
    status = 429

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DataDirLocked(LidbookError):
    """Another server works on the same data dir."""

    code = "data_dir_locked"
    status = 503


class StorageFailed(LidbookError):
    """The disk that holds the data dir takes nothing: it is full, read-only or failing; nothing was changed."""

    code = "storage_failed"
    status = 503


def _shown(text: str) -> str:
    """The user's text, quoted, shortened and free of control characters, for use in a message."""
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return f"'{clean[:60]}…'" if len(clean) > 60 else f"'{clean}'"
