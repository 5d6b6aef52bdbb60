"""A world that is being lived in: changes are journalled, applied and announced, in this order.

Belongs to one thread. Several accounts, and several linked devices of one account, look at the same `LiveWorld`.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from lidbook.errors import InvalidWorld, NotOnWhatsApp
from lidbook.facts import Role
from lidbook.identifiers import GroupId, Lid, PhoneNumber
from lidbook.world.changes import (
    AboutChanged,
    Change,
    Journal,
    NumberChanged,
    NumberReassigned,
    PictureChanged,
    PrivacyChanged,
    PushnameChanged,
    RoleChanged,
)
from lidbook.world.lids import derive_lid
from lidbook.world.model import World, WorldPerson
from lidbook.world.state import WorldState
from lidbook.world.wanted import Wanted, always


def wall_clock() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class LiveWorld:
    """A world, the changes made to it, and whoever wants to hear of them."""

    def __init__(
        self,
        world: World,
        journal: Journal | None = None,
        now: Callable[[], int] = wall_clock,
        wanted: Wanted = always,
    ) -> None:
        """Raises `WorldUnwanted` soon after it is not `wanted`."""
        if not world.accounts:
            raise InvalidWorld(f"the world {world.name!r} has no account; add one under `accounts`")
        self.journal = Journal() if journal is None else journal
        self.default_account = world.accounts[0].lid
        self.state = WorldState(world, wanted)
        self._now = now
        self._last = 0
        self._listeners: list[Callable[[Change], None]] = []
        for change in self.journal.since(0):
            self.state.apply(change)
            self._last = max(self._last, change.at)

    def time(self) -> int:
        """Milliseconds now; never before the last change, even if the clock was set back."""
        return max(self._now(), self._last)

    def moment(self, after: int = 0) -> int:
        """Milliseconds now, later than `after` and anything before, and earlier than any change to come."""
        self._last = max(self._now(), self._last + 1, after + 1)
        return self._last

    def account(self, phone: PhoneNumber | None = None) -> Lid:
        """The account with that phone number, or the default one. Raises `NotOnWhatsApp` naming those there are."""
        if phone is None:
            return self.default_account
        person = self.state.subscriber(phone)
        if person is None or person.lid not in self.state.accounts:
            numbers = ", ".join(str(self.person(lid).phone or lid) for lid in self.state.accounts)
            raise NotOnWhatsApp(f"{phone.digits} is no account of the world {self.state.name!r}; it has {numbers}")
        return person.lid

    def person(self, lid: Lid) -> WorldPerson:
        """Everything true of the person with this LID, hidden or not. Raises `NotOnWhatsApp`."""
        person = self.state.people.get(lid)
        if person is None:
            raise NotOnWhatsApp(f"{lid} is nobody in the world {self.state.name!r}")
        return person

    def subscribe(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Call back after every change, in order; the answer unsubscribes."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    @property
    def sequence(self) -> int:
        """The number of the last change."""
        return self.journal.sequence

    def since(self, sequence: int) -> Sequence[Change]:
        """The changes after that number."""
        return self.journal.since(sequence)

    def commit(self, change: Change) -> Change:
        """Journal, apply and announce one change. Its `at` becomes now, and later than any change before it."""
        change = replace(change, at=self.moment())
        self.journal.append(change)
        self.state.apply(change)
        for listener in tuple(self._listeners):
            listener(change)
        return change

    def change_number(self, lid: Lid, phone: PhoneNumber) -> None:
        """The person moves to another phone number, and the LID with them."""
        self.commit(NumberChanged(0, lid, phone, old_phone=self.person(lid).phone))

    def reassign_number(self, phone: PhoneNumber, new_lid: Lid | None = None, pushname: str | None = None) -> Lid:
        """Somebody else registers `phone`; whoever had it is left with the LID alone. Returns the newcomer's LID."""
        old_lid = self.state.phones.get(phone)
        lid = derive_lid(phone, taken=self.state.people) if new_lid is None else new_lid
        self.commit(NumberReassigned(0, phone, lid, old_lid=old_lid, pushname=pushname))
        return lid

    def change_picture(self, lid: Lid, picture: str | None) -> None:
        """The person shows another picture, or none."""
        self.commit(PictureChanged(0, self._known(lid), picture))

    def change_about(self, lid: Lid, about: str) -> None:
        """The person writes another about text."""
        self.commit(AboutChanged(0, self._known(lid), about))

    def change_pushname(self, lid: Lid, pushname: str) -> None:
        """The person goes by another name."""
        self.commit(PushnameChanged(0, self._known(lid), pushname))

    def change_privacy(
        self, lid: Lid, *, about: bool | None = None, picture: bool | None = None, phone: bool | None = None
    ) -> None:
        """The person hides (True) or shows (False) these; None leaves one as it is."""
        person = self.person(lid)
        self.commit(
            PrivacyChanged(
                0,
                lid,
                hides_about=person.hides_about if about is None else about,
                hides_picture=person.hides_picture if picture is None else picture,
                hides_phone=person.hides_phone if phone is None else phone,
            )
        )

    def join_group(self, group: GroupId, lid: Lid) -> None:
        """The person joins the group."""
        self._set_role(group, lid, Role.PARTICIPANT)

    def leave_group(self, group: GroupId, lid: Lid) -> None:
        """The person leaves the group, or is removed."""
        self._set_role(group, lid, Role.LEFT)

    def promote(self, group: GroupId, lid: Lid) -> None:
        """The person becomes an admin of the group."""
        self._set_role(group, lid, Role.ADMIN)

    def demote(self, group: GroupId, lid: Lid) -> None:
        """The person is an admin of the group no longer."""
        self._set_role(group, lid, Role.PARTICIPANT)

    def _set_role(self, group: GroupId, lid: Lid, role: Role) -> None:
        if group not in self.state.groups:
            raise InvalidWorld(f"there is no group {group} in the world {self.state.name!r}")
        self.commit(RoleChanged(0, group, self._known(lid), role))

    def _known(self, lid: Lid) -> Lid:
        self.person(lid)
        return lid
