"""App state: whatsmeow's patches are read, whatsmeow read ours, and each kind of wrong MAC is refused by its name."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidbook_sandbox.network.wire.app_state import (
    AppStateKey,
    CollectionState,
    LtHash,
    Mutation,
    Operation,
    decode_patch,
    encode_patch,
)
from lidbook_sandbox.network.wire.errors import BadMac, Mac, Malformed
from lidbook_sandbox.network.wire.wire_pb2 import (
    ContactAction,
    ExternalBlobReference,
    PushNameSetting,
    SyncActionValue,
    SyncdMutation,
    SyncdPatch,
)

from .vectors import vectors

CONTACTS = "critical_unblock_low"
KEY = AppStateKey(b"key-01", bytes(range(32)))
KEYS = {KEY.id: KEY}
ANA = "5511900000001@s.whatsapp.net"
BRUNO = "5511900000002@s.whatsapp.net"


def named(user: str, name: str) -> Mutation:
    """A contact saved."""
    action = SyncActionValue(timestamp=1_790_000_000_000, contactAction=ContactAction(fullName=name))
    return Mutation(Operation.SET, ("contact", user), action, 2)


def removed(user: str) -> Mutation:
    """A contact deleted."""
    return Mutation(Operation.REMOVE, ("contact", user), None, 2)


def played(patches: list[str], known: dict[str, str]) -> tuple[list[Mutation], CollectionState]:
    """All mutations of patches 1, 2, … and the state after them."""
    key = AppStateKey(bytes.fromhex(known["key_id"]), bytes.fromhex(known["key"]))
    state, seen = CollectionState(), list[Mutation]()
    for version, patch in enumerate(patches, start=1):
        mutations, state = decode_patch(state, {key.id: key}, CONTACTS, version, bytes.fromhex(patch))
        seen += mutations
    return seen, state


def test_the_lt_hash_is_whatsmeow_s() -> None:
    first, second, third = b"first value mac", b"second value mac", b"third value mac"
    both = LtHash().add(first).add(second)
    expected = vectors("app_state")["lthash"]
    assert both.value.hex() == expected[0]
    assert both.subtract(first).add(third).value.hex() == expected[1]
    assert LtHash().subtract(first).value.hex() == expected[2]


def test_whatsmeow_s_patches_are_read_and_verified() -> None:
    known = vectors("app_state")
    mutations, state = played(known["patches"], known)
    assert [(one.index[1], one.action.contactAction.fullName) for one in mutations if one.action] == [
        (ANA, "Ana Souza"),
        (BRUNO, "Bruno Lima"),
        (ANA, "Ana Maria Souza"),
    ]
    assert state.hash.value.hex() == known["patches_hash"]
    assert state.version == 3
    assert len(state.values) == 2


def test_what_whatsmeow_read_of_ours_is_read_the_same_here() -> None:
    known = vectors("app_state")
    mutations, state = played(known["ours"], known)
    told = [
        f"{one.operation.name} {' '.join(one.index)} {json.dumps(name, ensure_ascii=False)} {one.version}"
        for one in mutations
        for name in [one.action.contactAction.fullName if one.action else ""]
    ]
    assert told == known["ours_read"]
    assert state.hash.value.hex() == known["ours_hash"]


def test_baileys_uploads_are_read_and_verified() -> None:
    known = vectors("app_state")["baileys"]
    mutations, state = played(known["patches"], known)
    assert [(one.operation.name, one.index[1], one.action and one.action.contactAction.fullName) for one in mutations][
        -3:
    ] == [
        ("SET", "5511900000001@s.whatsapp.net", "Edited <&> Zoë"),
        ("SET", "5511900000007@s.whatsapp.net", "New"),
        ("REMOVE", "5511900000002@s.whatsapp.net", ""),
    ]
    assert state.version == 5


def test_a_patch_comes_back_as_it_was_made() -> None:
    made = [named(ANA, "Ana"), removed(BRUNO)]
    patch, after = encode_patch(CollectionState(), KEY, CONTACTS, 1, made)
    assert decode_patch(CollectionState(), KEYS, CONTACTS, 1, patch) == (made, after)


def test_a_client_s_patch_does_not_say_its_version() -> None:
    patch, after = encode_patch(CollectionState(), KEY, CONTACTS, 1, [named(ANA, "Ana")], state_version=False)
    assert not SyncdPatch.FromString(patch).HasField("version")
    assert decode_patch(CollectionState(), KEYS, CONTACTS, 1, patch)[1] == after


def test_an_empty_patch_moves_the_version_only() -> None:
    patch, after = encode_patch(CollectionState(), KEY, CONTACTS, 5, [])
    assert after == CollectionState(version=5)
    assert decode_patch(CollectionState(), KEYS, CONTACTS, 5, patch) == ([], after)


@settings(deadline=None, max_examples=40)
@given(
    steps=st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=5) | st.none()), max_size=4), max_size=5)
)
def test_the_hash_depends_on_what_stands_and_not_on_the_way_there(
    steps: list[list[tuple[str, str | None]]],
) -> None:
    state = reader = CollectionState()
    for version, step in enumerate(steps, start=1):
        made = [removed(user) if name is None else named(user, name) for user, name in step]
        patch, state = encode_patch(state, KEY, CONTACTS, version, made)
        seen, reader = decode_patch(reader, KEYS, CONTACTS, version, patch)
        assert seen == made
        assert reader == state
    standing = LtHash()
    for value_mac in state.values.values():
        standing = standing.add(value_mac)
    assert state.hash == standing


def test_removing_what_is_not_there_changes_nothing() -> None:
    _, after = encode_patch(CollectionState(), KEY, CONTACTS, 1, [removed(ANA)])
    assert after.hash == LtHash()


def test_each_mutation_is_encrypted_anew() -> None:
    first, _ = encode_patch(CollectionState(), KEY, CONTACTS, 1, [named(ANA, "Ana")])
    second, _ = encode_patch(CollectionState(), KEY, CONTACTS, 1, [named(ANA, "Ana")])
    assert first != second


def made_patch() -> SyncdPatch:
    """A patch of two mutations, to be spoilt."""
    patch, _ = encode_patch(CollectionState(), KEY, CONTACTS, 1, [named(ANA, "Ana"), named(BRUNO, "Bruno")])
    return SyncdPatch.FromString(patch)


def flipped(data: bytes, at: int) -> bytes:
    """The same with one bit changed."""
    spoilt = bytearray(data)
    spoilt[at] ^= 1
    return bytes(spoilt)


def refusal(patch: SyncdPatch, state: CollectionState | None = None, collection: str = CONTACTS) -> Mac:
    """Which MAC the patch is refused for."""
    with pytest.raises(BadMac) as caught:
        decode_patch(state or CollectionState(), KEYS, collection, 1, patch.SerializeToString())
    assert f"the {caught.value.which} MAC" in str(caught.value)
    return caught.value.which


@pytest.mark.parametrize("at", [0, 20, -1], ids=["iv", "ciphertext", "mac"])
def test_a_changed_value_fails_the_value_mac(at: int) -> None:
    patch = made_patch()
    value = patch.mutations[1].record.value
    value.blob = flipped(value.blob, at)
    assert refusal(patch) is Mac.VALUE


def test_a_changed_operation_fails_the_value_mac() -> None:
    patch = made_patch()
    patch.mutations[0].operation = SyncdMutation.REMOVE
    assert refusal(patch) is Mac.VALUE


def test_a_value_under_another_index_fails_the_index_mac() -> None:
    patch = made_patch()
    patch.mutations[0].record.index.blob = patch.mutations[1].record.index.blob
    assert refusal(patch) is Mac.INDEX


def test_a_changed_snapshot_mac_fails_as_such() -> None:
    patch = made_patch()
    patch.snapshotMAC = flipped(patch.snapshotMAC, 0)
    assert refusal(patch) is Mac.SNAPSHOT


def test_a_patch_on_another_state_fails_the_snapshot_mac() -> None:
    _, other = encode_patch(CollectionState(), KEY, CONTACTS, 0, [named("3@s.whatsapp.net", "Caio")])
    assert refusal(made_patch(), state=other) is Mac.SNAPSHOT


def test_a_patch_without_one_of_its_mutations_fails_the_snapshot_mac() -> None:
    patch = made_patch()
    del patch.mutations[0]
    assert refusal(patch) is Mac.SNAPSHOT


def test_a_patch_for_another_collection_fails_the_snapshot_mac() -> None:
    assert refusal(made_patch(), collection="regular") is Mac.SNAPSHOT


def test_mutations_in_another_order_fail_the_patch_mac() -> None:
    patch = made_patch()
    first, second = patch.mutations
    del patch.mutations[:]
    patch.mutations.extend([second, first])
    assert refusal(patch) is Mac.PATCH


def test_a_changed_patch_mac_fails_as_such() -> None:
    patch = made_patch()
    patch.patchMAC = flipped(patch.patchMAC, 31)
    assert refusal(patch) is Mac.PATCH


def test_a_key_that_was_never_shared_is_malformed() -> None:
    with pytest.raises(Malformed, match=r"6b65792d3031 was never shared"):
        decode_patch(CollectionState(), {}, CONTACTS, 1, made_patch().SerializeToString())


def test_a_patch_of_another_version_is_malformed() -> None:
    with pytest.raises(Malformed, match="patch 1 of critical_unblock_low where 2 is next"):
        decode_patch(CollectionState(), KEYS, CONTACTS, 2, made_patch().SerializeToString())


def test_external_mutations_are_malformed() -> None:
    patch = SyncdPatch(externalMutations=ExternalBlobReference(handle="x"))
    with pytest.raises(Malformed, match="send them inline"):
        decode_patch(CollectionState(), KEYS, CONTACTS, 1, patch.SerializeToString())


def test_a_value_too_short_for_its_macs_is_malformed() -> None:
    patch = made_patch()
    patch.mutations[0].record.value.blob = bytes(63)
    with pytest.raises(Malformed, match="63 bytes"):
        decode_patch(CollectionState(), KEYS, CONTACTS, 1, patch.SerializeToString())


@settings(deadline=None)
@given(data=st.binary(max_size=60))
def test_any_bytes_are_refused_as_a_patch(data: bytes) -> None:
    with pytest.raises((Malformed, BadMac)):
        decode_patch(CollectionState(), KEYS, CONTACTS, 1, data)


@settings(deadline=None, max_examples=200)
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_spoilt_patch_is_refused_or_means_the_same(at: int, byte: int) -> None:
    """Some bytes of a protobuf can change without a meaning, an unknown field's for instance."""
    made = [named(ANA, "Ana"), Mutation(Operation.SET, ("x",), SyncActionValue(pushNameSetting=PushNameSetting()), 1)]
    patch, _ = encode_patch(CollectionState(), KEY, CONTACTS, 1, made)
    spoilt = bytearray(patch)
    spoilt[at % len(patch)] = byte
    try:
        mutations, _ = decode_patch(CollectionState(), KEYS, CONTACTS, 1, bytes(spoilt))
    except (Malformed, BadMac):
        return
    assert mutations == made


def test_keys_are_never_shown() -> None:
    assert "data" not in repr(KEY)
