"""App state: the collections of settings and contacts that all devices of an account share, as encrypted patches.

A patch sets and removes values by index. Four MACs bind it: of each value, of each index, of the whole collection
after it (over a hash that forgets order, the LT-hash), and of the patch.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from google.protobuf.message import DecodeError

from lidbook_sandbox.network.wire import cbc
from lidbook_sandbox.network.wire.errors import BadMac, Mac, Malformed
from lidbook_sandbox.network.wire.keys import hkdf
from lidbook_sandbox.network.wire.wire_pb2 import (
    KeyId,
    SyncActionData,
    SyncActionValue,
    SyncdIndex,
    SyncdMutation,
    SyncdPatch,
    SyncdRecord,
    SyncdValue,
    SyncdVersion,
)

MAC_SIZE = 32
HASH_SIZE = 128
SHORTEST_VALUE = cbc.IV_SIZE + 16 + MAC_SIZE

_WORDS = struct.Struct("<64H")


class Operation(Enum):
    """What a mutation does to its index."""

    SET = SyncdMutation.SET
    REMOVE = SyncdMutation.REMOVE


@dataclass(frozen=True, slots=True)
class AppStateKey:
    """A key as the phone shares it with its companions: `id` is 6 bytes, `data` 32."""

    id: bytes
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keys:
    """The five keys made of one app-state key."""

    index: bytes = field(repr=False)
    value_encryption: bytes = field(repr=False)
    value_mac: bytes = field(repr=False)
    snapshot_mac: bytes = field(repr=False)
    patch_mac: bytes = field(repr=False)


def expand(key: AppStateKey) -> Keys:
    """The five keys of an app-state key."""
    made = hkdf(key.data, 160, info=b"WhatsApp Mutation Keys")
    return Keys(*(made[at : at + 32] for at in range(0, 160, 32)))


@dataclass(frozen=True, slots=True)
class LtHash:
    """A hash of a set of value MACs: 64 little-endian 16-bit sums, so adding and subtracting go in any order."""

    value: bytes = bytes(HASH_SIZE)

    def add(self, value_mac: bytes) -> LtHash:
        """The hash with one value MAC more."""
        return self._combine(value_mac, 1)

    def subtract(self, value_mac: bytes) -> LtHash:
        """The hash with one value MAC less."""
        return self._combine(value_mac, -1)

    def _combine(self, value_mac: bytes, sign: int) -> LtHash:
        item = hkdf(value_mac, HASH_SIZE, info=b"WhatsApp Patch Integrity")
        words = zip(_WORDS.unpack(self.value), _WORDS.unpack(item), strict=True)
        return LtHash(_WORDS.pack(*((word + sign * other) & 0xFFFF for word, other in words)))


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change: `index` such as `("contact", "5511…@s.whatsapp.net")`, `version` that of the action's format."""

    operation: Operation
    index: tuple[str, ...]
    action: SyncActionValue | None
    version: int


@dataclass(frozen=True, slots=True)
class CollectionState:
    """A collection after its patch `version`: the hash, and the value MAC standing under each index MAC."""

    version: int = 0
    hash: LtHash = field(default_factory=LtHash)
    values: Mapping[bytes, bytes] = field(default_factory=dict)


def encode_patch(
    state: CollectionState,
    key: AppStateKey,
    collection: str,
    version: int,
    mutations: Iterable[Mutation],
    *,
    state_version: bool = True,
) -> tuple[bytes, CollectionState]:
    """A serialised `SyncdPatch` that makes `version` of `state`, and the state after it.

    `state_version=False` leaves the version out of the patch, as clients do when they upload one.
    """
    keys = expand(key)
    records = [_encrypted(mutation, key.id, keys) for mutation in mutations]
    return patch_of(state, key, collection, version, records, state_version=state_version)


def patch_of(
    state: CollectionState,
    key: AppStateKey,
    collection: str,
    version: int,
    records: Sequence[SyncdMutation],
    *,
    state_version: bool = True,
) -> tuple[bytes, CollectionState]:
    """The same for mutations that are encrypted already, as when what many patches left is told in few."""
    keys = expand(key)
    after = _moved(state, version, records)
    snapshot_mac = _snapshot_mac(after, collection, keys)
    patch = SyncdPatch(
        mutations=records,
        snapshotMAC=snapshot_mac,
        patchMAC=_patch_mac(snapshot_mac, records, collection, version, keys),
        keyID=KeyId(ID=key.id),
    )
    if state_version:
        patch.version.CopyFrom(SyncdVersion(version=version))
    return patch.SerializeToString(), after


