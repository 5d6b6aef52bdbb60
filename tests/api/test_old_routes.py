"""WAHA's old routes do what the new ones do, to a session that its owner has linked."""

import httpx

from lidbook.identifiers import PhoneNumber
from lidbook.values import SessionStatus
from lidbook.world.conditions import Kind

from .served import ME, Served


async def linked(served: Served) -> None:
    """A session `a` that was linked by a scan."""
    await served.session("a", until=SessionStatus.SCAN_QR_CODE, require_scan=True)
    await scanned(served)


async def scanned(served: Served) -> None:
    """The owner scans the code of `a`."""
    session = served.lidbook.sessions.get("a")
    served.make(Kind.SCAN)
    assert await session.until(lambda status: status is SessionStatus.WORKING, 10)


async def becomes(client: httpx.AsyncClient, served: Served) -> SessionStatus:
    """What `a` is once it was started."""
    assert (await client.post("/api/sessions/start", json={"name": "a"})).status_code == 201
    session = served.lidbook.sessions.get("a")
    await session.settled(10)
    return session.status


async def test_the_old_stop_unlinks_the_account_only_when_asked_to(client: httpx.AsyncClient, served: Served) -> None:
    await linked(served)
    session = served.lidbook.sessions.get("a")
    assert (await client.post("/api/sessions/stop", json={"name": "a"})).status_code == 201
    assert await session.vault.get("link") is not None
    assert await becomes(client, served) is SessionStatus.WORKING, "it is linked still"

    response = await client.post("/api/sessions/stop", json={"name": "a", "logout": True})
    assert (response.status_code, response.content) == (201, b"")
    assert (session.status, session.desired, session.account) == (SessionStatus.STOPPED, "stopped", None)
    assert await session.vault.get("link") is None
    assert session.directory.is_known(PhoneNumber(ME)), "the directory stays"
    assert await becomes(client, served) is SessionStatus.SCAN_QR_CODE, "it has to be linked anew"


async def test_the_old_stop_with_logout_unlinks_a_stopped_session_too(
    client: httpx.AsyncClient, served: Served
) -> None:
    await linked(served)
    await client.post("/api/sessions/stop", json={"name": "a"})
    assert (await client.post("/api/sessions/stop", json={"name": "a", "logout": True})).status_code == 201
    assert await becomes(client, served) is SessionStatus.SCAN_QR_CODE


async def test_the_old_logout_unlinks_and_has_it_linked_anew(client: httpx.AsyncClient, served: Served) -> None:
    await linked(served)
    response = await client.post("/api/sessions/logout", json={"name": "a"})
    assert (response.status_code, response.content) == (201, b"")
    session = served.lidbook.sessions.get("a")
    assert await session.until(lambda status: status is SessionStatus.SCAN_QR_CODE, 10)
    await scanned(served)
