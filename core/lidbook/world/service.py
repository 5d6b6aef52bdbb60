"""What a WhatsApp server answers to one account: its privacy rules, its spellings, its silences.

A server tells the LID of a phone number, and never the phone number of a LID.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from lidbook.errors import NotOnWhatsApp
from lidbook.facts import Participant, Picture, PictureState, Role
from lidbook.identifiers import GroupId, Lid, PhoneNumber, UserId
from lidbook.values import AboutAnswer, Account, AddressBookEntry, Person, Registration
from lidbook.world.changes import Blocked, Change, ContactRemoved, ContactSaved, MessageReceived, Unblocked
from lidbook.world.live import LiveWorld
from lidbook.world.model import Addressing, BookEntry, WorldGroup, WorldPerson
from lidbook.world.state import AccountState
from lidbook.world.views import GroupView, Introduction, LidMapping, SavedContact, SeenPerson

WEEK: Final = 7 * 24 * 3600
PICTURE_HOST: Final = "https://pps.sandbox.invalid"


class WorldService:
    """The server, and the phone, of one account of a `LiveWorld`."""

    def __init__(self, live: LiveWorld, account: UserId | None = None) -> None:
        """By LID, an account that has no number any more is found as well."""
        self.live = live
        self.lid = account if isinstance(account, Lid) else live.account(account)

    @property
    def state(self) -> AccountState:
        """What the server and the phone hold for this account now."""
        return self.live.state.accounts[self.lid]

    def account(self) -> Account:
        """Who this account is. Raises `NotOnWhatsApp` when its own number was given to somebody else."""
        person = self.live.person(self.lid)
        if person.phone is None:
            raise NotOnWhatsApp(f"the number of the account {self.lid} was given to somebody else")
        return Account(person.phone, self.lid, person.pushname, self.state.device)

    # What a live query answers.

    def check(self, phones: Sequence[PhoneNumber]) -> list[Registration]:
        """Whether each number is registered, and under which spelling."""
        return [self._registration(phone) for phone in phones]

    def lids(self, phones: Sequence[PhoneNumber]) -> dict[PhoneNumber, Lid | None]:
        """The LID of each number in exactly this spelling; None where the server has it under another, or not."""
        return {phone: self.live.state.phones.get(phone) for phone in phones}

    def about(self, persons: Sequence[Person]) -> list[AboutAnswer]:
        """Each person's about text; None where they hide it, or are not on WhatsApp."""
        return [AboutAnswer(person, self._about(self.resolve(person))) for person in persons]

    def picture(self, person: Person) -> Picture:
        """The person's picture; its address stays the same for a week and is good for another."""
        found = self.resolve(person)
        if found is not None and found.hides_picture and found.lid != self.lid:
            return Picture(PictureState.HIDDEN)
        if found is None or found.picture is None:
            return Picture(PictureState.NONE)
        expiry = (self.live.time() // 1000 // WEEK + 2) * WEEK
        return Picture(
            PictureState.PRESENT, f"{PICTURE_HOST}/v/t61/{found.picture}.jpg?oe={expiry:x}", expires_at=expiry * 1000
        )

    def groups(self) -> tuple[GroupView, ...]:
        """The groups this account is in."""
        return tuple(self.each_group())

    def each_group(self) -> Iterator[GroupView]:
        """The same one by one, for accounts in very many."""
        return (self.view(group) for group in self.live.state.groups_of(self.state))

    def group(self, group: GroupId) -> GroupView | None:
        """One group, None unless this account is in it."""
        return self.view(self.live.state.groups[group]) if group in self.state.groups else None

    def blocklist(self) -> frozenset[UserId]:
        """Everybody blocked: the LIDs, and the phone numbers that this account knows."""
        users: set[UserId] = set()
        for lid in self.state.blocked:
            person = self.shown(self.live.person(lid))
            users.update(user for user in (person.lid, person.phone) if user is not None)
        return frozenset(users)

    # What this account, or its phone, changes.

    def update_contact(
        self, person: Person, first_name: str, last_name: str | None, *, save_on_phone: bool = True
    ) -> AddressBookEntry:
        """Write somebody into the address book; returns the line as it stands there afterwards."""
        first, last = first_name.strip(), (last_name or "").strip()
        full = " ".join(part for part in (first, last) if part)
        user = self._book_key(person)
        for other in self._book_keys(person)[1:]:
            self.live.commit(ContactRemoved(0, self.lid, other))
        self.live.commit(
            ContactSaved(0, self.lid, user, first or None, last or None, full or None, on_phone=save_on_phone)
        )
        saved = self.contact(person)
        if saved is None:
            raise LookupError(f"{user} is not in the address book it was just written to")
        return saved

    def delete_contact(self, person: Person) -> None:
        """Take somebody out of the address book; somebody who is not in it is no error."""
        for user in self._book_keys(person):
            self.live.commit(ContactRemoved(0, self.lid, user))

    def block(self, person: Person) -> frozenset[UserId]:
        """Block somebody; returns the whole blocklist. Raises `NotOnWhatsApp`."""
        found = self._registered(person)
        if found.lid is not None and found.lid not in self.state.blocked and found.lid != self.lid:
            phone = found.phone if person.phone is not None else None
            self.live.commit(Blocked(0, self.lid, found.lid, phone))
        return self.blocklist()

    def unblock(self, person: Person) -> frozenset[UserId]:
        """Unblock somebody; returns the whole blocklist. Raises `NotOnWhatsApp`."""
        found = self._registered(person)
        if found.lid is not None and found.lid in self.state.blocked:
            self.live.commit(Unblocked(0, self.lid, found.lid))
        return self.blocklist()

    def phone_edits_contact(self, user: UserId, first_name: str, last_name: str | None = None) -> None:
        """The owner edits the address book on the phone."""
        self.update_contact(_person(user), first_name, last_name)

    def phone_deletes_contact(self, user: UserId) -> None:
        """The owner deletes somebody from the address book on the phone."""
        self.delete_contact(_person(user))

    def phone_blocks(self, user: UserId) -> None:
        """The owner blocks somebody on the phone."""
        self.block(_person(user))

    def phone_unblocks(self, user: UserId) -> None:
        """The owner unblocks somebody on the phone."""
        self.unblock(_person(user))

    def reveal_phone(self, lid: Lid) -> None:
        """The person writes to this account, and the message carries the number behind the LID."""
        self.live.person(lid)
        self.live.commit(MessageReceived(0, self.lid, lid))

    def subscribe(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Hear of every change in the world, whoever made it; the answer unsubscribes."""
        return self.live.subscribe(callback)

    # What a device is handed when it is linked.

    def address_book(self) -> Iterator[SavedContact]:
        """The address book, one line a person, under the spelling that the server uses."""
        told: set[UserId] = set()
        for entry in tuple(self.state.book.values()):
            saved = self.saved(entry)
            if saved.person.id not in told:
                told.add(saved.person.id)
                yield saved

    def push_names(self) -> Iterator[SeenPerson]:
        """Everybody this account chats with or has seen the push name of."""
        state = self.state
        for lid in (*state.chats, *(lid for lid in state.seen if lid not in state.chats)):
            if (person := self.live.state.people.get(lid)) is not None:
                yield self.seen(person)

    def lid_mappings(self) -> Iterator[LidMapping]:
        """The pairs this account may know: its address book, the chats that show a number, and what it has learnt."""
        state = self.state
        told: set[Lid] = set()
        booked = (self.live.state.subscriber(e.user) for e in state.book.values() if isinstance(e.user, PhoneNumber))
        met = (self.live.state.people.get(lid) for lid in (*state.chats, *state.mapped))
        for person in (*booked, *met):
            if person is not None and person.lid is not None and person.lid not in told:
                told.add(person.lid)
                if (mapping := self.mapping(person)) is not None:
                    yield mapping

    def introductions(self) -> Iterator[Introduction]:
        """All of the above person by person: first the address book, then everybody else who was met."""
        state = self.state
        told: set[Lid] = set()
        for saved in self.address_book():
            lid = saved.person.lid
            person = None if lid is None else self.live.state.people.get(lid)
            if person is None or lid is None:
                yield Introduction(saved, None, None)
                continue
            told.add(lid)
            met = lid in state.chats or lid in state.seen
            yield Introduction(saved, self.seen(person) if met else None, self.mapping(person))
        for lid in (*state.chats, *state.seen, *state.mapped):
            person = self.live.state.people.get(lid)
            if person is not None and lid not in told:
                told.add(lid)
                met = lid in state.chats or lid in state.seen
                yield Introduction(None, self.seen(person) if met else None, self.mapping(person))

    # What this account may see of somebody.

    def knows_phone(self, person: WorldPerson) -> bool:
        """Whether this account knows the person's number apart from any group."""
        if person.phone is None or person.lid is None:
            return False
        state = self.state
        return (
            person.lid == self.lid
            or person.lid in state.mapped
            or (person.lid in state.chats and not person.hides_phone)
            or state.entry(person.phone) is not None
        )

    def mapping(self, person: WorldPerson) -> LidMapping | None:
        """The person's pair, if this account knows it, and since when."""
        if person.phone is None or person.lid is None or not self.knows_phone(person):
            return None
        return LidMapping(person.phone, person.lid, max(person.since, self.state.mapped.get(person.lid, 0)))

    def has_met(self, lid: Lid) -> bool:
        """Whether the person stands in this account's address book, chats, blocklist or seen push names."""
        state = self.state
        if lid == self.lid or lid in state.chats or lid in state.seen or lid in state.blocked or lid in state.book:
            return True
        person = self.live.state.people.get(lid)
        return person is not None and person.phone is not None and state.entry(person.phone) is not None

    def shown(self, person: WorldPerson) -> Person:
        """The person by every identifier this account may know, groups aside."""
        phone = person.phone if person.lid is None or self.knows_phone(person) else None
        return Person(phone, person.lid, person.username)

    def resolve(self, person: Person) -> WorldPerson | None:
        """Who is meant on the server: by LID, else by any spelling of the phone number; None if not registered."""
        found = None if person.lid is None else self.live.state.people.get(person.lid)
        if found is None and person.phone is not None:
            return self.live.state.subscriber(person.phone)
        return found

    def contact(self, person: Person) -> AddressBookEntry | None:
        """The line of the address book for this person, read back."""
        for user in self._book_keys(person):
            saved = self.saved(self.state.book[user])
            return AddressBookEntry(saved.person, saved.first_name, saved.last_name, saved.full_name, saved.changed)
        return None

    def saved(self, entry: BookEntry) -> SavedContact:
        """A line of the address book under the server's spelling."""
        user = entry.user
        found = self.live.state.subscriber(user) if isinstance(user, PhoneNumber) else self.live.state.find(user)
        if found is not None:
            person = self.shown(found)
        else:
            person = Person(user, None) if isinstance(user, PhoneNumber) else Person(None, user)
        return SavedContact(person, entry.first_name, entry.last_name, entry.full_name, entry.changed)

    def seen(self, person: WorldPerson) -> SeenPerson:
        """What history tells of the person."""
        at = self.state.chats.get(person.lid) if person.lid is not None else None
        return SeenPerson(
            self.shown(person),
            person.pushname,
            person.verified_name,
            person.business,
            chat=at is not None,
            at=person.since if at is None else max(at, person.since),
        )

    def view(self, group: WorldGroup) -> GroupView:
        """The group with as much of its members as this account may see."""
        everybody = self._sees_everybody(group)
        owner = self.live.state.people.get(group.owner) if group.owner is not None else None
        return GroupView(
            group.id,
            group.subject,
            group.description,
            None if owner is None else _id(self._participant(owner, Role.PARTICIPANT, everybody)),
            group.creation,
            tuple(self._participant(self.live.person(member.lid), member.role, everybody) for member in group.members),
            group.changed,
        )

    def participant(self, group: WorldGroup, person: WorldPerson, role: Role) -> Participant:
        """One member of the group by every identifier that the group shows this account."""
        return self._participant(person, role, self._sees_everybody(group))

    def _sees_everybody(self, group: WorldGroup) -> bool:
        admin = any(m.lid == self.lid and m.role in (Role.ADMIN, Role.SUPERADMIN) for m in group.members)
        return admin or group.addressing is Addressing.PN

    def _participant(self, person: WorldPerson, role: Role, everybody: bool) -> Participant:
        visible = everybody or not person.hides_phone or self.knows_phone(person)
        return Participant(person.phone if visible else None, person.lid, role)

    def _registration(self, phone: PhoneNumber) -> Registration:
        person = self.live.state.subscriber(phone)
        if person is None:
            return Registration(phone, None)
        return Registration(
            phone, person.phone, person.lid, person.username, person.verified_name, business=person.business
        )

    def _about(self, person: WorldPerson | None) -> str | None:
        if person is None or (person.hides_about and person.lid != self.lid):
            return None
        return person.about

    def _registered(self, person: Person) -> WorldPerson:
        found = self.resolve(person)
        if found is None:
            raise NotOnWhatsApp(f"{person.id} is not on WhatsApp")
        return found

    def _book_keys(self, person: Person) -> list[UserId]:
        """Under what this person stands in the address book: nothing, the number as typed, the LID, or both."""
        found = self.resolve(person)
        phone = person.phone if person.phone is not None else None if found is None else found.phone
        lid = person.lid if found is None else found.lid
        entries = (None if user is None else self.state.entry(user) for user in (phone, lid))
        return [entry.user for entry in entries if entry is not None]

    def _book_key(self, person: Person) -> UserId:
        """Where to write this person: over the line that is there, else under the number, else under the LID."""
        for user in self._book_keys(person):
            return user
        found = self.resolve(person)
        if found is None:
            if person.phone is None:
                raise NotOnWhatsApp(f"{person.id} is not on WhatsApp")
            return person.phone
        if found.phone is not None and (person.phone is not None or self.knows_phone(found)):
            return found.phone
        return _id(found)


def _person(user: UserId) -> Person:
    return Person(user, None) if isinstance(user, PhoneNumber) else Person(None, user)


def _id(known: WorldPerson | Participant) -> UserId:
    user = known.phone if known.phone is not None and isinstance(known, Participant) else known.lid or known.phone
    if user is None:
        raise ValueError("a person has a phone number, a LID or both")
    return user
