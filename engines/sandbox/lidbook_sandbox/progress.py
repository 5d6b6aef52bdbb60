"""What one session was told so far, kept in the vault: enough to go on later, and to take back what is gone."""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Final

from lidbook.engine import Vault
from lidbook.facts import Fact, Field, FieldFact, Source
from lidbook.identifiers import parse_wire

PROGRESS: Final = "progress"
_BITS: Final[Mapping[Field, int]] = {
    Field.PUSHNAME: 8,
    Field.VERIFIED_NAME: 16,
    Field.USERNAME: 32,
    Field.BUSINESS: 64,
    Field.CHAT: 128,
    Field.HIDDEN: 256,
}
"""What history tells. Names of the address book are taken back by the list of contacts, and need no bit."""

Told = dict[str, int]
"""Wire form of an identifier -> which fields were told of it, one bit each."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Which world was told to which account, as of which change."""

    account: str
    fingerprint: str
    floor: int = 0
    """Milliseconds: when this state of the world file was noticed; 0 for the first one."""
    sequence: int = 0
    """Number of the last change told."""
    told_at: int = 0
    """Milliseconds: when that change was made."""
    generation: int = 1
    """Counts the times at which the whole world was told."""
    complete: bool = False
    chunks: dict[str, int] = field(default_factory=dict)
    """Generation -> how many blobs list what was told in it."""


async def read_progress(vault: Vault) -> Progress | None:
    """What the vault holds; None if nothing was told yet."""
    blob = await vault.get(PROGRESS)
    return None if blob is None else Progress(**json.loads(blob))


def progress_blob(progress: Progress) -> dict[str, bytes | None]:
    """For `Vault.put`."""
    return {PROGRESS: json.dumps(asdict(progress)).encode()}


async def add_chunk(vault: Vault, progress: Progress, told: Told) -> Progress:
    """Note that these are about to be told; in the vault before the directory has them."""
    generation = str(progress.generation)
    count = progress.chunks.get(generation, 0)
    progress = replace(progress, chunks={**progress.chunks, generation: count + 1})
    blob = zlib.compress("\n".join(f"{user} {bits}" for user, bits in told.items()).encode(), 1)
    await vault.put({_name(generation, count): blob, **progress_blob(progress)})
    return progress


async def told_before(vault: Vault, progress: Progress) -> Told:
    """Everything told in generations before this one."""
    told: Told = {}
    for generation, count in progress.chunks.items():
        if int(generation) < progress.generation:
            for index in range(count):
                blob = await vault.get(_name(generation, index))
                if blob is not None:
                    _add(told, blob)
    return told


async def forget_before(vault: Vault, progress: Progress) -> Progress:
    """This generation is told completely; the lists of those before it are not needed any more."""
    generation = str(progress.generation)
    gone: dict[str, bytes | None] = {
        _name(old, index): None for old, count in progress.chunks.items() if old != generation for index in range(count)
    }
    progress = replace(progress, complete=True, chunks={generation: progress.chunks.get(generation, 0)})
    await vault.put({**gone, **progress_blob(progress)})
    return progress


def told_in(facts: Iterable[Fact]) -> Told:
    """What these facts tell of whom, as far as it can be taken back."""
    told: Told = {}
    for fact in facts:
        if isinstance(fact, FieldFact) and (bit := _BITS.get(fact.field)) is not None:
            user = str(fact.user)
            told[user] = told.get(user, 0) | bit
    return told


def retractions(user: str, bits: int, at: int) -> list[Fact]:
    """Deletions of these fields, which the world holds no longer."""
    return [FieldFact(parse_wire(user), name, None, Source.HISTORY, at) for name, bit in _BITS.items() if bits & bit]


def _add(told: Told, blob: bytes) -> None:
    for line in zlib.decompress(blob).decode().splitlines():
        user, _, bits = line.partition(" ")
        told[user] = told.get(user, 0) | int(bits)


def _name(generation: str, index: int) -> str:
    return f"told-{generation}-{index}"
