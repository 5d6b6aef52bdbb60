"""What a session that was told before is told again: what changed, or everything, and what is gone."""

import json
from pathlib import Path

from lidbook.facts import (
    ContactListFact,
    Field,
    FieldFact,
    GroupFact,
    Source,
)
from lidbook.identifiers import Lid, PhoneNumber
from lidbook.values import Person, SessionStatus
from lidbook_sandbox.engine import SandboxEngine
from lidbook_sandbox.settings import SandboxSettings

from .conftest import Clock, Start
from .recording import RecordingContext
from .telling import BEATRIZ, JOHN, books, open_service, synced

WORLD = {
    "name": "small",
    "people": [
        {"phone": "+1 202 555 0100", "lid": "100000000000001@lid", "pushname": "Me"},
        {"phone": "+1 202 555 0101", "lid": "100000000000002@lid", "pushname": "Ana"},
        {"phone": "+1 202 555 0102", "lid": "100000000000003@lid", "pushname": "Ben"},
    ],
    "accounts": [
        {
            "person": "+1 202 555 0100",
            "addressBook": [
                {"phone": "+1 202 555 0101", "firstName": "Ana", "lastName": "Old"},
                {"phone": "+1 202 555 0102", "firstName": "Ben"},
            ],
            "chats": ["+1 202 555 0102"],
        }
    ],
}
ANA, BEN = PhoneNumber("12025550101"), PhoneNumber("12025550102")
BEN_LID = Lid("100000000000003")


def taken_back(context: RecordingContext) -> list[FieldFact]:
    """What was told to be gone. That a line of the address book lacks a name is no less of a fact than that it has."""
    facts = [fact for fact in context.told if isinstance(fact, FieldFact) and fact.value is None]
    return [fact for fact in facts if fact.source is not Source.ADDRESS_BOOK]


async def test_a_restart_on_the_same_world_tells_nothing_again(
    start: Start, engine: SandboxEngine, tmp_path: Path
) -> None:
    first = RecordingContext(tmp_path)
    await (await synced(start, first)).stop()
    second = RecordingContext(tmp_path, vault=first.kept, synced=first.synced)
    session = await start(second)
    await second.until_status(SessionStatus.WORKING)
    await session.check([JOHN])
    assert second.told == []
    service = await open_service(engine)
    service.phone_edits_contact(JOHN, "Jon")
    await second.until(lambda: bool(second.told))
    assert [fact.value for fact in second.fields(JOHN, Field.FULL_NAME)] == ["Jon"]


async def test_changes_made_while_the_session_was_down_are_told_at_the_next_start(
    start: Start, engine: SandboxEngine, tmp_path: Path
) -> None:
    first = RecordingContext(tmp_path)
    await (await synced(start, first)).stop()
    service = await open_service(engine)
    service.phone_edits_contact(JOHN, "Jon", "Dough")
    service.phone_deletes_contact(BEATRIZ)
    second = RecordingContext(tmp_path, vault=first.kept, synced=first.synced)
    await start(second)
    await second.until(lambda: bool(second.fields(BEATRIZ, Field.FULL_NAME)))
    assert [fact.value for fact in second.fields(JOHN, Field.LAST_NAME)] == ["Dough"]
    assert second.fields(BEATRIZ, Field.FULL_NAME)[0].value is None
    assert not any(isinstance(fact, GroupFact) for fact in second.told)


async def test_a_sync_that_was_cut_short_is_told_again_in_full(start: Start, tmp_path: Path) -> None:
    first = RecordingContext(tmp_path)
    first.gate.clear()
    session = await start(first)
    await first.until_status(SessionStatus.WORKING)
    await session.stop()
    assert first.told == []
    second = RecordingContext(tmp_path, vault=first.kept, synced=first.synced)
    await synced(start, second)
    assert second.fields(JOHN, Field.FULL_NAME)[0].observed_at == 1_709_371_200_000


