"""One account's address book and settings: the world's on one side, app state on the other, and the phone between.

Whatever changes in the world is appended as patches of the phone; whatever a client uploads is written into the world,
and where the world makes something else of it, the phone's next patch says so.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from lidbook.errors import LidbookError
from lidbook.identifiers import Lid, PhoneNumber, UserId, spellings
from lidbook.values import Person
from lidbook.world.changes import (
    Change,
    ContactRemoved,
    ContactSaved,
    NumberChanged,
    NumberReassigned,
    PushnameChanged,
)
from lidbook.world.model import BookEntry
from lidbook.world.service import WorldService
from lidbook_sandbox.network.lines import (
    CONTACT,
    NUMBER,
    NUMBER_VERSION,
    PUSH_NAME,
    PUSH_NAME_VERSION,
    Line,
    index_of,
    indexed_user,
    is_plain,
    last_name,
    line_of,
    person_of,
    removal,
    setting,
    typed_user,
)
from lidbook_sandbox.network.stanzas import lid_jid, pn_jid
from lidbook_sandbox.network.synced import CONTACTS, PATCH, REGULAR, SETTINGS, Collections
from lidbook_sandbox.network.wire.app_state import CollectionState, Mutation, Operation
from lidbook_sandbox.network.wire.wire_pb2 import PnForLidChatAction, PushNameSetting, SyncActionValue

logger = logging.getLogger("lidbook.sandbox.network")


class AddressBook:
    """Kept up to date from the time it is opened; `announce` is told which collection got a patch of the phone."""

    def __init__(
        self,
        service: WorldService,
        collections: Collections,
        lines: dict[str, str],
        announce: Callable[[str], None],
    ) -> None:
        self.collections: Final = collections
        self._service = service
        self._announce = announce
        self._push_name = lines.pop(PUSH_NAME, None)
        self._lines = {index: Line.decode(text) for index, text in lines.items()}
        self._owned: dict[UserId, set[str]] = {}
        for line in self._lines.values():
            self._owned.setdefault(typed_user(line), set()).add(line.index)
        self._opening: asyncio.Task[None] | None = None
        self._opened = False
        self._late: set[UserId] = set()
        self._written: set[UserId] | None = None

    async def open(self) -> None:
        """Append what the world and app state differ in; for 50,000 lines this takes seconds, in small pieces."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        await asyncio.shield(self._opening)

    async def close(self) -> None:
        """Stop opening, if it is under way."""
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
            await asyncio.wait([self._opening])

    def apply(self, change: Change) -> None:
        """Append what a change of the world makes of this account's app state."""
        match change:
            case ContactSaved() | ContactRemoved() if change.account == self._service.lid:
                self._touch(self._typings(change.user), change.at)
            case NumberChanged() | NumberReassigned():
                numbers = [change.phone]
                if isinstance(change, NumberChanged) and change.old_phone is not None:
                    numbers.append(change.old_phone)
                touched = {user for number in numbers for user in self._typings(number)}
                if any(user in self._service.state.book for user in touched):
                    self._touch(touched, change.at)
                    self._tell_number(change.lid, change.phone, change.at)
            case PushnameChanged() if change.lid == self._service.lid and self._opened and self._written is None:
                self._tell_push_name(change.pushname, change.at)
            case _:
                pass

    def rewrite(self) -> None:
        """Write one line once more with the same names, as a phone does that meets a client's patch halfway."""
        for line in self._lines.values():
            self._append([], [line], self._service.live.moment())
            return

    def rename(self) -> None:
        """Write the push name once more."""
        self._tell_push_name(self._service.live.person(self._service.lid).pushname or "", self._service.live.moment())

    def take(self, name: str, patch: bytes, mutations: list[Mutation], after: CollectionState) -> None:
        """Write a client's patch into the world and keep it; what the world refuses is taken back with the next one."""
        self._written = set()
        refused: list[str] = []
        lines: dict[str, str | None] = {}
        try:
            for mutation in mutations:
                if mutation.index[0] == CONTACT and len(mutation.index) > 1:
                    if not self._write(mutation, lines):
                        refused.append(mutation.index[1])
                elif mutation.index[0] == PUSH_NAME and mutation.action is not None:
                    pushname = mutation.action.pushNameSetting.name
                    self._push_name = lines[PUSH_NAME] = pushname
                    self._service.live.change_pushname(self._service.lid, pushname)
            touched = self._written
        finally:
            self._written = None
        self.collections.take(name, patch, after, lines)
        self._touch(touched, self._service.live.time())
        self._take_back(refused)

    def _take_back(self, refused: list[str]) -> None:
        """Say what stands under these indices in truth: the world's line, or nothing."""
        gone = [index for index in dict.fromkeys(refused) if index not in self._lines]
        lines = [self._lines[index] for index in dict.fromkeys(refused) if index in self._lines]
        self._append(gone, lines, self._service.live.time())

    # The world's changes, as the phone tells them

    async def _open(self) -> None:
        self._open_push_name()
        users = dict.fromkeys((*self._owned, *self._service.state.book))
        pending = list(users)
        for start in range(0, len(pending), PATCH):
            self._reconcile(pending[start : start + PATCH], None)
            await asyncio.sleep(0)
        self._opened = True
        late, self._late = self._late, set()
        self._reconcile(late, None)
        self._open_push_name()

    def _open_push_name(self) -> None:
        person = self._service.live.person(self._service.lid)
        if person.pushname is not None and person.pushname != self._push_name:
            self._tell_push_name(person.pushname, person.since)

    def _touch(self, users: Iterable[UserId], at: int) -> None:
        if self._written is not None:
            self._written.update(users)
        elif self._opened:
            self._reconcile(users, at)
        else:
            self._late.update(users)

    def _typings(self, user: UserId) -> set[UserId]:
        """Everything under which a line for `user` may stand, in the world or in app state."""
        return {user} if isinstance(user, Lid) else set(spellings(user))

    def _reconcile(self, users: Iterable[UserId], at: int | None) -> None:
        book = self._service.state.book
        gone: dict[str, None] = {}
        written: dict[str, Line] = {}
        pending = list(users)
        for user in pending:
            if user not in book:
                for index in self._owned.pop(user, set()):
                    heir = self._heir(index)
                    if heir is None:
                        gone[index] = None
                    else:
                        self._owned.setdefault(heir, set()).add(index)
                        pending.append(heir)
        for user in pending:
            entry = book.get(user)
            if entry is None:
                continue
            for index in sorted(self._owned.get(user) or {index_of(self._service, entry)}):
                old = self._lines.get(index)
                if old is not None and index not in self._owned.get(user, ()) and typed_user(old) in book:
                    continue
                line = line_of(self._service, entry, index, self._moment(entry, old, at))
                if not line.same_as(old):
                    written[index] = line
        self._append([index for index in gone if index not in written], list(written.values()), at)

    def _moment(self, entry: BookEntry, old: Line | None, at: int | None) -> int:
        """When a line was written: with the change, with the entry, or just now if nobody knows."""
        if at is not None:
            return max(at, entry.changed)
        return entry.changed if old is None or entry.changed > old.at else self._service.live.time()

    def _heir(self, index: str) -> UserId | None:
        """Who else in the address book has this person, under another writing."""
        user = indexed_user(index)
        if user is None:
            return None
        entry = self._service.state.entry(user)
        found = self._service.resolve(Person(*person_of(user)))
        if entry is None and found is not None:
            for other in (found.phone, found.lid):
                entry = entry or (None if other is None else self._service.state.entry(other))
        return None if entry is None else entry.user

    def _append(self, gone: list[str], written: list[Line], at: int | None) -> None:
        moment = self._service.live.time() if at is None else at
        mutations = [removal(index, moment) for index in gone]
        lines: dict[str, str | None] = dict.fromkeys(gone)
        for index in gone:
            self._lines.pop(index, None)
        for line in written:
            mutations.append(setting(line, self._username(line)))
            lines[line.index] = line.encode()
            self._own(line)
        if mutations:
            self.collections.append(CONTACTS, mutations, lines)
            self._announce(CONTACTS)

    def _own(self, line: Line) -> None:
        old = self._lines.get(line.index)
        if old is not None and old.user != line.user:
            self._owned.get(typed_user(old), set()).discard(line.index)
        self._lines[line.index] = line
        self._owned.setdefault(typed_user(line), set()).add(line.index)

    def _username(self, line: Line) -> str | None:
        """The username of somebody met: whom the account never met, it is not told of."""
        user = indexed_user(line.index)
        person = None if user is None else self._service.live.state.find(user)
        if person is None or person.lid is None:
            return None
        state = self._service.state
        return person.username if person.lid in state.chats or person.lid in state.seen else None

    def _tell_push_name(self, pushname: str, at: int) -> None:
        self._push_name = pushname
        value = SyncActionValue(timestamp=at, pushNameSetting=PushNameSetting(name=pushname))
        mutation = Mutation(Operation.SET, (PUSH_NAME,), value, PUSH_NAME_VERSION)
        self.collections.append(SETTINGS, [mutation], {PUSH_NAME: pushname})
        self._announce(SETTINGS)

    def _tell_number(self, lid: Lid, phone: PhoneNumber, at: int) -> None:
        """Say which number is behind a LID now: how a phone tells of a contact that changed it."""
        value = SyncActionValue(timestamp=at, pnForLidChatAction=PnForLidChatAction(pnJID=str(pn_jid(phone))))
        mutation = Mutation(Operation.SET, (NUMBER, str(lid_jid(lid))), value, NUMBER_VERSION)
        self.collections.append(REGULAR, [mutation], {})
        self._announce(REGULAR)

    # A client's changes

    def _write(self, mutation: Mutation, lines: dict[str, str | None]) -> bool:
        """Write one change into the world; false where it refuses, so that app state says something else."""
        index = mutation.index[1]
        user = indexed_user(index)
        if user is None:
            logger.warning("a client wrote a contact under %r, which is nobody", index)
            return mutation.operation is Operation.REMOVE
        action = mutation.action
        person = Person(*person_of(user))
        try:
            if mutation.operation is Operation.REMOVE or action is None:
                self._service.delete_contact(person)
                self._disown(index)
                lines[index] = None
            else:
                lines[index] = self._save(index, person, action)
                return lines[index] is not None
        except LidbookError as error:
            logger.warning("a client's contact %s was not written: %s", index, error)
            return mutation.operation is Operation.REMOVE and index not in self._lines
        return True

    def _save(self, index: str, person: Person, action: SyncActionValue) -> str | None:
        contact = action.contactAction
        first, full = contact.firstName or None, contact.fullName or None
        on_phone = contact.saveOnPrimaryAddressbook
        last = last_name(first, full)
        self._service.update_contact(person, first or full or "", last, save_on_phone=on_phone)
        entry = self._entry(person)
        if entry is None:
            return None
        if not is_plain(first, full):
            self._service.live.commit(ContactSaved(0, self._service.lid, entry.user, first, None, full, on_phone))
        line = Line(
            index,
            str(entry.user),
            first,
            full,
            (contact.lidJID or None) if isinstance(indexed_user(index), PhoneNumber) else None,
            contact.pnJID or None,
            on_phone,
            action.timestamp,
        )
        self._own(line)
        return line.encode()

    def _entry(self, person: Person) -> BookEntry | None:
        found = self._service.resolve(person)
        users: list[UserId | None] = [person.phone, person.lid]
        if found is not None:
            users += [found.phone, found.lid]
        for user in users:
            entry = None if user is None else self._service.state.entry(user)
            if entry is not None:
                return entry
        return None

    def _disown(self, index: str) -> None:
        line = self._lines.pop(index, None)
        if line is not None:
            self._owned.get(typed_user(line), set()).discard(index)
