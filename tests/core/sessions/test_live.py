"""Live calls: kept answers, one question for many askers, budgets, deadlines, reading back."""

import asyncio

import orjson
import pytest

from core.sessions.conftest import Core, open_core
from core.sessions.engines import ME, Script
from lidbook.clock import now_ms
from lidbook.errors import (
    ChangeNotTaken,
    EngineError,
    EngineTimeout,
    InvalidPhoneNumber,
    InvalidRequest,
    NotSupported,
    RateLimited,
    SessionNotReady,
)
from lidbook.facts import ContactListFact, Fact, Field, FieldFact, LinkFact, Source
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.session_config import SessionConfig
from lidbook.sessions.session import Session
from lidbook.values import LidState, Registration

ANN, ANN_LID = PhoneNumber("15550101"), Lid("9101")
BRAZIL, BRAZIL_REGISTERED = PhoneNumber("5531988887777"), PhoneNumber("553188887777")


async def working(core: Core) -> Session:
    await core.lidbook.sessions.create("s", SessionConfig())
    return await core.lidbook.sessions.usable("s")


def asked(core: Core, what: str) -> int:
    return sum(1 for kind, _ in core.script.asked if kind == what)


async def test_a_registered_number_is_asked_for_once(core: Core) -> None:
    session = await working(core)
    core.script.registered[ANN] = ANN_LID
    first = await session.live.check(ANN)
    assert first == Registration(ANN, ANN, ANN_LID)
    assert await session.live.check(ANN) == Registration(ANN, ANN, ANN_LID)
    assert asked(core, "check") == 1
    await session.live.check(ANN, refresh=True)
    assert asked(core, "check") == 2


async def test_what_a_check_learns_the_directory_knows(core: Core) -> None:
    session = await working(core)
    core.script.registered[ANN] = ANN_LID
    assert orjson.loads(session.directory.contact(ANN))["isWAContact"] is None
    await session.live.check(ANN)
    contact = orjson.loads(session.directory.contact(ANN))
    assert (contact["isWAContact"], contact["lid"]) == (True, "9101@lid")
    assert await session.directory.contacts_count() == 1, "only the account itself: a person checked is no contact"


async def test_all_spellings_go_in_one_query_and_the_servers_wins(core: Core) -> None:
    session = await working(core)
    core.script.registered[BRAZIL_REGISTERED] = ANN_LID
    answer = await session.live.check(BRAZIL)
    assert (answer.asked, answer.phone, answer.lid) == (BRAZIL, BRAZIL_REGISTERED, ANN_LID)
    assert core.script.asked == [("check", (BRAZIL, BRAZIL_REGISTERED))]
    assert await session.live.check(BRAZIL) == Registration(BRAZIL, BRAZIL_REGISTERED, ANN_LID)
    assert asked(core, "check") == 1
    assert session.directory.contact(BRAZIL) == session.directory.contact(BRAZIL_REGISTERED)


async def test_nobody_there_is_an_answer(core: Core) -> None:
    session = await working(core)
    assert await session.live.check(ANN) == Registration(ANN, None)
    assert orjson.loads(session.directory.contact(ANN))["isWAContact"] is False
    await session.live.check(ANN)
    assert asked(core, "check") == 1


async def test_a_local_number_never_reaches_the_server(core: Core) -> None:
    session = await working(core)
    for local in ("0049151234567", "015112345678", "12345", "1234567890123456"):
        with pytest.raises(InvalidPhoneNumber):
            await session.live.check(PhoneNumber(local))
    assert core.script.asked == []


async def test_many_askers_make_one_question(core: Core) -> None:
    session = await working(core)
    core.script.registered[ANN] = ANN_LID
    core.script.gate = asyncio.Event()
    askers = [asyncio.create_task(session.live.check(ANN)) for _ in range(20)]
    await asyncio.sleep(0)
    askers[0].cancel()
    await asyncio.sleep(0)
    core.script.gate.set()
    answers = await asyncio.gather(*askers[1:])
    assert set(answers) == {Registration(ANN, ANN, ANN_LID)}
    assert asked(core, "check") == 1


async def test_silence_is_an_error_and_never_an_empty_answer(tmp_path_factory: pytest.TempPathFactory) -> None:
    script = Script()
    lidbook = await open_core(tmp_path_factory.mktemp("silent"), script, deadline=0.05)
    await lidbook.sessions.create("s", SessionConfig())
    session = await lidbook.sessions.usable("s")
    script.gate = asyncio.Event()
    for call in (
        session.live.check(ANN),
        session.live.about(ANN),
        session.live.picture(ANN),
        session.live.lid_of(ANN),
        session.live.refresh_groups(),
    ):
        with pytest.raises(EngineTimeout):
            await call
    assert orjson.loads(session.directory.contact(ANN))["isWAContact"] is None
    await lidbook.close()


