"""What answers leave behind: facts for the directory, and short memories of what there is not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from lidbook.directory.directory import Directory
from lidbook.facts import Fact, Field, FieldFact, LinkFact, Source
from lidbook.identifiers import PhoneNumber, UserId
from lidbook.values import AddressBookEntry, Registration

NAMES: Final = (Field.FIRST_NAME, Field.LAST_NAME, Field.FULL_NAME)
"""What the address book says of somebody."""

_MOST = 10_000


class AnswersKept:
    """Keys that were answered with nothing a moment ago; forgets by age, and the oldest first when there are many."""

    def __init__(self, clock: Callable[[], int], kept: int) -> None:
        self._clock = clock
        self._kept = kept
        self._since: dict[str, int] = {}

    def add(self, key: str) -> None:
        """Nothing was found just now."""
        self._since.pop(key, None)
        self._since[key] = self._clock()
        if len(self._since) > _MOST:
            del self._since[next(iter(self._since))]

    def holds(self, key: str) -> bool:
        """Whether asking again would be too soon."""
        since = self._since.get(key)
        if since is None:
            return False
        if self._clock() - since < self._kept:
            return True
        del self._since[key]
        return False


def no_alias(phone: PhoneNumber, now: int, directory: Directory) -> list[Fact]:
    """That a number which the server knows is no alias of another, where it was one before."""
    if directory.said(phone, Field.ALIAS) is None:
        return []
    return [FieldFact(phone, Field.ALIAS, None, Source.SERVER, now)]


def registration_facts(
    answers: Sequence[Registration], found: Registration, now: int, directory: Directory
) -> list[Fact]:
    """What a check says: who is registered, the LID that came along, and which spelling is another's alias."""
    facts: list[Fact] = []
    for answer in answers:
        canonical = answer.phone or found.phone
        if canonical is None:
            facts.append(FieldFact(answer.asked, Field.REGISTERED, value=False, source=Source.SERVER, observed_at=now))
        elif canonical != answer.asked:
            facts.append(FieldFact(answer.asked, Field.REGISTERED, value=False, source=Source.SERVER, observed_at=now))
            facts.append(FieldFact(answer.asked, Field.ALIAS, str(canonical), Source.SERVER, now))
    if found.phone is None:
        return facts
    phone = found.phone
    facts.append(FieldFact(phone, Field.REGISTERED, value=True, source=Source.SERVER, observed_at=now))
    facts.extend(no_alias(phone, now, directory))
    if found.lid is not None:
        facts.append(LinkFact(phone, found.lid, Source.SERVER, now))
    for field, value in ((Field.USERNAME, found.username), (Field.VERIFIED_NAME, found.verified_name)):
        if value is not None:
            facts.append(FieldFact(phone, field, value, Source.SERVER, now))
    if found.business:
        facts.append(FieldFact(phone, Field.BUSINESS, value=True, source=Source.SERVER, observed_at=now))
    return facts


@dataclass(frozen=True, slots=True)
class Written:
    """When a change of somebody's names was begun (ms), and since when what it changes was so."""

    began: int
    before: int


def names_at(user: UserId, directory: Directory) -> int:
    """Since when the newest of somebody's names is known, 0 where there is none."""
    return max((known[1] for field in NAMES if (known := directory.known(user, field)) is not None), default=0)


def dated(user: UserId, written: Written, said: int | None, directory: Directory) -> int:
    """When a change took place that was just answered: as `said` by the server, else when it was begun.

    It is later than what was known before it, and than the newest contact list, which may have been fetched before it,
    however the clocks of WhatsApp and of other devices differ from ours. It is not later than what another device wrote
    since and after that list: that came in while the answer was under way, and is the newer.
    """
    at = max(written.began if said is None else said, written.before + 1)
    listed = directory.lists().contacts_at
    return at if at > listed or names_at(user, directory) > listed else listed + 1


def contact_facts(entry: AddressBookEntry, asked: UserId, at: int, now: int, directory: Directory) -> list[Fact]:
    """What a contact says that was written at `at` and read back `now`."""
    written = entry.person
    names = (entry.first_name, entry.last_name, entry.full_name)
    facts: list[Fact] = [
        FieldFact(written.id, field, name or None, Source.ADDRESS_BOOK, at)
        for field, name in zip(NAMES, names, strict=True)
    ]
    if isinstance(asked, PhoneNumber) and written.phone is not None and written.phone != asked:
        facts.append(FieldFact(asked, Field.ALIAS, str(written.phone), Source.SERVER, now))
        facts.extend(no_alias(written.phone, now, directory))
    if written.phone is not None and written.lid is not None:
        facts.append(LinkFact(written.phone, written.lid, Source.SERVER, now))
    return facts
