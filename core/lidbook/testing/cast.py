"""Who plays what in the compliance tests: people found in a world by what is true of them, never by name."""

from collections.abc import Callable, Iterator
from typing import Final

from lidbook.facts import Role
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.values import Person
from lidbook.world.model import Addressing, WorldGroup, WorldPerson
from lidbook.world.service import WorldService


class Cast:
    """The people of a world as one account meets them. Raises `LookupError` for a part that nobody can play."""

    def __init__(self, service: WorldService) -> None:
        self._service = service
        self._state: Final = service.state
        self._people: Final = tuple(service.live.state.people.values())

    @property
    def friend(self) -> WorldPerson:
        """Saved in the address book, chatted with, hides nothing, has an about text and a picture."""
        return self._first(
            "is saved, chatted with, hides nothing and has a picture",
            lambda p: self._is_saved(p) and p.lid in self._state.chats and bool(p.about and p.picture) and _is_open(p),
        )

    @property
    def other_friend(self) -> WorldPerson:
        """Another one: saved, chatted with, hides nothing."""
        first = self.friend
        return self._first(
            "is saved, chatted with and hides nothing, besides the friend",
            lambda p: p.lid != first.lid and self._is_saved(p) and p.lid in self._state.chats and _is_open(p),
        )

    @property
    def silent(self) -> WorldPerson:
        """Has neither about text nor picture, and hides neither."""
        return self._first(
            "has neither about text nor picture", lambda p: not p.about and not p.picture and _is_open(p)
        )

    @property
    def hides_about(self) -> WorldPerson:
        """Hides the about text, and is saved."""
        return self._first("hides the about text", lambda p: p.hides_about and self._is_saved(p))

    @property
    def hides_picture(self) -> WorldPerson:
        """Hides the picture, and is saved."""
        return self._first("hides the picture", lambda p: p.hides_picture and self._is_saved(p))

    @property
    def masked(self) -> WorldPerson:
        """Met in a group by LID alone, with a phone number that this account must not learn."""
        shown = [participant for view in self._service.each_group() for participant in view.participants]
        bare = {participant.lid for participant in shown} - {p.lid for p in shown if p.phone is not None}
        return self._first(
            "is met by LID alone although there is a number", lambda p: p.phone is not None and p.lid in bare
        )

    @property
    def numberless(self) -> WorldPerson:
        """Chatted with, and without a phone number for ever."""
        return self._first("has no phone number at all", lambda p: p.phone is None and p.lid in self._state.chats)

    @property
    def stranger(self) -> WorldPerson:
        """Registered, and in no address book, chat or group of the account."""
        met = {member.lid for group in self._groups for member in group.members}
        return self._first(
            "is registered and was never met",
            lambda p: (
                p.phone is not None
                and not p.hides_phone
                and p.lid not in met
                and p.lid is not None
                and not self._service.has_met(p.lid)
            ),
        )

    @property
    def business(self) -> WorldPerson:
        """A business with a verified name, chatted with or seen."""
        return self._first(
            "is a business with a verified name",
            lambda p: p.business and p.verified_name is not None and self._is_introduced(p),
        )

    @property
    def named(self) -> WorldPerson:
        """Has a username, and was met."""
        return self._first("has a username", lambda p: p.username is not None and self._is_introduced(p))

    @property
    def blocked(self) -> WorldPerson:
        """On the blocklist."""
        return self._first("is blocked", lambda p: p.lid in self._state.blocked)

    @property
    def unregistered(self) -> PhoneNumber:
        """A saved number that is not on WhatsApp."""
        for entry in self._state.book.values():
            if isinstance(entry.user, PhoneNumber) and self._service.live.state.subscriber(entry.user) is None:
                return entry.user
        raise _nobody("is saved and not on WhatsApp")

    @property
    def respelled(self) -> tuple[PhoneNumber, WorldPerson]:
        """A number as it stands in the address book, and whoever has it under another spelling on the server."""
        for entry in self._state.book.values():
            if isinstance(entry.user, PhoneNumber):
                person = self._service.live.state.subscriber(entry.user)
                if person is not None and person.phone != entry.user:
                    return entry.user, person
        raise _nobody("is saved under another spelling than the server's")

    @property
    def group(self) -> WorldGroup:
        """A group in which the account is no admin, and sees some members by LID alone."""
        for group in self._groups:
            if group.addressing is Addressing.LID and self.role(group, self._service.lid) is Role.PARTICIPANT:
                return group
        raise LookupError("the world has no group in which the account is a plain member and LIDs are shown")

    @property
    def _groups(self) -> Iterator[WorldGroup]:
        return self._service.live.state.groups_of(self._state)

    @staticmethod
    def role(group: WorldGroup, lid: Lid) -> Role:
        """Somebody's standing in a group; LEFT for those who are not in it."""
        return next((member.role for member in group.members if member.lid == lid), Role.LEFT)

    def _first(self, what: str, fits: Callable[[WorldPerson], bool]) -> WorldPerson:
        for person in self._people:
            if person.lid != self._service.lid and fits(person):
                return person
        raise _nobody(what)

    def _is_saved(self, person: WorldPerson) -> bool:
        return person.phone is not None and self._state.entry(person.phone) is not None

    def _is_introduced(self, person: WorldPerson) -> bool:
        return person.lid in self._state.chats or person.lid in self._state.seen


def asked(person: WorldPerson) -> Person:
    """Somebody as a caller asks for them: by phone number where there is one, else by LID."""
    return Person(person.phone, None) if person.phone is not None else Person(None, person.lid)


def lid_of(person: WorldPerson) -> Lid:
    """The LID of somebody who is registered."""
    if person.lid is None:
        raise LookupError(f"{person} is not registered")
    return person.lid


def phone_of(person: WorldPerson) -> PhoneNumber:
    """The number of somebody who has one."""
    if person.phone is None:
        raise LookupError(f"{person} has no phone number")
    return person.phone


def _is_open(person: WorldPerson) -> bool:
    return person.phone is not None and not (person.hides_about or person.hides_picture or person.hides_phone)


def _nobody(what: str) -> LookupError:
    return LookupError(f"there is nobody in the world who {what}; give the kit a world that has such a person")