async def test_the_servers_limit_closes_that_kind_of_question(core: Core) -> None:
    session = await working(core)
    core.script.error = RateLimited("rate-overlimit", 30)
    with pytest.raises(RateLimited):
        await session.live.check(ANN)
    core.script.error = None
    with pytest.raises(RateLimited) as caught:
        await session.live.check(ANN)
    assert 29 < caught.value.retry_after <= 30
    assert asked(core, "check") == 1
    assert await session.live.about(ANN) == "Busy", "another kind of question is not affected"


async def test_a_spent_budget_says_how_long_to_wait(core: Core) -> None:
    session = await working(core)
    for _ in range(5):
        await session.live.refresh_groups()
    with pytest.raises(RateLimited) as caught:
        await session.live.refresh_groups()
    assert 50 < caught.value.retry_after <= 60
    assert asked(core, "groups") == 5


async def test_what_an_engine_throws_is_told_in_our_terms(core: Core) -> None:
    session = await working(core)
    core.script.error = KeyError("jid")
    with pytest.raises(EngineError) as caught:
        await session.live.check(ANN)
    assert isinstance(caught.value.__cause__, KeyError)
    assert "scripted failed at contacts.check" in caught.value.message


async def test_a_capability_that_is_absent_refuses_with_its_note_and_costs_no_budget(core: Core) -> None:
    session = await working(core)
    for _ in range(100):
        with pytest.raises(NotSupported) as caught:
            await session.live.delete_contact(ANN)
    assert caught.value.note == "the script has no such scene"


async def test_a_stopped_session_says_in_what_status_it_is(core: Core) -> None:
    session = await working(core)
    await core.lidbook.sessions.stop("s")
    with pytest.raises(SessionNotReady) as caught:
        await session.live.check(ANN)
    assert caught.value.session_status == "STOPPED"


async def test_a_contact_that_does_not_read_back_is_not_a_success(core: Core) -> None:
    session = await working(core)
    core.script.forgetful = True
    with pytest.raises(ChangeNotTaken):
        await session.live.update_contact(ANN, "Ann", "Lee")
    assert orjson.loads(session.directory.contact(ANN))["name"] is None


async def test_a_contact_written_is_read_at_once(core: Core) -> None:
    session = await working(core)
    await session.live.update_contact(ANN, "Ann", "Lee")
    contact = orjson.loads(session.directory.contact(ANN))
    assert (contact["name"], contact["shortName"], contact["isMyContact"]) == ("Ann Lee", "Ann", True)
    await session.live.update_contact(ANN, "Anna", None)
    assert orjson.loads(session.directory.contact(ANN))["name"] == "Anna"


def renamed(name: str | None, at: int) -> list[Fact]:
    """By another device."""
    return [FieldFact(ANN, field, name, Source.ADDRESS_BOOK, at) for field in (Field.FIRST_NAME, Field.FULL_NAME)]


def name_of(session: Session) -> object:
    return orjson.loads(session.directory.contact(ANN))["name"]


async def test_what_another_device_writes_while_a_contact_is_written_is_the_newer(core: Core) -> None:
    session = await working(core)
    core.script.meanwhile = renamed("Other", now_ms() + 500)
    await session.live.update_contact(ANN, "Ann", None)
    assert name_of(session) == "Other"


@pytest.mark.parametrize(("later", "name"), [(1, "Other"), (-1, "Ann")])
async def test_of_two_writes_that_the_server_dates_the_later_holds(later: int, name: str, core: Core) -> None:
    session = await working(core)
    core.script.written_at = now_ms() - 60_000
    core.script.meanwhile = renamed("Other", core.script.written_at + later)
    await session.live.update_contact(ANN, "Ann", None)
    assert name_of(session) == name


@pytest.mark.parametrize("written_at", [None, 1_600_000_000_000])
async def test_a_contact_written_is_newer_than_what_was_known_whatever_the_clocks_say(
    written_at: int | None, core: Core
) -> None:
    session = await working(core)
    core.script.written_at = written_at
    ahead = now_ms() + 3_600_000
    await session.directory.apply(
        [*renamed("Old", ahead), ContactListFact(frozenset(), Source.ADDRESS_BOOK, ahead + 5)]
    )
    await session.live.update_contact(ANN, "Ann", None)
    assert name_of(session) == "Ann"
    await session.live.update_contact(ANN, "Anna", None)
    assert name_of(session) == "Anna"


async def test_a_list_that_was_fetched_while_a_contact_was_written_does_not_take_it_away(core: Core) -> None:
    session = await working(core)
    core.script.written_at = now_ms() - 60_000
    core.script.meanwhile = [ContactListFact(frozenset(), Source.ADDRESS_BOOK, now_ms())]
    await session.live.update_contact(ANN, "Ann", None)
    contact = orjson.loads(session.directory.contact(ANN))
    assert (contact["name"], contact["isMyContact"]) == ("Ann", True)


async def test_blocking_by_phone_asks_for_the_lid_first(core: Core) -> None:
    session = await working(core)
    core.script.registered[ANN] = ANN_LID
    await session.live.block(ANN)
    assert [kind for kind, _ in core.script.asked] == ["query_lids", "block"]
    assert core.script.blocked == {ANN_LID}
    assert orjson.loads(session.directory.contact(ANN))["isBlocked"] is True
    assert len(orjson.loads(await session.directory.blocklist())) == 1
    await session.live.unblock(ANN_LID)
    assert orjson.loads(session.directory.contact(ANN))["isBlocked"] is False
    assert await session.directory.blocklist() == b"[]"


