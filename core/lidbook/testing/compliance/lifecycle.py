"""Linking, connecting, losing the connection, being removed, coming back."""

import asyncio
import re
from typing import Final

from lidbook.capabilities import Capability, Feed
from lidbook.errors import LidbookError
from lidbook.testing.cast import Cast, phone_of
from lidbook.testing.compliance.base import OnStage
from lidbook.testing.needs import needs
from lidbook.testing.stage import OTHER, Stage
from lidbook.values import SessionStatus, StatusReason
from lidbook.world.conditions import Kind
from lidbook.world.views import Introduction

MOMENT: Final = 1.0
"""Seconds in which the far end of a connection that was closed has to notice it."""


class Lifecycle(OnStage):
    """What a session goes through, and what it brings back."""

    async def test_it_says_whose_account_it_is(self, linked: Stage) -> None:
        """WORKING comes with the account: phone number, LID and push name.

        If this fails: pass `account=` to `context.status(SessionStatus.WORKING, …)`, with both identifiers, parsed.
        """
        account = linked.simulation.service.account()
        reported = linked.record.accounts[-1]
        assert (reported.phone, reported.lid, reported.pushname) == (account.phone, account.lid, account.pushname)

    async def test_working_is_not_reported_before_there_is_a_connection(self, stage: Stage) -> None:
        """While the network is away the session is STARTING with `network`; WORKING follows when it is back.

        If this fails: report WORKING when the server has taken the login, and not when connecting begins.
        """
        back = stage.simulation.make(Kind.DISCONNECT)
        session = await stage.begin()
        away = (SessionStatus.STARTING, StatusReason.NETWORK)
        await stage.until(
            lambda: bool(stage.records) and ((session.status, session.reason) == away or stage.record.early > 0),
            "a report that the network is away: STARTING with the reason `network`",
        )
        back()
        await stage.working()
        assert stage.record.early == 0, "WORKING was reported while there was no connection"

    async def test_start_returns_although_the_server_is_silent(self, stage: Stage) -> None:
        """`start` begins to connect and returns; what becomes of it is reported.

        If this fails: do the connecting in a task, and let `start` return before it is over.
        """
        speak = stage.simulation.make(Kind.SILENCE)
        beginning = asyncio.create_task(stage.begin())
        await stage.finished(beginning, "`start` to return while the server is silent")
        session = beginning.result()
        assert session.status is not SessionStatus.FAILED, session.detail
        assert session.detail is None, session.detail
        speak()
        await stage.working()

    async def test_a_lost_connection_comes_back_by_itself(self, linked: Stage) -> None:
        """Losing the network is STARTING, with `network`; when it is back the session is WORKING again, without a scan.

        If this fails: report STARTING with `StatusReason.NETWORK` when the connection is lost, and connect again.
        """
        codes = len(linked.record.codes)
        back = linked.simulation.make(Kind.DISCONNECT)
        await linked.status(SessionStatus.STARTING, StatusReason.NETWORK)
        back()
        await linked.working()
        assert len(linked.record.codes) == codes, "it asked for another scan"

    @needs(Feed.CONTACTS)
    async def test_what_happens_while_it_is_away_arrives_later(self, linked: Stage, cast: Cast) -> None:
        """A contact that the phone edits while the device is offline has its new name once it is back.

        If this fails: after each connect, take what the server kept for this device before anything else.
        """
        phone = phone_of(cast.friend)
        back = linked.simulation.make(Kind.DISCONNECT)
        await linked.status(SessionStatus.STARTING, StatusReason.NETWORK)
        linked.simulation.service.phone_edits_contact(phone, "Renamed", "Meanwhile")
        back()
        await linked.until(lambda: linked.contact(phone)["name"] == "Renamed Meanwhile", "the name given meanwhile")

    @needs(Feed.CONTACTS)
    async def test_stopped_and_started_it_is_as_before(self, linked: Stage, cast: Cast) -> None:
        """A session that is stopped and started needs no scan, and knows what changed meanwhile.

        If this fails: keep the credentials in the vault (or the folder), and ask for changes since the last connection.
        """
        codes, phone = len(linked.record.codes), phone_of(cast.friend)
        await linked.lidbook.sessions.stop("main")
        linked.simulation.service.phone_edits_contact(phone, "Newer")
        await linked.lidbook.sessions.start("main")
        await linked.working()
        assert len(linked.record.codes) == codes, "it asked for another scan"
        await linked.until(lambda: linked.contact(phone)["name"] == "Newer", "the name given while it was stopped")

    @needs(Feed.CONTACTS)
    async def test_what_was_deleted_while_it_was_stopped_is_gone(self, linked: Stage, cast: Cast) -> None:
        """A contact that the phone deletes while the session is stopped is no contact once it runs.

        If this fails: ask for the changes since the last connection, and feed the names with None; where the first sync
        is fetched anew, tell a `ContactListFact` of it.
        """
        phone = phone_of(cast.friend)
        await linked.lidbook.sessions.stop("main")
        linked.simulation.service.phone_deletes_contact(phone)
        await linked.lidbook.sessions.start("main")
        await linked.working()
        await linked.until(lambda: linked.contact(phone)["isMyContact"] is False, "the deletion while it was stopped")

    async def test_a_server_that_is_started_again_has_it_all(self, linked: Stage) -> None:
        """Another process on the same data dir: WORKING without a scan, and every list as it was.

        If this fails: nothing that must last may live in the process; the vault and the folder outlive it.
        """
        codes, contacts = len(linked.record.codes), await linked.contacts()
        await linked.close()
        await linked.open()
        await linked.working()
        await linked.synced()
        assert len(linked.record.codes) == codes, "it asked for another scan"
        assert await linked.contacts() == contacts

    @needs(Feed.CONTACTS)
    async def test_an_old_name_never_comes_back(self, linked: Stage, cast: Cast) -> None:
        """A whole first sync that is told again leaves what is newer alone.

        If this fails: give each fact the time in its stanza as `observed_at`; with the time of arrival whatever comes
        last wins.
        """
        phone = phone_of(cast.friend)
        linked.simulation.service.phone_edits_contact(phone, "Newest")
        await linked.until(lambda: linked.contact(phone)["name"] == "Newest", "the name that the phone gave")
        await linked.close()
        await linked.open()
        await linked.working()
        await linked.synced()
        assert linked.contact(phone)["name"] == "Newest"

    async def test_stopping_frees_everything(self, linked: Stage) -> None:
        """After `stop` nothing of the session runs any more, and stopping again is no error.

        If this fails: cancel and await every task that the session began; `asyncio.create_task` alone is not enough.
        """
        engine_session = linked.engine_session
        await linked.lidbook.sessions.stop("main")
        await engine_session.stop()
        own = linked.opening.engine.__module__.partition(".")[0]
        left = [task for task in asyncio.all_tasks() if _is_of(task, own)]
        if left:  # a server in the engine's own package notices a moment later that it was hung up on
            await asyncio.wait(left, timeout=MOMENT)
        assert [task.get_name() for task in left if not task.done()] == [], "tasks that still run"
        facts, statuses = len(linked.record.facts), len(linked.record.statuses)
        linked.simulation.service.phone_edits_contact(phone_of(linked.simulation.cast.friend), "Nobody Listens")
        await asyncio.sleep(0)
        assert (len(linked.record.facts), len(linked.record.statuses)) == (facts, statuses), "it still reports"

    @needs(Capability.CONTACTS_CHECK)
    async def test_a_call_after_stop_is_refused(self, linked: Stage, cast: Cast) -> None:
        """A session that was stopped answers nothing: a call that comes too late is an error, at once.

        If this fails: look whether there is a connection before asking; `EngineDisconnected` says that there is none.
        """
        engine_session = linked.engine_session
        await linked.lidbook.sessions.stop("main")
        late = asyncio.ensure_future(engine_session.check([phone_of(cast.friend)]))
        await linked.finished(late, "a call after `stop` to end")
        assert isinstance(late.exception(), LidbookError), f"it ended with {late!r}"

    async def test_a_device_that_was_removed_is_logged_out(self, linked: Stage) -> None:
        """Removed on the phone: FAILED with `logged_out`, and it does not come back by itself.

        If this fails: map the library's own event for a removed device; it must not look like a lost connection.
        """
        linked.simulation.make(Kind.LOGOUT)
        await linked.status(SessionStatus.FAILED, StatusReason.LOGGED_OUT)

    @needs(Feed.QR)
    async def test_after_a_removal_it_has_to_be_linked_anew(self, linked: Stage) -> None:
        """Credentials that the server knows no longer are not tried again: the next start shows a QR code.

        If this fails: delete the credentials when the server says that the device was removed.
        """
        codes = len(linked.record.codes)
        linked.simulation.make(Kind.LOGOUT)
        await linked.status(SessionStatus.FAILED, StatusReason.LOGGED_OUT)
        await linked.lidbook.sessions.start("main")
        await linked.until(lambda: len(linked.record.codes) > codes, "a new QR code")
        await linked.working()

    @needs(Feed.CONTACTS, Feed.QR)
    async def test_what_was_deleted_between_two_links_is_gone(self, linked: Stage, cast: Cast) -> None:
        """A contact that the phone deletes while the device is not linked is no contact after the new first sync.

            linked: Ada, Ben      removed      phone deletes Ben      linked anew: Ada      ->  Ben is no contact

        If this fails: a first sync says nothing of who is not in it; when the whole address book was told, tell a
        `ContactListFact` with everybody in it, as of when the book was read or last changed.
        """
        gone, stays = phone_of(cast.friend), phone_of(cast.other_friend)
        linked.simulation.make(Kind.LOGOUT)
        await linked.status(SessionStatus.FAILED, StatusReason.LOGGED_OUT)
        linked.simulation.service.phone_deletes_contact(gone)
        await linked.lidbook.sessions.start("main")
        await linked.working()
        await linked.until(lambda: linked.contact(gone)["isMyContact"] is False, "the deletion before it was linked")
        assert linked.contact(gone)["name"] is None
        assert linked.contact(stays)["isMyContact"] is True, "somebody who is in the address book is gone as well"

    @needs(Capability.SESSION_LOGOUT, Feed.QR)
    async def test_logging_out_forgets_the_link(self, linked: Stage) -> None:
        """`logout` unlinks the device and forgets its credentials: the next start shows a QR code.

        If this fails: tell the server before the connection is closed, and delete the credentials afterwards.
        """
        codes, is_linked = len(linked.record.codes), linked.opening.is_linked
        linked.scans = False
        await linked.lidbook.sessions.logout("main")
        await linked.until(lambda: len(linked.record.codes) > codes, "a new QR code")
        assert is_linked is None or not is_linked(linked.simulation.phone), "the server was not told"
        await linked.scan_now()
        await linked.working()

    @needs(Capability.SESSION_QR)
    async def test_a_qr_code_is_shown_until_it_is_scanned(self, stage: Stage) -> None:
        """Not linked: SCAN_QR_CODE with a code; WORKING as soon as the owner scans it.

        If this fails: call `context.qr` with the text of each code, and not with a picture of it.
        """
        scan = stage.opening.scan
        assert scan is not None, "an engine that shows QR codes needs `Opening(scan=…)`, to have one scanned"
        stage.scans = False
        session = await stage.begin()
        await stage.status(SessionStatus.SCAN_QR_CODE)
        assert session.qr
        await scan(stage.simulation.phone, session.qr)
        await stage.working()

    @needs(Capability.SESSION_PAIRING_CODE)
    async def test_a_pairing_code_links_as_a_scan_does(self, stage: Stage) -> None:
        """`pairing_code` gives eight letters and digits in two groups; typed into the phone they link the device.

        If this fails: write the code as `ABCD-EFGH`, whatever the library gives.
        """
        enter = stage.opening.enter_code
        assert enter is not None, "an engine that gives pairing codes needs `Opening(enter_code=…)`, to have one typed"
        stage.scans = False
        session = await stage.begin()
        await stage.status(SessionStatus.SCAN_QR_CODE)
        code = await session.live.pairing_code(stage.simulation.phone)
        assert re.fullmatch(r"[A-Z0-9]{4}-[A-Z0-9]{4}", code)
        await enter(stage.simulation.phone, code)
        await stage.working()

    @needs(Capability.CONTACTS_GET)
    async def test_two_accounts_do_not_mix(self, linked: Stage) -> None:
        """Another session of the same engine, for another account, has its own people and names.

        If this fails: keep everything that belongs to an account in the session object, and nothing in the engine or
        the module.
        """
        before = await linked.contacts()
        await linked.link(OTHER)
        await linked.synced(OTHER)
        other = linked.simulation.other
        assert linked.records[OTHER].accounts[-1].lid == other.lid
        for saved in other.address_book():
            assert linked.contact(saved.person.id, OTHER)["name"] == saved.full_name
        strangers = {str(s.person.id) for s in linked.simulation.service.address_book()}
        strangers -= {each for introduction in other.introductions() for each in _ids(introduction)}
        mixed = strangers & {contact["id"] for contact in await linked.contacts(OTHER)}
        assert mixed == set(), "contacts of the one account are listed for the other"
        assert await linked.contacts() == before, "linking one account changed the contacts of the other"


def _is_of(task: "asyncio.Task[object]", package: str) -> bool:
    """Whether a task runs code of this package."""
    frames = task.get_stack()
    return any(str(frame.f_globals.get("__name__", "")).partition(".")[0] == package for frame in frames)


def _ids(introduction: Introduction) -> list[str]:
    """Everybody whom an introduction is of."""
    told = (introduction.saved, introduction.seen)
    return [str(each.person.id) for each in told if each is not None]
