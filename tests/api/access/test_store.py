"""Keys: made, changed, rotated, expired, deleted; what opens what, now and after a restart."""

import asyncio
import re
import sqlite3
from pathlib import Path

import pytest

from lidbook_api.access import stored
from lidbook_api.access.scopes import ENVIRONMENT as ENVIRONMENT_ACCESS
from lidbook_api.access.scopes import GRANTED, NO_KEYS, Access, Scope
from lidbook_api.access.store import KeyStore
from lidbook_api.access.stored import InvalidKey, KeyNotFound, KeyWanted, LastAdminKey, ScopedKind

from .conftest import ENVIRONMENT, Kept

ADMIN = KeyWanted(is_admin=True)
OF_A = KeyWanted(session="a")


async def made(keys: KeyStore, wanted: KeyWanted) -> tuple[str, bytes]:
    """Id and text of a new key."""
    key, text = await keys.create(wanted)
    return key.id, text.encode()


def everything_in(folder: Path) -> bytes:
    """All bytes of all files."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


def opens(keys: KeyStore, text: bytes) -> Access:
    """The access of a key that opens something."""
    access = keys.access(text)
    assert access is not None
    return access


# what there is


async def test_the_key_in_the_environment_is_an_admins(kept: Kept) -> None:
    keys = kept.store()
    assert keys.access(ENVIRONMENT.encode()) is ENVIRONMENT_ACCESS
    assert keys.access(b"wrong") is None
    assert keys.access(b"") is None


async def test_an_admin_key_sees_every_session(kept: Kept) -> None:
    keys = kept.store()
    key_id, text = await made(keys, ADMIN)
    access = opens(keys, text)
    assert (access.key_id, access.is_admin, access.session) == (key_id, True, None)


async def test_a_session_key_has_wahas_actions_unless_told_otherwise(kept: Kept) -> None:
    keys = kept.store()
    _, text = await made(keys, OF_A)
    assert opens(keys, text).scopes == {Scope.SERVER} | {scope for scope, given in GRANTED.items() if given}
    _, text = await made(keys, KeyWanted(session="a", actions={Scope.SEND: False, Scope.DELETE: True}))
    assert opens(keys, text).scopes == {
        Scope.SERVER,
        Scope.READ,
        Scope.CONTROL,
        Scope.SETTING,
        Scope.APP,
        Scope.DELETE,
    }
    _, text = await made(keys, KeyWanted(session="a", actions=dict.fromkeys(GRANTED, False)))
    assert opens(keys, text).scopes == {Scope.SERVER}


async def test_a_key_has_32_letters_and_digits_and_is_stored_by_its_hash_alone(kept: Kept, tmp_path: Path) -> None:
    keys = kept.store()
    texts = [await made(keys, wanted) for wanted in (ADMIN, OF_A, ADMIN)]
    key_id, text = texts[0]
    rotated, second = await keys.rotate(key_id, 60)
    assert re.fullmatch(rb"key_[a-zA-Z0-9]{32}", text)
    assert re.fullmatch(r"key_id_[0-9a-z]{26}", key_id)
    assert re.fullmatch(r"key_[a-zA-Z0-9]{2}…[a-zA-Z0-9]{2}", rotated.hint)
    written = everything_in(tmp_path)
    assert key_id.encode() in written
    for each in (*(text for _, text in texts), second.encode()):
        assert each[4:] not in written
        assert each[6:-2] not in written
        assert repr(keys.all()).find(each[6:-2].decode()) == -1


async def test_keys_are_there_after_a_restart(kept: Kept) -> None:
    keys = kept.store()
    texts = [(await made(keys, wanted))[1] for wanted in (ADMIN, OF_A, KeyWanted(session="b", is_active=False))]
    again = kept.store()
    assert again.all() == keys.all()
    assert [again.access(text) for text in texts] == [keys.access(text) for text in texts]
    assert [again.access(text) is None for text in texts] == [False, False, True]


# locked or not


async def test_a_server_is_locked_by_its_first_key(kept: Kept) -> None:
    keys = kept.store(environment=None)
    before, _, after = keys.locked, await made(keys, ADMIN), keys.locked
    assert (before, after) == (False, True)
    assert kept.store(environment=None).locked
    assert kept.store().locked


@pytest.mark.parametrize("wanted", [OF_A, KeyWanted(is_admin=True, is_active=False)])
async def test_the_first_key_must_be_one_that_does_not_lock_out(kept: Kept, wanted: KeyWanted) -> None:
    keys = kept.store(environment=None)
    with pytest.raises(InvalidKey, match="make an active admin key first"):
        await keys.create(wanted)
    with pytest.raises(InvalidKey, match="make an active admin key first"):
        await keys.create_scoped(ScopedKind.CONTROL, "a")
    assert (keys.locked, keys.all()) == (False, [])
    await made(keys, ADMIN)
    await made(keys, wanted)


@pytest.mark.parametrize("demoted", [KeyWanted(is_admin=True, is_active=False), OF_A])
async def test_the_last_admin_key_stays(kept: Kept, demoted: KeyWanted) -> None:
    keys = kept.store(environment=None)
    first, text = await made(keys, ADMIN)
    await made(keys, KeyWanted(is_admin=True, is_active=False))
    await made(keys, KeyWanted(is_admin=True, expires_at=kept.clock.now))
    await made(keys, OF_A)
    with pytest.raises(LastAdminKey):
        await keys.delete(first)
    with pytest.raises(LastAdminKey):
        await keys.replace(first, demoted)
    assert opens(keys, text).is_admin
    second, _ = await made(keys, ADMIN)
    await keys.replace(first, demoted)
    with pytest.raises(LastAdminKey):
        await keys.delete(second)


async def test_two_requests_cannot_delete_the_last_two_admin_keys_at_once(kept: Kept) -> None:
    keys = kept.store(environment=None)
    ids = [(await made(keys, ADMIN))[0] for _ in range(4)]
    results = await asyncio.gather(*(keys.delete(key_id) for key_id in ids), return_exceptions=True)
    assert sum(isinstance(result, LastAdminKey) for result in results) == 1
    assert len(keys.all()) == 1


async def test_with_a_key_in_the_environment_every_other_may_go(kept: Kept) -> None:
    keys = kept.store()
    for key_id in [(await made(keys, wanted))[0] for wanted in (ADMIN, OF_A)]:
        await keys.delete(key_id)
    assert keys.all() == []
    assert not kept.store(environment=None).locked


async def test_a_server_stays_locked_though_its_keys_are_gone(kept: Kept) -> None:
    keys = kept.store()
    await made(keys, OF_A)
    left = kept.store(environment=None)
    assert left.locked
    await kept.remove("a")
    left.lidbook_session_deleted("a")
    assert left.all() == []
    assert left.locked


# changes


async def test_a_replaced_key_keeps_its_text_and_what_it_expires_at(kept: Kept) -> None:
    keys = kept.store()
    key_id, text = await made(keys, KeyWanted(session="a", expires_at=2_000_000))
    changed = await keys.replace(key_id, KeyWanted(session="b", actions={Scope.READ: False}, keeps_expiry=True))
    assert (changed.session, changed.expires_at, changed.hint) == ("b", 2_000_000, keys.all()[0].hint)
    access = opens(keys, text)
    assert (access.session, Scope.READ in access.scopes) == ("b", False)
    changed = await keys.replace(key_id, ADMIN)
    assert (changed.session, changed.actions, changed.expires_at) == (None, None, None)
    assert opens(keys, text).is_admin
    await keys.replace(key_id, KeyWanted(is_admin=True, is_active=False))
    assert keys.access(text) is None
    assert kept.store().access(text) is None
    await keys.replace(key_id, ADMIN)
    assert opens(keys, text).is_admin


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (KeyWanted(is_admin=True, session="a"), "leave session out"),
        (KeyWanted(), "needs a session"),
        (KeyWanted(session="c"), 'Session "c" does not exist'),
    ],
)
async def test_what_no_key_can_be_is_refused(kept: Kept, wanted: KeyWanted, message: str) -> None:
    keys = kept.store()
    key_id, text = await made(keys, OF_A)
    for change in (keys.create(wanted), keys.replace(key_id, wanted)):
        with pytest.raises(InvalidKey, match=message):
            await change
    assert opens(keys, text).session == "a"
    assert len(keys.all()) == 1


async def test_a_key_that_is_not_there_is_not_found(kept: Kept) -> None:
    keys = kept.store()
    with pytest.raises(KeyNotFound, match="API key not found"):
        keys.get("key_id_x")
    for change in (keys.replace("key_id_x", ADMIN), keys.delete("key_id_x"), keys.rotate("key_id_x", 0)):
        with pytest.raises(KeyNotFound):
            await change


async def test_a_deleted_key_opens_nothing(kept: Kept) -> None:
    keys = kept.store()
    key_id, text = await made(keys, OF_A)
    await keys.delete(key_id)
    assert keys.access(text) is None
    assert kept.store().access(text) is None


async def test_memory_changes_after_the_commit_and_not_without_one(kept: Kept) -> None:
    keys = kept.store()
    key_id, text = await made(keys, OF_A)
    before = keys.all()

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TRIGGER full BEFORE UPDATE ON api_key BEGIN SELECT RAISE(ABORT, 'full'); END")
        connection.execute("CREATE TRIGGER kept BEFORE DELETE ON api_key BEGIN SELECT RAISE(ABORT, 'full'); END")

    await kept.database.write(fail)
    for change in (keys.rotate(key_id, 0), keys.replace(key_id, KeyWanted(session="b")), keys.delete(key_id)):
        with pytest.raises(sqlite3.IntegrityError):
            await change
    assert keys.all() == before
    assert opens(keys, text).session == "a"


async def test_a_change_that_nobody_waits_for_any_more_is_known_all_the_same(kept: Kept) -> None:
    keys = kept.store()
    key_id, text = await made(keys, OF_A)
    deleting = asyncio.create_task(keys.delete(key_id))
    await asyncio.sleep(0)
    deleting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await deleting
    await kept.database.write(lambda _: None)
    assert keys.access(text) is None
    assert keys.all() == kept.store().all() == []


# time


async def test_a_key_expires_to_the_millisecond(kept: Kept) -> None:
    keys = kept.store()
    _, text = await made(keys, KeyWanted(session="a", expires_at=1_000_500))
    kept.clock.now = 1_000_499
    assert opens(keys, text).session == "a"
    kept.clock.now = 1_000_500
    assert keys.access(text) is None
    assert kept.store().access(text) is None


async def test_after_a_rotation_the_old_key_works_for_the_grace_and_no_longer(kept: Kept) -> None:
    keys = kept.store()
    key_id, first = await made(keys, OF_A)
    _, text = await keys.rotate(key_id, 10)
    second = text.encode()
    for store in (keys, kept.store()):
        assert opens(store, first).key_id == opens(store, second).key_id == key_id
    kept.clock.now += 10_000
    for store in (keys, kept.store()):
        assert store.access(first) is None
        assert opens(store, second).key_id == key_id


async def test_without_a_grace_the_old_key_stops_at_once(kept: Kept) -> None:
    keys = kept.store()
    key_id, first = await made(keys, ADMIN)
    _, second = await keys.rotate(key_id, 0)
    for store in (keys, kept.store()):
        assert store.access(first) is None
        assert opens(store, second.encode()).is_admin


async def test_another_rotation_ends_the_grace_of_the_one_before(kept: Kept) -> None:
    keys = kept.store()
    key_id, first = await made(keys, OF_A)
    _, second = await keys.rotate(key_id, 600)
    _, third = await keys.rotate(key_id, 600)
    for store in (keys, kept.store()):
        assert store.access(first) is None
        assert opens(store, second.encode()).key_id == opens(store, third.encode()).key_id == key_id


async def test_a_grace_does_not_outlive_expiry_deactivation_or_deletion(kept: Kept) -> None:
    keys = kept.store()
    key_id, first = await made(keys, KeyWanted(session="a", expires_at=1_005_000))
    await keys.rotate(key_id, 600)
    kept.clock.now = 1_005_000
    assert keys.access(first) is None
    await keys.replace(key_id, OF_A)
    assert opens(keys, first).session == "a"
    await keys.replace(key_id, KeyWanted(session="a", is_active=False))
    assert keys.access(first) is None
    await keys.replace(key_id, KeyWanted(session="b"))
    assert opens(keys, first).session == "b"
    await keys.delete(key_id)
    assert keys.access(first) is None


# sessions


async def test_a_key_goes_with_its_session_and_does_not_open_the_next_of_that_name(kept: Kept) -> None:
    keys = kept.store()
    _, text = await made(keys, OF_A)
    _, other = await made(keys, KeyWanted(session="b"))
    await kept.remove("a")
    assert keys.access(text) is None
    await kept.add("a")
    assert keys.access(text) is None
    assert kept.store().access(text) is None
    keys.lidbook_session_deleted("a")
    assert [key.session for key in keys.all()] == ["b"]
    assert opens(keys, other).session == "b"


async def test_a_session_has_one_key_of_each_scoped_kind(kept: Kept) -> None:
    keys = kept.store()
    control, text = await keys.create_scoped(ScopedKind.CONTROL, "a")
    assert text is not None
    assert control.id == "key_id_control_a"
    assert opens(keys, text.encode()).scopes == {Scope.SERVER, Scope.CONTROL}
    assert await keys.create_scoped(ScopedKind.CONTROL, "a") == (control, None)
    media, text = await keys.create_scoped(ScopedKind.MEDIA, "a")
    assert text is not None
    assert media.id == "key_id_media_a"
    assert opens(keys, text.encode()).scopes == {Scope.SERVER}
    other, text = await keys.create_scoped(ScopedKind.CONTROL, "b")
    assert other.id == "key_id_control_b"
    assert text is not None


async def test_a_scoped_key_stays_with_the_session_it_is_named_for(kept: Kept) -> None:
    keys = kept.store()
    control, _ = await keys.create_scoped(ScopedKind.CONTROL, "a")
    for wanted in (KeyWanted(session="b"), ADMIN):
        with pytest.raises(InvalidKey, match="make another key"):
            await keys.replace(control.id, wanted)
    changed = await keys.replace(control.id, KeyWanted(session="a", is_active=False, actions={Scope.READ: False}))
    assert not changed.is_active


async def test_a_new_session_of_the_name_gets_scoped_keys_of_its_own(kept: Kept) -> None:
    keys = kept.store()
    _, first = await keys.create_scoped(ScopedKind.CONTROL, "a")
    assert first is not None
    await kept.remove("a")
    keys.lidbook_session_deleted("a")
    await kept.add("a")
    _, second = await keys.create_scoped(ScopedKind.CONTROL, "a")
    assert second is not None
    assert keys.access(first.encode()) is None
    assert opens(keys, second.encode()).session == "a"


# what was handed out


async def test_an_access_holds_until_its_key_changes(kept: Kept) -> None:
    keys = kept.store()
    key_id, text = await made(keys, OF_A)
    access = opens(keys, text)
    assert keys.holds(access)
    assert keys.holds(ENVIRONMENT_ACCESS)
    assert not keys.holds(Access(key_id, is_admin=True))
    await keys.rotate(key_id, 10)
    assert not keys.holds(access)
    access = opens(keys, text)
    assert keys.holds(access)
    kept.clock.now += 10_000
    assert not keys.holds(access)


async def test_an_access_ends_with_its_key_or_session(kept: Kept) -> None:
    keys = kept.store()
    key_id, text = await made(keys, OF_A)
    access = opens(keys, text)
    await keys.delete(key_id)
    assert not keys.holds(access)
    _, text = await made(keys, OF_A)
    access = opens(keys, text)
    await kept.remove("a")
    assert not keys.holds(access)


async def test_the_access_of_a_server_without_keys_ends_with_its_first_key(kept: Kept) -> None:
    keys = kept.store(environment=None)
    assert keys.holds(NO_KEYS)
    await made(keys, ADMIN)
    assert not keys.holds(NO_KEYS)


async def test_whether_a_data_dir_can_be_administered_is_in_the_table(kept: Kept) -> None:
    keys = kept.store(environment=None)
    assert not stored.any_usable_admin(kept.database.reader, kept.clock.now)
    key_id, _ = await made(keys, KeyWanted(is_admin=True, expires_at=1_000_500))
    assert stored.any_usable_admin(kept.database.reader, kept.clock.now)
    assert not stored.any_usable_admin(kept.database.reader, kept.clock.now, besides=key_id)
    assert not stored.any_usable_admin(kept.database.reader, 1_000_500)
