"""What clients read is what is true in the world, as far as this account may know it."""

from pathlib import Path

from lidbook.capabilities import Capability, Feed
from lidbook.facts import Role
from lidbook.testing.cast import Cast, lid_of, phone_of
from lidbook.testing.compliance.base import OnStage
from lidbook.testing.needs import needs
from lidbook.testing.reference import bodies_of, reference_bodies
from lidbook.testing.stage import Stage
from lidbook.values import LidState


class Directory(OnStage):
    """Lists and look-ups after the first sync."""

    @needs(Capability.CONTACTS_LIST)
    async def test_every_contact_is_listed_once(self, linked: Stage) -> None:
        """Everybody in the address book, everybody with a push name or a chat, and nobody twice.

            address book: Ada (phone 1)         pushed: Ada (LID 9)      ->  one row, phone 1 and LID 9

        If this fails: feed the address book under the phone number, push names under the LID where it is known, and a
        `LinkFact` for each pair, from every source that shows one.
        """
        contacts = await linked.contacts()
        service = linked.simulation.service
        expected = {str(saved.person.id) for saved in service.address_book()}
        expected |= {str(seen.person.id) for seen in service.push_names() if seen.pushname or seen.chat}
        blocked = {str(user) for user in service.blocklist()}  # listed by those engines that feed the blocklist
        found = [contact["id"] for contact in contacts if not contact["isMe"]]
        assert len(found) == len(set(found)), "somebody is listed twice"
        assert set(found) - blocked == expected - blocked

    @needs(Capability.CONTACTS_GET)
    async def test_names_are_kept_apart_by_source(self, linked: Stage) -> None:
        """`name` is the address book's, `pushname` the person's own; neither stands in for the other.

        If this fails: feed FIRST_NAME, LAST_NAME and FULL_NAME with `Source.ADDRESS_BOOK` from app state alone, and
        PUSHNAME from history and messages alone. Libraries often mix them in one `name`.
        """
        for saved in linked.simulation.service.address_book():
            contact = linked.contact(saved.person.id)
            assert contact["name"] == saved.full_name, f"the name of {saved.person.id}"
            assert contact["shortName"] == saved.first_name, f"the first name of {saved.person.id}"
            assert contact["isMyContact"] is True
        for seen in linked.simulation.service.push_names():
            contact = linked.contact(seen.person.id)
            assert contact["pushname"] == seen.pushname, f"the push name of {seen.person.id}"

    @needs(Capability.CONTACTS_GET)
    async def test_businesses_and_usernames_are_told(self, linked: Stage, cast: Cast) -> None:
        """A verified business name and a username are fields of their own.

        If this fails: feed VERIFIED_NAME with BUSINESS, and USERNAME, wherever the library shows them.
        """
        business = linked.contact(lid_of(cast.business))
        assert (business["verifiedName"], business["isBusiness"]) == (cast.business.verified_name, True)
        assert linked.contact(lid_of(cast.named))["username"] == cast.named.username

    @needs(Capability.CONTACTS_GET, Feed.LIDS)
    async def test_one_person_is_found_by_either_identifier(self, linked: Stage, cast: Cast) -> None:
        """Phone number and LID of a person give the same object, with both in it.

        If this fails: feed a `LinkFact` for the pair; the history's list of mappings holds most of them.
        """
        by_phone = linked.contact(phone_of(cast.friend))
        assert by_phone == linked.contact(lid_of(cast.friend))
        assert (by_phone["id"], by_phone["lid"]) == (str(cast.friend.phone), str(cast.friend.lid))

    @needs(Capability.CONTACTS_GET)
    async def test_the_account_knows_itself(self, linked: Stage) -> None:
        """The account is `isMe`, and nobody else is.

        If this fails: report WORKING with the account's phone number and LID; the core does the rest.
        """
        account = linked.simulation.service.account()
        assert linked.contact(account.lid)["isMe"] is True
        assert linked.contact(account.phone)["isMe"] is True
        assert [c["id"] for c in await linked.contacts() if c["isMe"]] in ([], [str(account.phone)])

    @needs(Capability.CONTACTS_GET, Capability.LIDS_PHONE)
    async def test_no_number_is_made_up(self, linked: Stage, cast: Cast) -> None:
        """Whoever is known by LID alone has no phone number, and the digits of a LID are none.

        If this fails: look for a place where `<digits>@lid` becomes `<digits>@c.us`; parse identifiers in one place.
        """
        for person in (cast.numberless, cast.masked):
            contact = linked.contact(lid_of(person))
            assert contact["number"] is None
            assert contact["id"] == str(person.lid)
        lids = {lid.digits for lid in linked.simulation.live.state.people}
        made_up = [c["id"] for c in await linked.contacts() if c["number"] in lids]
        assert made_up == [], "digits of a LID wear a phone number's suffix"

    @needs(Capability.LIDS_LIST, Capability.LIDS_PHONE, Capability.LIDS_LID)
    async def test_pairs_are_those_that_the_account_may_know(self, linked: Stage) -> None:
        """Every pair of the history's list is there, both ways, and none that the server keeps to itself.

        If this fails: feed the whole list of mappings that history brings; fields of single chats hold few of them.
        """
        expected = {(str(m.lid), str(m.phone)) for m in linked.simulation.service.lid_mappings()}
        known = {(pair["lid"], pair["pn"]) for pair in await linked.lids()}
        me = linked.simulation.service.account()
        shown = {
            (str(p.lid), str(p.phone))
            for view in linked.simulation.service.each_group()
            for p in view.participants
            if p.phone is not None and p.lid is not None
        }
        assert expected - known == set(), "pairs that are missing"
        assert known - expected - shown - {(str(me.lid), str(me.phone))} == set(), "pairs that nobody told"
        for mapping in linked.simulation.service.lid_mappings():
            assert linked.session.directory.lid_pair(mapping.lid).phone == mapping.phone
            assert linked.session.directory.phone_pair(mapping.phone).lid == mapping.lid

    @needs(Capability.LIDS_PHONE, Capability.GROUPS_LIST)
    async def test_a_number_that_is_withheld_is_hidden_and_not_unknown(self, linked: Stage, cast: Cast) -> None:
        """A LID that a group shows without its number is `hidden`: asking again would not help.

        If this fails: feed HIDDEN, True, on the LID of a participant who is shown without a number.
        """
        answer = linked.session.directory.lid_pair(lid_of(cast.masked))
        assert (answer.phone, answer.state) == (None, LidState.HIDDEN)

    @needs(Capability.GROUPS_LIST)
    async def test_groups_are_told_with_everybody_in_them(self, linked: Stage) -> None:
        """Groups with subject, owner, time and size, and each participant by every identifier that the group shows.

        If this fails: feed a `GroupFact` with the whole list of participants for each group, and then a `GroupListFact`
        that names them all.
        """
        views = {str(view.id): view for view in linked.simulation.service.each_group()}
        groups = {group["id"]: group for group in await linked.groups()}
        assert set(groups) == set(views)
        for name, view in views.items():
            group = groups[name]
            assert (group["subject"], group["description"]) == (view.subject, view.description)
            assert (group["creation"], group["size"]) == (view.creation, len(view.participants))
            members = {(p["lid"], p["role"]) for p in group["participants"]}
            assert members == {(str(p.lid), p.role.value) for p in view.participants}
            assert all(p["role"] != Role.LEFT for p in group["participants"])

    @needs(Capability.BLOCKLIST)
    async def test_the_blocklist_is_whole(self, linked: Stage) -> None:
        """Everybody whom the account blocked, each once.

        If this fails: feed a `BlocklistFact` with all identifiers of the server's list when the session has connected.
        """
        blocked = linked.simulation.service.state.blocked
        found = await linked.blocklist()
        assert {person["lid"] for person in found} == {str(lid) for lid in blocked}
        assert all(person["isBlocked"] for person in found)

    @needs(Feed.CONTACTS)
    async def test_another_spelling_finds_the_same_person(self, linked: Stage, cast: Cast) -> None:
        """A Brazilian number with and without its ninth digit is one person, under the server's spelling.

        If this fails: feed the address book under the spelling that the server answers, not the one on the phone.
        """
        typed, person = cast.respelled
        assert linked.contact(typed) == linked.contact(phone_of(person))
        assert linked.contact(typed)["id"] == str(person.phone)

    async def test_every_body_is_the_one_that_any_engine_gives(self, linked: Stage, tmp_path: Path) -> None:
        """All lists, byte for byte, are those of the reference on the same world.

        If this fails: each line names an entry that is there and should not be, or the reverse; the facts behind it are
        missing, or have another source or identifier than `lidbook.facts` says.
        """
        service = linked.simulation.service
        expected = await reference_bodies(service, self.engine.feeds, tmp_path / "reference")
        found = await bodies_of(linked.session.directory)
        assert found.differences(expected) == []
        assert found == expected
