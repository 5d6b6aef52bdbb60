"""What answers leave behind: facts for the directory, and short memories of what there is not."""

from collections.abc import Callable, Sequence

from lidbook.directory.directory import Directory
from lidbook.facts import Fact, Field, FieldFact, LinkFact, Source
from lidbook.identifiers import PhoneNumber
from lidbook.values import Registration

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
