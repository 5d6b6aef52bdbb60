"""Events as clients get them: WAHA's envelope around one entry of a session's log, for webhooks and websocket alike."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from pydantic import JsonValue

from lidbook.hookspecs import Change, ChangeKind
from lidbook.identifiers import parse_wire
from lidbook.session_config import WAHA_EVENTS
from lidbook.sessions.session import Session
from lidbook.ulid import ulid
from lidbook_api.shown import me, pending

_NOT_IN_STAR: Final = frozenset({"state.change", "engine.event"})
"""Events of WAHA's that `*` leaves out, as WAHA does."""


TEST_EVENT: Final = "webhook.test"


PRUNED: Final = "webhook.pruned"
"""Event of a dead letter that stands for entries which the log forgot before a webhook's receiver was there again."""
TEST: Final = "webhook.test"
"""Event that a webhook is tried out with."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event, ready to be sent."""

    id: str
    """`evt_` and a ULID; the same however often it is sent, and after a restart."""
    name: str
    session: str
    seq: int
    timestamp: int
    """Milliseconds since 1970: when it happened."""
    body: bytes
    """The envelope, as UTF-8 JSON."""


def is_wanted(name: str, wanted: Sequence[str]) -> bool:
    """Whether a list of event names and wildcards asks for an event; `*` means WAHA's own set."""
    if name in wanted or f"{name.partition('.')[0]}.*" in wanted:
        return True
    return "*" in wanted and name in WAHA_EVENTS and name not in _NOT_IN_STAR


class EventWriter:
    """Writes events. `instance` tells those of this database from any other's, `environment` says who sends them."""

    def __init__(self, instance: str, environment: dict[str, JsonValue]) -> None:
        self._instance = instance
        self._environment = environment

    def event_id(self, session: Session, change: Change) -> str:
        """The event's id: a ULID that follows from the entry alone."""
        name = f"{self._instance}/{session.id}/{change.seq}".encode()
        return "evt_" + ulid(change.at, hashlib.sha256(name).digest())

    def write(self, session: Session, change: Change) -> Event:
        """One entry of a session's log, as an event. A contact in it is as it is known now."""
        event_id, payload = self.event_id(session, change), _payload(session, change)
        return self.compose(session, event_id, change.kind.value, change.seq, change.at, payload)

    def kept(self, session: Session, change: Change, event: Event) -> Event:
        """The event as it may be kept on disk: without a passkey's challenge or code, which are good for a minute."""
        if change.kind is not ChangeKind.SESSION_STATUS:
            return event
        payload = {**_payload(session, change), "data": None}
        return self.compose(session, event.id, event.name, event.seq, event.timestamp, payload)

    def pruned(self, session: Session, first: int, last: int, at: int) -> Event:
        """That the log forgot the entries from `first` to `last` before they were sent."""
        name = f"{self._instance}/{session.id}/pruned/{first}-{last}".encode()
        event_id = "evt_" + ulid(at, hashlib.sha256(name).digest())
        return self.compose(session, event_id, PRUNED, last, at, {"from": first, "to": last, "seq": last})

    def test(self, session: Session, at: int) -> Event:
        """What a webhook is tried out with; each is another one."""
        return self.compose(session, "evt_" + ulid(at), TEST, 0, at, {"name": session.name})

    def compose(
        self, session: Session, event_id: str, name: str, seq: int, at: int, payload: Mapping[str, object]
    ) -> Event:
        """Any event, in WAHA's envelope."""
        envelope: dict[str, object] = {
            "id": event_id,
            "timestamp": at,
            "event": name,
            "session": session.name,
            "metadata": session.config.metadata,
            "me": None if session.account is None else me(session.account),
            "payload": payload,
            "engine": session.engine.name,
            "environment": self._environment,
        }
        if session.config.metadata is None:
            del envelope["metadata"]
        return Event(event_id, name, session.name, seq, at, orjson.dumps(envelope))


def _payload(session: Session, change: Change) -> dict[str, object]:
    kind, seq = change.kind, change.seq
    if kind is ChangeKind.SESSION_STATUS:
        status = change.data or {}
        return {"name": session.name, **status, "data": pending(session, status.get("status")), "seq": seq}
    if kind is ChangeKind.CONTACTS_SYNCED:
        return {"name": session.name, "seq": seq}
    if kind is ChangeKind.GROUP_REFRESHED:
        return {"id": change.subject, "seq": seq}
    if kind in (ChangeKind.LID_MAPPED, ChangeKind.LID_RESOLVED, ChangeKind.LID_SUPERSEDED):
        return {"lid": change.subject, "pn": change.other, "contact": _contact(session, change.subject), "seq": seq}
    return {
        "id": change.subject,
        "from": change.other,
        "fields": list(change.fields),
        "contact": None if kind is ChangeKind.CONTACT_DELETED else _contact(session, change.subject),
        "seq": seq,
    }


def _contact(session: Session, public_id: str) -> orjson.Fragment:
    return orjson.Fragment(session.directory.contact(parse_wire(public_id)))
