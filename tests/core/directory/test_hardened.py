"""What broke the directory."""

import asyncio
import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.directory.conftest import Opened, add_session
from core.directory.test_any_order import database, lids, phones, sources, times, users
from lidbook.directory.batch import CHUNK
from lidbook.directory.ingest import apply
from lidbook.facts import (
    BlocklistFact,
    Fact,
    Field,
    FieldFact,
    GroupFact,
    GroupListFact,
    LinkFact,
    Picture,
    PictureState,
    Source,
)
from lidbook.hookspecs import ChangeKind
from lidbook.identifiers import GroupId, Lid, PhoneNumber

ANN, ANN_LID = PhoneNumber("15550101"), Lid("9001")
ROWING, CHOIR = GroupId("120363001"), GroupId("120363002")


# test_lists.py
async def test_a_batch_of_several_chunks_moves_a_key_to_and_fro(opened: Opened) -> None:
    """If this fails: what a later chunk took back was taken from an order that did not have it yet."""
    await opened.directory.contacts_page(limit=1)
    people = range(CHUNK + 1)
    batch: list[Fact] = [FieldFact(Lid(f"9{n:06}"), Field.PUSHNAME, "x", Source.HISTORY, 1) for n in people]
    batch += [LinkFact(PhoneNumber(f"1555{n:07}"), Lid(f"9{n:06}"), Source.HISTORY, 1) for n in people]
    async with asyncio.timeout(60):
        await opened.directory.apply(batch)
    assert await opened.directory.contacts_count() == len(people)


# test_lists.py
async def test_pages_follow_what_changes_at_the_same_time(opened: Opened) -> None:
    """If this fails: a block was split by a store that was already further on than the counts."""
    dice = random.Random(1)
    await opened.directory.contacts_page(limit=1)
    for _ in range(4):
        await asyncio.gather(
            *(
                opened.directory.apply(
                    [
                        FieldFact(
                            PhoneNumber(str(15_550_000 + dice.randrange(9000))), Field.PUSHNAME, "x", Source.MESSAGE, 1
                        )
                        for _ in range(60)
                    ]
                )
                for _ in range(12)
            )
        )
    whole = orjson.loads(b"".join([piece async for piece in opened.directory.contacts_dump()]))
    for offset in range(0, len(whole), 50):
        assert (
            orjson.loads(await opened.directory.contacts_page(limit=50, offset=offset)) == whole[offset : offset + 50]
        )


# test_lists.py
async def test_no_name_sorts_behind_the_nameless(opened: Opened) -> None:
    """If this fails: a push name that a stranger chose takes its owner off the list, and the writer's thread down."""
    await opened.directory.apply([FieldFact(ANN, Field.PUSHNAME, "\U0010ffffx", Source.MESSAGE, 1)])
    assert len(orjson.loads(await opened.directory.contacts_page(sort_by="name", limit=5))) == 1
    async with asyncio.timeout(5):
        await opened.directory.apply([FieldFact(ANN, Field.PUSHNAME, "ann", Source.MESSAGE, 2)])
    assert len(orjson.loads(await opened.directory.contacts_page(sort_by="name", limit=5))) == 1


# test_database.py
async def test_the_writer_outlives_a_follower_that_fails(opened: Opened) -> None:
    def fails(_: None) -> None:
        raise KeyError("broken")

    async with asyncio.timeout(5):
        with pytest.raises(KeyError):
            await opened.database.write(lambda _: None, fails)
        assert await opened.database.write(lambda connection: add_session(connection, "two")) > 0


# test_database.py
async def test_a_closed_database_says_so(opened: Opened) -> None:
    await asyncio.to_thread(opened.database.close)
    async with asyncio.timeout(5):
        with pytest.raises(Exception, match="closed"):
            await opened.directory.apply([])
    opened.database.close = lambda: None  # type: ignore[method-assign]


# test_any_order.py
telling: st.SearchStrategy[Fact] = st.one_of(
    st.builds(FieldFact, users, st.just(Field.PUSHNAME), st.none() | st.just("ann"), sources, times),
    st.builds(FieldFact, users, st.just(Field.BLOCKED), st.booleans(), sources, times),
    st.builds(FieldFact, phones, st.just(Field.ALIAS), st.none() | phones.map(str), sources, times),
    st.builds(LinkFact, phones, lids, sources, times),
    st.builds(BlocklistFact, st.frozensets(users, max_size=2), sources, times),
)
"""Few kinds of fact, those that list, merge and part people, so that they meet."""


@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(telling, max_size=4), max_size=6))
def test_the_log_replayed_is_the_list(portions: list[list[Fact]]) -> None:
    """If this fails: a client that keeps a table by id and follows the events ends with other people than listed."""
    connection = database()
    table: set[str] = set()
    for portion in portions:
        connection.execute("BEGIN")
        applied = apply(connection, 1, portion, now=7, quiet=False)
        connection.execute("COMMIT")
        for change in applied.changes:
            match change.kind:
                case ChangeKind.CONTACT_CREATED | ChangeKind.CONTACT_UPDATED:
                    table.add(change.subject)
                case ChangeKind.CONTACT_DELETED:
                    table.remove(change.subject)
                case ChangeKind.CONTACT_MERGED:
                    assert change.subject in table
                    assert change.other is not None
                    table.remove(change.other)
        assert table == {row[0] for row in connection.execute("SELECT id FROM person WHERE listed = 1")}


