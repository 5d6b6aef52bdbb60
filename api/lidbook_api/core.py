"""From a request to the session it is about, and what every answer of a session says of it."""

from typing import cast

from starlette.requests import Request

from lidbook.app import Lidbook
from lidbook.capabilities import Capability, Feed
from lidbook.errors import SessionNotRunning
from lidbook.sessions.session import Session
from lidbook.values import SessionStatus
from lidbook_api.access.scopes import Access
from lidbook_api.access.seen import SeenSessions
from lidbook_api.answers import Headers
from lidbook_api.services import services_of


def lidbook_of(request: Request) -> Lidbook:
    """The core behind this server."""
    return cast("Lidbook", request.app.state.lidbook)


def access_of(request: Request) -> Access:
    """What the request's key may do, as the gate found out."""
    return cast("Access", request.scope["lidbook.access"])


def sessions_of(request: Request) -> SeenSessions:
    """The sessions that the request's key sees."""
    destinations = services_of(request).destinations
    return SeenSessions(lidbook_of(request).sessions, access_of(request), destinations, request.scope)


async def working(request: Request, name: str) -> Session:
    """A session that is WORKING; waits for one that is STARTING. Raises `SessionMissing` and `SessionNotReady`."""
    sessions = sessions_of(request)
    return sessions.ready(name) or await sessions.usable(name)


async def readable(request: Request, name: str, capability: Capability) -> Session:
    """A session whose directory may be read on WAHA's paths: WORKING, or configured for stale reads.

    Raises `NotSupported` when its engine does not feed what `capability` reads: nothing known is not nothing there.
    """
    sessions = sessions_of(request)
    session = sessions.ready(name)
    if session is None:
        known = sessions.find(name)
        session = known if known is not None and known.config.stale_reads else await sessions.usable(name)
    session.require(capability)
    return session


async def always_readable(request: Request, name: str, capability: Capability) -> Session:
    """A session whose directory may be read on Lidbook's own paths: any that exists. Raises `SessionMissing`."""
    sessions = sessions_of(request)
    session = sessions.find(name) or await sessions.usable(name)
    session.require(capability)
    return session


def running(request: Request, name: str) -> Session:
    """A session that is not STOPPED. Raises `SessionNotRunning`, for one that does not exist as well."""
    session = sessions_of(request).find(name)
    if session is None or session.status is SessionStatus.STOPPED:
        raise SessionNotRunning(name)
    return session


def served_by(session: Session) -> Headers:
    """Headers of every answer of a session: whose people these are."""
    headers = [(b"lidbook-engine", session.engine.name.encode())]
    if session.network is not None:
        headers.append((b"lidbook-network", b"sandbox"))
    return headers


def told(session: Session) -> Headers:
    """Headers of an answer from the directory: whose people these are, and whether they may be out of date."""
    headers = served_by(session)
    if not session.directory.is_whole and Feed.CONTACTS in session.engine.feeds:
        headers.append((b"lidbook-sync", b"incomplete"))
    if session.status is not SessionStatus.WORKING:
        headers.append((b"lidbook-stale", session.status.value.encode()))
    return headers
