"""What is changed in a world while it is lived in, one kind a class, and the journal that keeps it.

The journal is a text file, one JSON object a line, only ever appended to. The user's own world file is never written.
"""

import dataclasses
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lidbook.errors import InvalidGroupId, InvalidUserId, InvalidWorld
from lidbook.facts import Role
from lidbook.identifiers import GroupId, Lid, PhoneNumber, UserId, parse_group, parse_user


@dataclass(frozen=True, slots=True)
class ContactSaved:
    """The account's owner, or one of its devices, wrote somebody into the address book."""

    at: int
    account: Lid
    user: UserId
    first_name: str | None
    last_name: str | None
    full_name: str | None
    on_phone: bool = True


@dataclass(frozen=True, slots=True)
class ContactRemoved:
    """Somebody was removed from the account's address book."""

    at: int
    account: Lid
    user: UserId


@dataclass(frozen=True, slots=True)
class Blocked:
    """The account blocked somebody; `phone` is the number it gave with the LID, if it knew one."""

    at: int
    account: Lid
    lid: Lid
    phone: PhoneNumber | None = None


@dataclass(frozen=True, slots=True)
class Unblocked:
    """The account unblocked somebody."""

    at: int
    account: Lid
    lid: Lid


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """Somebody wrote to the account: its envelope carries the push name, and the phone number behind the LID."""

    at: int
    account: Lid
    lid: Lid


@dataclass(frozen=True, slots=True)
class NumberChanged:
    """A person moved to another phone number and kept the LID."""

    at: int
    lid: Lid
    phone: PhoneNumber
    old_phone: PhoneNumber | None = None


@dataclass(frozen=True, slots=True)
class NumberReassigned:
    """A phone number was given to somebody else, who registered with a LID of their own."""

    at: int
    phone: PhoneNumber
    lid: Lid
    old_lid: Lid | None = None
    pushname: str | None = None


@dataclass(frozen=True, slots=True)
class PictureChanged:
    """A person has another picture, or none any more."""

    at: int
    lid: Lid
    picture: str | None


@dataclass(frozen=True, slots=True)
class AboutChanged:
    """A person wrote another about text."""

    at: int
    lid: Lid
    about: str


@dataclass(frozen=True, slots=True)
class PushnameChanged:
    """A person goes by another push name."""

    at: int
    lid: Lid
    pushname: str


@dataclass(frozen=True, slots=True)
class PrivacyChanged:
    """A person hides, or shows again, some of what is theirs."""

    at: int
    lid: Lid
    hides_about: bool
    hides_picture: bool
    hides_phone: bool


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """Somebody joined a group, left it (`Role.LEFT`), was promoted or demoted."""

    at: int
    group: GroupId
    lid: Lid
    role: Role


Change = (
    ContactSaved
    | ContactRemoved
    | Blocked
    | Unblocked
    | MessageReceived
    | NumberChanged
    | NumberReassigned
    | PictureChanged
    | AboutChanged
    | PushnameChanged
    | PrivacyChanged
    | RoleChanged
)

_KINDS: Final[Mapping[str, Callable[..., Change]]] = {
    kind.__name__: kind
    for kind in (
        ContactSaved,
        ContactRemoved,
        Blocked,
        Unblocked,
        MessageReceived,
        NumberChanged,
        NumberReassigned,
        PictureChanged,
        AboutChanged,
        PushnameChanged,
        PrivacyChanged,
        RoleChanged,
    )
}
_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "account": parse_user,
    "user": parse_user,
    "lid": parse_user,
    "old_lid": parse_user,
    "phone": parse_user,
    "old_phone": parse_user,
    "group": parse_group,
    "role": Role,
}


def encode_change(change: Change) -> str:
    """The change as one line of JSON, without its line end."""
    values = {field.name: _plain(getattr(change, field.name)) for field in dataclasses.fields(change)}
    return json.dumps({"change": type(change).__name__, **values}, ensure_ascii=False, separators=(",", ":"))


def decode_change(line: str) -> Change:
    """The change in one line. Raises `ValueError` for anything that `encode_change` did not write."""
    try:
        values = json.loads(line)
        kind = _KINDS[values.pop("change")]
        return kind(**{name: _read(name, value) for name, value in values.items()})
    except (KeyError, TypeError, AttributeError, InvalidUserId, InvalidGroupId) as error:
        raise ValueError(f"not a change: {line[:80]!r}") from error


def _plain(value: object) -> str | int | bool | None:
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


def _read(name: str, value: object) -> object:
    reader = _READERS.get(name)
    return reader(value) if reader is not None and isinstance(value, str) else value


class Journal:
    """Changes in the order in which they happened, kept in `path`, or in memory alone when there is none.

    `append` hands a change to the operating system, so that it outlives this process; after `sync` it outlives the
    machine. Opening raises `InvalidWorld` for a damaged file, except for a last line that was torn by a crash: that
    one is cut off, and `dropped` holds it.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.dropped: str | None = None
        self._changes: list[Change] = []
        self._syncing = threading.Lock()
        self._synced = 0
        self._descriptor: int | None = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._replay(path)
            self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            self._synced = len(self._changes)

    @property
    def sequence(self) -> int:
        """The number of the last change; the first one is number 1."""
        return len(self._changes)

    def since(self, sequence: int) -> Sequence[Change]:
        """The changes after that number."""
        return self._changes[sequence:]

    def append(self, change: Change) -> None:
        """Write one change at the end."""
        if self._descriptor is not None:
            _write_all(self._descriptor, encode_change(change).encode() + b"\n")
        self._changes.append(change)

    def sync(self) -> None:
        """Return once everything appended so far is on the disk. Blocks; may be called from another thread."""
        wanted = len(self._changes)
        with self._syncing:
            if self._descriptor is not None and self._synced < wanted:
                reached = len(self._changes)
                os.fsync(self._descriptor)
                self._synced = reached

    def close(self) -> None:
        """Let go of the file, with everything in it on the disk."""
        self.sync()
        with self._syncing:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _replay(self, path: Path) -> None:
        if not path.exists():
            return
        content = path.read_bytes()
        kept = 0
        lines = content.splitlines(keepends=True)
        for number, line in enumerate(lines, start=1):
            try:
                if not line.endswith(b"\n"):
                    raise ValueError("the line has no end")  # noqa: TRY301 - one way out for both kinds of damage
                self._changes.append(decode_change(line.decode()))
            except ValueError as error:
                if number < len(lines):
                    raise InvalidWorld(
                        f"line {number} of {path} is damaged ({error}); repair it, or move the file away "
                        "to go back to the world as it was"
                    ) from error
                self.dropped = line.decode(errors="replace")
                break
            kept += len(line)
        if kept < len(content):
            os.truncate(path, kept)


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data` or, on a full disk, none of it: half a line would spoil the next one."""
    size = os.fstat(descriptor).st_size
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        os.ftruncate(descriptor, size)
        raise
