"""What a server tells one account, and what it does not."""

import json

import pytest

from lidbook.errors import InvalidWorld, NotOnWhatsApp
from lidbook.facts import PictureState, Role
from lidbook.identifiers import GroupId, Lid, PhoneNumber
from lidbook.values import Person
from lidbook.world.changes import Change, ContactSaved, Journal, PushnameChanged
from lidbook.world.files import parse_world
from lidbook.world.live import LiveWorld
from lidbook.world.model import World
from lidbook.world.service import WorldService

NOW = 1_750_000_000_000
ME, ANA, BEN, HID, LONE, OTHER = (Lid(f"10000000000000{n}") for n in range(1, 7))
ME_PHONE, ANA_PHONE, HID_PHONE, OTHER_PHONE = (PhoneNumber(f"1202555010{n}") for n in (1, 2, 4, 6))
BEN_PHONE, BEN_TYPED = PhoneNumber("553188887777"), PhoneNumber("5531988887777")
STRANGER = PhoneNumber("12025550150")
GROUP = GroupId("120363000000000001")

WORLD = {
    "people": [
        {
            "phone": ME_PHONE.digits,
            "lid": str(ME),
            "pushname": "Me",
            "about": "mine",
            "picture": True,
            "hides": ["about", "picture"],
        },
        {"phone": ANA_PHONE.digits, "lid": str(ANA), "pushname": "Ana", "about": "Hi", "picture": "ana"},
        {"phone": BEN_PHONE.digits, "lid": str(BEN), "pushname": "Ben", "hides": ["about", "picture"], "picture": True},
        {"phone": HID_PHONE.digits, "lid": str(HID), "pushname": "Hid", "hides": ["phone"]},
        {"lid": str(LONE), "username": "lone"},
        {"phone": OTHER_PHONE.digits, "lid": str(OTHER), "pushname": "Other"},
    ],
    "accounts": [
        {
            "person": str(ME),
            "addressBook": [
                {"phone": BEN_TYPED.digits, "firstName": "Ben", "lastName": "Beach"},
                {"phone": BEN_PHONE.digits, "firstName": "Benjamin"},
                {"phone": STRANGER.digits, "name": "Stranger"},
            ],
            "chats": [str(ANA), str(HID), str(LONE)],
        },
        {"person": str(OTHER), "addressBook": [{"phone": HID_PHONE.digits, "name": "My friend"}]},
    ],
    "groups": [
        {
            "id": str(GROUP),
            "subject": "All",
            "owner": str(OTHER),
            "members": [str(lid) for lid in (ME, ANA, BEN, HID, LONE)],
        }
    ],
}


