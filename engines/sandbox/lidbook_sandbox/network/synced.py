"""One account's app state: collections of encrypted patches, each built on all that came before it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from lidbook.identifiers import Lid
from lidbook_sandbox.network.store import NetworkStore, StoredCollection
from lidbook_sandbox.network.wire.app_state import (
    AppStateKey,
    CollectionState,
    LtHash,
    Mutation,
    decode_patch,
    encode_patch,
    patch_of,
)
from lidbook_sandbox.network.wire.wire_pb2 import SyncdMutation, SyncdPatch

SETTINGS: Final = "critical_block"
CONTACTS: Final = "critical_unblock_low"
REGULAR: Final = "regular"
COLLECTIONS: Final = (SETTINGS, CONTACTS, "regular_high", REGULAR, "regular_low")
"""Every collection there is, in the order in which whatsmeow asks for them."""
PATCH: Final = 250
"""How many mutations a patch of the phone holds at most: about 20 ms of work."""


class Collections:
    """Appends patches, and takes those of clients; every one is in the store when a method returns."""

    def __init__(self, store: NetworkStore, account: Lid, key: AppStateKey) -> None:
        self._store = store
        self._account = account
        self._key = key
        self._states: dict[str, CollectionState] = {}

    def version(self, name: str) -> int:
        """The version of the collection's last patch; 0 when it is empty."""
        return self._state(name).version

    def append(self, name: str, mutations: Sequence[Mutation], lines: Mapping[str, str | None]) -> None:
        """Write a patch of the phone's own, and with it the address book lines that it is about."""
        state = self._state(name)
        patch, after = encode_patch(state, self._key, name, state.version + 1, mutations)
        self._keep(name, state, after, patch, lines)

    def read(self, name: str, patch: bytes) -> tuple[list[Mutation], CollectionState]:
        """What a client's patch on top of the last one says. Raises `BadMac` and `Malformed`."""
        state = self._state(name)
        return decode_patch(state, {self._key.id: self._key}, name, state.version + 1, patch)

    def take(self, name: str, patch: bytes, after: CollectionState, lines: Mapping[str, str | None]) -> None:
        """Keep a client's patch that was read before, with nothing in between.

        Clients leave out the version, and whatsmeow takes a patch without one for version 0: so it is written in.
        """
        kept = SyncdPatch.FromString(patch)
        kept.version.version = after.version
        self._keep(name, self._state(name), after, kept.SerializeToString(), lines)

    def patches(self, name: str, after: int, limit: int) -> list[bytes]:
        """The patches after a version, oldest first."""
        return self._store.patches(self._account, name, after, limit)

    async def retold(self, name: str) -> list[bytes]:
        """What stands in the collection now, in patches that end in its version and tell nothing twice.

        Empty when its own patches do so already. Stands in for a snapshot, which clients fetch from a media server:
        of a line that is written twice within one first fetch, whatsmeow keeps the older.
        """
        state = self._state(name)
        records: dict[bytes, SyncdMutation] = {}
        told = 0
        for data in self.patches(name, 0, state.version):
            mutations = SyncdPatch.FromString(data).mutations
            told += len(mutations)
            for mutation in mutations:
                records.pop(mutation.record.index.blob, None)
                if mutation.operation == SyncdMutation.SET:
                    records[mutation.record.index.blob] = mutation
            await asyncio.sleep(0)
        if told == len(records):
            return []
        standing = list(records.values())
        chunks = [standing[start : start + PATCH] for start in range(0, len(standing), PATCH)] or [[]]
        built, patches = CollectionState(), []
        for version, chunk in enumerate(chunks, start=state.version - len(chunks) + 1):
            patch, built = patch_of(built, self._key, name, version, chunk)
            patches.append(patch)
            await asyncio.sleep(0)
        return patches

    def _state(self, name: str) -> CollectionState:
        state = self._states.get(name)
        if state is None:
            kept = self._store.collection(self._account, name)
            state = CollectionState() if kept is None else CollectionState(kept.version, LtHash(kept.hash), kept.macs)
            self._states[name] = state
        return state

    def _keep(
        self,
        name: str,
        before: CollectionState,
        after: CollectionState,
        patch: bytes,
        lines: Mapping[str, str | None],
    ) -> None:
        changed: dict[bytes, bytes | None] = {
            index: mac for index, mac in after.values.items() if before.values.get(index) != mac
        }
        changed.update((index, None) for index in before.values if index not in after.values)
        stored = StoredCollection(after.version, after.hash.value, {})
        self._store.append_patch(self._account, name, patch, stored, changed, lines)
        self._states[name] = after
