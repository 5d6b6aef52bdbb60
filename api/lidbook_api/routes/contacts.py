"""Contacts: list, get, check, about, picture, write, block."""

from typing import Final, Literal, cast

from starlette.requests import Request
from starlette.responses import Response

from lidbook.capabilities import Capability
from lidbook.errors import InvalidPhoneNumber, NotAPerson
from lidbook.identifiers import Lid, PhoneNumber, UserId, check_dialable, parse_dialable, parse_user
from lidbook.sessions.session import Session
from lidbook_api.access.scopes import Scope
from lidbook_api.answers import Headers, json_answer, json_bytes, json_stream, nothing
from lidbook_api.bodies import flag, identifier, name_text, read_object
from lidbook_api.core import readable, served_by, told, working
from lidbook_api.faults import Faults, refuse
from lidbook_api.operation import Fault, Operation, array_of, ref
from lidbook_api.parameters import LIMIT, OFFSET, SESSION, SESSION_PATH, SORT_ORDER, Choice, Flag, InPath, Text
from lidbook_api.parameters import session_name as name_of
from lidbook_api.query import Query, parse_query

SORT_BY: Final = Choice(
    "sortBy", "`name` sorts by the name that is shown, people without any come last.", ("id", "name"), "id"
)
CONTACT_ID: Final = Text(
    "contactId",
    "A person: phone number in international form, `…@c.us` or `…@lid`.",
    "11231231231@c.us",
)
PHONE: Final = Text("phone", "A phone number in international form.", "11231231231")
REFRESH: Final = Flag("refresh", "Ask the server again instead of answering from what is known.")
PERSON_PATH: Final = InPath(
    "id", "A person: phone number in international form, `…@c.us` or `…@lid`.", "11231231231@c.us"
)

_SUCCESS: Final = b'{"success":true}'


async def list_contacts(request: Request) -> Response:
    """All contacts, or a page of them."""
    query = parse_query(request.scope["query_string"])
    name = SESSION.read(query)
    faults: Faults = []
    limit, offset = LIMIT.read(query, faults), OFFSET.read(query, faults) or 0
    sort_by = cast("Literal['id', 'name']", SORT_BY.read(query, faults))
    descending = SORT_ORDER.read(query, faults) == "desc"
    refuse(faults)
    session = await readable(request, name, Capability.CONTACTS_LIST)
    directory = session.directory
    headers = [*told(session), (b"x-total-count", b"%d" % await directory.contacts_count())]
    if limit is None:
        chunks = directory.contacts_dump(sort_by=sort_by, descending=descending, offset=offset)
        return await json_stream(chunks, headers)
    page = await directory.contacts_page(sort_by=sort_by, descending=descending, limit=limit, offset=offset)
    return json_bytes(page, headers)


async def get_contact(request: Request) -> Response:
    """One person, by WAHA's older route."""
    query = parse_query(request.scope["query_string"])
    name = SESSION.read(query)
    user = _person_in(query)
    session = await readable(request, name, Capability.CONTACTS_GET)
    return json_bytes(session.directory.contact(user), told(session))


async def get_contact_by_path(request: Request) -> Response:
    """One person, by WAHA's newer route."""
    parts = request.scope["path_params"]
    user = parse_user(parts["id"])
    session = await readable(request, parts["session"], Capability.CONTACTS_GET)
    return json_bytes(session.directory.contact(user), told(session))


async def check_exists(request: Request) -> Response:
    """Whether a phone number is registered, and under which spelling."""
    query = parse_query(request.scope["query_string"])
    name = SESSION.read(query)
    faults: Faults = []
    given, refresh = PHONE.read(query, faults), REFRESH.read(query, faults)
    refuse(faults)
    phone = parse_dialable(given)
    session = await working(request, name)
    registration = await session.live.check(phone, refresh=refresh)
    registered = None if registration.phone is None else str(registration.phone)
    body = {
        "numberExists": registration.registered,
        "chatId": registered,
        "pn": registered,
        "lid": None if registration.lid is None else str(registration.lid),
    }
    return json_answer(body, served_by(session))


async def get_about(request: Request) -> Response:
    """What a person wrote about themselves."""
    query = parse_query(request.scope["query_string"])
    name = SESSION.read(query)
    faults: Faults = []
    refresh = REFRESH.read(query, faults)
    user = _reachable(_person_in(query, faults))
    session = await working(request, name)
    return json_answer({"about": await session.live.about(user, refresh=refresh)}, served_by(session))


