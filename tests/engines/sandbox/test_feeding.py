"""What the sandbox tells the directory: everything once, then only what changed."""

import asyncio
from pathlib import Path

from lidbook.capabilities import Feed
from lidbook.facts import (
    BlocklistFact,
    Field,
    FieldFact,
    GroupFact,
    GroupListFact,
    LinkFact,
    ParticipantFact,
    Role,
    Source,
)
from lidbook.identifiers import GroupId, Lid, PhoneNumber
from lidbook.values import Person, SessionStatus
from lidbook.world.wire import WireState
from lidbook_sandbox.engine import SandboxEngine
from lidbook_sandbox.feeding import Feeder
from lidbook_sandbox.line import Line
from lidbook_sandbox.settings import SandboxSettings

from .conftest import Clock, Start
from .recording import RecordingContext
from .telling import BEATRIZ, JOHN, JOHN_LID, books, open_service, synced

BEATRIZ_TYPED = PhoneNumber("5531988887777")
BEATRIZ_LID = Lid("119084467325598")
OWEN_LID = Lid("231985067714402")
OWEN = PhoneNumber("447700900106")
FOX_LID = Lid("221705938846150")
ME_LID = Lid("104900213377001")
DANA_LID = Lid("240059127738816")
CHOIR = GroupId("120363041234567890")
BOOK_CLUB = GroupId("120363049876543210")


