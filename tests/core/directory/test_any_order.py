"""The same facts in any order, split and repetition leave the same directory and the same documents."""

import random
import sqlite3
from collections.abc import Sequence

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from lidbook.directory import groups
from lidbook.directory.database import upgrade
from lidbook.directory.ingest import apply
from lidbook.directory.listing import Sort, lay_out
from lidbook.directory.lists import Orders, Segment, follow, load_order, page
from lidbook.directory.projection import Lists, project
from lidbook.directory.state import decode
from lidbook.facts import (
    BlocklistFact,
    ContactListFact,
    Fact,
    Field,
    FieldFact,
    GroupFact,
    GroupListFact,
    LinkFact,
    Participant,
    ParticipantFact,
    Picture,
    PictureState,
    Role,
    Source,
)
from lidbook.identifiers import GroupId, Lid, PhoneNumber, UserId
from lidbook.sessions import rows

PHONES = [PhoneNumber(f"1555010{i}") for i in range(5)]
LIDS = [Lid(f"9000{i}") for i in range(5)]
GROUPS = [GroupId("120363001"), GroupId("120363002")]
NAMES = ["", "Ann", "ann", "Böbe", "\ud83d lone", "Zoë 😀"]

phones = st.sampled_from(PHONES)
lids = st.sampled_from(LIDS)
users: st.SearchStrategy[UserId] = st.one_of(phones, lids)
times = st.integers(min_value=1, max_value=6)
sources = st.sampled_from(list(Source))
texts = st.sampled_from([Field.FIRST_NAME, Field.LAST_NAME, Field.FULL_NAME, Field.PUSHNAME, Field.VERIFIED_NAME])
book_names = st.sampled_from([Field.FIRST_NAME, Field.LAST_NAME, Field.FULL_NAME])
flags = st.sampled_from([Field.REGISTERED, Field.BUSINESS, Field.BLOCKED, Field.CHAT, Field.HIDDEN, Field.ME])
pictures = st.sampled_from(
    [Picture(PictureState.NONE), Picture(PictureState.HIDDEN), Picture(PictureState.PRESENT, "https://p/1.jpg", 99)]
)
participants = st.builds(
    lambda phone, lid, role: Participant(phone if phone or lid else PHONES[0], lid, role),
    st.none() | phones,
    st.none() | lids,
    st.sampled_from(list(Role)),
)
book_facts: st.SearchStrategy[Fact] = st.one_of(
    st.builds(FieldFact, users, book_names, st.none() | st.sampled_from(NAMES), st.just(Source.ADDRESS_BOOK), times),
    st.builds(ContactListFact, st.frozensets(users, max_size=4), sources, times),
    st.builds(LinkFact, phones, lids, sources, times),
    st.builds(FieldFact, phones, st.just(Field.ALIAS), st.none() | phones.map(str), sources, times),
)
"""Those that decide who is saved under which name."""
facts: st.SearchStrategy[Fact] = st.one_of(
    st.builds(FieldFact, users, texts, st.none() | st.sampled_from(NAMES), sources, times),
    st.builds(FieldFact, users, flags, st.none() | st.booleans(), sources, times),
    st.builds(FieldFact, users, st.just(Field.PICTURE), pictures, sources, times),
    st.builds(FieldFact, phones, st.just(Field.ALIAS), st.none() | phones.map(str), sources, times),
    st.builds(LinkFact, phones, lids, sources, times),
    st.builds(LinkFact, phones, lids, sources, times),
    st.builds(BlocklistFact, st.frozensets(users, max_size=3), sources, times),
    st.builds(ContactListFact, st.frozensets(users, max_size=3), sources, times),
    st.builds(GroupListFact, st.frozensets(st.sampled_from(GROUPS)), sources, times),
    st.builds(ParticipantFact, st.sampled_from(GROUPS), participants, sources, times),
    st.builds(
        GroupFact,
        st.sampled_from(GROUPS),
        sources,
        times,
        st.none() | st.sampled_from(["Rowing", "Choir"]),
        st.none() | st.just("We sing"),
        st.none() | users,
        st.none() | st.just(1_700_000_000),
        st.none() | st.lists(participants, max_size=3).map(tuple),
    ),
)


def database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    upgrade(connection)
    rows.insert(connection, name="s", engine="e", engine_assumed=False, config=b"{}", desired="running", created_at=0)
    return connection


def ingested(portions: Sequence[Sequence[Fact]], *, laid_out: bool = False) -> sqlite3.Connection:
    """A directory that was given these portions, one transaction each, with its orders followed and checked; with
    `laid_out`, its lists laid out after the first one and kept from then on."""
    connection = database()
    orders: Orders = {segment: load_order(connection, 1, segment) for segment in Segment}
    for number, portion in enumerate(portions):
        connection.execute("BEGIN")
        applied = apply(connection, 1, portion, now=7, quiet=False)
        for sort in Sort if laid_out and not number else ():
            lay_out(connection, 1, sort)
        connection.execute("COMMIT")
        follow(orders, applied.orders)
    for segment, order in orders.items():
        assert order.total == load_order(connection, 1, segment).total, segment
    return connection