async def test_a_block_that_the_list_does_not_show_is_an_error(core: Core) -> None:
    session = await working(core)
    core.script.forgetful = True
    with pytest.raises(ChangeNotTaken):
        await session.live.block(ANN)


async def test_a_phone_number_gets_its_lid_by_one_live_query(core: Core) -> None:
    session = await working(core)
    core.script.registered[ANN] = ANN_LID
    answer = await session.live.lid_of(ANN)
    assert (answer.lid, answer.phone, answer.state) == (ANN_LID, ANN, LidState.MAPPED)
    await session.live.lid_of(ANN)
    assert asked(core, "query_lids") == 1


async def test_a_number_without_a_lid_is_not_asked_for_again_at_once(core: Core) -> None:
    session = await working(core)
    for _ in range(3):
        assert (await session.live.lid_of(ANN)).lid is None
    assert asked(core, "query_lids") == 1


async def test_a_limit_on_lid_queries_is_told_every_time_and_never_an_empty_answer(core: Core) -> None:
    session = await working(core)
    core.script.error = RateLimited("rate-overlimit", 30)
    for _ in range(3):
        with pytest.raises(RateLimited):
            await session.live.lid_of(ANN)
        with pytest.raises(RateLimited):
            await session.live.block(ANN)
    assert core.script.blocked == set()


async def test_nothing_is_learnt_of_a_made_up_person(core: Core) -> None:
    session = await working(core)
    core.script.nobody = True
    before = session.directory.contact(ANN_LID)
    assert await session.live.about(ANN_LID) is None
    assert (await session.live.picture(ANN_LID)).url is None
    assert session.directory.contact(ANN_LID) == before
    assert session.directory.lid_pair(ANN_LID).state is LidState.UNKNOWN


async def test_a_number_that_is_not_registered_has_no_lid_to_wait_for(core: Core) -> None:
    session = await working(core)
    await session.live.check(ANN)
    assert session.directory.phone_pair(ANN).state is LidState.UNKNOWN


async def test_nobody_blocks_themselves(core: Core) -> None:
    session = await working(core)
    with pytest.raises(InvalidRequest, match="this account itself"):
        await session.live.block(ME.phone)


async def test_the_wrong_type_from_an_engine_is_the_engines_fault(core: Core) -> None:
    session = await working(core)
    core.script.nobody = None
    with pytest.raises(EngineError, match="str for a picture"):
        await session.live.picture(ANN)


async def test_waiting_for_a_phone_number_ends_when_it_arrives(core: Core) -> None:
    session = await working(core)
    waiting = asyncio.create_task(session.live.phone_of(ANN_LID, wait=30))
    await asyncio.sleep(0)
    await session.directory.apply([LinkFact(ANN, ANN_LID, Source.MESSAGE, 1)])
    answer = await waiting
    assert (answer.phone, answer.state) == (ANN, LidState.MAPPED)


async def test_a_picture_is_kept_until_its_address_expires(core: Core) -> None:
    session = await working(core)
    await session.directory.apply([LinkFact(ANN, ANN_LID, Source.MESSAGE, 1)])
    await session.live.picture(ANN)
    await session.live.picture(ANN_LID)
    assert asked(core, "picture") == 1, "kept per person, not per spelling"
    core.script.picture_expires_at = 1
    await session.live.picture(ANN, refresh=True)
    await session.live.picture(ANN)
    assert asked(core, "picture") == 3, "an address that has expired is no answer"


async def test_an_about_is_kept_for_a_while(core: Core) -> None:
    session = await working(core)
    await session.directory.apply([FieldFact(ANN, Field.PUSHNAME, "ann", Source.MESSAGE, 1)])
    assert await session.live.about(ANN) == "Busy"
    assert await session.live.about(ANN) == "Busy"
    assert asked(core, "about") == 1


async def test_a_contact_written_under_another_spelling_is_the_same_person(core: Core) -> None:
    session = await working(core)
    core.script.registered[BRAZIL_REGISTERED] = ANN_LID
    await session.live.update_contact(BRAZIL, "Bia", None)
    assert orjson.loads(session.directory.contact(BRAZIL_REGISTERED))["name"] == "Bia"
    assert session.directory.contact(BRAZIL) == session.directory.contact(BRAZIL_REGISTERED)
    assert await session.directory.contacts_count() == 2, "the account itself, and one Bia"


async def test_the_spelling_that_is_not_registered_finds_the_person_without_asking(core: Core) -> None:
    session = await working(core)
    await session.directory.apply([LinkFact(BRAZIL_REGISTERED, ANN_LID, Source.HISTORY, 1)])
    assert session.directory.contact(BRAZIL) == session.directory.contact(BRAZIL_REGISTERED)
    assert (await session.live.lid_of(BRAZIL)).phone == BRAZIL_REGISTERED
    assert core.script.asked == []
