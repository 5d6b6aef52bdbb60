"""Lists: order, pages at depth, dumps."""

import asyncio
import random

import orjson
import pytest

from core.directory.conftest import Opened
from disks import refusing
from lidbook.capabilities import Feed
from lidbook.directory.directory import SortBy
from lidbook.directory.listing import Sort
from lidbook.facts import Fact, Field, FieldFact, LinkFact, Source
from lidbook.identifiers import Lid, PhoneNumber

PEOPLE = 3000
SORTS: tuple[SortBy, ...] = ("id", "name")


def crowd(people: int, seed: int = 1) -> list[Fact]:
    """People, four in five with a name, half of them with a LID."""
    dice = random.Random(seed)
    facts: list[Fact] = []
    for number in range(people):
        phone, lid = PhoneNumber(str(15_550_000_000 + number * 13)), Lid(str(90_000_000 - number * 7))
        facts.append(FieldFact(phone, Field.CHAT, value=True, source=Source.HISTORY, observed_at=1))
        if number % 5:
            name = f"{dice.choice('abcDEFßéZ')}{dice.randrange(400)}"
            facts.append(FieldFact(phone, Field.FULL_NAME, name, Source.ADDRESS_BOOK, 1))
        if number % 2:
            facts.append(LinkFact(phone, lid, Source.HISTORY, 1))
    dice.shuffle(facts)
    return facts


def by_name(contact: dict[str, str | None]) -> tuple[str, str]:
    return (contact["displayName"] or "").casefold(), contact["id"] or ""


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort_by", ["id", "name"])
async def test_every_page_is_the_part_of_the_whole(opened: Opened, sort_by: SortBy, descending: bool) -> None:
    await opened.directory.apply(crowd(PEOPLE))
    pieces = [piece async for piece in opened.directory.contacts_dump(sort_by=sort_by, descending=descending)]
    whole = orjson.loads(b"".join(pieces))
    assert len(whole) == PEOPLE == await opened.directory.contacts_count()
    named = [contact for contact in whole if contact["displayName"]]
    if sort_by == "id":
        assert [c["id"] for c in whole] == sorted((c["id"] for c in whole), reverse=descending)
    else:
        assert whole[: len(named)] == named, "those without a name are last, in both directions"
        assert named == sorted(named, key=by_name, reverse=descending)
    for offset, limit in ((0, 1), (1, 100), (499, 2), (1500, 700), (PEOPLE - 1, 5), (PEOPLE, 5), (7, 0)):
        page = await opened.directory.contacts_page(sort_by=sort_by, descending=descending, limit=limit, offset=offset)
        assert orjson.loads(page) == whole[offset : offset + limit]
        rest = [
            piece
            async for piece in opened.directory.contacts_dump(sort_by=sort_by, descending=descending, offset=offset)
        ]
        assert orjson.loads(b"".join(rest)) == whole[offset:]


async def test_pages_follow_what_changes(opened: Opened) -> None:
    facts = crowd(PEOPLE)
    await opened.directory.apply(facts[:100])
    for sort_by in SORTS:
        await opened.directory.contacts_page(sort_by=sort_by, limit=1)
    await opened.directory.lids_page(limit=1)
    for start in range(100, len(facts), 150):
        await opened.directory.apply(facts[start : start + 150])
    for number in range(0, PEOPLE, 3):
        phone = PhoneNumber(str(15_550_000_000 + number * 13))
        gone = [FieldFact(phone, field, None, Source.ADDRESS_BOOK, 2) for field in (Field.CHAT, Field.FULL_NAME)]
        await opened.directory.apply(gone)
    for sort_by in SORTS:
        whole = orjson.loads(b"".join([piece async for piece in opened.directory.contacts_dump(sort_by=sort_by)]))
        assert await opened.directory.contacts_count() == len(whole) < PEOPLE
        for offset in range(0, len(whole), 377):
            page = orjson.loads(await opened.directory.contacts_page(sort_by=sort_by, limit=50, offset=offset))
            assert page == whole[offset : offset + 50]


async def test_pairs_are_ordered_by_lid_as_text(opened: Opened) -> None:
    await opened.directory.apply(crowd(PEOPLE))
    pairs = orjson.loads(await opened.directory.lids_page(limit=PEOPLE))
    assert len(pairs) == PEOPLE // 2 == await opened.directory.lids_count()
    assert [pair["lid"] for pair in pairs] == sorted(pair["lid"] for pair in pairs)
    assert orjson.loads(await opened.directory.lids_page(limit=10, offset=700)) == pairs[700:710]


async def test_unresolved_lids_come_after_the_pairs(opened: Opened) -> None:
    await opened.directory.apply(
        [
            LinkFact(PhoneNumber("15550101"), Lid("9005"), Source.HISTORY, 1),
            FieldFact(Lid("9001"), Field.PUSHNAME, "x", Source.MESSAGE, 1),
        ]
    )
    assert orjson.loads(await opened.directory.lids_page(limit=10, unresolved=True)) == [
        {"lid": "9005@lid", "pn": "15550101@c.us"},
        {"lid": "9001@lid", "pn": None},
    ]
    assert await opened.directory.lids_count(unresolved=True) == 2
    assert await opened.directory.lids_count() == 1