async def test_a_world_file_that_was_edited_is_told_again_and_what_is_gone_is_taken_back(
    start: Start, tmp_path: Path, clock: Clock
) -> None:
    file = tmp_path / "small.json"
    file.write_text(json.dumps(WORLD))
    settings = SandboxSettings(world=str(file))
    first = RecordingContext(tmp_path, settings)
    await (await synced(start, first)).stop()

    clock.now += 60_000
    edited = json.loads(json.dumps(WORLD))
    edited["accounts"][0]["addressBook"] = [{"phone": "+1 202 555 0101", "firstName": "Anna"}]
    edited["accounts"][0]["chats"] = []
    file.write_text(json.dumps(edited))
    second = RecordingContext(tmp_path, settings, vault=first.kept, synced=set(first.synced))
    await (await synced(start, second)).stop()
    (ana,) = second.fields(ANA, Field.FULL_NAME)
    assert (ana.value, ana.observed_at) == ("Anna", clock.now)
    assert [fact.value for fact in second.fields(ANA, Field.LAST_NAME)] == [None]
    assert books(second) == [ContactListFact(frozenset({ANA}), Source.ADDRESS_BOOK, clock.now)]
    assert [(fact.value, fact.observed_at) for fact in second.fields(BEN_LID, Field.CHAT)] == [(None, clock.now)]

    file.write_text(json.dumps(WORLD))
    third = RecordingContext(tmp_path, settings, vault=first.kept, synced=set(second.synced))
    await synced(start, third)
    (ben,) = third.fields(BEN, Field.FULL_NAME)
    assert ben.value == "Ben"
    assert ben.observed_at > clock.now
    assert not taken_back(third)
    assert books(third) == [ContactListFact(frozenset({ANA, BEN}), Source.ADDRESS_BOOK, ben.observed_at)]


async def test_after_a_deleted_journal_the_world_is_told_again(
    start: Start, engine: SandboxEngine, tmp_path: Path
) -> None:
    first = RecordingContext(tmp_path)
    session = await synced(start, first)
    await session.update_contact(Person(JOHN, None), "Johannes", None, save_on_phone=True)
    await session.stop()
    (engine.data_dir / "worlds" / "demo" / "changes.jsonl").unlink()
    second = RecordingContext(tmp_path, vault=first.kept, synced=set(first.synced))
    await start(second)
    await second.until(lambda: bool(second.fields(JOHN, Field.LAST_NAME)))
    last = max(second.fields(JOHN, Field.FULL_NAME), key=lambda fact: fact.observed_at)
    assert last.value == "John Doe"
    assert last.observed_at > first.fields(JOHN, Field.FULL_NAME)[-1].observed_at


async def test_a_session_whose_vault_was_emptied_is_told_everything_again_and_what_was_deleted_meanwhile(
    start: Start, engine: SandboxEngine, tmp_path: Path, clock: Clock
) -> None:
    first = RecordingContext(tmp_path)
    await (await synced(start, first)).stop()
    clock.now += 1000
    (await open_service(engine)).phone_deletes_contact(BEATRIZ)
    second = RecordingContext(tmp_path, synced=set(first.synced))
    await synced(start, second)
    assert [fact.value for fact in second.fields(BEATRIZ, Field.FULL_NAME)] == [None]
    assert BEATRIZ not in books(second)[-1].users
    (john,) = second.fields(JOHN, Field.FULL_NAME)
    assert john.observed_at > clock.now


async def test_what_was_told_of_another_account_is_not_taken_back(start: Start, tmp_path: Path) -> None:
    first = RecordingContext(tmp_path)
    await (await synced(start, first)).stop()
    second = RecordingContext(tmp_path, SandboxSettings(account="12025550114"), vault=first.kept)
    await synced(start, second)
    assert not second.fields(JOHN, Field.FULL_NAME)
    assert not taken_back(second)
