"""What happens while the session works arrives in the directory, from whichever side it was done."""

from functools import partial
from pathlib import Path

from lidbook.capabilities import Capability, Feed
from lidbook.facts import Field, FieldFact, PictureState, Role
from lidbook.identifiers import PhoneNumber
from lidbook.testing.cast import Cast, lid_of, phone_of
from lidbook.testing.compliance.base import OnStage
from lidbook.testing.needs import needs
from lidbook.testing.reference import bodies_of, reference_bodies
from lidbook.testing.stage import Stage
from lidbook.values import LidState


class Changes(OnStage):
    """Changes made on the phone, by other people, and by the server."""

    @needs(Feed.CONTACTS)
    async def test_a_contact_edited_on_the_phone_has_its_new_name(self, linked: Stage, cast: Cast) -> None:
        """The phone's edit arrives, with a missing last name as a deletion.

        If this fails: listen to the app-state changes of contacts, and feed all three names, None for what is gone.
        """
        phone = phone_of(cast.friend)
        linked.simulation.service.phone_edits_contact(phone, "Solo")
        await linked.until(lambda: linked.contact(phone)["name"] == "Solo", "the name that the phone gave")
        assert linked.contact(phone)["shortName"] == "Solo"

    @needs(Feed.CONTACTS)
    async def test_a_contact_deleted_on_the_phone_is_no_contact(self, linked: Stage, cast: Cast) -> None:
        """The line goes, the person stays.

        If this fails: feed the three names with the value None.
        """
        phone = phone_of(cast.friend)
        linked.simulation.service.phone_deletes_contact(phone)
        await linked.until(lambda: linked.contact(phone)["isMyContact"] is False, "the deletion on the phone")
        assert linked.contact(phone)["name"] is None

    @needs(Feed.BLOCKLIST)
    async def test_blocking_on_the_phone_shows(self, linked: Stage, cast: Cast) -> None:
        """Blocked and unblocked on the phone, the person is so here.

        If this fails: listen to the server's notification about the blocklist; it carries LIDs.
        """
        phone, service = phone_of(cast.friend), linked.simulation.service
        service.phone_blocks(phone)
        await linked.until(lambda: linked.contact(phone)["isBlocked"] is True, "the block on the phone")
        service.phone_unblocks(phone)
        await linked.until(lambda: linked.contact(phone)["isBlocked"] is False, "the unblock on the phone")

    @needs(Feed.LIDS)
    async def test_a_message_reveals_the_number_behind_a_lid(self, linked: Stage, cast: Cast) -> None:
        """Somebody known by LID alone writes: the envelope has the number, and whoever waited for it hears of it.

        If this fails: feed a `LinkFact` with `Source.MESSAGE` from the alternate identifier of every message's sender.
        """
        lid = lid_of(cast.masked)
        assert linked.session.directory.lid_pair(lid).phone is None
        linked.simulation.service.reveal_phone(lid)
        await linked.until(
            lambda: linked.session.directory.lid_pair(lid).phone is not None, "the number in the message's envelope"
        )
        answer = linked.session.directory.lid_pair(lid)
        assert (answer.phone, answer.state) == (cast.masked.phone, LidState.MAPPED)

    @needs(Feed.PUSHNAMES)
    async def test_a_new_push_name_arrives(self, linked: Stage, cast: Cast) -> None:
        """A message carries the sender's push name of the day; the address book's name stays.

        If this fails: feed PUSHNAME with `Source.MESSAGE` from the envelope.
        """
        name = linked.contact(lid_of(cast.friend))["name"]
        linked.simulation.live.change_pushname(lid_of(cast.friend), "Brand New")
        await linked.until(
            lambda: linked.contact(lid_of(cast.friend))["pushname"] == "Brand New", "the push name in a message"
        )
        assert linked.contact(lid_of(cast.friend))["name"] == name

    @needs(Feed.LIDS, Feed.PUSHNAMES, Feed.CONTACTS)
    async def test_somebody_who_moves_to_another_number_is_the_same_person(self, linked: Stage, cast: Cast) -> None:
        """The LID stays, the number changes: the push name goes with the LID, and the old number is somebody else's.

        If this fails: feed a person's own doings (push name, about, picture) under the LID, and never key by phone.
        """
        lid, old, new = lid_of(cast.friend), phone_of(cast.friend), PhoneNumber("447700900188")
        linked.simulation.live.change_number(lid, new)
        await linked.until(lambda: linked.session.directory.lid_pair(lid).phone == new, "the new number of the LID")
        assert linked.contact(new)["pushname"] == cast.friend.pushname
        assert linked.contact(old)["pushname"] is None, "the push name stayed with the number"
        assert linked.contact(old)["lid"] is None

    @needs(Capability.CONTACTS_PICTURE)
    async def test_a_changed_picture_is_not_the_old_one(self, linked: Stage, cast: Cast) -> None:
        """When the server says that a picture changed, the one that was kept is not given out any more.

        If this fails: feed PICTURE with `Source.NOTIFICATION` when the server announces a change.
        """
        lid, live = lid_of(cast.friend), linked.session.live
        before = await live.picture(lid)
        await linked.simulation.later()
        linked.simulation.live.change_picture(lid, None)
        told = linked.record.facts
        await linked.until(
            lambda: any(isinstance(f, FieldFact) and f.field is Field.PICTURE and f.user == lid for f in told),
            "the announcement of another picture",
        )
        assert before.state is PictureState.PRESENT
        assert (await live.picture(lid)).state is PictureState.NONE

    @needs(Capability.CONTACTS_PICTURE)
    async def test_a_new_picture_takes_the_place_of_the_old_one(self, linked: Stage, cast: Cast) -> None:
        """Another picture has another address; asked for again, it is that one.

        If this fails: feed PICTURE when the server announces another one, and None if it does not say which.
        """
        lid, live = lid_of(cast.friend), linked.session.live
        before, told = await live.picture(lid), len(linked.record.facts)
        await linked.simulation.later()
        linked.simulation.live.change_picture(lid, "another")
        await linked.until(
            lambda: any(isinstance(f, FieldFact) and f.field is Field.PICTURE for f in linked.record.facts[told:]),
            "the announcement of another picture",
        )
        after = await live.picture(lid)
        assert after.state is PictureState.PRESENT
        assert after.url != before.url, "the picture that was kept is still given out"

    @needs(Feed.GROUPS)
    async def test_who_joins_and_leaves_a_group_is_seen(self, linked: Stage, cast: Cast) -> None:
        """Joining, promotion and leaving arrive without a refresh.

        If this fails: feed a `ParticipantFact` for each notification, LEFT for those who go.
        """
        group, lid, live = cast.group, lid_of(cast.stranger), linked.simulation.live

        async def role() -> Role | None:
            groups = {each["id"]: each for each in await linked.groups()}
            members = groups[str(group.id)]["participants"]
            return next((Role(member["role"]) for member in members if member["lid"] == str(lid)), None)

        live.join_group(group.id, lid)
        await linked.eventually(role, Role.PARTICIPANT, "the one who joined the group")
        live.promote(group.id, lid)
        await linked.eventually(role, Role.ADMIN, "the promotion")
        live.leave_group(group.id, lid)
        await linked.eventually(role, None, "the departure")

    @needs(Feed.GROUPS)
    async def test_a_group_that_the_account_leaves_is_gone(self, linked: Stage, cast: Cast) -> None:
        """Left, the group is not listed any more; joined again, it is, with everybody in it.

        If this fails: tell a `GroupListFact` when the account itself leaves a group, and nothing else of that group;
        when it joins one, the `GroupFact` and then the list.
        """
        live, service, group = linked.simulation.live, linked.simulation.service, cast.group

        async def size() -> int | None:
            return next((each["size"] for each in await linked.groups() if each["id"] == str(group.id)), None)

        before = await size()
        live.leave_group(group.id, service.lid)
        await linked.eventually(size, None, "the group that the account left to be gone")
        live.join_group(group.id, service.lid)
        await linked.eventually(size, before, "the group that the account joined again, with all its members")

    @needs(Capability.CONTACTS_ABOUT)
    async def test_a_changed_about_text_is_not_the_old_one(self, linked: Stage, cast: Cast) -> None:
        """When the server says that an about text changed, the one that was kept is not given out any more.

        If this fails: feed ABOUT with `Source.NOTIFICATION` when the server announces a change.
        """
        lid, live = lid_of(cast.friend), linked.session.live
        assert await live.about(lid) == cast.friend.about
        await linked.simulation.later()
        linked.simulation.live.change_about(lid, "Brand new")

        async def about() -> str | None:
            return await live.about(lid)

        await linked.eventually(about, "Brand new", "the new about text")

    @needs(Capability.CONTACTS_ABOUT)
    async def test_news_of_the_second_of_an_answer_is_newer(self, linked: Stage, cast: Cast) -> None:
        """An about text that was asked for, and changed later in the same second, is the new one.

            12:00:05.120 asked: "Hello"      12:00:05.640 changed; the stanza says 12:00:05      ->  the new one

        If this fails: the wire counts whole seconds, and answers carry milliseconds; give what is announced the time of
        `lidbook.clock.within_second`, and not the beginning of the second.
        """
        lid, live = lid_of(cast.friend), linked.session.live
        for text in ("Brand new", "Newer still"):  # twice: the first time a second may end in between
            await live.about(lid, refresh=True)
            await linked.simulation.later()
            linked.simulation.live.change_about(lid, text)
            await linked.eventually(partial(live.about, lid), text, "the new about text")

    @needs(Feed.LIDS, Feed.PUSHNAMES, Feed.CONTACTS)
    async def test_a_number_that_somebody_else_takes_over_is_theirs(
        self, linked: Stage, cast: Cast, tmp_path: Path
    ) -> None:
        """The number stands for the newcomer's LID; whoever had it is left with the LID alone.

        If this fails: feed a `LinkFact` for the new pair as soon as the server announces it.
        """
        service = linked.simulation.service
        linked.simulation.live.reassign_number(phone_of(cast.friend), pushname="Newcomer")
        expected = await reference_bodies(service, self.engine.feeds, tmp_path / "reference")

        async def differences() -> list[str]:
            return (await bodies_of(linked.session.directory)).differences(expected)

        none: list[str] = []
        await linked.eventually(differences, none, "all bodies to be those of the reference")

    async def test_after_an_eventful_day_every_body_is_still_the_same(
        self, linked: Stage, cast: Cast, tmp_path: Path
    ) -> None:
        """Told change by change or all at once, the lists are the same bytes.

        If this fails: each line names an entry that differs; a change was told of another identifier or field than the
        first sync tells, or not at all.
        """
        service, live = linked.simulation.service, linked.simulation.live
        service.phone_edits_contact(phone_of(cast.friend), "Changed", "Name")
        service.phone_edits_contact(phone_of(cast.stranger), "Just", "Saved")
        service.phone_deletes_contact(phone_of(cast.other_friend))
        service.phone_blocks(phone_of(cast.silent))
        service.phone_unblocks(lid_of(cast.blocked))
        service.reveal_phone(lid_of(cast.masked))
        live.change_pushname(lid_of(cast.friend), "Evening Name")
        live.leave_group(cast.group.id, lid_of(cast.numberless))
        expected = await reference_bodies(service, self.engine.feeds, tmp_path / "reference")

        async def differences() -> list[str]:
            return (await bodies_of(linked.session.directory)).differences(expected)

        none: list[str] = []
        await linked.eventually(differences, none, "all bodies to be those of the reference")
