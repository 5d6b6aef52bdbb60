"""What live calls take and return: plain values, the same for every engine."""

from dataclasses import dataclass
from enum import StrEnum

from lidbook.identifiers import Lid, PhoneNumber, UserId


@dataclass(frozen=True, slots=True)
class Person:
    """One human in one session, by everything they are known by. Phone, LID or both; never keyed by the phone."""

    phone: PhoneNumber | None
    lid: Lid | None
    username: str | None = None

    @property
    def id(self) -> UserId:
        """The public id: the phone number when it is known, else the LID."""
        if self.phone is not None:
            return self.phone
        if self.lid is None:
            raise ValueError("a person has a phone number, a LID or both")
        return self.lid

    @property
    def identifiers(self) -> frozenset[UserId]:
        """All that is known of phone and LID."""
        return frozenset(identifier for identifier in (self.phone, self.lid) if identifier is not None)


@dataclass(frozen=True, slots=True)
class Registration:
    """The server's answer about one phone number.

    `phone` is the spelling under which the account is registered, None when there is none; it may differ from `asked`.
    """

    asked: PhoneNumber
    phone: PhoneNumber | None
    lid: Lid | None = None
    username: str | None = None
    verified_name: str | None = None
    business: bool = False

    @property
    def registered(self) -> bool:
        """Whether the server knows the number under some spelling."""
        return self.phone is not None


@dataclass(frozen=True, slots=True)
class AboutAnswer:
    """One person's about text: `""` when they have none, None when they hide it from this account."""

    person: Person
    about: str | None


@dataclass(frozen=True, slots=True)
class AddressBookEntry:
    """A contact as the server holds it after a change. `full_name` is what WhatsApp shows.

    `at` is when the change is dated, in milliseconds, on the same clock as the facts about other devices' changes: of
    two, the later one holds. None where that is not known: then the change is as of the moment at which it was asked
    for.
    """

    person: Person
    first_name: str | None
    last_name: str | None
    full_name: str | None
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """The linked account itself. Its LID is what the directory is bound to."""

    phone: PhoneNumber
    lid: Lid
    pushname: str | None
    device: int | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """An image as bytes, with its media type."""

    media_type: str
    data: bytes


class SessionStatus(StrEnum):
    """Where a session stands, in WAHA's words."""

    STOPPED = "STOPPED"
    """Not running, because nobody wants it to."""
    STARTING = "STARTING"
    """On its way up, or waiting for the network to come back."""
    SCAN_QR_CODE = "SCAN_QR_CODE"
    """Waiting for the account's owner to link it."""
    PASSKEY_REQUIRED = "PASSKEY_REQUIRED"
    """WhatsApp asks for the account's passkey."""
    PASSKEY_CONFIRMATION_REQUIRED = "PASSKEY_CONFIRMATION_REQUIRED"
    """The passkey was sent; the owner has to confirm on the phone."""
    WORKING = "WORKING"
    """Linked and connected."""
    FAILED = "FAILED"
    """Cannot go on by itself; `StatusReason` says why."""


class StatusReason(StrEnum):
    """Why a session is in its status, where that needs saying."""

    LOGGED_OUT = "logged_out"
    """The device was removed on the phone."""
    BANNED = "banned"
    """WhatsApp banned the account."""
    REPLACED = "replaced"
    """Another connection with the same credentials took over."""
    OUTDATED = "outdated"
    """WhatsApp refuses the protocol version."""
    ACCOUNT_CHANGED = "account_changed"
    """Another account was linked than the one this directory belongs to."""
    QR_EXPIRED = "qr_expired"
    """Nobody scanned the QR code, or answered for the passkey."""
    TIMEOUT = "timeout"
    """No progress in time."""
    RUNTIME = "runtime"
    """What the engine needs is not on this machine."""
    CRASHED = "crashed"
    """The engine failed again and again."""
    NETWORK = "network"
    """The network is away."""
    STORAGE = "storage"
    """The disk that holds the data dir is full, read-only or failing."""


class LidState(StrEnum):
    """Why a LID has, or has not, a phone number; the value of the header `Lidbook-Lid`."""

    MAPPED = "mapped"
    """The pair is known."""
    PENDING = "pending"
    """The LID has been seen; its phone number has not arrived yet, and is watched for."""
    HIDDEN = "hidden"
    """The server shows this LID without its phone number on purpose."""
    UNKNOWN = "unknown"
    """Nothing is known of it; it is watched for all the same."""


@dataclass(frozen=True, slots=True)
class LidAnswer:
    """The answer to a look-up of a LID or of a phone number's LID."""

    lid: Lid | None
    phone: PhoneNumber | None
    state: LidState
