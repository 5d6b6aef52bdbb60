"""The hooks: what a plugin can ask to be told.

A plugin is a module or an object with functions of these names, marked `@hookimpl`, and named in the entry-point group
`lidbook.plugins`. Each function takes as many of the arguments as it cares for, by name. Hooks are plain functions,
called one plugin after another while the server waits: hand real work to a queue or a task. What a plugin raises is
logged with its name, and nobody else notices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import pluggy
from pydantic import JsonValue

from lidbook.capabilities import Capability
from lidbook.values import SessionStatus, StatusReason

PROJECT: Final = "lidbook"

hookspec: Final = pluggy.HookspecMarker(PROJECT)
hookimpl: Final = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's function as the implementation of the hook of its name."""


class ChangeKind(StrEnum):
    """What happened to somebody in a directory."""

    CONTACT_CREATED = "contact.created"
    """Somebody was listed who was not listed before."""
    CONTACT_UPDATED = "contact.updated"
    """The contact object of a listed person changed; `fields` says where."""
    CONTACT_MERGED = "contact.merged"
    """Two listed rows became one: `subject` stays, `other` now leads to it."""
    CONTACT_DELETED = "contact.deleted"
    """Somebody is listed no longer."""
    CONTACT_BLOCKED = "contact.blocked"
    """The account blocked somebody."""
    CONTACT_UNBLOCKED = "contact.unblocked"
    """The account no longer blocks somebody."""
    LID_MAPPED = "lid.mapped"
    """A new pair of LID (`subject`) and phone number (`other`)."""
    LID_RESOLVED = "lid.resolved"
    """A pair that somebody was waiting for: `subject` is the LID, `other` the phone number."""
    LID_SUPERSEDED = "lid.superseded"
    """The LID `subject` no longer belongs to the phone number `other`."""
    GROUP_REFRESHED = "group.refreshed"
    """A group's subject, description or participants changed."""
    SESSION_STATUS = "session.status"
    """The session went into another status, or shows another QR code or passkey challenge; `data` has the status, as
    clients get it, and nothing of what is shown."""
    CONTACTS_SYNCED = "contacts.synced"
    """The first sync is complete; stands for all of its changes, which are not told one by one."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a session's log, as it was committed."""

    seq: int
    """Its number in the session's log: rising, without repeats."""
    at: int
    """Milliseconds since 1970."""
    kind: ChangeKind
    subject: str
    """Public id of what changed: `…@c.us`, `…@lid` or `…@g.us`; the session's name for `contacts.synced` and
    `session.status`."""
    fields: tuple[str, ...] = ()
    """Names of the keys whose values changed."""
    other: str | None = None
    """The second id, where two are involved."""
    data: Mapping[str, JsonValue] | None = None
    """What else there is to say, as JSON values: see the kinds."""


@hookspec
def lidbook_server_started(url: str, data_dir: Path) -> None:
    """The server answers requests at `url`, and its sessions have begun to come up."""


@hookspec
def lidbook_server_stopping() -> None:
    """The server has been asked to stop; sessions are still there, new requests are not taken any more."""


@hookspec
def lidbook_session_changed(session: str, status: SessionStatus, reason: StatusReason | None) -> None:
    """A session went into another status, or has another reason for the one it is in."""


@hookspec
def lidbook_session_configured(session: str) -> None:
    """A session was made, or its config was replaced; what was changed is on disk."""


@hookspec
def lidbook_session_deleted(session: str) -> None:
    """A session is gone, with everything that was known through it."""


@hookspec
def lidbook_facts_taken(session: str, engine: str, facts: int) -> None:
    """So many facts of an engine were taken into a session's directory, and are on disk."""


@hookspec
def lidbook_live_call_ended(
    session: str, engine: str, capability: Capability, seconds: float, error: str | None
) -> None:
    """A call that reached the engine ended after so long, well or with an error of that code."""


@hookspec
def lidbook_changes_committed(session: str, changes: Sequence[Change]) -> None:
    """A batch of changes to one session's directory is on disk, in the order of `seq`; told once, never again after a
    crash, so what must not miss any reads the log from its own last `seq`."""