async def get_picture(request: Request) -> Response:
    """The address of a person's picture. Ids that name no person have none, as in WAHA, but for groups."""
    query = parse_query(request.scope["query_string"])
    name = SESSION.read(query)
    faults: Faults = []
    refresh = REFRESH.read(query, faults)
    try:
        user = _reachable(_person_in(query, faults))
    except NotAPerson as error:
        if error.kind == "a group":
            raise
        session = await working(request, name)
        return _picture(None, "none", served_by(session))
    session = await working(request, name)
    picture = await session.live.picture(user, refresh=refresh)
    return _picture(picture.url, picture.state.value, served_by(session))


async def update_contact(request: Request) -> Response:
    """Write a person into the address book."""
    parts = request.scope["path_params"]
    fields = await read_object(request)
    faults: Faults = []
    first, last = name_text(fields, "firstName", faults), name_text(fields, "lastName", faults)
    save_on_phone = flag(fields, "saveOnPhone", faults, default=True)
    if first is None and not any(fault.startswith("firstName") for fault in faults):
        faults.insert(0, "firstName must be a string")
    elif first is not None and not first.strip():
        faults.insert(0, "firstName should not be empty")
    refuse(faults)
    user = _reachable(parse_user(parts["id"]))
    session = await working(request, parts["session"])
    _no_bare_lid(user, parts["id"], session)
    await session.live.update_contact(
        user, (first or "").strip(), (last or "").strip() or None, save_on_phone=save_on_phone
    )
    return json_bytes(_SUCCESS, served_by(session))


async def delete_contact(request: Request) -> Response:
    """Take a person out of the address book."""
    parts = request.scope["path_params"]
    user = _reachable(parse_user(parts["id"]))
    session = await working(request, parts["session"])
    _no_bare_lid(user, parts["id"], session)
    await session.live.delete_contact(user)
    return json_bytes(_SUCCESS, served_by(session))


async def block_contact(request: Request) -> Response:
    """Block a person."""
    name, user, given = await _person_in_body(request)
    session = await working(request, name)
    _no_bare_lid(user, given, session)
    await session.live.block(user)
    return nothing(served_by(session), status=201)


async def unblock_contact(request: Request) -> Response:
    """Unblock a person."""
    name, user, given = await _person_in_body(request)
    session = await working(request, name)
    _no_bare_lid(user, given, session)
    await session.live.unblock(user)
    return nothing(served_by(session), status=201)


def _person_in(query: Query, faults: Faults | None = None) -> UserId:
    faults = [] if faults is None else faults
    given = CONTACT_ID.read(query, faults)
    if faults:
        refuse(faults)
    return parse_user(given)


async def _person_in_body(request: Request) -> tuple[str, UserId, str]:
    fields = await read_object(request)
    name = name_of(fields.get("session") if fields.get("session") is not None else "default")
    faults: Faults = []
    given = identifier(fields, "contactId", faults)
    refuse(faults)
    return name, _reachable(parse_user(given)), given


def _reachable(user: UserId) -> UserId:
    """The same person, if the server can be asked about them. Raises `InvalidPhoneNumber` for a local number."""
    if isinstance(user, PhoneNumber):
        check_dialable(user)
    return user


def _no_bare_lid(user: UserId, given: str, session: Session) -> None:
    """Refuse to write to a phone number whose digits are a LID that this session knows: the suffix was forgotten."""
    if isinstance(user, Lid) or "@" in given or "%40" in given:
        return
    directory = session.directory
    if directory.is_known(Lid(user.digits)) and not directory.is_known(user):
        raise InvalidPhoneNumber(
            given, f"these are the digits of a LID; send {user.digits}@lid if you mean that person"
        )


def _picture(url: str | None, state: str, headers: Headers) -> Response:
    return json_answer({"profilePictureURL": url}, [*headers, (b"lidbook-picture", state.encode())])


_TAG: Final = "Contacts"
_READ: Final = (Fault.BAD_REQUEST, Fault.SESSION, Fault.FAILED, Fault.NOT_SUPPORTED)
_LIVE: Final = (*_READ, Fault.RATE_LIMITED)
_WRITE: Final = (*_LIVE, Fault.NOT_FOUND, Fault.CONFLICT)
_CHECK_DESCRIPTION: Final = (
    "Asks the server. `chatId` and `pn` are the spelling under which the account is registered, which for Brazilian, "
    "Mexican and Argentinian numbers may differ from the one asked for; null when there is none. Positive answers are "
    "kept for an hour, negative ones for a minute. A number in local form is refused."
)

