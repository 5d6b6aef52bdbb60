"""Groups, as far as LIDs come from them, and the blocklist."""

from typing import Final, Literal, cast

from starlette.requests import Request
from starlette.responses import Response

from lidbook.capabilities import Capability
from lidbook.identifiers import parse_group
from lidbook_api.access.scopes import Scope
from lidbook_api.answers import json_bytes
from lidbook_api.core import always_readable, readable, served_by, told, working
from lidbook_api.faults import Faults, refuse
from lidbook_api.operation import Fault, Operation, array_of, ref
from lidbook_api.parameters import LIMIT, OFFSET, SESSION_PATH, SORT_ORDER, Choice, Choices, InPath
from lidbook_api.query import parse_query

SORT_BY: Final = Choice("sortBy", "What to sort by.", ("id", "subject"), "id")
EXCLUDE: Final = Choices("exclude", "What to leave out of every group.", ("", "participants"))
GROUP_PATH: Final = InPath("id", "A group's id.", "123123123@g.us")


async def list_groups(request: Request) -> Response:
    """The groups the account is in."""
    query = parse_query(request.scope["query_string"])
    faults: Faults = []
    limit, offset = LIMIT.read(query, faults), OFFSET.read(query, faults) or 0
    sort_by = cast("Literal['id', 'subject']", SORT_BY.read(query, faults))
    descending = SORT_ORDER.read(query, faults) == "desc"
    participants = "participants" not in EXCLUDE.read(query, faults)
    refuse(faults)
    session = await readable(request, request.scope["path_params"]["session"], Capability.GROUPS_LIST)
    directory = session.directory
    body = await directory.groups(
        sort_by=sort_by, descending=descending, limit=limit, offset=offset, participants=participants
    )
    return json_bytes(body, [*told(session), (b"x-total-count", b"%d" % await directory.groups_count())])


async def count_groups(request: Request) -> Response:
    """How many groups the account is in."""
    session = await readable(request, request.scope["path_params"]["session"], Capability.GROUPS_LIST)
    return json_bytes(b'{"count":%d}' % await session.directory.groups_count(), told(session))


async def refresh_groups(request: Request) -> Response:
    """Fetch all groups from the server again."""
    session = await working(request, request.scope["path_params"]["session"])
    await session.live.refresh_groups()
    return json_bytes(b'{"success":true}', served_by(session))


async def get_group(request: Request) -> Response:
    """One group."""
    parts = request.scope["path_params"]
    group = parse_group(parts["id"])
    session = await readable(request, parts["session"], Capability.GROUPS_LIST)
    return json_bytes(await session.directory.group(group), told(session))


async def get_participants(request: Request) -> Response:
    """A group's participants."""
    parts = request.scope["path_params"]
    group = parse_group(parts["id"])
    session = await readable(request, parts["session"], Capability.GROUPS_LIST)
    return json_bytes(await session.directory.group_participants(group), told(session))


async def get_blocklist(request: Request) -> Response:
    """Everybody the account has blocked."""
    session = await always_readable(request, request.scope["path_params"]["session"], Capability.BLOCKLIST)
    return json_bytes(await session.directory.blocklist(), told(session))


_TAG: Final = "Groups"
_FAULTS: Final = (Fault.BAD_REQUEST, Fault.SESSION, Fault.FAILED, Fault.NOT_SUPPORTED)
_HEADERS: Final = ("Lidbook-Engine", "Lidbook-Stale", "Lidbook-Sync")

OPERATIONS: Final = (
    Operation(
        "GET",
        "/api/{session}/groups",
        list_groups,
        _TAG,
        "List groups",
        "Always an array. Participants carry both ids where both are known.",
        (SESSION_PATH, LIMIT, OFFSET, SORT_BY, SORT_ORDER, EXCLUDE),
        answer=array_of("Group"),
        headers=("X-Total-Count", *_HEADERS),
        faults=_FAULTS,
        scope=Scope.READ,
    ),
    Operation(
        "GET",
        "/api/{session}/groups/count",
        count_groups,
        _TAG,
        "Count groups",
        parameters=(SESSION_PATH,),
        answer=ref("Count"),
        headers=_HEADERS,
        faults=_FAULTS,
        scope=Scope.READ,
    ),
    Operation(
        "POST",
        "/api/{session}/groups/refresh",
        refresh_groups,
        _TAG,
        "Refresh groups",
        "Fetches all groups from the server; LIDs of their participants become known.",
        (SESSION_PATH,),
        answer=ref("Result"),
        headers=("Lidbook-Engine",),
        faults=(*_FAULTS, Fault.RATE_LIMITED, Fault.NOT_SUPPORTED),
        scope=Scope.SEND,
    ),
    Operation(
        "GET",
        "/api/{session}/groups/{id}",
        get_group,
        _TAG,
        "Get a group",
        parameters=(SESSION_PATH, GROUP_PATH),
        answer=ref("Group"),
        headers=_HEADERS,
        faults=(*_FAULTS, Fault.NOT_FOUND),
        scope=Scope.READ,
    ),
    Operation(
        "GET",
        "/api/{session}/groups/{id}/participants",
        get_participants,
        _TAG,
        "List a group's participants",
        "The same answer as version 2.",
        (SESSION_PATH, GROUP_PATH),
        answer=array_of("GroupParticipant"),
        headers=_HEADERS,
        faults=(*_FAULTS, Fault.NOT_FOUND),
        scope=Scope.READ,
    ),
    Operation(
        "GET",
        "/api/{session}/groups/{id}/participants/v2",
        get_participants,
        _TAG,
        "List a group's participants, version 2",
        parameters=(SESSION_PATH, GROUP_PATH),
        answer=array_of("GroupParticipant"),
        headers=_HEADERS,
        faults=(*_FAULTS, Fault.NOT_FOUND),
        name="get_participants_v2",
        scope=Scope.READ,
    ),
    Operation(
        "GET",
        "/api/{session}/blocklist",
        get_blocklist,
        "Contacts",
        "List blocked contacts",
        "Answered whatever the session's status, with `Lidbook-Stale` unless it is WORKING.",
        (SESSION_PATH,),
        answer=array_of("Contact"),
        headers=_HEADERS,
        faults=_FAULTS,
        scope=Scope.READ,
    ),
)