class Clock:
    """A clock that only tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


def world() -> World:
    return parse_world(json.dumps(WORLD).encode(), "test")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(clock: Clock) -> WorldService:
    return WorldService(LiveWorld(world(), now=clock))


@pytest.fixture
def other(service: WorldService) -> WorldService:
    return WorldService(service.live, OTHER_PHONE)


def by(user: PhoneNumber | Lid) -> Person:
    return Person(user, None) if isinstance(user, PhoneNumber) else Person(None, user)


def test_a_check_names_the_one_spelling_that_is_registered(service: WorldService) -> None:
    for asked in (BEN_PHONE, BEN_TYPED):
        (answer,) = service.check([asked])
        assert (answer.asked, answer.phone, answer.lid) == (asked, BEN_PHONE, BEN)
    assert [answer.registered for answer in service.check([STRANGER, ANA_PHONE])] == [False, True]


def test_lids_are_told_for_exact_numbers_even_of_those_who_hide_theirs(service: WorldService) -> None:
    assert service.lids([HID_PHONE, BEN_TYPED, STRANGER]) == {HID_PHONE: HID, BEN_TYPED: None, STRANGER: None}


def test_the_same_person_is_shown_differently_to_different_accounts(service: WorldService, other: WorldService) -> None:
    hidden = service.live.person(HID)
    assert service.shown(hidden) == Person(None, HID)
    assert other.shown(hidden) == Person(HID_PHONE, HID)
    assert HID not in {mapping.lid for mapping in service.lid_mappings()}
    assert HID in {mapping.lid for mapping in other.lid_mappings()}


def test_about_texts_and_pictures_are_hidden_from_others_and_not_from_oneself(service: WorldService) -> None:
    answers = service.about([by(BEN), by(ANA), by(ME), by(LONE), by(STRANGER)])
    assert [answer.about for answer in answers] == [None, "Hi", "mine", "", None]
    states = [service.picture(by(user)).state for user in (BEN, ANA, ME, LONE, STRANGER)]
    hidden, present, none = PictureState.HIDDEN, PictureState.PRESENT, PictureState.NONE
    assert states == [hidden, present, present, none, none]


def test_a_pictures_address_is_stable_says_when_it_expires_and_changes_with_the_picture(
    service: WorldService, clock: Clock
) -> None:
    picture = service.picture(by(ANA))
    assert picture.url is not None
    assert picture.url.startswith("https://pps.sandbox.invalid/v/t61/ana.jpg?oe=")
    assert picture.expires_at == int(picture.url.partition("oe=")[2], 16) * 1000
    clock.now += 60_000
    assert service.picture(by(ANA)) == picture
    clock.now = picture.expires_at
    renewed = service.picture(by(ANA))
    assert renewed.expires_at is not None
    assert renewed.expires_at > clock.now
    service.live.change_picture(ANA, "new")
    assert "/new.jpg" in (service.picture(by(ANA)).url or "")
    service.live.change_picture(ANA, None)
    assert service.picture(by(ANA)).state is PictureState.NONE


def test_the_address_book_is_one_line_a_person_under_the_servers_spelling(service: WorldService) -> None:
    lines = [(line.person.phone, line.full_name) for line in service.address_book()]
    assert lines == [(BEN_PHONE, "Ben Beach"), (STRANGER, "Stranger")]


def test_a_contact_is_written_over_the_line_that_is_there(service: WorldService) -> None:
    entry = service.update_contact(by(BEN), "Benny", None)
    assert (entry.person.phone, entry.full_name, entry.last_name) == (BEN_PHONE, "Benny", None)
    assert service.state.book[BEN_TYPED].full_name == "Benny"


def test_a_contact_known_by_lid_only_is_saved_under_the_lid(service: WorldService) -> None:
    entry = service.update_contact(by(LONE), "Lone", "Wolf")
    assert entry.person == Person(None, LONE, "lone")
    assert service.state.book[LONE].full_name == "Lone Wolf"
    service.delete_contact(by(LONE))
    assert LONE not in service.state.book


def test_two_lines_for_one_person_become_one_when_either_is_written(service: WorldService) -> None:
    service.update_contact(by(HID), "By", "Lid")
    service.live.commit(ContactSaved(0, service.lid, HID_PHONE, "By", "Phone", "By Phone"))
    assert len(service.state.book) == 4
    service.update_contact(Person(HID_PHONE, HID), "Once", None)
    assert len(service.state.book) == 3
    assert [line.full_name for line in service.address_book() if line.person.lid == HID] == ["Once"]


def test_saving_somebodys_number_makes_it_known(service: WorldService) -> None:
    service.update_contact(by(HID_PHONE), "Hid", None)
    assert service.shown(service.live.person(HID)).phone == HID_PHONE


def test_numbers_that_are_not_registered_can_be_saved_and_unknown_lids_cannot(service: WorldService) -> None:
    new = PhoneNumber("12025550160")
    assert service.update_contact(by(new), "New", None).person == Person(new, None)
    with pytest.raises(NotOnWhatsApp):
        service.update_contact(by(Lid("42")), "Nobody", None)


def test_deleting_takes_every_line_of_the_person_away(service: WorldService) -> None:
    service.update_contact(by(HID), "By", "Lid")
    service.live.commit(ContactSaved(0, service.lid, HID_PHONE, "By", "Phone", "By Phone"))
    service.delete_contact(Person(HID_PHONE, HID))
    service.delete_contact(by(BEN))
    assert [line.full_name for line in service.address_book()] == ["Stranger"]
    assert service.contact(by(BEN_TYPED)) is None
    sequence = service.live.sequence
    service.delete_contact(by(BEN_TYPED))
    assert service.live.sequence == sequence


def test_blocking_by_either_identifier_is_the_same(service: WorldService) -> None:
    assert service.block(by(BEN_TYPED)) == {BEN, BEN_PHONE}
    sequence = service.live.sequence
    assert service.block(by(BEN)) == {BEN, BEN_PHONE}
    assert service.live.sequence == sequence
    assert service.unblock(by(BEN)) == frozenset()


def test_the_blocklist_tells_no_number_that_the_account_does_not_know(service: WorldService) -> None:
    assert service.block(by(HID)) == {HID}
    assert service.unblock(by(HID)) == frozenset()
    assert service.block(by(HID_PHONE)) == {HID, HID_PHONE}


def test_only_people_on_whatsapp_can_be_blocked_and_nobody_blocks_themselves(service: WorldService) -> None:
    with pytest.raises(NotOnWhatsApp):
        service.block(by(STRANGER))
    assert service.block(by(ME)) == frozenset()


def test_a_group_hides_numbers_from_members_and_not_from_admins(service: WorldService, other: WorldService) -> None:
    (mine,), (admins,) = service.groups(), other.groups()
    assert {p.lid: p.phone for p in mine.participants}[HID] is None
    assert {p.lid: p.phone for p in admins.participants}[HID] == HID_PHONE
    assert mine.owner == OTHER_PHONE
    service.live.promote(GROUP, ME)
    assert {p.lid: p.phone for p in service.groups()[0].participants}[HID] == HID_PHONE


def test_joining_and_leaving_change_what_groups_an_account_is_in(service: WorldService) -> None:
    service.live.leave_group(GROUP, ME)
    assert service.groups() == ()
    assert service.group(GROUP) is None
    service.live.join_group(GROUP, ME)
    view = service.group(GROUP)
    assert view is not None
    assert [p.role for p in view.participants if p.lid == ME] == [Role.PARTICIPANT]
    with pytest.raises(InvalidWorld, match="no group"):
        service.live.join_group(GroupId("120363000000000099"), ME)


def test_a_message_reveals_the_number_for_good(service: WorldService, other: WorldService) -> None:
    service.reveal_phone(HID)
    assert HID_PHONE in {mapping.phone for mapping in service.lid_mappings()}
    assert {p.lid: p.phone for p in service.groups()[0].participants}[HID] == HID_PHONE
    assert other.live is service.live


def test_a_lid_moves_to_another_number(service: WorldService) -> None:
    service.live.change_number(ANA, STRANGER)
    assert service.check([ANA_PHONE, STRANGER])[0].registered is False
    assert service.lids([STRANGER]) == {STRANGER: ANA}
    assert next(c for c in service.address_book() if c.full_name == "Stranger").person.lid == ANA


def test_a_number_goes_to_somebody_else_and_the_first_is_left_with_a_lid(service: WorldService) -> None:
    newcomer = service.live.reassign_number(BEN_PHONE, pushname="Novo")
    assert service.lids([BEN_PHONE]) == {BEN_PHONE: newcomer}
    assert service.live.person(BEN).phone is None
    (line, _) = service.address_book()
    assert (line.person.lid, line.full_name) == (newcomer, "Ben Beach")


def test_what_is_learnt_person_by_person_is_what_the_lists_hold(service: WorldService) -> None:
    introductions = list(service.introductions())
    assert [i.saved for i in introductions if i.saved] == list(service.address_book())
    assert {i.seen.person.id for i in introductions if i.seen} == {s.person.id for s in service.push_names()}
    assert {i.mapping for i in introductions if i.mapping} == set(service.lid_mappings())


def test_every_device_hears_of_changes_until_it_unsubscribes(service: WorldService, other: WorldService) -> None:
    heard: list[Change] = []
    stop = other.subscribe(heard.append)
    service.phone_edits_contact(BEN_TYPED, "B")
    service.live.change_pushname(ANA, "Anna")
    stop()
    service.phone_blocks(ANA)
    assert [type(change) for change in heard] == [ContactSaved, PushnameChanged]


def test_changes_never_share_a_time_and_time_never_goes_back(service: WorldService, clock: Clock) -> None:
    service.phone_blocks(ANA)
    service.phone_unblocks(ANA)
    clock.now -= 3_600_000
    service.phone_blocks(ANA)
    times = [change.at for change in service.live.since(0)]
    assert times == [NOW, NOW + 1, NOW + 2]
    assert service.live.time() == NOW + 2
    assert service.live.moment(after=NOW + 10) == NOW + 11


def test_what_was_changed_is_there_again_when_the_journal_is_replayed(clock: Clock) -> None:
    journal = Journal()
    service = WorldService(LiveWorld(world(), journal, clock))
    service.phone_edits_contact(BEN_PHONE, "Bento")
    service.phone_deletes_contact(STRANGER)
    service.phone_blocks(ANA)
    service.reveal_phone(HID)
    service.live.change_number(ANA, STRANGER)
    service.live.reassign_number(ANA_PHONE)
    service.live.change_about(BEN, "x")
    service.live.change_picture(BEN, "y")
    service.live.change_privacy(BEN, about=False, picture=False)
    service.live.promote(GROUP, ANA)
    service.live.leave_group(GROUP, BEN)
    again = WorldService(LiveWorld(world(), journal, clock))
    assert again.live.state.people == service.live.state.people
    assert again.live.state.groups == service.live.state.groups
    assert again.state == service.state
    assert again.live.time() == service.live.time()
    assert again.live.state.unplaced == 0


def test_changes_that_speak_of_people_who_are_gone_are_counted_and_left_out(clock: Clock) -> None:
    journal = Journal()
    service = WorldService(LiveWorld(world(), journal, clock))
    newcomer = service.live.reassign_number(PhoneNumber("12025550170"))
    service.phone_blocks(newcomer)
    service.live.change_about(ANA, "x")
    service.live.join_group(GROUP, newcomer)
    lonely = parse_world(
        json.dumps({"people": [{"phone": "12025550101", "lid": str(ME)}], "accounts": [{"person": str(ME)}]}).encode(),
        "test",
    )
    again = LiveWorld(lonely, journal, clock)
    assert again.state.unplaced == 2
    assert WorldService(again).blocklist() == {newcomer}


def test_an_account_that_is_none_is_refused_with_those_there_are(service: WorldService) -> None:
    with pytest.raises(NotOnWhatsApp, match=r"12025550102 is no account .* 12025550101@c\.us, 12025550106@c\.us"):
        WorldService(service.live, ANA_PHONE)
    with pytest.raises(InvalidWorld, match="has no account"):
        LiveWorld(World("empty", (), ()))


def test_an_account_whose_number_was_given_away_says_so(service: WorldService) -> None:
    service.live.reassign_number(ME_PHONE)
    with pytest.raises(NotOnWhatsApp, match="given to somebody else"):
        service.account()
