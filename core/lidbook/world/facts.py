"""What a world tells a linked device, in the directory's words.

Every fact carries the time at which it became so in the world, or `floor` if that is later: the time at which an
edited world file was noticed, since nobody knows when within the file things changed.
"""

from collections.abc import Collection, Generator, Iterable, Iterator

from lidbook.capabilities import Feed
from lidbook.facts import (
    BlocklistFact,
    ContactListFact,
    Fact,
    Field,
    FieldFact,
    FieldValue,
    GroupFact,
    GroupListFact,
    LinkFact,
    ParticipantFact,
    Role,
    Source,
)
from lidbook.identifiers import Lid, PhoneNumber, UserId
from lidbook.values import Person
from lidbook.world.changes import (
    AboutChanged,
    Blocked,
    Change,
    ContactRemoved,
    ContactSaved,
    MessageReceived,
    NumberChanged,
    NumberReassigned,
    PictureChanged,
    PrivacyChanged,
    PushnameChanged,
    RoleChanged,
    Unblocked,
)
from lidbook.world.model import BookEntry
from lidbook.world.service import WorldService
from lidbook.world.views import GroupView, Introduction, SavedContact, SeenPerson

NAMES = (Field.FIRST_NAME, Field.LAST_NAME, Field.FULL_NAME)


def introduction_facts(introduction: Introduction, floor: int = 0) -> Iterator[Fact]:
    """All that linking a device tells of one person; the pair first, and once."""
    saved, seen, mapping = introduction.saved, introduction.seen, introduction.mapping
    if mapping is not None and (saved is None or saved.person.phone is None):
        yield LinkFact(mapping.phone, mapping.lid, Source.HISTORY, max(mapping.at, floor))
    if saved is not None:
        at = max(saved.changed, floor)
        if saved.person.phone is not None and saved.person.lid is not None:
            yield LinkFact(saved.person.phone, saved.person.lid, Source.ADDRESS_BOOK, at)
        yield from _name_facts(saved, at)
    if seen is not None:
        yield from _seen_facts(seen, floor)


def people_facts(service: WorldService, floor: int = 0) -> Generator[Fact, None, None]:
    """All that linking a device tells of people: each of them, and then who is in the address book."""
    for introduction in service.introductions():
        yield from introduction_facts(introduction, floor)
    yield contact_list_fact(service, floor)


def _seen_facts(seen: SeenPerson, floor: int) -> Iterator[Fact]:
    user, at = _own_id(seen.person), max(seen.at, floor)
    values: tuple[tuple[Field, FieldValue], ...] = (
        (Field.PUSHNAME, seen.pushname),
        (Field.VERIFIED_NAME, seen.verified_name),
        (Field.USERNAME, seen.person.username),
        (Field.BUSINESS, seen.business or None),
        (Field.CHAT, seen.chat or None),
        (Field.HIDDEN, True if seen.person.phone is None else None),
    )
    for field, value in values:
        if value is not None:
            yield FieldFact(user, field, value, Source.HISTORY, at)


def told_by(facts: Iterable[Fact], feeds: Collection[Feed]) -> Iterator[Fact]:
    """Those that an engine with these feeds tells: what belongs to no feed, as a new picture, always."""
    return (fact for fact in facts if feed_of(fact) is None or feed_of(fact) in feeds)


def feed_of(fact: Fact) -> Feed | None:
    """The feed that a fact of a world belongs to."""
    match fact:
        case FieldFact(source=Source.GROUP) | GroupFact() | ParticipantFact() | GroupListFact():
            return Feed.GROUPS
        case FieldFact(field=Field.FIRST_NAME | Field.LAST_NAME | Field.FULL_NAME) | ContactListFact():
            return Feed.CONTACTS
        case FieldFact(field=Field.BLOCKED) | BlocklistFact():
            return Feed.BLOCKLIST
        case FieldFact(field=Field.PICTURE | Field.ABOUT):
            return None
        case FieldFact():
            return Feed.PUSHNAMES
        case LinkFact():
            return Feed.LIDS


def group_facts(view: GroupView, source: Source, at: int) -> Iterator[Fact]:
    """A group, and for members shown by LID alone that this is on purpose."""
    yield GroupFact(
        view.id,
        source,
        at,
        subject=view.subject,
        description=view.description,
        owner=view.owner,
        creation=view.creation,
        participants=view.participants,
    )
    for participant in view.participants:
        if participant.phone is None and participant.lid is not None:
            yield FieldFact(participant.lid, Field.HIDDEN, True, Source.GROUP, at)


def group_list_fact(service: WorldService, source: Source, at: int) -> GroupListFact:
    """All groups the account is in."""
    return GroupListFact(frozenset(service.state.groups), source, at)


def blocklist_fact(service: WorldService, floor: int = 0) -> BlocklistFact:
    """The whole blocklist."""
    return BlocklistFact(service.blocklist(), Source.SERVER, max(service.state.blocklist_changed, floor))


