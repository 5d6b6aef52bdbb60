"""The state of one identifier: for each field the winning fact, for each partner when the link was first and last seen.

Merging is a maximum over a total order, so it does not matter in what order, how often or in what portions facts come.
"""

from typing import Final

import orjson

from lidbook.facts import Field, FieldFact, FieldValue, Picture, PictureState, Source

JsonValue = str | bool | list[str | int | None] | None
Entry = tuple[JsonValue, str, int]
"""value, source, observed_at"""
Link = tuple[int, str, int, str]
"""first seen at, by which source, last seen at, by which source"""

RANK: Final = {source.value: source.rank for source in Source}
SAVED: Final = "saved"
"""The field that says when a list of contacts named the identifier last. No engine tells it by itself."""
_TEXT_THAT_MAY_BE_EMPTY: Final = frozenset({Field.ABOUT})


class State:
    """What is known of one phone number or LID.

    `aliases` are the spellings that this one was ever said to be an alias of; what is known of it is known of them.
    """

    __slots__ = ("aliases", "fields", "links")

    def __init__(self, fields: dict[str, Entry], links: dict[str, Link], aliases: list[str]) -> None:
        self.fields = fields
        self.links = links
        self.aliases = aliases

    def merge_field(self, name: str, entry: Entry) -> bool:
        """Let `entry` win if it ranks higher than what is there; says whether anything changed."""
        old = self.fields.get(name)
        if old is not None and not outranks(entry, old):
            return False
        self.fields[name] = entry
        return True

    def merge_link(self, partner: str, link: Link) -> bool:
        """Widen the time in which the link to `partner` was seen; says whether anything changed."""
        old = self.links.get(partner)
        if old is None:
            self.links[partner] = link
            return True
        first = min((old[0], old[1]), (link[0], link[1]))
        last = max((old[2], RANK[old[3]], old[3]), (link[2], RANK[link[3]], link[3]))
        merged = (first[0], first[1], last[0], last[2])
        if merged == tuple(old):
            return False
        self.links[partner] = merged
        return True

    def merge_alias(self, canonical: str) -> bool:
        """Note another spelling that this one is an alias of; says whether it is new."""
        if canonical in self.aliases:
            return False
        self.aliases = sorted({*self.aliases, canonical})
        return True

    def partner(self) -> str | None:
        """The other identifier that this one was last seen with. It is a link only if that one says the same."""
        links = self.links
        if len(links) == 1:
            return next(iter(links))
        if not links:
            return None
        return max(links, key=lambda partner: (links[partner][2], RANK[links[partner][3]], partner))


def outranks(new: Entry, old: Entry) -> bool:
    """Whether `new` wins over `old`: by rank of source, then time, then value; a total order."""
    new_rank, old_rank = RANK[new[1]], RANK[old[1]]
    if new_rank != old_rank:
        return new_rank > old_rank
    if new[2] != old[2]:
        return new[2] > old[2]
    if new[0] != old[0] or type(new[0]) is not type(old[0]):
        return orjson.dumps(new[0]) > orjson.dumps(old[0])
    return new[1] > old[1]


def new_state() -> State:
    """Nothing known yet."""
    return State({}, {}, [])


def encode(state: State) -> bytes:
    """As stored."""
    return orjson.dumps([state.fields, state.links, state.aliases])


def decode(stored: bytes) -> State:
    """The reverse of `encode`."""
    fields, links, aliases = orjson.loads(stored)
    return State(fields, links, aliases)


def entry_of(fact: FieldFact) -> Entry | None:
    """The fact as stored; None when it says nothing, as an empty name does."""
    value = fact.value
    if isinstance(value, str):
        if not value and fact.field not in _TEXT_THAT_MAY_BE_EMPTY:
            return None
        value = encodable(value)
    if isinstance(value, Picture):
        url = encodable(value.url) if value.url is not None else None
        return [value.state.value, url, value.expires_at], fact.source._value_, fact.observed_at
    return value, fact.source._value_, fact.observed_at


def saved_entry(observed_at: int) -> Entry:
    """That a list of contacts named the identifier then; of one source always, so that the later list wins."""
    return True, Source.ADDRESS_BOOK.value, observed_at


def encodable(text: str) -> str:
    """`text` without lone surrogates, which cannot be written as UTF-8."""
    return text.encode("utf-8", "replace").decode()


def field_value(entry: Entry) -> FieldValue:
    """The value of a stored field, in the type that its fact had."""
    value = entry[0]
    if isinstance(value, list):
        state, url, expires_at = value
        if not isinstance(state, str) or isinstance(url, int) or isinstance(expires_at, str):
            raise TypeError(f"stored picture {value!r} is not one")
        return Picture(PictureState(state), url, expires_at)
    return value
