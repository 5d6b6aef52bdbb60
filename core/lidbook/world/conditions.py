"""What a caller must survive: limits, silence, removal, conflicts. Switched on and off while sessions run.

The conditions of one account stand in a small JSON file, so that another process can switch them; `refresh` looks
whether it did, at the cost of one `stat`.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from lidbook.capabilities import Capability
from lidbook.errors import InvalidRequest
from lidbook.identifiers import PhoneNumber, UserId


class Kind(StrEnum):
    """What can be made to happen."""

    RATE_LIMIT = "rate-limit"
    """The server refuses for now, and says for how many seconds."""
    TIMEOUT = "timeout"
    """The server takes the call, and its answer comes after the caller gave up: a change is made all the same."""
    SILENCE = "silence"
    """The server neither answers nor announces anything, and changes nothing."""
    SLOW = "slow"
    """Every answer takes so many milliseconds longer."""
    DISCONNECT = "disconnect"
    """The connection is away until this is cleared."""
    CONFLICT = "conflict"
    """The next so many writes to the address book meet somebody else's; counts down by itself."""
    LOGOUT = "logout"
    """The device is removed on the phone; happens once."""
    SCAN = "scan"
    """The owner scans the QR code, or types the pairing code; happens once, when a session waits for it."""


_CAPABILITIES: Final = {capability.value: capability for capability in Capability}
_ONCE: Final = frozenset({Kind.CONFLICT, Kind.LOGOUT, Kind.SCAN})


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is switched on, for all live calls or for those named."""

    kind: Kind
    capabilities: frozenset[Capability] = frozenset()
    """Which live calls it is for; empty means all."""
    retry_after: float = 30.0
    """Seconds; for `rate-limit`."""
    milliseconds: int = 1000
    """For `slow`."""
    times: int = 1
    """How often it still happens; for `conflict`."""

    def concerns(self, capability: Capability) -> bool:
        """Whether it is for this live call."""
        return not self.capabilities or capability in self.capabilities


class Conditions:
    """The conditions of one account, in `path` or, without one, in this object alone."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._held: dict[Kind, Condition] = {}
        self._signature: tuple[int, int, int] | None = None
        self._listeners: list[Callable[[], None]] = []
        self.refresh()

    def active(self, kind: Kind, capability: Capability | None = None) -> Condition | None:
        """The condition of this kind that holds now, for this call."""
        condition = self._held.get(kind)
        if condition is None or (capability is not None and not condition.concerns(capability)):
            return None
        return condition

    def all(self) -> tuple[Condition, ...]:
        """Everything that is switched on."""
        return tuple(self._held.values())

    def set(self, condition: Condition) -> None:
        """Switch one on, in place of any other of its kind."""
        self.refresh()
        self._write({**self._held, condition.kind: condition})

    def clear(self, kind: Kind | None = None) -> None:
        """Switch one off, or all."""
        self.refresh()
        self._write({} if kind is None else {k: c for k, c in self._held.items() if k is not kind})

    def remove(self) -> tuple[Condition, ...]:
        """Switch all off, and leave no file behind; returns what was switched on."""
        self.refresh()
        held = self.all()
        if self.path is not None:
            self.path.unlink(missing_ok=True)
            self._signature = None
        self._hold({})
        return held

    def take(self, kind: Kind, capability: Capability | None = None) -> bool:
        """Whether something that happens a number of times happens now; uses one time up."""
        if kind not in _ONCE:
            raise ValueError(f"{kind} holds until it is cleared")
        self.refresh()
        condition = self.active(kind, capability)
        if condition is None:
            return False
        left = {k: c for k, c in self._held.items() if k is not kind}
        if condition.times > 1:
            left[kind] = replace(condition, times=condition.times - 1)
        self._write(left)
        return True

    def refresh(self) -> None:
        """Look whether somebody else wrote the file; tells the subscribers if so. Raises `InvalidRequest`."""
        if self.path is None:
            return
        signature = _signature(self.path)
        if signature != self._signature:
            held = {} if signature is None else _read(self.path)
            self._signature = signature
            self._hold(held)

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back whenever the conditions change; the answer unsubscribes."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def _write(self, held: dict[Kind, Condition]) -> None:
        if self.path is not None:
            _replace(self.path, held.values())
            self._signature = _signature(self.path)
        self._hold(held)

    def _hold(self, held: dict[Kind, Condition]) -> None:
        if held != self._held:
            self._held = held
            for listener in tuple(self._listeners):
                listener()


class ConditionFolder:
    """The conditions of many accounts, one file each in `folder`; the same object for the same account."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._accounts: dict[UserId, Conditions] = {}

    def of(self, account: UserId) -> Conditions:
        """The conditions of the account with this phone number; of one that has none, by its LID."""
        if account not in self._accounts:
            name = account.digits if isinstance(account, PhoneNumber) else str(account)
            path = None if self.folder is None else self.folder / f"{name}.json"
            self._accounts[account] = Conditions(path)
        return self._accounts[account]

    def refresh(self) -> None:
        """Look at every file whose account was asked for."""
        for conditions in self._accounts.values():
            conditions.refresh()


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _read(path: Path) -> dict[Kind, Condition]:
    try:
        conditions = [
            Condition(
                Kind(values.pop("kind")),
                frozenset(_CAPABILITIES[name] for name in values.pop("capabilities", ())),
                **values,
            )
            for values in json.loads(path.read_text("utf-8"))
        ]
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidRequest(f"{path} holds no conditions ({error}); remove it, or use `lidbook sandbox`") from error
    return {condition.kind: condition for condition in conditions}


def _replace(path: Path, conditions: Iterable[Condition]) -> None:
    """Write the whole file in one step, so that a reader sees the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = [{**asdict(c), "capabilities": sorted(c.capabilities)} for c in conditions]
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", delete=False, encoding="utf-8") as file:
        json.dump(values, file, indent=1)
    os.replace(file.name, path)  # noqa: PTH105 - `file.name` is a text