async def test_the_first_sync_tells_the_address_book_with_its_own_times(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    await synced(start, context)
    assert context.fields(JOHN, Field.FULL_NAME) == [
        FieldFact(JOHN, Field.FULL_NAME, "John Doe", Source.ADDRESS_BOOK, 1_709_371_200_000)
    ]
    assert LinkFact(JOHN, JOHN_LID, Source.ADDRESS_BOOK, 1_709_371_200_000) in context.told
    assert max(fact.observed_at for fact in context.told) < 1_720_000_000_000


async def test_a_brazilian_is_told_under_the_spelling_of_the_server(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    await synced(start, context)
    assert [fact.value for fact in context.fields(BEATRIZ, Field.FULL_NAME)] == ["Beatriz Rocha"]
    assert not context.fields(BEATRIZ_TYPED, Field.FULL_NAME)
    assert (BEATRIZ.digits, BEATRIZ_LID.digits) in context.links()


async def test_push_names_are_told_under_the_lid_from_history(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    await synced(start, context)
    (fact,) = context.fields(JOHN_LID, Field.PUSHNAME)
    assert (fact.value, fact.source) == ("Johnny", Source.HISTORY)


async def test_a_person_known_by_lid_only_is_told_as_hidden_and_never_linked(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    await synced(start, context)
    assert context.fields(OWEN_LID, Field.HIDDEN)
    assert context.fields(FOX_LID, Field.USERNAME)[0].value == "quietfox"
    assert not any(OWEN_LID.digits == lid for _, lid in context.links())
    assert all(not (isinstance(fact, FieldFact) and fact.user == OWEN) for fact in context.told)


async def test_blocklist_and_groups_are_told_whole_and_the_list_of_groups_last(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    await synced(start, context)
    (blocklist,) = [fact for fact in context.told if isinstance(fact, BlocklistFact)]
    assert blocklist.users == {PhoneNumber("12025550111"), Lid("153870249961178")}
    groups = [fact for fact in context.told if isinstance(fact, GroupFact)]
    assert len(groups) == 3
    assert all(group.source is Source.GROUP and group.participants for group in groups)
    last = context.told[-1]
    assert isinstance(last, GroupListFact)
    assert last.groups == {group.group for group in groups}


async def test_the_address_book_is_told_whole_after_its_names(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    await synced(start, context)
    names = [fact for fact in context.told if isinstance(fact, FieldFact) and fact.field is Field.FULL_NAME]
    (book,) = books(context)
    assert book.users == {fact.user for fact in names}
    assert book.observed_at == max(fact.observed_at for fact in names)
    assert context.told.index(book) > max(context.told.index(fact) for fact in names)


async def test_completion_is_reported_after_the_facts_and_with_matching_counts(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path, SandboxSettings(people=3000))
    context.gate.clear()
    await start(context)
    await context.until_status(SessionStatus.WORKING)
    assert not context.synced
    context.gate.set()
    await context.until(lambda: context.is_fully_synced)
    assert len(context.batches) > 3
    done = {feed: (expected, received) for feed, expected, received, complete in context.syncs if complete}
    names = {fact.user for fact in context.told if isinstance(fact, FieldFact) and fact.field is Field.FULL_NAME}
    assert done[Feed.CONTACTS] == (len(names), len(names))
    assert len(context.links()) == done[Feed.LIDS][1]


async def test_one_persons_facts_stand_near_each_other(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path, SandboxSettings(people=2000))
    await synced(start, context)
    pairs = {lid: phone for phone, lid in context.links()}
    spots: dict[str, list[int]] = {}
    for spot, fact in enumerate(context.told):
        if isinstance(fact, FieldFact) and fact.field is not Field.HIDDEN:
            digits = fact.user.digits
            spots.setdefault(pairs.get(digits, digits), []).append(spot)
    assert max(max(where) - min(where) for where in spots.values()) < 12


async def test_a_change_made_on_the_phone_reaches_a_running_session(
    start: Start, engine: SandboxEngine, tmp_path: Path, clock: Clock
) -> None:
    context = RecordingContext(tmp_path)
    await synced(start, context)
    service = await open_service(engine)
    before = len(context.told)
    service.phone_edits_contact(BEATRIZ_TYPED, "Bia")
    service.phone_blocks(JOHN)
    await context.until(lambda: bool(context.fields(JOHN, Field.BLOCKED)))
    assert [fact for fact in context.told[before:] if isinstance(fact, FieldFact) and fact.user == BEATRIZ] == [
        FieldFact(BEATRIZ, Field.FIRST_NAME, "Bia", Source.ADDRESS_BOOK, clock.now),
        FieldFact(BEATRIZ, Field.LAST_NAME, None, Source.ADDRESS_BOOK, clock.now),
        FieldFact(BEATRIZ, Field.FULL_NAME, "Bia", Source.ADDRESS_BOOK, clock.now),
    ]
    assert context.fields(JOHN_LID, Field.BLOCKED)[0].value is True


async def test_two_sessions_of_one_account_tell_each_others_changes(start: Start, tmp_path: Path) -> None:
    one, two = RecordingContext(tmp_path), RecordingContext(tmp_path)
    writer = await synced(start, one)
    await synced(start, two)
    entry = await writer.update_contact(Person(JOHN, None), "Johannes", "Doe", save_on_phone=True)
    assert entry.full_name == "Johannes Doe"
    assert one.fields(JOHN, Field.FULL_NAME)[-1].value == "Johannes Doe"
    await two.until(lambda: two.fields(JOHN, Field.FULL_NAME)[-1].value == "Johannes Doe")


async def test_another_account_is_told_nothing_of_this_ones_address_book(
    start: Start, engine: SandboxEngine, tmp_path: Path
) -> None:
    dana = RecordingContext(tmp_path, SandboxSettings(account="+1 202 555 0114"))
    await synced(start, dana)
    assert not dana.fields(JOHN, Field.FULL_NAME)
    service = await open_service(engine)
    service.phone_edits_contact(JOHN, "Secret")
    service.live.change_pushname(Lid("71554209918833"), "Millie")
    await dana.until(lambda: dana.fields(Lid("71554209918833"), Field.PUSHNAME)[-1].value == "Millie")
    assert not dana.fields(JOHN, Field.FULL_NAME)


async def test_a_number_revealed_by_a_message_becomes_a_link(
    start: Start, engine: SandboxEngine, tmp_path: Path, clock: Clock
) -> None:
    context = RecordingContext(tmp_path)
    await synced(start, context)
    service = await open_service(engine)
    service.reveal_phone(OWEN_LID)
    await context.until(lambda: (OWEN.digits, OWEN_LID.digits) in context.links())
    assert LinkFact(OWEN, OWEN_LID, Source.MESSAGE, clock.now) in context.told


async def test_numbers_that_move_and_numbers_that_are_given_away_become_links(
    start: Start, engine: SandboxEngine, tmp_path: Path
) -> None:
    context = RecordingContext(tmp_path)
    await synced(start, context)
    service = await open_service(engine)
    moved = PhoneNumber("12025550177")
    service.live.change_number(JOHN_LID, moved)
    newcomer = service.live.reassign_number(JOHN, pushname="Somebody else")
    await context.until(lambda: (JOHN.digits, newcomer.digits) in context.links())
    assert (moved.digits, JOHN_LID.digits) in context.links()
    links = [fact for fact in context.told if isinstance(fact, LinkFact)]
    assert max((f for f in links if f.phone == JOHN), key=lambda f: f.observed_at).lid == newcomer
    assert max((f for f in links if f.lid == JOHN_LID), key=lambda f: f.observed_at).phone == moved


async def test_coming_leaving_and_promotion_in_groups_are_told(
    start: Start, engine: SandboxEngine, tmp_path: Path
) -> None:
    context = RecordingContext(tmp_path)
    await synced(start, context)
    live = (await open_service(engine)).live
    before = len(context.told)
    live.join_group(CHOIR, JOHN_LID)
    live.leave_group(CHOIR, OWEN_LID)
    live.promote(CHOIR, ME_LID)
    live.leave_group(BOOK_CLUB, ME_LID)
    await context.until(lambda: any(isinstance(fact, GroupListFact) for fact in context.told[before + 6 :]))
    told = context.told[before:]
    roles = [(f.participant.lid, f.participant.role) for f in told if isinstance(f, ParticipantFact)]
    assert (JOHN_LID, Role.PARTICIPANT) in roles
    assert (OWEN_LID, Role.LEFT) in roles
    assert (ME_LID, Role.ADMIN) in roles
    whole = next(fact for fact in told if isinstance(fact, GroupFact) and fact.group == CHOIR)
    assert whole.participants is not None
    niamh = next(p for p in whole.participants if p.lid == Lid("187700423915560"))
    assert niamh.phone == PhoneNumber("447700900105")
    last = [fact for fact in told if isinstance(fact, GroupListFact)][-1]
    assert BOOK_CLUB not in last.groups


async def test_picture_and_about_changes_honour_privacy(start: Start, engine: SandboxEngine, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    await synced(start, context)
    live = (await open_service(engine)).live
    hidden_about = Lid("150233908471265")
    live.change_about(hidden_about, "not for you")
    live.change_about(JOHN_LID, "New text")
    live.change_picture(JOHN_LID, None)
    await context.until(lambda: bool(context.fields(JOHN_LID, Field.PICTURE)))
    assert [fact.value for fact in context.fields(JOHN_LID, Field.ABOUT)] == ["New text"]
    assert not context.fields(hidden_about, Field.ABOUT)


async def test_refreshing_groups_tells_them_as_of_now(start: Start, tmp_path: Path, clock: Clock) -> None:
    context = RecordingContext(tmp_path)
    session = await synced(start, context)
    before = len(context.told)
    clock.now += 1000
    await session.refresh_groups()
    told = context.told[before:]
    assert {fact.observed_at for fact in told} == {clock.now}
    assert isinstance(told[-1], GroupListFact)


async def test_two_that_catch_up_at_once_tell_every_change_once(engine: SandboxEngine, tmp_path: Path) -> None:
    context, line, service = RecordingContext(tmp_path), Line(1), await open_service(engine)
    line.move(WireState.OPEN)
    feeder = Feeder(context, service, "any", line)
    context.gate.clear()
    service.live.change_about(JOHN_LID, "One")
    both = [asyncio.create_task(feeder.catch_up()) for _ in range(2)]
    await asyncio.sleep(0)
    service.live.change_about(JOHN_LID, "Two")
    context.gate.set()
    await asyncio.gather(*both)
    assert [fact.value for fact in context.fields(JOHN_LID, Field.ABOUT)] == ["One", "Two"]