# test_links.py
async def test_a_row_that_merges_into_an_unlisted_person_is_deleted(opened: Opened) -> None:
    await opened.directory.apply(
        [
            FieldFact(ANN_LID, Field.PUSHNAME, "ann", Source.HISTORY, 1),
            FieldFact(ANN, Field.PUSHNAME, None, Source.MESSAGE, 2),
        ]
    )
    opened.told.clear()
    await opened.directory.apply([LinkFact(ANN, ANN_LID, Source.HISTORY, 3)])
    assert await opened.directory.contacts_count() == 0
    assert [(change.kind, change.subject) for change in opened.told] == [
        (ChangeKind.CONTACT_DELETED, "9001@lid"),
        (ChangeKind.LID_MAPPED, "9001@lid"),
    ]


# test_groups.py
async def test_a_subject_that_is_no_text_is_shown_as_far_as_it_is(opened: Opened) -> None:
    await opened.directory.apply([GroupFact(ROWING, Source.SERVER, 1, subject="Row\ud83d", description="\ud83d")])
    assert orjson.loads(await opened.directory.group(ROWING))["subject"] == "Row?"


# test_links.py
async def test_an_address_that_is_no_text_does_not_undo_the_batch(opened: Opened) -> None:
    picture = Picture(PictureState.PRESENT, "https://p/\ud83d.jpg")
    await opened.directory.apply(
        [FieldFact(ANN, Field.PICTURE, picture, Source.SERVER, 1), FieldFact(ANN, Field.CHAT, True, Source.SERVER, 1)]
    )
    assert await opened.directory.contacts_count() == 1


# test_groups.py
async def test_a_refresh_that_shows_nothing_new_tells_nothing(opened: Opened) -> None:
    for at in (1, 2, 3):
        opened.told.clear()
        await opened.directory.apply(
            [
                GroupFact(ROWING, Source.SERVER, at, subject="Rowing"),
                *([GroupFact(CHOIR, Source.SERVER, at, subject="Choir")] if at == 1 else []),
                GroupListFact(frozenset({ROWING} if at > 1 else {ROWING, CHOIR}), Source.SERVER, at),
            ]
        )
        if at == 2:
            assert [(change.kind, change.subject) for change in opened.told] == [
                (ChangeKind.GROUP_REFRESHED, str(CHOIR))
            ], "it was left"
    assert opened.told == []


# test_lists.py, beside test_erasing_forgets_everybody
async def test_after_erasing_the_log_goes_on_and_people_are_waited_for_anew(opened: Opened) -> None:
    opened.directory.lid_pair(ANN_LID)
    await opened.directory.flush()
    await opened.directory.apply([FieldFact(ANN, Field.PUSHNAME, "x", Source.MESSAGE, 1)])
    last = opened.told[-1].seq
    await opened.directory.erase()
    opened.directory.lid_pair(ANN_LID)
    await opened.directory.flush()
    opened.told.clear()
    await opened.directory.apply([LinkFact(ANN, ANN_LID, Source.MESSAGE, 1)])
    assert [change.kind for change in opened.told] == [ChangeKind.LID_MAPPED, ChangeKind.LID_RESOLVED]
    assert opened.told[0].seq > last, "a cursor into the log must not be passed a second time"


# test_database.py
async def test_what_was_committed_is_told_though_nobody_waits(opened: Opened) -> None:
    feeding = asyncio.create_task(opened.directory.apply([FieldFact(ANN, Field.PUSHNAME, "x", Source.MESSAGE, 1)]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    await opened.directory.apply([FieldFact(ANN, Field.PUSHNAME, "y", Source.MESSAGE, 2)])
    assert [change.kind for change in opened.told] == [ChangeKind.CONTACT_CREATED, ChangeKind.CONTACT_UPDATED]


# test_links.py
async def test_what_is_filed_under_the_other_spelling_is_the_same_person(opened: Opened) -> None:
    typed, registered = PhoneNumber("5531988887777"), PhoneNumber("553188887777")
    await opened.directory.apply(
        [
            FieldFact(typed, Field.FULL_NAME, "Bia", Source.ADDRESS_BOOK, 1),
            FieldFact(registered, Field.PUSHNAME, "bia", Source.MESSAGE, 1),
            LinkFact(registered, ANN_LID, Source.SERVER, 1),
            FieldFact(typed, Field.ALIAS, str(registered), Source.SERVER, 1),
        ]
    )
    assert await opened.directory.contacts_count() == 1, "one person, one row"
    assert opened.directory.contact(typed) == opened.directory.contact(registered)
