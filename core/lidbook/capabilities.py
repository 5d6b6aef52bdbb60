"""What a user can ask for, how far an engine supports it, and what an engine feeds the directory with."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self


class Capability(StrEnum):
    """One thing a user can ask of contacts, LIDs, groups or the session."""

    served_by: Literal["directory", "engine"]
    label: str
    route: str

    def __new__(cls, value: str, served_by: Literal["directory", "engine"], label: str, route: str) -> Self:
        """A member is its wire name; the rest describes it to people."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.served_by = served_by
        member.label = label
        member.route = route
        return member

    CONTACTS_LIST = "contacts.list", "directory", "List contacts", "GET /api/contacts/all"
    """All contacts of the account: address book, chats, push names and blocklist."""
    CONTACTS_GET = "contacts.get", "directory", "Get a contact", "GET /api/contacts"
    """One person, asked for by phone number or LID."""
    CONTACTS_UPDATE = "contacts.update", "engine", "Update a contact", "PUT /api/{session}/contacts/{chatId}"
    """Write first and last name into the account's address book."""
    CONTACTS_DELETE = (
        "contacts.delete",
        "engine",
        "Delete a contact",
        "DELETE /api/{session}/contacts/{chatId}",
    )
    """Remove a person from the account's address book."""
    CONTACTS_CHECK = "contacts.check", "engine", "Check a phone number", "GET /api/contacts/check-exists"
    """Is this number registered on WhatsApp, and under which spelling?"""
    CONTACTS_ABOUT = "contacts.about", "engine", "Get the about text", "GET /api/contacts/about"
    """The text a person wrote about themselves, as far as their privacy lets this account see it."""
    CONTACTS_PICTURE = (
        "contacts.picture",
        "engine",
        "Get the profile picture",
        "GET /api/contacts/profile-picture",
    )
    """The address of a person's profile picture, as far as their privacy lets this account see it."""
    CONTACTS_BLOCK = "contacts.block", "engine", "Block a contact", "POST /api/contacts/block"
    """Put a person on the account's blocklist."""
    CONTACTS_UNBLOCK = "contacts.unblock", "engine", "Unblock a contact", "POST /api/contacts/unblock"
    """Take a person off the account's blocklist."""
    BLOCKLIST = "blocklist", "directory", "List blocked contacts", "GET /api/{session}/blocklist"
    """Everybody the account has blocked."""
    LIDS_LIST = "lids.list", "directory", "List known LIDs", "GET /api/{session}/lids"
    """All known pairs of LID and phone number."""
    LIDS_COUNT = "lids.count", "directory", "Count known LIDs", "GET /api/{session}/lids/count"
    """How many pairs are known."""
    LIDS_PHONE = "lids.phone", "directory", "Phone number of a LID", "GET /api/{session}/lids/{lid}"
    """LID to phone number. No server answers it: what is unknown is watched until it resolves."""
    LIDS_LID = "lids.lid", "directory", "LID of a phone number", "GET /api/{session}/lids/pn/{phoneNumber}"
    """Phone number to LID, as far as the directory knows it."""
    LIDS_QUERY = (
        "lids.query",
        "engine",
        "Ask the server for a LID",
        "GET /api/{session}/lids/pn/{phoneNumber}",
    )
    """Phone number to LID by a live query, where the directory has no answer."""
    GROUPS_LIST = "groups.list", "directory", "List groups", "GET /api/{session}/groups"
    """The groups the account is in, with their participants: where most LIDs are met."""
    GROUPS_REFRESH = "groups.refresh", "engine", "Refresh groups", "POST /api/{session}/groups/refresh"
    """Fetch all groups from the server again."""
    SESSION_QR = "session.qr", "directory", "Pair by QR code", "GET /api/{session}/auth/qr"
    """Link the account by scanning a QR code."""
    SESSION_PAIRING_CODE = (
        "session.pairing_code",
        "engine",
        "Pair by code",
        "POST /api/{session}/auth/request-code",
    )
    """Link the account by typing a code on the phone."""
    SESSION_PASSKEY = "session.passkey", "engine", "Pair with a passkey", "POST /api/{session}/auth/passkey"
    """Answer for the account's passkey, where WhatsApp asks for it before it links a device."""
    SESSION_SCREENSHOT = "session.screenshot", "engine", "Screenshot", "GET /api/screenshot"
    """A picture of what the engine's browser shows."""
    SESSION_LOGOUT = "session.logout", "engine", "Log out", "POST /api/sessions/{session}/logout"
    """Unlink this device from the account."""


class Feed(StrEnum):
    """A kind of fact that an engine declares it supplies; the directory reads rest on these."""

    CONTACTS = "contacts"
    """The account's address book: names and the whole list at first sync, and what changes."""
    PUSHNAMES = "pushnames"
    """The names people gave themselves."""
    LIDS = "lids"
    """Pairs of LID and phone number."""
    GROUPS = "groups"
    """Groups with their participants."""
    BLOCKLIST = "blocklist"
    """The whole blocklist at start, and its changes."""
    QR = "qr"
    """Pairing codes for the screen, while the account is not linked."""


FEEDS_NEEDED: dict[Capability, frozenset[Feed]] = {
    Capability.CONTACTS_LIST: frozenset({Feed.CONTACTS, Feed.PUSHNAMES}),
    Capability.CONTACTS_GET: frozenset({Feed.CONTACTS, Feed.PUSHNAMES}),
    Capability.BLOCKLIST: frozenset({Feed.BLOCKLIST}),
    Capability.LIDS_LIST: frozenset({Feed.LIDS}),
    Capability.LIDS_COUNT: frozenset({Feed.LIDS}),
    Capability.LIDS_PHONE: frozenset({Feed.LIDS}),
    Capability.LIDS_LID: frozenset({Feed.LIDS}),
    Capability.GROUPS_LIST: frozenset({Feed.GROUPS}),
    Capability.SESSION_QR: frozenset({Feed.QR}),
}
"""Which feeds must be declared before a directory read counts as provided."""


class Level(StrEnum):
    """How far an engine supports a capability."""

    FULL = "full"
    """Works, with nothing to add."""
    PARTIAL = "partial"
    """Works, within the limits that the note names."""
    PLANNED = "planned"
    """Does not work yet; the note says what is missing."""
    ABSENT = "absent"
    """Does not work and will not; the note says why."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What an engine says of itself about one capability."""

    level: Level
    note: str | None = None

    def __post_init__(self) -> None:
        if self.level is not Level.FULL and not self.note:
            raise TypeError(f"a claim of level {self.level.value!r} needs a note that says why")

    @property
    def provided(self) -> bool:
        """Whether a call may be made at all."""
        return self.level in (Level.FULL, Level.PARTIAL)


def full(note: str | None = None) -> Claim:
    """Works."""
    return Claim(Level.FULL, note)


def partial(note: str) -> Claim:
    """Works, within the limits that `note` names."""
    return Claim(Level.PARTIAL, note)


def planned(note: str) -> Claim:
    """Does not work yet; `note` says what is missing."""
    return Claim(Level.PLANNED, note)


def absent(note: str) -> Claim:
    """Does not and will not work; `note` says why."""
    return Claim(Level.ABSENT, note)
