"""LIDs: list, count, LID to phone number, phone number to LID."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from lidbook.capabilities import Capability
from lidbook.errors import NotAPerson
from lidbook.identifiers import Lid, parse_lid, parse_user
from lidbook.sessions.session import Session
from lidbook.values import LidAnswer, SessionStatus
from lidbook_api.access.scopes import Scope
from lidbook_api.answers import Answer, json_answer, json_bytes
from lidbook_api.core import readable, told
from lidbook_api.faults import Faults, refuse
from lidbook_api.operation import Fault, Operation, array_of, ref
from lidbook_api.parameters import OFFSET, SESSION_PATH, Count, Flag, InPath, Seconds
from lidbook_api.query import parse_query

PAGE: Final = 100
LIMIT: Final = Count("limit", f"How many to return; {PAGE} when absent, none for `0`.")
UNRESOLVED: Final = Flag("unresolved", "Include LIDs whose phone number is not known.")
WAIT: Final = Seconds("wait", "How many seconds to wait for the phone number to become known.")
LID_PATH: Final = InPath("lid", "A LID, with or without `@lid`.", "123123123@lid")
PHONE_PATH: Final = InPath("phoneNumber", "A phone number in any spelling; a LID is understood too.", "11231231231")


async def get_phone_number(request: Request) -> Response:
    """LID to phone number."""
    parts = request.scope["path_params"]
    seconds = 0.0
    if request.scope["query_string"]:
        faults: Faults = []
        seconds = WAIT.read(parse_query(request.scope["query_string"]), faults)
        refuse(faults)
    lid = parse_lid(parts["lid"])
    session = await readable(request, parts["session"], Capability.LIDS_PHONE)
    answer = await session.live.phone_of(lid, wait=seconds) if seconds else session.directory.lid_pair(lid)
    return _pair(answer, session)


async def get_lid(request: Request) -> Response:
    """Phone number to LID; a LID given in its place is answered with its pair."""
    parts = request.scope["path_params"]
    try:
        user = parse_user(parts["phoneNumber"])
    except NotAPerson:
        session = await readable(request, parts["session"], Capability.LIDS_LID)
        return json_answer({"lid": None, "pn": parts["phoneNumber"]}, told(session))
    session = await readable(request, parts["session"], Capability.LIDS_LID)
    if isinstance(user, Lid):
        return _pair(session.directory.lid_pair(user), session)
    asking = session.status is SessionStatus.WORKING
    return _pair(await session.live.lid_of(user) if asking else session.directory.phone_pair(user), session)


async def list_lids(request: Request) -> Response:
    """A page of pairs."""
    query = parse_query(request.scope["query_string"])
    faults: Faults = []
    limit, offset = LIMIT.read(query, faults), OFFSET.read(query, faults) or 0
    unresolved = UNRESOLVED.read(query, faults)
    refuse(faults)
    session = await readable(request, request.scope["path_params"]["session"], Capability.LIDS_LIST)
    directory = session.directory
    total = await directory.lids_count(unresolved=unresolved)
    page = await directory.lids_page(limit=PAGE if limit is None else limit, offset=offset, unresolved=unresolved)
    return json_bytes(page, [*told(session), (b"x-total-count", b"%d" % total)])


async def count_lids(request: Request) -> Response:
    """How many pairs there are."""
    faults: Faults = []
    unresolved = UNRESOLVED.read(parse_query(request.scope["query_string"]), faults)
    refuse(faults)
    session = await readable(request, request.scope["path_params"]["session"], Capability.LIDS_COUNT)
    return json_bytes(b'{"count":%d}' % await session.directory.lids_count(unresolved=unresolved), told(session))


def _pair(answer: LidAnswer, session: Session) -> Answer:
    """The pair as JSON, by hand: identifiers are digits and a suffix."""
    lid = "null" if answer.lid is None else f'"{answer.lid.digits}@lid"'
    phone = "null" if answer.phone is None else f'"{answer.phone.digits}@c.us"'
    headers = [*told(session), (b"lidbook-lid", answer.state.value.encode())]
    return json_bytes(f'{{"lid":{lid},"pn":{phone}}}'.encode(), headers)


_TAG: Final = "LIDs"
_FAULTS: Final = (Fault.BAD_REQUEST, Fault.SESSION, Fault.FAILED, Fault.NOT_SUPPORTED)

OPERATIONS: Final = (
    Operation(
        "GET",
        "/api/{session}/lids/count",
        count_lids,
        _TAG,
        "Count known LIDs",
        "How many pairs of LID and phone number are known.",
        (SESSION_PATH, UNRESOLVED),
        answer=ref("Count"),
        headers=("Lidbook-Engine", "Lidbook-Stale", "Lidbook-Sync"),
        faults=_FAULTS,
        busy=True,
        scope=Scope.READ,
    ),
    Operation(
        "GET",
        "/api/{session}/lids/{lid}",
        get_phone_number,
        _TAG,
        "Get the phone number behind a LID",
        "An unknown LID is no error: `pn` is null, `Lidbook-Lid` says why, and the LID is watched until it resolves.",
        (SESSION_PATH, LID_PATH, WAIT),
        answer=ref("LidPair"),
        headers=("Lidbook-Lid", "Lidbook-Engine", "Lidbook-Stale", "Lidbook-Sync"),
        faults=_FAULTS,
        busy=True,
        scope=Scope.READ,
    ),
    Operation(
        "GET",
        "/api/{session}/lids/pn/{phoneNumber}",
        get_lid,
        _TAG,
        "Get the LID of a phone number",
        "From the directory, else the server is asked once. An unknown number is no error: `lid` is null.",
        (SESSION_PATH, PHONE_PATH),
        answer=ref("LidPair"),
        headers=("Lidbook-Lid", "Lidbook-Engine", "Lidbook-Stale", "Lidbook-Sync"),
        faults=(*_FAULTS, Fault.RATE_LIMITED),
        busy=True,
        scope=Scope.READ,
    ),
    Operation(
        "GET",
        "/api/{session}/lids",
        list_lids,
        _TAG,
        "List known LIDs",
        "Pairs of LID and phone number, ordered by LID. Refresh the groups to learn more of them.",
        (SESSION_PATH, LIMIT, OFFSET, UNRESOLVED),
        answer=array_of("LidPair"),
        headers=("X-Total-Count", "Lidbook-Engine", "Lidbook-Stale", "Lidbook-Sync"),
        faults=_FAULTS,
        busy=True,
        scope=Scope.READ,
    ),
)