OPERATIONS: Final = (
    Operation(
        "GET",
        "/api/contacts",
        get_contact,
        _TAG,
        "Get a contact",
        "By phone number or LID, in any spelling. Of somebody unknown, the same object with nulls: use check-exists to "
        "learn whether a number is registered.",
        (CONTACT_ID, SESSION),
        answer=ref("Contact"),
        headers=("Lidbook-Engine", "Lidbook-Stale", "Lidbook-Sync"),
        faults=_READ,
        busy=True,
        scope=Scope.READ,
    ),
    Operation(
        "GET",
        "/api/{session}/contacts/{id}",
        get_contact_by_path,
        _TAG,
        "Get a contact, by path",
        "The same answer as `GET /api/contacts`.",
        (SESSION_PATH, PERSON_PATH),
        answer=ref("Contact"),
        headers=("Lidbook-Engine", "Lidbook-Stale", "Lidbook-Sync"),
        faults=_READ,
        busy=True,
        scope=Scope.READ,
    ),
    Operation(
        "GET",
        "/api/contacts/all",
        list_contacts,
        _TAG,
        "List contacts",
        "Everybody in the address book, the chats, the push names and the blocklist, one row a person. Without `limit` "
        "the whole list is streamed.",
        (SESSION, LIMIT, OFFSET, SORT_BY, SORT_ORDER),
        answer=array_of("Contact"),
        headers=("X-Total-Count", "Lidbook-Engine", "Lidbook-Stale", "Lidbook-Sync"),
        faults=_READ,
        busy=True,
        scope=Scope.READ,
    ),
    Operation(
        "GET",
        "/api/contacts/check-exists",
        check_exists,
        _TAG,
        "Check whether a phone number is registered",
        _CHECK_DESCRIPTION,
        (PHONE, SESSION, REFRESH),
        answer=ref("NumberExists"),
        headers=("Lidbook-Engine",),
        faults=_LIVE,
        scope=Scope.READ,
    ),
    Operation(
        "GET",
        "/api/checkNumberStatus",
        check_exists,
        _TAG,
        "Check a phone number, by WAHA's old route",
        "Use `GET /api/contacts/check-exists`.",
        (PHONE, SESSION, REFRESH),
        answer=ref("NumberExists"),
        headers=("Lidbook-Engine",),
        faults=_LIVE,
        name="check_number_status",
        deprecated=True,
        scope=Scope.READ,
    ),
    Operation(
        "GET",
        "/api/contacts/about",
        get_about,
        _TAG,
        "Get a person's about text",
        "Null when they hide it from this account. Kept for ten minutes.",
        (CONTACT_ID, SESSION, REFRESH),
        answer=ref("About"),
        headers=("Lidbook-Engine",),
        faults=_LIVE,
        scope=Scope.READ,
    ),
    Operation(
        "GET",
        "/api/contacts/profile-picture",
        get_picture,
        _TAG,
        "Get the address of a person's profile picture",
        "Kept for 24 hours, or until the address expires. `Lidbook-Picture` says why it is null: `none` or `hidden`.",
        (CONTACT_ID, SESSION, REFRESH),
        answer=ref("ProfilePicture"),
        headers=("Lidbook-Picture", "Lidbook-Engine"),
        faults=_LIVE,
        scope=Scope.READ,
    ),
    Operation(
        "PUT",
        "/api/{session}/contacts/{id}",
        update_contact,
        _TAG,
        "Create or update a contact",
        "Writes into the account's address book and reads it back. Unlike WAHA nobody is named John Doe: `firstName` "
        "must be given.",
        (SESSION_PATH, PERSON_PATH),
        body=ref("ContactUpdate"),
        body_example={"firstName": "John", "lastName": "Doe"},
        answer=ref("Result"),
        headers=("Lidbook-Engine",),
        faults=_WRITE,
        scope=Scope.SEND,
    ),
    Operation(
        "DELETE",
        "/api/{session}/contacts/{id}",
        delete_contact,
        _TAG,
        "Delete a contact",
        "Takes the person out of the account's address book; somebody who is not in it is no error.",
        (SESSION_PATH, PERSON_PATH),
        answer=ref("Result"),
        headers=("Lidbook-Engine",),
        faults=(*_LIVE, Fault.NOT_FOUND, Fault.CONFLICT),
        scope=Scope.SEND,
    ),
    Operation(
        "POST",
        "/api/contacts/block",
        block_contact,
        _TAG,
        "Block a contact",
        "By phone number or LID; the other half is found out. Verified by reading the blocklist back.",
        body=ref("ContactRequest"),
        body_example={"contactId": "11231231231", "session": "default"},
        status=201,
        headers=("Lidbook-Engine",),
        faults=_WRITE,
        scope=Scope.SEND,
    ),
    Operation(
        "POST",
        "/api/contacts/unblock",
        unblock_contact,
        _TAG,
        "Unblock a contact",
        "By phone number or LID. Verified by reading the blocklist back.",
        body=ref("ContactRequest"),
        body_example={"contactId": "11231231231", "session": "default"},
        status=201,
        headers=("Lidbook-Engine",),
        faults=_WRITE,
        scope=Scope.SEND,
    ),
)
