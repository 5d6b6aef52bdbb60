"""What the sandbox network of a data dir keeps there, as any process sees it."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from lidbook.data_dir import DataDirLock, lock_holder
from lidbook.errors import DataDirLocked
from lidbook.identifiers import PhoneNumber

_LAST: Final = "last.json"


class NetworkRunning(Exception):
    """The network of the data dir runs already; the message says which process that is."""


@dataclass(frozen=True, slots=True)
class LastTime:
    """How the network was served the last time, or is now."""

    port: int = 0
    control_port: int = 0
    accounts: tuple[str, ...] = ()
    """Phone numbers of its accounts, digits only."""

    @classmethod
    def of(cls, folder: Path) -> Self:
        """What is remembered; nothing where there is nothing, or nothing that can be read."""
        try:
            values = json.loads((folder / _LAST).read_bytes())
            return cls(int(values["port"]), int(values["control_port"]), tuple(map(str, values["accounts"])))
        except (OSError, ValueError, KeyError, TypeError):  # it only saves somebody a new address
            return cls()

    def keep(self, folder: Path) -> None:
        """Remember it, in one step."""
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".", delete=False, encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=1)
        os.replace(file.name, folder / _LAST)  # noqa: PTH105 - `file.name` is a text


def network_folder(data_dir: Path) -> Path:
    """Keys, devices and changes of the network of a data dir."""
    return data_dir / "engines" / "sandbox" / "network"


def network_accounts(data_dir: Path) -> list[PhoneNumber]:
    """The accounts that the network of a data dir serves, or served the last time."""
    return [PhoneNumber(digits) for digits in LastTime.of(network_folder(data_dir)).accounts if digits.isdigit()]


def lock_network(data_dir: Path) -> DataDirLock:
    """Make the network's folder, and have it to oneself until `release`. Raises `NetworkRunning`, and `OSError`."""
    folder = network_folder(data_dir)
    for each in (data_dir, folder):  # in both, only their owner may look
        each.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        return DataDirLock(folder)
    except DataDirLocked as error:
        process = lock_holder(folder) or "unknown"
        raise NetworkRunning(
            f"the sandbox network of {data_dir} runs already, in process {process}: see its accounts with  "
            "lidbook phone devices  or end that process, or use another --data-dir"
        ) from error