def picture_of(connection: sqlite3.Connection) -> dict[str, object]:
    """Everything a directory says, the log aside."""
    tables = {
        table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()
        for table in ("person", "chat_group", "participant")
    }
    states = {
        identifier: (peer, orjson.dumps(orjson.loads(state), option=orjson.OPT_SORT_KEYS))
        for identifier, peer, state in connection.execute("SELECT id, peer, state FROM identifier")
    }
    shown = groups.listed(connection, 1, sort_by="id", descending=False, limit=None, offset=0, participants=True)
    groups_state = [
        (row[1], row[2], row[3], row[4], orjson.dumps(orjson.loads(row[5]), option=orjson.OPT_SORT_KEYS))
        for row in tables.pop("chat_group")
    ]
    lists = connection.execute("SELECT blocklist_at, contacts_at, groups_at FROM directory").fetchall()
    return {**tables, "chat_group": groups_state, "states": states, "groups": shown, "lists": lists}


def portioned(given_facts: Sequence[Fact], seed: int) -> list[list[Fact]]:
    """The facts in another order, some of them twice, cut into portions at random."""
    dice = random.Random(seed)
    mixed = list(given_facts) + [fact for fact in given_facts if dice.random() < 0.3]
    dice.shuffle(mixed)
    portions: list[list[Fact]] = [[]]
    for fact in mixed:
        if dice.random() < 0.4:
            portions.append([])
        portions[-1].append(fact)
    return portions


@settings(max_examples=400, deadline=None)
@given(st.lists(facts, max_size=14), st.integers(min_value=0, max_value=2**32))
def test_order_split_and_repetition_do_not_matter(given_facts: list[Fact], seed: int) -> None:
    """If this fails: a fact was merged by something else than a maximum over a total order."""
    one = picture_of(ingested([given_facts]))
    other = picture_of(ingested(portioned(given_facts, seed)))
    assert one == other


@settings(max_examples=400, deadline=None)
@given(st.lists(book_facts, max_size=12), st.integers(min_value=0, max_value=2**32))
def test_names_and_lists_of_contacts_may_come_in_any_order(given_facts: list[Fact], seed: int) -> None:
    """If this fails: whether a name counts depends on which of name, list and link came first."""
    one = picture_of(ingested([given_facts]))
    other = picture_of(ingested(portioned(given_facts, seed)))
    assert one == other


@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(facts | book_facts, max_size=5), max_size=5))
def test_what_stands_is_what_a_projection_from_scratch_gives(portions: list[list[Fact]]) -> None:
    """If this fails: a change of one identifier was not carried to a person it belongs to."""
    connection = ingested(portions)
    lists = Lists(*connection.execute("SELECT blocklist_at, contacts_at FROM directory").fetchone())
    stored = {
        identifier: (peer, decode(state))
        for identifier, peer, state in connection.execute("SELECT id, peer, state FROM identifier")
    }
    expected = {}
    for identifier, (peer, state) in stored.items():
        partner = state.partner()
        mutual = partner if partner in stored and stored[partner][1].partner() == identifier else None
        assert peer == mutual
        if identifier.endswith("@lid"):
            row = project(peer, stored[peer][1] if peer else None, identifier, state, lists)
        else:
            row = project(identifier, state, peer, stored[peer][1] if peer else None, lists)
        if row is not None:
            expected[row.id] = tuple(row)
    rows_there = connection.execute("SELECT id, lid, mapped, listed, blocked, sort_name, doc FROM person").fetchall()
    assert {row[0]: row for row in rows_there} == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(facts, max_size=6), max_size=5))
def test_nobody_stands_in_two_rows(portions: list[list[Fact]]) -> None:
    """If this fails: a person is shown twice."""
    connection = ingested(portions)
    seen = [
        identifier
        for row in connection.execute("SELECT id, lid FROM person")
        for identifier in dict.fromkeys(row)
        if identifier
    ]
    assert len(seen) == len(set(seen))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(facts, max_size=6), max_size=5),
    st.booleans(),
    st.booleans(),
    st.integers(0, 6),
    st.integers(0, 6),
)
def test_pages_join_to_the_whole_list(
    portions: list[list[Fact]], descending: bool, laid_out: bool, offset: int, limit: int
) -> None:
    """If this fails: an order index lost count, or what is laid out was not kept."""
    connection = ingested(portions, laid_out=laid_out)
    for segments in ((Segment.IDS,), (Segment.NAMED, Segment.NAMELESS), (Segment.LIDS, Segment.UNRESOLVED)):
        together = laid_out and bool(portions)
        orders = [(segment, load_order(connection, 1, segment, laid_out=together)) for segment in segments]
        whole = page(connection, 1, orders, descending=descending, limit=10_000, offset=0)
        part = page(connection, 1, orders, descending=descending, limit=limit, offset=offset)
        assert part == whole[offset : offset + limit]
        plain = [(segment, load_order(connection, 1, segment)) for segment in segments]
        assert whole == page(connection, 1, plain, descending=descending, limit=10_000, offset=0)
