"""What can be set for a session of the sandbox."""

from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from lidbook.engine import EngineSettings
from lidbook.errors import InvalidRequest
from lidbook.identifiers import PhoneNumber, parse_dialable
from lidbook.world.sources import WorldSource


class SandboxSettings(EngineSettings):
    """Which world, who in it, and how patient the engine is."""

    local_files: ClassVar[frozenset[str]] = frozenset({"world"})
    costly: ClassVar[frozenset[str]] = frozenset({"people", "seed"})

    world: str | None = None
    """`demo` (also when nothing is given), or the path of a .json, .vcf or .csv file."""
    people: int | None = Field(default=None, ge=0, le=5_000_000)
    """Make up a world of that many people instead."""
    seed: int = 1
    """Another seed makes up other people."""
    region: str | None = Field(default=None, pattern="^[A-Za-z]{2}$")
    """Country, as BR, of numbers without a country code in a .vcf or .csv file; found out when not given."""
    account: str | None = None
    """Phone number of the account to link; the world's first one when not given."""
    query_timeout: float = Field(default=10, gt=0, le=120)
    """Seconds until a live call without an answer is given up."""
    require_scan: bool = False
    """Show QR codes and wait for `lidbook sandbox scan`, instead of pairing by itself."""
    qr_seconds: float = Field(default=20, gt=0, le=120)
    """Seconds for which one QR code is shown."""
    qr_rounds: int = Field(default=5, ge=1, le=20)
    """How many QR codes, and after a scan how many passkey challenges, are shown before the session gives up."""
    require_passkey: bool = False
    """Ask for the account's passkey before the device is linked: after the scan, where that is required."""
    passkey_seconds: float = Field(default=60, gt=0, le=600)
    """Seconds for which one passkey challenge is good, and the code that has to be confirmed."""

    @field_validator("account")
    @classmethod
    def _is_dialable(cls, account: str | None) -> str | None:
        try:
            return None if account is None else parse_dialable(account).digits
        except InvalidRequest as error:
            raise ValueError(error.message) from error

    @model_validator(mode="after")
    def _names_one_world(self) -> Self:
        try:
            path = self.source.path
        except InvalidRequest as error:
            raise ValueError(error.message) from error
        if path is not None and not path.is_file():
            raise ValueError(f"there is no world file {path}; give `demo` or the path of a .json, .vcf or .csv file")
        return self

    @property
    def source(self) -> WorldSource:
        """Where the world comes from."""
        return WorldSource(self.world, self.people, self.seed, self.region)

    @property
    def phone(self) -> PhoneNumber | None:
        """The account's phone number; None means the world's first account."""
        return None if self.account is None else PhoneNumber(self.account)
