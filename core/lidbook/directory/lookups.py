"""Look-ups of one identifier: plain calls of a few microseconds on the event loop."""

from typing import Final

from lidbook.directory.database import Database
from lidbook.directory.projection import unknown_person
from lidbook.directory.state import Entry, State, decode, field_value, new_state, outranks
from lidbook.facts import Field, FieldValue
from lidbook.identifiers import Lid, PhoneNumber, UserId, parse_wire, spellings
from lidbook.values import LidAnswer, LidState, Person

_BY_ID: Final = "SELECT doc FROM person WHERE session = ? AND id = ?"
_BY_LID: Final = "SELECT doc FROM person INDEXED BY person_by_lid WHERE session = ? AND mapped = 1 AND lid = ?"
_PHONE_OF_LID: Final = "SELECT id FROM person INDEXED BY person_by_lid WHERE session = ? AND mapped = 1 AND lid = ?"
_LID_OF_PHONE: Final = "SELECT lid FROM person WHERE session = ? AND id = ?"
_STATE: Final = "SELECT peer, state FROM identifier WHERE session = ? AND id = ?"


class Lookups:
    """What is known of one phone number or LID of a session, read where it is asked for."""

    def __init__(self, database: Database, session: int) -> None:
        self._database = database
        self._session = session

    def contact(self, user: UserId) -> bytes:
        """The contact object of a person; of somebody unknown, the object with nulls."""
        document = self._document(str(user))
        if document is None:
            canonical = self._canonical(user)
            document = self._document(str(canonical)) if canonical != user else None
        return document if document is not None else unknown_person(str(user))

    def is_known(self, user: UserId) -> bool:
        """Whether anything was ever said of this identifier."""
        return self._database.reader.execute(_STATE, (self._session, str(user))).fetchone() is not None

    def person(self, user: UserId) -> Person:
        """Everything a person is known by, from one of their identifiers."""
        user = self._canonical(user)
        phone, phone_state, lid, lid_state = self._states(user)
        username = _newest(Field.USERNAME, phone_state, lid_state)
        held = username[0] if username is not None else None
        return Person(
            PhoneNumber(phone[:-5]) if phone else None,
            Lid(lid[:-4]) if lid else None,
            held if isinstance(held, str) else None,
        )

    def known(self, user: UserId, field: Field) -> tuple[FieldValue, int] | None:
        """What is known of one field of a person, and since when (ms); None when nothing was ever said."""
        _, phone_state, _, lid_state = self._states(self._canonical(user))
        entry = _newest(field, phone_state, lid_state)
        return None if entry is None else (field_value(entry), entry[2])

    def said(self, user: UserId, field: Field) -> tuple[FieldValue, int] | None:
        """The same of this identifier alone, its other half and its canonical spelling left aside."""
        row = self._database.reader.execute(_STATE, (self._session, str(user))).fetchone()
        entry = decode(row[1]).fields.get(field.value) if row is not None else None
        return None if entry is None else (field_value(entry), entry[2])

    def known_pair(self, lid: Lid) -> LidAnswer:
        """The phone number behind a LID, if it is known, or why not."""
        reader, key = self._database.reader, (self._session, str(lid))
        row = reader.execute(_PHONE_OF_LID, key).fetchone()
        if row is not None:
            return LidAnswer(lid, PhoneNumber(row[0][:-5]), LidState.MAPPED)
        row = reader.execute(_STATE, key).fetchone()
        if row is None:
            return LidAnswer(lid, None, LidState.UNKNOWN)
        hidden = decode(row[1]).fields.get(Field.HIDDEN.value)
        state = LidState.HIDDEN if hidden is not None and hidden[0] is True else LidState.PENDING
        return LidAnswer(lid, None, state)

    def phone_pair(self, phone: PhoneNumber) -> LidAnswer:
        """The LID of a phone number, as far as the directory knows; `phone` is answered in the server's spelling."""
        row = self._database.reader.execute(_LID_OF_PHONE, (self._session, str(phone))).fetchone()
        if row is None:
            canonical = self._canonical(phone)
            if canonical != phone and isinstance(canonical, PhoneNumber):
                row = self._database.reader.execute(_LID_OF_PHONE, (self._session, str(canonical))).fetchone()
                phone = canonical
        if row is not None and row[0] is not None:
            return LidAnswer(Lid(row[0][:-4]), phone, LidState.MAPPED)
        registered = self.said(phone, Field.REGISTERED)
        nobody = row is None or (registered is not None and registered[0] is False)
        return LidAnswer(None, phone, LidState.UNKNOWN if nobody else LidState.PENDING)

    def _document(self, key: str) -> bytes | None:
        reader = self._database.reader
        row = None
        if key.endswith("@lid"):
            row = reader.execute(_BY_LID, (self._session, key)).fetchone()
        if row is None:
            row = reader.execute(_BY_ID, (self._session, key)).fetchone()
        return None if row is None else row[0]

    def _canonical(self, user: UserId) -> UserId:
        """The spelling under which the server knows a phone number, where it is known to differ.

        A number of which nothing is known is taken for its other spelling if somebody is known under that: in the
        countries concerned both are one subscriber.
        """
        if isinstance(user, Lid):
            return user
        key = str(user)
        row = self._database.reader.execute(_STATE, (self._session, key)).fetchone()
        if row is not None:
            alias = decode(row[1]).fields.get(Field.ALIAS.value)
            return parse_wire(alias[0]) if alias is not None and isinstance(alias[0], str) and alias[0] else user
        for other in spellings(user)[1:]:
            if self._database.reader.execute(_LID_OF_PHONE, (self._session, str(other))).fetchone() is not None:
                return other
        return user

    def _states(self, user: UserId) -> tuple[str | None, State, str | None, State]:
        key = str(user)
        reader = self._database.reader
        row = reader.execute(_STATE, (self._session, key)).fetchone()
        own = decode(row[1]) if row is not None else new_state()
        peer: str | None = row[0] if row is not None else None
        other = new_state()
        if peer is not None:
            stored = reader.execute(_STATE, (self._session, peer)).fetchone()
            other = decode(stored[1])
        if isinstance(user, Lid):
            return peer, other, key, own
        return key, own, peer, other


def _newest(field: Field, *states: State) -> Entry | None:
    found: Entry | None = None
    for state in states:
        entry = state.fields.get(field.value)
        if entry is not None and (found is None or outranks(entry, found)):
            found = entry
    return found