async def test_an_empty_directory_is_an_empty_array(opened: Opened) -> None:
    assert b"".join([piece async for piece in opened.directory.contacts_dump()]) == b"[]"
    assert await opened.directory.contacts_page(limit=5) == b"[]"
    assert await opened.directory.blocklist() == b"[]"
    assert await opened.directory.groups() == b"[]"


async def test_people_merely_seen_are_found_but_not_listed(opened: Opened) -> None:
    phone = PhoneNumber("15550101")
    await opened.directory.apply([LinkFact(phone, Lid("9001"), Source.GROUP, 1)])
    assert await opened.directory.contacts_page(limit=5) == b"[]"
    assert orjson.loads(opened.directory.contact(phone))["lid"] == "9001@lid"


async def test_reads_go_on_while_facts_arrive(opened: Opened) -> None:
    facts = crowd(PEOPLE)
    feeding = asyncio.gather(
        *(opened.directory.apply(facts[start : start + 200]) for start in range(0, len(facts), 200))
    )
    seen = 0
    while not feeding.done():
        page = orjson.loads(await opened.directory.contacts_page(limit=100, offset=seen // 2))
        assert len({contact["id"] for contact in page}) == len(page)
        seen = max(seen, await opened.directory.contacts_count())
        await asyncio.sleep(0)
    await feeding
    assert await opened.directory.contacts_count() == PEOPLE


async def test_erasing_forgets_everybody(opened: Opened) -> None:
    await opened.directory.apply(crowd(50))
    await opened.directory.contacts_page(limit=5)
    await opened.directory.erase()
    assert await opened.directory.contacts_count() == 0
    assert orjson.loads(opened.directory.contact(PhoneNumber("15550000013")))["name"] is None


async def synced(opened: Opened, people: int) -> None:
    """A directory whose first sync is over: from here on its lists are laid out when they are asked for."""
    await opened.directory.apply(crowd(people))
    await opened.directory.sync(Feed.CONTACTS, expected=None, received=None, complete=True)


def laid_out(opened: Opened) -> dict[int, int]:
    """How many contacts are laid out in which order."""
    return dict(opened.database.reader.execute("SELECT sort, count(*) FROM listing GROUP BY sort"))


async def test_a_list_is_laid_out_when_a_page_of_it_is_asked_for(opened: Opened) -> None:
    await synced(opened, 300)
    assert laid_out(opened) == {}
    await opened.directory.contacts_page(sort_by="name", limit=1)
    assert laid_out(opened) == {Sort.NAME: 300}
    await opened.directory.contacts_page(limit=1)
    assert laid_out(opened) == {Sort.NAME: 300, Sort.ID: 300}


async def test_a_first_sync_is_not_slowed_by_lists(opened: Opened) -> None:
    """While it is under way nothing is laid out, though pages are asked for; the first page after it is."""
    await opened.directory.sync(Feed.CONTACTS, expected=None, received=0, complete=False)
    await opened.directory.apply(crowd(20))
    before = await opened.directory.contacts_page(sort_by="name", limit=100)
    assert laid_out(opened) == {}
    await opened.directory.sync(Feed.CONTACTS, expected=None, received=None, complete=True)
    assert await opened.directory.contacts_page(sort_by="name", limit=100) == before
    assert laid_out(opened) == {Sort.NAME: 20}


@pytest.mark.parametrize("sort_by", SORTS)
async def test_laid_out_pages_follow_what_changes(opened: Opened, sort_by: SortBy) -> None:
    await synced(opened, 300)
    await opened.directory.contacts_page(sort_by=sort_by, limit=1)
    facts: list[Fact] = [
        FieldFact(PhoneNumber("15550000013"), Field.FULL_NAME, "Aaron", Source.ADDRESS_BOOK, 2),
        FieldFact(PhoneNumber("15559999999"), Field.FULL_NAME, "Zz", Source.ADDRESS_BOOK, 2),
        FieldFact(PhoneNumber("15550000000"), Field.CHAT, None, Source.HISTORY, 2),
    ]
    await opened.directory.apply(facts)
    whole = b"".join([piece async for piece in opened.directory.contacts_dump(sort_by=sort_by)])
    assert await opened.directory.contacts_page(sort_by=sort_by, limit=1000) == whole
    assert b"Aaron" in whole
    assert b"15550000000@c.us" not in whole


async def test_what_is_erased_is_not_laid_out_any_more(opened: Opened) -> None:
    await synced(opened, 50)
    await opened.directory.contacts_page(limit=1)
    await opened.directory.erase()
    assert laid_out(opened) == {}
    assert await opened.directory.contacts_page(limit=10) == b"[]"
    await synced(opened, 30)
    assert len(orjson.loads(await opened.directory.contacts_page(limit=100))) == 30
    assert laid_out(opened) == {Sort.ID: 30}


async def test_on_a_disk_that_takes_nothing_pages_are_there_all_the_same(opened: Opened) -> None:
    """A list that is laid out needs room on the disk; where there is none it is read as before."""
    await synced(opened, 2000)
    whole = orjson.loads(b"".join([piece async for piece in opened.directory.contacts_dump(sort_by="name")]))
    with refusing(opened.database.path.parent):
        page = await opened.directory.contacts_page(sort_by="name", limit=5, offset=700)
    assert orjson.loads(page) == whole[700:705]
    assert laid_out(opened) == {}
