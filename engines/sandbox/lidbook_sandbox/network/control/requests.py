"""What a request to the control address says, and how it is refused.

Only programs of whoever owns the network steer it: they know the token, which only the owner can read. A page in
somebody's browser is known by its `Origin`, and by a `Host` that is not this machine's, and is refused.
"""

import hmac
import json
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Annotated, Final, Protocol, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from lidbook.engine import Network
from lidbook.errors import InvalidRequest, LidbookError, NotFound
from lidbook.identifiers import GroupId, Lid, PhoneNumber, UserId, parse_dialable, parse_group, parse_user, spellings
from lidbook.storage import storing
from lidbook.world.conditions import ConditionFolder
from lidbook.world.live import LiveWorld
from lidbook.world.model import WorldPerson
from lidbook_sandbox.network.faults import Faults
from lidbook_sandbox.network.phone import Phone, ScanRefused

MAX_BODY: Final = 64 * 1024
"""Bytes of a body, at most; the longest thing anybody sends is the text of a QR code."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Text = Annotated[str, Field(max_length=4096)]
Times = Annotated[int, Field(ge=1, le=1_000_000)] | None


class Steered(Protocol):
    """What is steered: the network, as far as the control address needs it."""

    @property
    def live(self) -> LiveWorld:
        """The world that it serves."""

    @property
    def conditions(self) -> ConditionFolder:
        """What is made to go wrong."""

    @property
    def faults(self) -> Faults:
        """What is made to go wrong on the wire."""

    @property
    def network(self) -> Network:
        """Where it listens."""

    def phone(self, account: PhoneNumber) -> Phone:
        """The phone of an account."""


STEERED: Final = web.AppKey("steered", Steered)


class Body(BaseModel):
    """Base of all bodies: camelCase, and a key that means nothing is refused, as it is mostly a misspelt one."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


B = TypeVar("B", bound=Body)


class NotTaken(Exception):
    """The request is none that a program of this machine's owner would send."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.message: Final = message
        self.refused_with: Final = status


async def read(request: web.Request, body: type[B]) -> B:
    """The body of a request. Raises `NotTaken` for one that is no JSON, `InvalidRequest` for one that does not fit."""
    content = await request.read()
    if content and request.content_type != "application/json":
        raise NotTaken(415, "send JSON, with  Content-Type: application/json")
    try:
        return body.model_validate(json.loads(content) if content else {})
    except ValidationError as error:
        raise InvalidRequest("; ".join(_faults(error))) from error
    except RecursionError as error:
        raise InvalidRequest("the body is nested too deeply") from error
    except ValueError as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error


def answer(body: object, status: int = 200) -> web.Response:
    """An answer in JSON."""
    text = json.dumps(body, ensure_ascii=False)
    return web.Response(text=text + "\n", status=status, content_type="application/json")


def steered(request: web.Request) -> Steered:
    """The network that the request is about."""
    return request.app[STEERED]


def account_of(request: web.Request) -> PhoneNumber:
    """The account in the path, as the world spells it. Raises `NotOnWhatsApp`, naming those there are."""
    return phone_of(request).service.account().phone


def phone_of(request: web.Request) -> Phone:
    """The phone of the account in the path. Raises `NotOnWhatsApp`, naming those there are."""
    return steered(request).phone(parse_dialable(request.match_info["account"]))


def user_in(text: str) -> UserId:
    """A phone number, or a LID with its `@lid`. Raises `InvalidUserId`."""
    return parse_user(text)


def person_in(live: LiveWorld, text: str) -> WorldPerson:
    """Somebody of the world, by a phone number in any spelling or by LID. Raises `NotFound`."""
    user = parse_user(text)
    person = live.state.find(user)
    if person is None and isinstance(user, PhoneNumber):
        person = next(filter(None, (live.state.find(spelling) for spelling in spellings(user))), None)
    if person is None:
        raise NotFound(f"{user} is nobody in the world {live.state.name!r}: name somebody who is")
    return person


def lid_in(live: LiveWorld, text: str) -> Lid:
    """The LID of somebody of the world. Raises `NotFound`."""
    lid = person_in(live, text).lid
    if lid is None:
        raise NotFound(f"{text} is not on WhatsApp")
    return lid


def group_in(live: LiveWorld, text: str) -> GroupId:
    """A group of the world. Raises `InvalidGroupId` and `NotFound`, naming those there are."""
    group = parse_group(text)
    if group not in live.state.groups:
        known = ", ".join(f"{found.id} ({found.subject})" for found in list(live.state.groups.values())[:20])
        raise NotFound(f"there is no group {group} in the world {live.state.name!r}; it has {known or 'none'}")
    return group


@web.middleware
async def refusing(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in who may steer, and say in JSON what was not done, and why."""
    try:
        _check_caller(request)
        with storing():
            return await handler(request)
    except ScanRefused as error:
        return _refused(422, "scan_refused", str(error))
    except NotTaken as error:
        refusal = _refused(error.refused_with, "not_taken", error.message)
        if error.refused_with == web.HTTPUnauthorized.status_code:
            refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal
    except LidbookError as error:
        return _refused(error.status, error.code, error.message)
    except web.HTTPRequestEntityTooLarge:
        return _refused(413, "not_taken", f"the body is longer than {MAX_BODY} bytes")
    except web.HTTPNotFound:
        return _refused(404, "not_found", f"there is no {request.path}: GET / lists what there is")
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return _refused(405, "not_allowed", f"{request.method} {request.path} is nothing; there is {allowed}")


def _check_caller(request: web.Request) -> None:
    if "Origin" in request.headers:
        raise NotTaken(403, "a page in a browser may not steer the network: ask from a program, without Origin")
    if not _is_loopback(request.headers.get("Host", "")):
        raise NotTaken(403, "the Host of a request has to be 127.0.0.1, [::1] or localhost")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    wanted = steered(request).network.control_token
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(errors="surrogateescape"), wanted.encode()):
        raise NotTaken(401, "send  Authorization: Bearer TOKEN  with the control_token of the network's descriptor")


def _is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    try:
        return name == "localhost" or ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _faults(error: ValidationError) -> list[str]:
    return [f"{'.'.join(map(str, fault['loc'])) or 'the body'}: {fault['msg']}" for fault in error.errors()[:5]]


def _refused(status: int, code: str, message: str) -> web.Response:
    return answer({"statusCode": status, "error": code, "message": message}, status)