def contact_list_fact(service: WorldService, floor: int = 0) -> ContactListFact:
    """Everybody in the address book, each under the identifier that their names are told under; tell it after them."""
    users = frozenset(saved.person.id for saved in service.address_book())
    return ContactListFact(users, Source.ADDRESS_BOOK, max(service.state.book_changed, floor))


def change_facts(service: WorldService, change: Change) -> Iterator[Fact]:
    """What the account's devices are told of a change; nothing, if it is none of their business."""
    match change:
        case ContactSaved() | ContactRemoved() | Blocked() | Unblocked() | MessageReceived():
            if change.account == service.lid:
                yield from _account_facts(service, change)
        case RoleChanged():
            yield from _role_facts(service, change)
        case NumberChanged() | NumberReassigned():
            yield from _number_facts(service, change)
        case PictureChanged(at, lid):
            if service.has_met(lid):
                picture = service.picture(Person(None, lid))
                yield FieldFact(lid, Field.PICTURE, picture, Source.NOTIFICATION, at)
        case AboutChanged(at, lid, about):
            person = service.live.state.people.get(lid)
            if person is not None and service.has_met(lid) and not person.hides_about:
                yield FieldFact(lid, Field.ABOUT, about, Source.NOTIFICATION, at)
        case PushnameChanged(at, lid, pushname):
            if lid in service.state.chats or lid in service.state.seen:
                yield FieldFact(lid, Field.PUSHNAME, pushname, Source.MESSAGE, at)
        case PrivacyChanged():
            return  # no server announces it


def _account_facts(
    service: WorldService, change: ContactSaved | ContactRemoved | Blocked | Unblocked | MessageReceived
) -> Iterator[Fact]:
    match change:
        case ContactSaved(at, _, user, first, last, full):
            saved = service.saved(BookEntry(user, first, last, full, at))
            yield from _name_facts(saved, at)
            if saved.person.phone is not None and saved.person.lid is not None:
                yield LinkFact(saved.person.phone, saved.person.lid, Source.ADDRESS_BOOK, at)
        case ContactRemoved(at, _, user):
            yield from _name_facts(service.saved(BookEntry(user, None, None, None, at)), at)
        case Blocked(at, _, lid) | Unblocked(at, _, lid):
            person = service.live.state.people.get(lid)
            shown = Person(None, lid) if person is None else service.shown(person)
            for each in (shown.lid, shown.phone):
                if each is not None:
                    yield FieldFact(each, Field.BLOCKED, isinstance(change, Blocked), Source.NOTIFICATION, at)
        case MessageReceived(at, _, lid):
            person = service.live.state.people.get(lid)
            if person is None:
                return
            if person.phone is not None:
                yield LinkFact(person.phone, lid, Source.MESSAGE, at)
            if person.pushname is not None:
                yield FieldFact(lid, Field.PUSHNAME, person.pushname, Source.MESSAGE, at)
            yield FieldFact(lid, Field.CHAT, True, Source.MESSAGE, at)


def _name_facts(saved: SavedContact, at: int) -> Iterator[Fact]:
    """All three names, the missing ones as deletions."""
    for field, value in zip(NAMES, (saved.first_name, saved.last_name, saved.full_name), strict=True):
        yield FieldFact(saved.person.id, field, value, Source.ADDRESS_BOOK, at)


def _number_facts(service: WorldService, change: NumberChanged | NumberReassigned) -> Iterator[Fact]:
    """A new pair, under the source of the one it supersedes: a phone tells its address book anew after a change."""
    state = service.state
    numbers = [change.phone]
    if isinstance(change, NumberChanged) and change.old_phone is not None:
        numbers.append(change.old_phone)
    booked = any(state.entry(number) is not None for number in numbers)
    known = change.lid in state.mapped or change.lid in state.chats
    person = service.live.state.people.get(change.lid)
    if person is None or person.phone != change.phone or not (booked or known):
        return
    yield LinkFact(change.phone, change.lid, Source.ADDRESS_BOOK if booked else Source.NOTIFICATION, change.at)


def _role_facts(service: WorldService, change: RoleChanged) -> Iterator[Fact]:
    group = service.live.state.groups.get(change.group)
    person = service.live.state.people.get(change.lid)
    mine = change.lid == service.lid
    if group is None or person is None or not (mine or change.group in service.state.groups):
        return
    if mine and change.role is Role.LEFT:
        yield group_list_fact(service, Source.NOTIFICATION, change.at)  # a group that is named anywhere else is seen
        return
    participant = service.participant(group, person, change.role)
    yield ParticipantFact(change.group, participant, Source.NOTIFICATION, change.at)
    if participant.phone is None and participant.lid is not None:
        yield FieldFact(participant.lid, Field.HIDDEN, True, Source.GROUP, change.at)
    if mine:
        if (view := service.group(change.group)) is not None:
            yield from group_facts(view, Source.NOTIFICATION, change.at)
        yield group_list_fact(service, Source.NOTIFICATION, change.at)


def _own_id(person: Person) -> Lid | PhoneNumber:
    """What a person's own doings are told under: the LID, which stays with them when the number does not."""
    user: UserId = person.id if person.lid is None else person.lid
    return user