def decode_patch(
    state: CollectionState, keys: Mapping[bytes, AppStateKey], collection: str, version: int, data: bytes
) -> tuple[list[Mutation], CollectionState]:
    """The mutations of a `SyncdPatch` that makes `version` of `state`, and the state after it.

    `keys` are the account's keys by id. Every MAC is checked, those of the mutations first, so that what is named is
    what was tampered with. Raises `BadMac`, and `Malformed` for anything that is not a patch with inline mutations.
    """
    try:
        patch = SyncdPatch.FromString(data)
    except DecodeError as error:
        raise Malformed("not a SyncdPatch") from error
    if patch.HasField("externalMutations"):
        raise Malformed("a patch with external mutations: send them inline")
    if patch.HasField("version") and patch.version.version != version:
        raise Malformed(f"patch {patch.version.version} of {collection} where {version} is next")
    records = list(patch.mutations)
    expanded = {key_id: expand(key) for key_id, key in keys.items()}
    mutations = [_decrypted(record, expanded, collection, version) for record in records]
    own = _known(expanded, patch.keyID.ID)
    after = _moved(state, version, records)
    if not hmac.compare_digest(_snapshot_mac(after, collection, own), patch.snapshotMAC):
        raise BadMac(Mac.SNAPSHOT, collection, version)
    if not hmac.compare_digest(_patch_mac(patch.snapshotMAC, records, collection, version, own), patch.patchMAC):
        raise BadMac(Mac.PATCH, collection, version)
    return mutations, after


def _encrypted(mutation: Mutation, key_id: bytes, keys: Keys) -> SyncdMutation:
    index = json.dumps(mutation.index, ensure_ascii=False, separators=(",", ":")).encode()
    plain = SyncActionData(index=index, value=mutation.action, padding=b"", version=mutation.version)
    iv = os.urandom(cbc.IV_SIZE)
    content = iv + cbc.encrypt(keys.value_encryption, iv, plain.SerializeToString())
    operation = mutation.operation.value
    return SyncdMutation(
        operation=operation,
        record=SyncdRecord(
            index=SyncdIndex(blob=hmac.digest(keys.index, index, hashlib.sha256)),
            value=SyncdValue(blob=content + _value_mac(operation, content, key_id, keys)),
            keyID=KeyId(ID=key_id),
        ),
    )


def _decrypted(record: SyncdMutation, expanded: Mapping[bytes, Keys], collection: str, version: int) -> Mutation:
    key_id, blob = record.record.keyID.ID, record.record.value.blob
    own = _known(expanded, key_id)
    if len(blob) < SHORTEST_VALUE:
        raise Malformed(f"a mutation of {collection} with a value of {len(blob)} bytes")
    content, value_mac = blob[:-MAC_SIZE], blob[-MAC_SIZE:]
    if not hmac.compare_digest(_value_mac(record.operation, content, key_id, own), value_mac):
        raise BadMac(Mac.VALUE, collection, version)
    try:
        plain = SyncActionData.FromString(
            cbc.decrypt(own.value_encryption, content[: cbc.IV_SIZE], content[cbc.IV_SIZE :])
        )
    except DecodeError as error:
        raise Malformed(f"a mutation of {collection} that is not SyncActionData") from error
    if not hmac.compare_digest(hmac.digest(own.index, plain.index, hashlib.sha256), record.record.index.blob):
        raise BadMac(Mac.INDEX, collection, version)
    action = plain.value if plain.HasField("value") else None
    return Mutation(Operation(record.operation), _index(plain.index), action, plain.version)


def _index(data: bytes) -> tuple[str, ...]:
    try:
        parts = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed("a mutation whose index is not JSON") from error
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise Malformed("a mutation whose index is not a list of strings")
    return tuple(parts)


def _moved(state: CollectionState, version: int, records: Iterable[SyncdMutation]) -> CollectionState:
    """The state after a patch; removing what is not there changes nothing, as whatsmeow has it."""
    total, values = state.hash, dict(state.values)
    for record in records:
        index = record.record.index.blob
        if (previous := values.pop(index, None)) is not None:
            total = total.subtract(previous)
        if record.operation == SyncdMutation.SET:
            values[index] = record.record.value.blob[-MAC_SIZE:]
            total = total.add(values[index])
    return CollectionState(version, total, values)


def _known(expanded: Mapping[bytes, Keys], key_id: bytes) -> Keys:
    if key_id not in expanded:
        raise Malformed(f"app-state key {key_id.hex()} was never shared with this account")
    return expanded[key_id]


def _value_mac(operation: int, content: bytes, key_id: bytes, keys: Keys) -> bytes:
    message = bytes([operation + 1]) + key_id + content + _number(len(key_id) + 1)
    return hmac.digest(keys.value_mac, message, hashlib.sha512)[:MAC_SIZE]


def _snapshot_mac(state: CollectionState, collection: str, keys: Keys) -> bytes:
    message = state.hash.value + _number(state.version) + collection.encode()
    return hmac.digest(keys.snapshot_mac, message, hashlib.sha256)


def _patch_mac(
    snapshot_mac: bytes, records: Iterable[SyncdMutation], collection: str, version: int, keys: Keys
) -> bytes:
    value_macs = b"".join(record.record.value.blob[-MAC_SIZE:] for record in records)
    message = snapshot_mac + value_macs + _number(version) + collection.encode()
    return hmac.digest(keys.patch_mac, message, hashlib.sha256)


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")
