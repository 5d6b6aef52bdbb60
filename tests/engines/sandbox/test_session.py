"""A session of the sandbox: linking, live calls, and everything that can be made to go wrong."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lidbook.capabilities import Capability
from lidbook.errors import (
    Conflict,
    EngineDisconnected,
    EngineError,
    EngineTimeout,
    InvalidRequest,
    LoggedOut,
    NotOnWhatsApp,
    RateLimited,
)
from lidbook.facts import Field, PictureState
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.values import Person, SessionStatus, StatusReason
from lidbook.world.conditions import Condition, Conditions, Kind
from lidbook_sandbox.engine import SandboxEngine, conditions_folder
from lidbook_sandbox.session import SandboxSession
from lidbook_sandbox.settings import SandboxSettings

from .conftest import Start
from .recording import RecordingContext

ME = PhoneNumber("12025550100")
JOHN = PhoneNumber("11231231231")
BEATRIZ_TYPED = PhoneNumber("5531988887777")
BEATRIZ = PhoneNumber("553188887777")
CALLUM = PhoneNumber("447700900102")
FREYA = PhoneNumber("447700900103")
RORY = PhoneNumber("447700900104")
NOBODY = PhoneNumber("12025550115")
IMPATIENT = SandboxSettings(query_timeout=0.05)


def account_conditions(engine: SandboxEngine) -> Conditions:
    return engine.conditions.of(ME)


def person(phone: PhoneNumber) -> Person:
    return Person(phone, None)


async def test_a_session_links_itself_and_says_which_account_it_is(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    await start(context)
    await context.until_status(SessionStatus.WORKING)
    assert [status for status, _ in context.statuses] == [SessionStatus.STARTING, SessionStatus.WORKING]
    (account,) = context.accounts
    assert (account.phone, account.lid, account.pushname) == (ME, Lid("104900213377001"), "Robin")


async def test_the_account_is_chosen_by_its_number(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path, SandboxSettings(account="+1 202 555 0114"))
    await start(context)
    await context.until_status(SessionStatus.WORKING)
    assert context.accounts[0].pushname == "Dana"
    assert context.accounts[0].device == 2


async def test_an_account_that_is_not_in_the_world_fails_and_says_which_are(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path, SandboxSettings(account="+1 202 555 0199"))
    await start(context)
    await context.until_status(SessionStatus.FAILED, StatusReason.RUNTIME)
    message = str(context.logged.events[-1][2]["error"])
    assert "12025550100" in message
    assert "12025550114" in message


async def test_a_world_that_cannot_be_read_fails_and_says_what_to_write(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text('{"people": [{"phone": "0171 1"}], "accounts": [{"person": "1"}]}')
    context = RecordingContext(tmp_path, SandboxSettings(world=str(file)))
    await start(context)
    await context.until_status(SessionStatus.FAILED, StatusReason.RUNTIME)
    assert "people[0]" in str(context.logged.events[-1][2]["error"])


async def working(start: Start, context: RecordingContext) -> SandboxSession:
    session = await start(context)
    await context.until(lambda: context.has_told_everything)
    return session


async def test_a_check_answers_with_the_servers_spelling(start: Start, tmp_path: Path) -> None:
    session = await working(start, RecordingContext(tmp_path))
    found, missing = await session.check([BEATRIZ_TYPED, NOBODY])
    assert (found.asked, found.phone, found.lid) == (BEATRIZ_TYPED, BEATRIZ, Lid("119084467325598"))
    assert not missing.registered


async def test_lids_are_answered_for_the_exact_spelling_only(start: Start, tmp_path: Path) -> None:
    session = await working(start, RecordingContext(tmp_path))
    answers = await session.query_lids([BEATRIZ_TYPED, BEATRIZ])
    assert answers == {BEATRIZ_TYPED: None, BEATRIZ: Lid("119084467325598")}


async def test_about_texts_may_be_hidden_empty_or_there(start: Start, tmp_path: Path) -> None:
    session = await working(start, RecordingContext(tmp_path))
    answers = await session.about([person(JOHN), person(CALLUM), person(RORY)])
    assert [answer.about for answer in answers] == ["Hi, I use WhatsApp!", None, ""]


async def test_pictures_may_be_hidden_missing_or_there(start: Start, tmp_path: Path) -> None:
    session = await working(start, RecordingContext(tmp_path))
    pictures = [await session.picture(person(phone)) for phone in (JOHN, FREYA, RORY)]
    assert [picture.state for picture in pictures] == [PictureState.PRESENT, PictureState.HIDDEN, PictureState.NONE]


async def test_a_saved_contact_is_read_back_and_told_before_the_call_returns(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    session = await working(start, context)
    entry = await session.update_contact(person(BEATRIZ_TYPED), " Bia ", "", save_on_phone=True)
    assert (entry.person.phone, entry.first_name, entry.last_name, entry.full_name) == (BEATRIZ, "Bia", None, "Bia")
    assert context.fields(BEATRIZ, Field.FULL_NAME)[-1].value == "Bia"


async def test_a_saved_contact_survives_the_process(engine: SandboxEngine, start: Start, tmp_path: Path) -> None:
    session = await working(start, RecordingContext(tmp_path))
    await session.update_contact(person(NOBODY), "Front", "Desk", save_on_phone=False)
    line = json.loads((engine.data_dir / "worlds" / "demo" / "changes.jsonl").read_text())
    assert (line["change"], line["user"], line["full_name"], line["on_phone"]) == (
        "ContactSaved",
        "12025550115@c.us",
        "Front Desk",
        False,
    )


async def test_deleting_a_contact_twice_is_no_error(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    session = await working(start, context)
    await session.delete_contact(person(BEATRIZ_TYPED))
    await session.delete_contact(person(BEATRIZ_TYPED))
    assert [fact.value for fact in context.fields(BEATRIZ, Field.FULL_NAME)] == ["Beatriz Rocha", None]


async def test_blocking_and_unblocking_answer_the_whole_list_with_both_identifiers(
    start: Start, tmp_path: Path
) -> None:
    session = await working(start, RecordingContext(tmp_path))
    before = {PhoneNumber("12025550111"), Lid("153870249961178")}
    assert await session.block(person(JOHN)) == {*before, JOHN, Lid("208817345501126")}
    assert await session.unblock(Person(None, Lid("208817345501126"))) == before


async def test_blocking_a_number_that_is_not_registered_says_so(start: Start, tmp_path: Path) -> None:
    session = await working(start, RecordingContext(tmp_path))
    with pytest.raises(NotOnWhatsApp):
        await session.block(person(NOBODY))


async def test_a_rate_limit_holds_for_the_calls_it_names(engine: SandboxEngine, start: Start, tmp_path: Path) -> None:
    session = await working(start, RecordingContext(tmp_path))
    limit = Condition(Kind.RATE_LIMIT, frozenset({Capability.CONTACTS_CHECK}), retry_after=7)
    account_conditions(engine).set(limit)
    with pytest.raises(RateLimited) as caught:
        await session.check([JOHN])
    assert caught.value.retry_after == 7
    assert (await session.about([person(JOHN)]))[0].about
    account_conditions(engine).clear()
    assert (await session.check([JOHN]))[0].registered


async def test_a_timeout_is_an_error_although_the_change_was_made(
    engine: SandboxEngine, start: Start, tmp_path: Path
) -> None:
    context = RecordingContext(tmp_path, IMPATIENT)
    session = await working(start, context)
    account_conditions(engine).set(Condition(Kind.TIMEOUT))
    with pytest.raises(EngineTimeout):
        await session.update_contact(person(JOHN), "Late", None, save_on_phone=True)
    await context.until(lambda: context.fields(JOHN, Field.FULL_NAME)[-1].value == "Late")


async def test_silence_is_an_error_and_nothing_was_changed(engine: SandboxEngine, start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path, IMPATIENT)
    session = await working(start, context)
    conditions = account_conditions(engine)
    conditions.set(Condition(Kind.SILENCE))
    with pytest.raises(EngineTimeout):
        await session.update_contact(person(JOHN), "Never", None, save_on_phone=True)
    conditions.clear()
    entry = await session.update_contact(person(RORY), "R", None, save_on_phone=True)
    assert entry.full_name == "R"
    assert [fact.value for fact in context.fields(JOHN, Field.FULL_NAME)] == ["John Doe"]


async def test_announcements_wait_until_the_silence_is_over(
    engine: SandboxEngine, start: Start, tmp_path: Path
) -> None:
    one, two = RecordingContext(tmp_path, IMPATIENT), RecordingContext(tmp_path, SandboxSettings(account="12025550114"))
    await working(start, one)
    await working(start, two)
    account_conditions(engine).set(Condition(Kind.SILENCE))
    amelia = Lid("71554209918833")
    (await engine.worlds.open(one.sandbox.source)).live.change_pushname(amelia, "Millie")
    await two.until(lambda: two.fields(amelia, Field.PUSHNAME)[-1].value == "Millie")
    assert one.fields(amelia, Field.PUSHNAME)[-1].value == "Amelia"
    account_conditions(engine).clear()
    await one.until(lambda: one.fields(amelia, Field.PUSHNAME)[-1].value == "Millie")


async def test_a_silence_that_ends_in_time_is_only_a_delay(engine: SandboxEngine, start: Start, tmp_path: Path) -> None:
    session = await working(start, RecordingContext(tmp_path))
    account_conditions(engine).set(Condition(Kind.SILENCE))
    call = asyncio.create_task(session.check([JOHN]))
    await asyncio.sleep(0)
    assert not call.done()
    account_conditions(engine).clear()
    assert (await call)[0].registered


async def test_a_slow_answer_past_the_timeout_is_an_error(engine: SandboxEngine, start: Start, tmp_path: Path) -> None:
    session = await working(start, RecordingContext(tmp_path, IMPATIENT))
    account_conditions(engine).set(Condition(Kind.SLOW, milliseconds=1))
    assert (await session.check([JOHN]))[0].registered
    account_conditions(engine).set(Condition(Kind.SLOW, milliseconds=60_000))
    with pytest.raises(EngineTimeout):
        await session.check([JOHN])


async def test_one_conflict_is_resolved_and_two_are_reported(
    engine: SandboxEngine, start: Start, tmp_path: Path
) -> None:
    session = await working(start, RecordingContext(tmp_path))
    conditions = account_conditions(engine)
    conditions.set(Condition(Kind.CONFLICT, times=1))
    assert (await session.update_contact(person(JOHN), "A", None, save_on_phone=True)).full_name == "A"
    conditions.set(Condition(Kind.CONFLICT, times=2))
    with pytest.raises(Conflict):
        await session.update_contact(person(JOHN), "B", None, save_on_phone=True)
    assert conditions.all() == ()
    await session.delete_contact(person(JOHN))


async def test_losing_the_connection_is_starting_and_its_return_is_working(
    engine: SandboxEngine, start: Start, tmp_path: Path
) -> None:
    context = RecordingContext(tmp_path)
    session = await working(start, context)
    account_conditions(engine).set(Condition(Kind.DISCONNECT))
    with pytest.raises(EngineDisconnected):
        await session.check([JOHN])
    await context.until_status(SessionStatus.STARTING, StatusReason.NETWORK)
    account_conditions(engine).clear(Kind.DISCONNECT)
    await context.until_status(SessionStatus.WORKING)
    assert (await session.check([JOHN]))[0].registered


async def test_a_call_under_way_fails_when_the_connection_goes(
    engine: SandboxEngine, start: Start, tmp_path: Path
) -> None:
    session = await working(start, RecordingContext(tmp_path))
    account_conditions(engine).set(Condition(Kind.SILENCE))
    call = asyncio.create_task(session.check([JOHN]))
    await asyncio.sleep(0)
    await session.stop()
    with pytest.raises(EngineDisconnected):
        await call


async def test_a_device_removed_on_the_phone_is_logged_out_once(
    engine: SandboxEngine, start: Start, tmp_path: Path
) -> None:
    context = RecordingContext(tmp_path)
    session = await working(start, context)
    account_conditions(engine).set(Condition(Kind.LOGOUT))
    with pytest.raises(LoggedOut):
        await session.check([JOHN])
    await context.until_status(SessionStatus.FAILED, StatusReason.LOGGED_OUT)
    assert "link" not in context.kept.blobs
    with pytest.raises(LoggedOut):
        await session.check([JOHN])
    await session.stop()
    again = RecordingContext(tmp_path, vault=context.kept, synced=context.synced)
    await start(again)
    await again.until_status(SessionStatus.WORKING)


async def test_logging_out_forgets_the_link(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    session = await working(start, context)
    assert "link" in context.kept.blobs
    await session.logout()
    assert "link" not in context.kept.blobs
    with pytest.raises(LoggedOut):
        await session.check([JOHN])
    await session.stop()


async def test_calls_before_the_start_and_after_the_stop_are_refused(
    engine: SandboxEngine, start: Start, tmp_path: Path
) -> None:
    fresh = engine.open(RecordingContext(tmp_path))
    with pytest.raises(EngineDisconnected):
        await fresh.check([JOHN])
    await fresh.stop()
    session = await working(start, RecordingContext(tmp_path))
    await session.stop()
    await session.stop()
    with pytest.raises(EngineDisconnected):
        await session.check([JOHN])


async def test_a_qr_code_is_shown_until_it_is_scanned(engine: SandboxEngine, start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path, SandboxSettings(require_scan=True))
    session = await start(context)
    await context.until(lambda: len(context.qrs) == 1)
    assert context.qrs[0].startswith("2@")
    assert len(context.qrs[0].split(",")) == 4
    code = await session.pairing_code(ME)
    assert [len(part) for part in code.split("-")] == [4, 4]
    with pytest.raises(NotOnWhatsApp):
        await session.pairing_code(JOHN)
    account_conditions(engine).set(Condition(Kind.SCAN))
    await context.until_status(SessionStatus.WORKING)
    with pytest.raises(EngineError):
        await session.pairing_code(ME)
    await session.stop()
    again = RecordingContext(tmp_path, context.sandbox, vault=context.kept)
    await start(again)
    await again.until_status(SessionStatus.WORKING)
    assert again.qrs == []


async def test_qr_codes_change_and_run_out(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path, SandboxSettings(require_scan=True, qr_seconds=0.01, qr_rounds=3))
    await start(context)
    await context.until_status(SessionStatus.FAILED, StatusReason.QR_EXPIRED)
    assert len(set(context.qrs)) == 3


async def test_another_process_switches_conditions_through_the_file(
    engine: SandboxEngine, start: Start, tmp_path: Path
) -> None:
    context = RecordingContext(tmp_path)
    session = await working(start, context)
    script = (
        "import sys; from pathlib import Path\n"
        "from lidbook.world.conditions import Condition, Conditions, Kind\n"
        "conditions = Conditions(Path(sys.argv[1]))\n"
        "conditions.set(Condition(Kind(sys.argv[2]))) if sys.argv[2:] else conditions.clear()\n"
    )
    file = str(conditions_folder(engine.data_dir) / f"{ME.digits}.json")
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, file, "rate-limit"], check=True)
    with pytest.raises(RateLimited):
        await session.check([JOHN])
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, file], check=True)
    assert (await session.check([JOHN]))[0].registered
    async with engine.running(), engine.running():
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, file, "disconnect"], check=True)
        await context.until_status(SessionStatus.STARTING, StatusReason.NETWORK)


async def test_a_conditions_file_that_cannot_be_read_is_reported_by_the_call(
    engine: SandboxEngine, start: Start, tmp_path: Path
) -> None:
    session = await working(start, RecordingContext(tmp_path))
    file = conditions_folder(engine.data_dir) / f"{ME.digits}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text("nonsense")
    with pytest.raises(InvalidRequest, match="holds no conditions"):
        await session.check([JOHN])


async def test_an_own_logout_lets_calls_under_way_fail_as_logged_out(
    engine: SandboxEngine, start: Start, tmp_path: Path
) -> None:
    session = await working(start, RecordingContext(tmp_path))
    account_conditions(engine).set(Condition(Kind.SILENCE, frozenset({Capability.CONTACTS_CHECK})))
    call = asyncio.create_task(session.check([JOHN]))
    await asyncio.sleep(0)
    await session.logout()
    with pytest.raises(LoggedOut):
        await call


async def test_worlds_are_shared_while_in_use_and_read_again_afterwards(
    engine: SandboxEngine, start: Start, tmp_path: Path
) -> None:
    one = await working(start, RecordingContext(tmp_path))
    two = await working(start, RecordingContext(tmp_path))
    source = SandboxSettings().source
    shared = await engine.worlds.open(source)
    assert await engine.worlds.open(source) is shared
    for _ in range(2):
        await engine.worlds.close(shared)
    await one.stop()
    assert (await engine.worlds.open(source)) is shared
    await engine.worlds.close(shared)
    await two.stop()
    fresh = await engine.worlds.open(source)
    assert fresh is not shared
    await engine.worlds.close(fresh)


async def test_an_address_book_that_is_not_used_whole_is_warned_about(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "my.vcf"
    file.write_text(
        "BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nTEL:+12025550181\nEND:VCARD\nBEGIN:VCARD\nVERSION:3.0\nFN:No\nEND:VCARD\n"
    )
    context = RecordingContext(tmp_path, SandboxSettings(world=str(file)))
    await working(start, context)
    (warning,) = [values for level, _, values in context.logged.events if level == "warning"]
    assert warning["refused"] == 1
    assert str(warning["see"]).endswith("my.vcf")
    assert [fact.value for fact in context.fields(PhoneNumber("12025550181"), Field.FULL_NAME)] == ["Ana"]


async def test_a_change_torn_by_a_crash_is_warned_about(engine: SandboxEngine, start: Start, tmp_path: Path) -> None:
    journal = engine.data_dir / "worlds" / "demo" / "changes.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_text('{"change":"Contact')
    context = RecordingContext(tmp_path)
    session = await working(start, context)
    assert any(level == "warning" and "torn" in event for level, event, _ in context.logged.events)
    await session.update_contact(person(JOHN), "J", None, save_on_phone=True)
    assert journal.read_text().count("\n") == 1


async def test_a_failure_while_feeding_ends_the_session_and_says_so(start: Start, tmp_path: Path) -> None:
    context = RecordingContext(tmp_path)
    context.kept.blobs["progress"] = b"nonsense"
    session = await start(context)
    await context.until_status(SessionStatus.FAILED, StatusReason.CRASHED)
    assert context.logged.events[-1][:2] == ("error", "the sandbox session failed")
    with pytest.raises(EngineDisconnected):
        await session.check([JOHN])
