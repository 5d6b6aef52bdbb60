"""A world in the middle of its life: everything indexed, and every change applied to it.

A change that speaks of somebody who is not there, because the world file was edited since, changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lidbook.facts import Role
from lidbook.identifiers import GroupId, Lid, PhoneNumber, UserId, spellings
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
from lidbook.world.model import BookEntry, Member, World, WorldAccount, WorldGroup, WorldPerson
from lidbook.world.wanted import Wanted, always, while_wanted


@dataclass(slots=True)
class AccountState:
    """What the server and the phone hold for one account now."""

    lid: Lid
    device: int
    book: dict[UserId, BookEntry]
    book_changed: int
    chats: dict[Lid, int]
    seen: dict[Lid, None]
    mapped: dict[Lid, int]
    """Whose number it knows, and since when."""
    blocked: dict[Lid, int]
    blocklist_changed: int
    groups: set[GroupId] = field(default_factory=set)

    def entry(self, user: UserId) -> BookEntry | None:
        """The line of the address book for `user`, under whichever spelling it was typed."""
        if isinstance(user, Lid):
            return self.book.get(user)
        for spelling in spellings(user):
            if (entry := self.book.get(spelling)) is not None:
                return entry
        return None


class WorldState:
    """Everybody by LID and by phone number, every account and every group, as of the last change applied."""

    def __init__(self, world: World, wanted: Wanted = always) -> None:
        """Raises `WorldUnwanted` soon after it is not `wanted`."""
        self.name = world.name
        self.people: dict[Lid, WorldPerson] = {
            person.lid: person for person in while_wanted(world.people, wanted) if person.lid is not None
        }
        self.phones: dict[PhoneNumber, Lid] = {
            person.phone: lid for lid, person in while_wanted(self.people.items(), wanted) if person.phone is not None
        }
        self.groups: dict[GroupId, WorldGroup] = {group.id: group for group in world.groups}
        self.accounts: dict[Lid, AccountState] = {
            account.lid: _opened(account, self.people, wanted) for account in world.accounts
        }
        self.unplaced = 0
        """How many changes spoke of somebody who is not there."""
        for group in world.groups:
            for member in group.members:
                if member.lid in self.accounts:
                    self.accounts[member.lid].groups.add(group.id)

    def find(self, user: UserId) -> WorldPerson | None:
        """The registered person with exactly this LID or this spelling of a phone number."""
        lid = user if isinstance(user, Lid) else self.phones.get(user)
        return None if lid is None else self.people.get(lid)

    def subscriber(self, phone: PhoneNumber) -> WorldPerson | None:
        """The registered person who is dialled with `phone`, under whichever spelling the server has them."""
        for spelling in spellings(phone):
            if (person := self.find(spelling)) is not None:
                return person
        return None

    def groups_of(self, account: AccountState) -> Iterator[WorldGroup]:
        """The groups an account is in, by id."""
        for group in sorted(account.groups):
            yield self.groups[group]

    def apply(self, change: Change) -> None:
        """Bring everything to where it is after `change`."""
        match change:
            case ContactSaved() | ContactRemoved() | Blocked() | Unblocked() | MessageReceived():
                account = self.accounts.get(change.account)
                if account is None:
                    self.unplaced += 1
                else:
                    self._apply_to_account(account, change)
            case RoleChanged():
                self._apply_to_group(change)
            case NumberReassigned():
                self._reassign(change)
            case _:
                self._apply_to_person(change)

    def _apply_to_account(
        self, account: AccountState, change: ContactSaved | ContactRemoved | Blocked | Unblocked | MessageReceived
    ) -> None:
        match change:
            case ContactSaved(at, _, user, first, last, full, on_phone):
                old = account.entry(user)
                if old is not None:
                    del account.book[old.user]
                account.book[user] = BookEntry(user, first, last, full, at, on_phone)
                account.book_changed = at
            case ContactRemoved():
                account.book.pop(change.user, None)
                account.book_changed = change.at
            case _ if change.lid not in self.people:
                self.unplaced += 1
            case Blocked():
                account.blocked[change.lid] = change.at
                account.blocklist_changed = change.at
                if change.phone is not None:
                    account.mapped.setdefault(change.lid, change.at)
            case Unblocked():
                account.blocked.pop(change.lid, None)
                account.blocklist_changed = change.at
            case MessageReceived():
                account.chats[change.lid] = change.at
                account.mapped.setdefault(change.lid, change.at)

    def _apply_to_person(
        self, change: NumberChanged | PictureChanged | AboutChanged | PushnameChanged | PrivacyChanged
    ) -> None:
        person = self.people.get(change.lid)
        if person is None:
            self.unplaced += 1
            return
        match change:
            case NumberChanged():
                if person.phone is not None:
                    self.phones.pop(person.phone, None)
                self._take_away(change.phone)
                self.phones[change.phone] = change.lid
                person = replace(person, phone=change.phone, since=change.at)
            case PictureChanged():
                person = replace(person, picture=change.picture)
            case AboutChanged():
                person = replace(person, about=change.about)
            case PushnameChanged():
                person = replace(person, pushname=change.pushname, since=change.at)
            case PrivacyChanged():
                person = replace(
                    person,
                    hides_about=change.hides_about,
                    hides_picture=change.hides_picture,
                    hides_phone=change.hides_phone,
                )
        self.people[change.lid] = person

    def _reassign(self, change: NumberReassigned) -> None:
        self._take_away(change.phone)
        newcomer = WorldPerson(phone=change.phone, lid=change.lid, since=change.at, pushname=change.pushname)
        self.people[change.lid] = newcomer
        self.phones[change.phone] = change.lid

    def _take_away(self, phone: PhoneNumber) -> None:
        """Whoever had `phone` is left without a number."""
        lid = self.phones.pop(phone, None)
        if lid is not None:
            self.people[lid] = replace(self.people[lid], phone=None)

    def _apply_to_group(self, change: RoleChanged) -> None:
        group = self.groups.get(change.group)
        if group is None or change.lid not in self.people:
            self.unplaced += 1
            return
        members = {member.lid: member for member in group.members}
        if change.role is Role.LEFT:
            members.pop(change.lid, None)
        else:
            members[change.lid] = Member(change.lid, change.role)
        self.groups[group.id] = replace(group, members=tuple(members.values()), changed=change.at)
        account = self.accounts.get(change.lid)
        if account is not None and change.role is Role.LEFT:
            account.groups.discard(group.id)
        elif account is not None:
            account.groups.add(group.id)


def _opened(account: WorldAccount, people: dict[Lid, WorldPerson], wanted: Wanted) -> AccountState:
    """The account at the beginning; of two lines for one number, in whatever spelling, the first one counts.

    Nobody without a push name was seen by it: no server tells of such people.
    """
    named = (lid for lid in account.seen if (person := people.get(lid)) is not None and person.pushname is not None)
    state = AccountState(
        lid=account.lid,
        device=account.device,
        book={},
        book_changed=max((entry.changed for entry in account.book), default=account.since),
        chats={chat.lid: chat.at for chat in account.chats},
        seen=dict.fromkeys(sorted(named)),
        mapped=dict.fromkeys(sorted(account.mapped), account.since),
        blocked=dict.fromkeys(sorted(account.blocklist), account.since),
        blocklist_changed=account.since,
    )
    for entry in while_wanted(account.book, wanted):
        if state.entry(entry.user) is None:
            state.book[entry.user] = entry
    return state
