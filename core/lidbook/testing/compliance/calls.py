"""Live calls: asked of the server, answered truly, known to the directory afterwards."""

import pytest

from lidbook.capabilities import Capability, Feed
from lidbook.errors import NotOnWhatsApp
from lidbook.facts import PictureState
from lidbook.identifiers import PhoneNumber, spellings
from lidbook.testing.cast import Cast, asked, lid_of, phone_of
from lidbook.testing.compliance.base import OnStage
from lidbook.testing.needs import needs
from lidbook.testing.stage import Stage
from lidbook.values import Person
from lidbook.world.conditions import Kind


class Calls(OnStage):
    """Each live capability in good times."""

    @needs(Capability.CONTACTS_CHECK)
    async def test_a_check_answers_about_each_number_in_order(self, linked: Stage, cast: Cast) -> None:
        """One answer a number, in the order asked, with the number as asked in `asked`.

        If this fails: servers answer in any order and leave out whom they do not know; sort by what was asked.
        """
        phones = [phone_of(cast.friend), cast.unregistered, phone_of(cast.stranger)]
        answers = await linked.engine_session.check(phones)
        assert [answer.asked for answer in answers] == phones
        assert [answer.phone for answer in answers] == [phones[0], None, phones[2]]
        assert [answer.lid for answer in answers] == [cast.friend.lid, None, cast.stranger.lid]

    @needs(Capability.CONTACTS_CHECK)
    async def test_a_check_gives_the_servers_spelling(self, linked: Stage, cast: Cast) -> None:
        """A number that the server has under another spelling is answered under that one, and is one person.

        If this fails: return the number that the server answers, never the one that was asked.
        """
        typed, person = cast.respelled
        answer = await linked.session.live.check(typed, refresh=True)
        assert (answer.phone, answer.lid) == (person.phone, person.lid)
        assert linked.contact(typed) == linked.contact(phone_of(person))

    @needs(Capability.CONTACTS_CHECK)
    async def test_what_a_check_finds_is_known_afterwards(self, linked: Stage, cast: Cast) -> None:
        """The LID that comes with an answer is in the directory, for whoever asks next.

        If this fails: put the LID of the server's answer into `Registration.lid`.
        """
        phone = phone_of(cast.stranger)
        assert linked.contact(phone)["isWAContact"] is None
        assert (await linked.session.live.check(phone)).registered
        assert (linked.contact(phone)["lid"], linked.contact(phone)["isWAContact"]) == (str(cast.stranger.lid), True)
        assert not (await linked.session.live.check(cast.unregistered)).registered
        assert linked.contact(cast.unregistered)["isWAContact"] is False

    @needs(Capability.LIDS_QUERY)
    async def test_the_server_is_asked_for_a_lid(self, linked: Stage, cast: Cast) -> None:
        """A LID for each number that the server knows, None for the others; never a number's digits.

        If this fails: return an entry for every number that was asked.
        """
        phones = [phone_of(cast.stranger), cast.unregistered]
        found = await linked.engine_session.query_lids(phones)
        assert {phone: found[phone] for phone in phones} == {phones[0]: cast.stranger.lid, phones[1]: None}
        assert (await linked.session.live.lid_of(phones[0])).lid == cast.stranger.lid

    @needs(Capability.CONTACTS_ABOUT)
    async def test_about_texts_are_there_empty_or_hidden(self, linked: Stage, cast: Cast) -> None:
        """The text; `""` of somebody who wrote none; None of somebody who hides it. In the order asked.

        If this fails: tell an empty text from a refused one; libraries often give `""` or None for both.
        """
        persons = [asked(cast.friend), asked(cast.hides_about), asked(cast.silent), Person(None, cast.numberless.lid)]
        answers = await linked.engine_session.about(persons)
        assert [answer.person for answer in answers] == persons
        assert [answer.about for answer in answers] == [cast.friend.about, None, "", cast.numberless.about]

    @needs(Capability.CONTACTS_PICTURE)
    async def test_pictures_are_present_none_or_hidden(self, linked: Stage, cast: Cast) -> None:
        """An address with its expiry; nothing of somebody without a picture; hidden of somebody who hides it.

        If this fails: tell "not there" (404) from "not for you" (401, 403), and read the expiry out of the address.
        """
        call = linked.engine_session.picture
        expected = linked.simulation.service.picture(asked(cast.friend))
        picture = await call(asked(cast.friend))
        assert picture.state is PictureState.PRESENT
        assert picture.url
        assert picture.expires_at == expected.expires_at, "the picture's address expires, and should say when"
        assert (await call(asked(cast.silent))).state is PictureState.NONE
        assert (await call(asked(cast.hides_picture))).state is PictureState.HIDDEN
        assert (await call(Person(None, lid_of(cast.friend)))).state is PictureState.PRESENT, "asked by LID alone"

    @needs(Capability.CONTACTS_UPDATE)
    async def test_a_contact_is_written_and_read_back(self, linked: Stage, cast: Cast) -> None:
        """The server has the new name, and so has the directory when the call returns.

        If this fails: write the app state, wait until the server took it, and return what it holds then.
        """
        phone = phone_of(cast.friend)
        await linked.session.live.update_contact(phone, "Ada", "Lovelace")
        held = linked.simulation.service.contact(asked(cast.friend))
        assert held is not None, "the server's address book has nobody under this number"
        assert (held.first_name, held.last_name, held.full_name) == ("Ada", "Lovelace", "Ada Lovelace")
        contact = linked.contact(phone)
        assert (contact["name"], contact["shortName"]) == ("Ada Lovelace", "Ada")

    @needs(Capability.CONTACTS_UPDATE)
    async def test_a_last_name_may_be_missing_and_a_contact_new(self, linked: Stage, cast: Cast) -> None:
        """Without a last name the whole name is the first one; somebody who was not saved is added.

        If this fails: treat a missing last name as empty, and not as "unchanged" or as an error.
        """
        phone = phone_of(cast.stranger)
        await linked.session.live.update_contact(phone, "Grace", None)
        held = linked.simulation.service.contact(asked(cast.stranger))
        assert held is not None
        assert (held.first_name, held.last_name, held.full_name) == ("Grace", None, "Grace")
        assert linked.contact(phone)["name"] == "Grace"
        assert linked.contact(phone)["isMyContact"] is True

    @needs(Capability.CONTACTS_UPDATE)
    async def test_a_name_replaces_the_one_under_the_other_spelling(self, linked: Stage, cast: Cast) -> None:
        """Whoever is saved under an older spelling of the number is renamed, and not saved twice.

        If this fails: write under the number that the server answers for the person.
        """
        typed, person = cast.respelled
        await linked.session.live.update_contact(typed, "Renamed", None)
        assert linked.contact(typed) == linked.contact(phone_of(person))
        assert [c["id"] for c in await linked.contacts() if c["name"] == "Renamed"] == [str(person.phone)]

    @needs(Capability.CONTACTS_UPDATE)
    async def test_a_conflict_is_tried_again(self, linked: Stage, cast: Cast) -> None:
        """When another device wrote at the same time, the engine fetches that and writes again: nobody notices.

        If this fails: on the server's 409, sync the app state and send the change once more; then raise `Conflict`.
        """
        linked.simulation.make(Kind.CONFLICT, Capability.CONTACTS_UPDATE, times=1)
        await linked.session.live.update_contact(phone_of(cast.friend), "Second", "Try")
        assert linked.contact(phone_of(cast.friend))["name"] == "Second Try"

    @needs(Capability.CONTACTS_DELETE)
    async def test_a_contact_is_removed(self, linked: Stage, cast: Cast) -> None:
        """The address book loses the line; the person stays, with whatever else is known. Twice is no error.

        If this fails: send the removal for the identifier under which the line stands.
        """
        phone = phone_of(cast.friend)
        await linked.session.live.delete_contact(phone)
        assert linked.simulation.service.contact(asked(cast.friend)) is None
        contact = linked.contact(phone)
        assert (contact["name"], contact["isMyContact"]) == (None, False)
        assert contact["pushname"] == cast.friend.pushname
        await linked.session.live.delete_contact(phone)

    @needs(Capability.CONTACTS_BLOCK)
    async def test_blocking_returns_the_whole_blocklist(self, linked: Stage, cast: Cast) -> None:
        """The server has blocked the person, and the answer is everybody who is blocked, not the person alone.

        If this fails: read the blocklist back after the change and return all of it. Blocking needs the LID, and with
        it the phone number.
        """
        before = linked.simulation.service.blocklist()
        answer = await linked.engine_session.block(Person(cast.friend.phone, cast.friend.lid))
        assert cast.friend.lid in linked.simulation.service.state.blocked
        assert answer == before | {phone_of(cast.friend), lid_of(cast.friend)}

    @needs(Capability.CONTACTS_BLOCK, Capability.CONTACTS_UNBLOCK)
    async def test_blocked_by_number_and_unblocked_by_lid(self, linked: Stage, cast: Cast) -> None:
        """Either identifier is enough for either call, and the blocklist shows one person.

        If this fails: resolve the other half first; the server takes LIDs alone for an unblock.
        """
        await linked.session.live.block(phone_of(cast.friend))
        assert linked.contact(lid_of(cast.friend))["isBlocked"] is True
        await linked.session.live.unblock(lid_of(cast.friend))
        assert cast.friend.lid not in linked.simulation.service.state.blocked
        assert linked.contact(phone_of(cast.friend))["isBlocked"] is False

    @needs(Capability.CONTACTS_BLOCK)
    async def test_nobody_can_be_blocked_who_is_not_there(self, linked: Stage, cast: Cast) -> None:
        """A number that is not on WhatsApp is `NotOnWhatsApp`: a 404, and not a success.

        If this fails: map the server's refusal; a library that ignores it makes a block look done.
        """
        with pytest.raises(NotOnWhatsApp):
            await linked.engine_session.block(Person(cast.unregistered, None))

    @needs(Capability.GROUPS_REFRESH, Feed.GROUPS)
    async def test_a_refresh_tells_who_is_in_a_group_now(self, linked: Stage, cast: Cast) -> None:
        """After `refresh_groups` members and groups are the server's; a group that the account has left is gone.

        If this fails: fetch all groups anew instead of giving out what the library keeps, and feed a `GroupListFact`.
        """
        live, group = linked.simulation.live, cast.group
        live.join_group(group.id, lid_of(cast.stranger))
        other = next(g for g in live.state.groups_of(linked.simulation.service.state) if g.id != group.id)
        live.leave_group(other.id, linked.simulation.service.lid)
        await linked.session.live.refresh_groups()
        groups = {each["id"]: each for each in await linked.groups()}
        assert str(other.id) not in groups, "a group that the account has left is still listed"
        members = {participant["lid"] for participant in groups[str(group.id)]["participants"]}
        assert str(cast.stranger.lid) in members

    @needs(Capability.SESSION_SCREENSHOT)
    async def test_a_screenshot_is_an_image(self, linked: Stage) -> None:
        """Bytes of a PNG or JPEG, with the media type that they have.

        If this fails: say in `media_type` what the bytes are, and not what was asked for.
        """
        image = await linked.engine_session.screenshot()
        magic = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
        assert image.data.startswith(magic[image.media_type])

    @needs(Capability.CONTACTS_CHECK)
    async def test_a_local_spelling_is_not_rewritten(self, linked: Stage, cast: Cast) -> None:
        """A number is asked as it is given: what to try besides it is the core's business.

        If this fails: leave numbers alone; no rule about ninth digits or leading nines belongs into an engine.
        """
        typed, person = cast.respelled
        others = [spelling for spelling in spellings(typed) if spelling != person.phone]
        answers = await linked.engine_session.check([typed, PhoneNumber("15005550006")])
        assert answers[0].asked == typed
        assert answers[0].phone in (None, person.phone), f"not one of {others}"
        assert answers[1].phone is None
